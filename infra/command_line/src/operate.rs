//! What operators do on the command line, on one machine and on AWS: checks, the event log, dead letters, queues.

use std::fmt::Write;

use anyhow::bail;
use clap::Subcommand;
use clients::Connections;
use jobs::queues;
use operations::dead_letters::{DeadLetterGroup, Letter, Letters, Which, grouped};
use operations::doctor::{Check, CheckVerdict, ConfiguredTokens, Doctor};
use operations::log;
use operations::log::{EventTrail, LogFilter, LogStatus, delivery_reason, event_reason};
use runtime::calls::ProviderCall;
use runtime::ledger::{DeliveryStatus, Ledger};
use runtime::{Backend, TenantId, TraceId};
use serde::Serialize;
use tenants::audit::Audit;
use tenants::portals::Portals;

use crate::codes;
use crate::terminal::{operator, progress, spinning};

/// Dead letters of a group that are shown.
const MAX_SHOWN: usize = 10;

/// What operators do.
#[derive(Debug, Subcommand)]
pub enum OperateCommand {
    /// Checks every connection, permission, subscription, channel, database and the clock, and names the fix for each problem.
    /// Changes nothing.
    Doctor {
        /// Only this tenant. Without it, all of them.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Shows the whole path of one event: when it arrived, what was decided, each delivery with its calls.
    Trace {
        /// The trace id, as each log line and page shows it.
        id: TraceId,
        /// The tenant. Without it, all are searched.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Searches the event log, newest first.
    Events {
        /// A record (`deal 42`), a channel, a route, or any words.
        words: Vec<String>,
        /// Only events that are `delivered`, `waiting`, `skipped` or `dead`.
        #[arg(long)]
        status: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        most: usize,
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Lists, retries and discards failed deliveries (dead letters).
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Shows how many messages wait in each queue, and since when the oldest waits.
    Queues,
    /// Shows who changed what, newest first.
    Audit {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        most: usize,
    },
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// Lists them, grouped by cause.
    List {
        /// Which.
        #[command(flatten)]
        which: LetterFilter,
    },
    /// Shows one of them with its job.
    Show {
        /// Its name, as the list shows it: `slack-delivery/17`.
        name: String,
    },
    /// Puts their jobs back into their queues. What a job had done before it failed is not done twice.
    Redrive {
        /// Which ones; `--all` for all of them.
        #[command(flatten)]
        which: LetterFilter,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Only shows what would be put back.
        #[arg(long)]
        dry_run: bool,
    },
    /// Deletes them for good. The event log shows who did, and why.
    Discard {
        /// Which ones; `--all` for all of them.
        #[command(flatten)]
        which: LetterFilter,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Which dead letters.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LetterFilter {
    /// One of them, by its name: `slack-delivery/17`.
    name: Option<String>,
    /// Those of this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Those with this error code.
    #[arg(long)]
    code: Option<String>,
    /// Those with these words in their reason, trace or job.
    #[arg(long, default_value = "")]
    text: String,
    /// Those of this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

impl LetterFilter {
    fn which(&self) -> anyhow::Result<(Which, Option<TenantId>)> {
        let queue = match &self.queue {
            Some(name) => match queues::ALL.into_iter().find(|queue| queue.name() == name) {
                Some(queue) => Some(queue),
                None => bail!("there is no queue {name:?}; `queues` lists them"),
            },
            None => None,
        };
        let which = Which { queue, code: self.code.clone(), name: self.name.clone(), text: self.text.clone() };
        Ok((which, self.tenant.clone().map(TenantId::new).transpose()?))
    }

    fn is_everything(&self) -> bool {
        self.name.is_none()
            && self.queue.is_none()
            && self.code.is_none()
            && self.text.is_empty()
            && self.tenant.is_none()
    }
}

/// The deployment that a command is for.
pub struct Deployment {
    /// The engine.
    pub backend: Backend,
    /// The providers.
    pub connections: Connections,
    /// The address at which providers reach the deployment, if it is known.
    pub public_url: Option<String>,
    /// The tokens that the configuration names.
    pub configured: Option<ConfiguredTokens>,
    /// Whether to print JSON.
    pub json: bool,
}

/// Runs a command; returns what to print. If something is wrong, that is an error, for scripts.
pub async fn run(deployment: &Deployment, command: OperateCommand) -> anyhow::Result<String> {
    match command {
        OperateCommand::Doctor { tenant } => Box::pin(doctor(deployment, tenant)).await,
        OperateCommand::Trace { id, tenant } => trace(deployment, id, tenant).await,
        OperateCommand::Events { words, status, most, tenant } => {
            let status = match status.as_deref() {
                Some(name) => match LogStatus::named(name) {
                    Some(status) => Some(status),
                    None => bail!("unknown status {name:?}; choose delivered, waiting, skipped or dead"),
                },
                None => None,
            };
            events(deployment, &LogFilter { text: words.join(" "), status, ..LogFilter::default() }, most, tenant).await
        }
        OperateCommand::Dead { command } => dead(deployment, command).await,
        OperateCommand::Queues => queues(deployment).await,
        OperateCommand::Audit { tenant, most } => audit(deployment, tenant, most).await,
    }
}

impl Deployment {
    fn shown<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<String> {
        Ok(if self.json { serde_json::to_string_pretty(value)? } else { text() })
    }

    async fn tenants(&self, named: Option<String>) -> anyhow::Result<Vec<TenantId>> {
        match named {
            Some(named) => Ok(vec![TenantId::new(named)?]),
            None => Ok(Portals::new(self.backend.store.clone(), self.backend.clock.clone()).tenants().await?),
        }
    }
}

#[derive(Serialize)]
struct Examined {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(flatten)]
    check: Check,
}

async fn doctor(deployment: &Deployment, tenant: Option<String>) -> anyhow::Result<String> {
    let doctor = Doctor::new(&deployment.backend, &deployment.connections, deployment.public_url.as_deref());
    let doctor = doctor.with_configured(deployment.configured.as_ref());
    let mut all = Vec::new();
    let spinner = progress(0, "looking");
    let add = |all: &mut Vec<Examined>, tenant: Option<&TenantId>, check: Check| {
        if !deployment.json {
            // Each check is printed at once: a provider that is down delays the rest.
            spinner.suspend(|| println!("{}", line(&check)));
        }
        all.push(Examined { tenant: tenant.cloned(), check });
    };
    doctor.examine_deployment(&mut |check| add(&mut all, None, check)).await;
    let tenants = deployment.tenants(tenant).await?;
    for tenant in &tenants {
        if !deployment.json {
            spinner.suspend(|| println!("\nTenant {tenant}"));
        }
        doctor.examine(tenant, &mut |check| add(&mut all, Some(tenant), check)).await;
    }
    spinner.finish_and_clear();
    let wrong = all.iter().filter(|one| one.check.verdict == CheckVerdict::Wrong).count();
    let summary = match (wrong, tenants.is_empty()) {
        (0, true) => "Nothing is wrong; no portal is connected yet.".to_owned(),
        (0, false) => "Nothing is wrong.".to_owned(),
        (1, _) => "1 thing is wrong.".to_owned(),
        (wrong, _) => format!("{wrong} things are wrong."),
    };
    let shown = deployment.shown(&all, || format!("\n{summary}"))?;
    if wrong > 0 {
        println!("{shown}");
        bail!("{summary}");
    }
    Ok(shown)
}

fn line(check: &Check) -> String {
    let mark = match check.verdict {
        CheckVerdict::Fine => "ok    ",
        CheckVerdict::Notice => "notice",
        CheckVerdict::Wrong => "WRONG ",
    };
    let fix = if check.fix.is_empty() { String::new() } else { format!("\n       → {}", check.fix) };
    format!("{mark} {}: {}{fix}", check.what, check.seen)
}

async fn trace(deployment: &Deployment, id: TraceId, tenant: Option<String>) -> anyhow::Result<String> {
    let ledger = Ledger::new(deployment.backend.store.clone());
    for tenant in deployment.tenants(tenant).await? {
        if let Some(way) = log::way(&ledger, &tenant, id).await? {
            return deployment.shown(&way, || whole_path(&way));
        }
    }
    bail!("no event has the trace id {id}. The event log is kept for 30 days; each of its lines shows its trace id");
}

/// The full path of an event.
fn whole_path(way: &EventTrail) -> String {
    let mut text = format!("{} {} arrived {}", way.record().unwrap_or("event"), way.trace, way.arrived_at());
    let mut add = |line: String| {
        text.push('\n');
        text.push_str(&line);
    };
    if let Some(event) = &way.event {
        let millis = event.decided_at.duration_since(event.received_at).as_millis();
        add(format!(
            "  {} {}: {}, {millis} ms later",
            event.event,
            LogStatus::of_event(event).name(),
            event.changes.join(", ")
        ));
        if let Some(reason) = event_reason(event) {
            add(format!("    {reason}"));
        }
        event.remark.iter().for_each(|remark| add(format!("    {remark}")));
        event.left.iter().for_each(|left| add(format!("    left: {left}")));
        event.calls.iter().for_each(|call| add(call_line(call)));
    }
    for line in &way.deliveries {
        add(format!(
            "  {} {} by {}: {}, {} calls",
            line.destination,
            line.change,
            line.route,
            LogStatus::of_delivery(line).name(),
            line.attempts
        ));
        if let DeliveryStatus::Delivered { at, provider_id } = &line.status {
            add(format!("    {} ms after arrival, as {provider_id}", at.duration_since(way.arrived_at()).as_millis()));
        }
        if let Some(reason) = delivery_reason(line) {
            add(format!("    {reason}"));
        }
        line.calls.iter().for_each(|call| add(call_line(call)));
    }
    text
}

fn call_line(call: &ProviderCall) -> String {
    format!("    {} ({} ms) {} → {}", call.to, call.ms, call.request, call.answer)
}

async fn events(
    deployment: &Deployment,
    filter: &LogFilter,
    most: usize,
    tenant: Option<String>,
) -> anyhow::Result<String> {
    let tenant = codes::tenant(&deployment.backend, tenant).await?;
    let ledger = Ledger::new(deployment.backend.store.clone());
    let (mut ways, mut after) = (Vec::new(), None);
    let spinner = progress(0, "searching");
    // A page may have no match: the search continues to the end of the log.
    while ways.len() < most {
        let now = deployment.backend.clock.now();
        let found = log::search(&ledger, &tenant, filter, after.as_deref(), most - ways.len(), now).await?;
        ways.extend(found.ways);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    spinner.finish_and_clear();
    deployment.shown(&ways, || {
        if ways.is_empty() {
            return "Nothing found.".into();
        }
        let line = |way: &EventTrail| {
            let event = way.event.as_ref().map_or("", |event| event.event.as_str());
            let at = way.arrived_at().strftime("%Y-%m-%d %H:%M:%S");
            format!("{at}  {:<9} {:<14} {event}  {}", way.status().name(), way.record().unwrap_or("-"), way.trace)
        };
        ways.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

async fn queues(deployment: &Deployment) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Queue {
        queue: &'static str,
        #[serde(flatten)]
        depth: runtime::queue::Depth,
    }
    let mut all = Vec::new();
    for queue in queues::ALL {
        all.push(Queue { queue: queue.name(), depth: deployment.backend.queue.depth(queue).await? });
    }
    deployment.shown(&all, || {
        let mut text = format!("{:<20} {:>8} {:>6}  oldest", "queue", "waiting", "dead");
        for Queue { queue, depth } in &all {
            let oldest = depth.oldest.map_or_else(|| "-".into(), |at| at.to_string());
            // Writing to a string does not fail.
            let _ = write!(text, "\n{queue:<20} {:>8} {:>6}  {oldest}", depth.waiting, depth.dead);
        }
        text
    })
}

async fn dead(deployment: &Deployment, command: DeadCommand) -> anyhow::Result<String> {
    match command {
        DeadCommand::List { which } => {
            let (which, tenant) = which.which()?;
            let groups = grouped(letters(deployment, tenant.as_ref()).list(&which).await?);
            deployment.shown(&groups, || letter_groups(&groups))
        }
        DeadCommand::Show { name } => {
            let which = Which { name: Some(name.clone()), ..Which::default() };
            let found = letters(deployment, None).list(&which).await?;
            let Some(letter) = found.first() else { bail!("there is no dead letter {name}; `dead list` shows all") };
            deployment.shown(letter, || whole_letter(letter))
        }
        DeadCommand::Redrive { which, all, dry_run } => {
            let (which, tenant) = chosen(&which, all)?;
            redrive(deployment, &which, tenant.as_ref(), dry_run).await
        }
        DeadCommand::Discard { which, all, reason } => {
            let (which, tenant) = chosen(&which, all)?;
            let letters = letters(deployment, tenant.as_ref());
            let done = spinning("discarding", letters.discard(&which, &operator(), &reason)).await?;
            deployment.shown(&done, || format!("{} discarded.", done.letters.len()))
        }
    }
}

fn letters<'a>(deployment: &'a Deployment, tenant: Option<&'a TenantId>) -> Letters<'a> {
    Letters { backend: &deployment.backend, tenant }
}

async fn redrive(
    deployment: &Deployment,
    which: &Which,
    tenant: Option<&TenantId>,
    dry_run: bool,
) -> anyhow::Result<String> {
    let letters = letters(deployment, tenant);
    let found = letters.list(which).await?;
    if dry_run {
        return deployment
            .shown(&found, || format!("{} would be put back into their queues; nothing was done.", found.len()));
    }
    let bar = progress(found.len() as u64, "redriving");
    let mut done: Vec<Letter> = Vec::new();
    // Queue by queue, so that the bar moves, and a queue that cannot be reached does not stop the others.
    for queue in queues::ALL.into_iter().filter(|queue| which.queue.is_none_or(|only| only == *queue)) {
        let of_queue = Which { queue: Some(queue), ..which.clone() };
        done.extend(letters.redrive(&of_queue, &operator()).await?.letters);
        bar.set_position(done.len() as u64);
    }
    bar.finish_and_clear();
    deployment.shown(&done, || format!("{} of {} were put back into their queues.", done.len(), found.len()))
}

fn letter_groups(groups: &[DeadLetterGroup]) -> String {
    if groups.is_empty() {
        return "There are none.".into();
    }
    let mut text = String::new();
    for group in groups {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} × {} on {}: {}", group.letters.len(), group.code, group.queue.name(), group.reason);
        for letter in group.letters.iter().take(MAX_SHOWN) {
            let own = &letter.buried.letter;
            let at = own.buried_at.strftime("%Y-%m-%d %H:%M:%S");
            let _ = writeln!(text, "  {}  {at}  {}  {}", letter.name(), letter.about(), own.trace);
        }
        if group.letters.len() > MAX_SHOWN {
            let _ = writeln!(text, "  and {} more", group.letters.len() - MAX_SHOWN);
        }
    }
    text.trim_end().to_owned()
}

fn whole_letter(letter: &Letter) -> String {
    let own = &letter.buried.letter;
    format!(
        "{}\n{}: {}\n{} tries, given up {}\ntenant {}, trace {}\njob: {}",
        letter.name(),
        own.code,
        own.reason,
        own.attempts,
        own.buried_at,
        own.tenant,
        own.trace,
        own.body
    )
}

fn chosen(which: &LetterFilter, all: bool) -> anyhow::Result<(Which, Option<TenantId>)> {
    if which.is_everything() && !all {
        bail!("choose which: a name, --queue, --code, --text or --tenant; or --all");
    }
    which.which()
}

async fn audit(deployment: &Deployment, tenant: Option<String>, most: usize) -> anyhow::Result<String> {
    let tenant = codes::tenant(&deployment.backend, tenant).await?;
    let (entries, _) = Audit::new(deployment.backend.store.clone()).latest(&tenant, most, None).await?;
    deployment.shown(&entries, || {
        if entries.is_empty() {
            return "No changes are recorded yet.".into();
        }
        let lines = entries.iter().map(|entry| {
            let of = if entry.of.is_empty() { String::new() } else { format!(": {}", entry.of) };
            format!("{}  {}  {}{of}", entry.at.strftime("%Y-%m-%d %H:%M:%S"), entry.who, entry.what)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}
