//! `person`: one person's data in a tenant, exported or deleted on request, on one machine and on AWS.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;
use runtime::{Backend, private_files};
use tenants::person;
use tenants::person::{Ask, PersonReport};

use crate::codes;
use crate::operate::{progress, who};

/// What is done with a person's data.
#[derive(Debug, Subcommand)]
pub enum Person {
    /// Writes everything that is stored of a person here as JSON: where it lies, and what is in it. Secrets are masked.
    Export {
        /// Who, by all that is known: `contact 42`, `user 15`, a Slack id, an e-mail, a phone number, words of a name.
        #[arg(required = true)]
        who: Vec<String>,
        /// Whose data; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// The file, readable by its owner only; it must not exist. Printed if not said.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Shows what would be deleted of a person here, and what would stay and why; with --yes it deletes that.
    Forget {
        /// Who, by all that is known: `contact 42`, `user 15`, a Slack id, an e-mail, a phone number, words of a name.
        #[arg(required = true)]
        who: Vec<String>,
        /// Whose data; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Deletes it, for good.
        #[arg(long)]
        yes: bool,
    },
}

/// Does it; what to print.
pub async fn run(ports: &Backend, command: Person) -> anyhow::Result<String> {
    match command {
        Person::Export { who, tenant, to } => export(ports, &asked(&who)?, tenant, to.as_deref()).await,
        Person::Forget { who, tenant, yes: false } => plan(ports, &asked(&who)?, tenant).await,
        Person::Forget { who, tenant, yes: true } => forget(ports, &asked(&who)?, tenant).await,
    }
}

fn asked(who: &[String]) -> anyhow::Result<Vec<Ask>> {
    Ok(who.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

async fn export(ports: &Backend, asked: &[Ask], tenant: Option<String>, to: Option<&Path>) -> anyhow::Result<String> {
    let tenant = codes::tenant(ports, tenant).await?;
    let spinner = progress(0, "searching");
    let finding = person::find(ports, &tenant, asked, usize::MAX).await?;
    spinner.finish_and_clear();
    let document = serde_json::to_string_pretty(&person::export(&finding, &tenant, ports.clock.now()))?;
    let Some(to) = to else {
        person::note_export(ports, &tenant, asked, &who()).await?;
        return Ok(document);
    };
    let mut file = private_files::create(to).with_context(|| format!("cannot create the file {}", to.display()))?;
    file.write_all(document.as_bytes()).with_context(|| format!("cannot write {}", to.display()))?;
    person::note_export(ports, &tenant, asked, &who()).await?;
    Ok(format!(
        "Wrote {} items and {} failed deliveries to {}. It can hold data of others who are named in the same items: read it before you hand it out.",
        finding.items.len(),
        finding.letters.len(),
        to.display()
    ))
}

async fn plan(ports: &Backend, asked: &[Ask], tenant: Option<String>) -> anyhow::Result<String> {
    let tenant = codes::tenant(ports, tenant).await?;
    let spinner = progress(0, "searching");
    let finding = person::find(ports, &tenant, asked, usize::MAX).await?;
    spinner.finish_and_clear();
    let mut text = found(&finding);
    text.push_str("\nNothing was changed. Say --yes to do it; `person export` before, for a copy.");
    Ok(text)
}

async fn forget(ports: &Backend, asked: &[Ask], tenant: Option<String>) -> anyhow::Result<String> {
    let tenant = codes::tenant(ports, tenant).await?;
    let spinner = progress(0, "deleting");
    let done = person::forget(ports, &tenant, asked, &who(), usize::MAX).await?;
    spinner.finish_and_clear();
    let mut text = format!(
        "{} items deleted, {} items without the person's words, {} failed deliveries discarded.\n",
        done.deleted, done.blanked, done.discarded
    );
    let open = done.left.items.iter().filter(|found| !matches!(found.action, person::ForgetAction::Keep(_))).count();
    if open > 0 {
        bail!("{text}{open} items were written again meanwhile: run the same command once more");
    }
    stays(&mut text, &done.left);
    Ok(text)
}

/// What was found, and what becomes of it.
fn found(finding: &PersonReport) -> String {
    let mut text = format!("Looked for: {}\n", finding.person.looked_for().words().join(", "));
    let left_out = finding.person.left_out();
    if !left_out.is_empty() {
        let _ = writeln!(
            text,
            "Not looked for by themselves, as they could be others': {}. Name them as well if they are certain.",
            left_out.join(", ")
        );
    }
    let counts = finding.counts();
    if counts.is_empty() {
        text.push_str("Nothing is stored of them here.\n");
    }
    for (kind, action, count) in counts {
        let _ = writeln!(text, "{count:>7}  {kind}: {action}");
    }
    stays(&mut text, finding);
    text
}

fn stays(text: &mut String, finding: &PersonReport) {
    text.push_str("\nWhat stays, and why:\n");
    for remains in person::remains(finding) {
        let _ = writeln!(text, "  - {}", remains.line());
    }
}
