//! `person`: one person's data in a tenant, exported or deleted on request, on one machine and on AWS.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;
use runtime::Backend;
use tenants::person;
use tenants::person::{Ask, PersonReport};

use crate::codes;
use crate::terminal::{new_file, operator, spinning};

/// What to do with a person's data.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Writes everything that is stored about a person here as JSON: where it is stored, and what it says. Secrets are masked.
    Export {
        /// All that is known of the person: `contact 42`, `user 15`, a Slack id, an e-mail, a phone number, words of a name.
        #[arg(required = true)]
        who: Vec<String>,
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// The file, which only its owner may read. It must not exist yet. Without it, the data is printed.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Shows what would be deleted about a person here, what would stay, and why. With `--yes`, deletes it.
    Forget {
        /// All that is known of the person: `contact 42`, `user 15`, a Slack id, an e-mail, a phone number, words of a name.
        #[arg(required = true)]
        who: Vec<String>,
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Deletes it, for good.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs a command; returns what to print.
pub async fn run(backend: &Backend, command: PersonCommand) -> anyhow::Result<String> {
    match command {
        PersonCommand::Export { who, tenant, to } => export(backend, &parsed(&who)?, tenant, to.as_deref()).await,
        PersonCommand::Forget { who, tenant, yes: false } => plan(backend, &parsed(&who)?, tenant).await,
        PersonCommand::Forget { who, tenant, yes: true } => forget(backend, &parsed(&who)?, tenant).await,
    }
}

fn parsed(who: &[String]) -> anyhow::Result<Vec<Ask>> {
    Ok(who.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

async fn export(backend: &Backend, asked: &[Ask], tenant: Option<String>, to: Option<&Path>) -> anyhow::Result<String> {
    let tenant = codes::tenant(backend, tenant).await?;
    let finding = spinning("searching", person::find(backend, &tenant, asked, usize::MAX)).await?;
    let document = serde_json::to_string_pretty(&person::export(&finding, &tenant, backend.clock.now()))?;
    let Some(to) = to else {
        person::note_export(backend, &tenant, asked, &operator()).await?;
        return Ok(document);
    };
    new_file(to)?.write_all(document.as_bytes()).with_context(|| format!("cannot write {}", to.display()))?;
    person::note_export(backend, &tenant, asked, &operator()).await?;
    Ok(format!(
        "Wrote {} items and {} failed deliveries to {}. It can hold data of others who are named in the same items: read it before you pass it on.",
        finding.items.len(),
        finding.letters.len(),
        to.display()
    ))
}

async fn plan(backend: &Backend, asked: &[Ask], tenant: Option<String>) -> anyhow::Result<String> {
    let tenant = codes::tenant(backend, tenant).await?;
    let finding = spinning("searching", person::find(backend, &tenant, asked, usize::MAX)).await?;
    let mut text = found(&finding);
    text.push_str("\nNothing was changed. `--yes` does it; `person export` makes a copy.");
    Ok(text)
}

async fn forget(backend: &Backend, asked: &[Ask], tenant: Option<String>) -> anyhow::Result<String> {
    let tenant = codes::tenant(backend, tenant).await?;
    let operator = operator();
    let forgetting = person::forget(backend, &tenant, asked, &operator, usize::MAX);
    let done = spinning("deleting", forgetting).await?;
    let mut text = format!(
        "{} items deleted, {} items without the person's words, {} failed deliveries discarded.\n",
        done.deleted, done.blanked, done.discarded
    );
    let open = done.left.items.iter().filter(|found| !matches!(found.action, person::ForgetAction::Keep(_))).count();
    if open > 0 {
        bail!("{text}{open} items were written again meanwhile; run the same command again");
    }
    stays(&mut text, &done.left);
    Ok(text)
}

/// What was found, and what happens to it.
fn found(finding: &PersonReport) -> String {
    let mut text = format!("Searched for: {}\n", finding.person.looked_for().words().join(", "));
    let left_out = finding.person.left_out();
    if !left_out.is_empty() {
        let _ = writeln!(
            text,
            "Not searched for on their own, because they could be someone else's: {}. If they are certain, name them as well.",
            left_out.join(", ")
        );
    }
    let counts = finding.counts();
    if counts.is_empty() {
        text.push_str("Nothing is stored about this person here.\n");
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
