//! What operators do on the command line, on one machine and on AWS: checks, the event log, dead letters, queues.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::bail;
use clap::Subcommand;
use clients::Connections;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::queues;
use notion_sync::NotionSync;
use operations::dead_letters::{Letter, Letters, Which, grouped};
use operations::doctor::{Check, CheckVerdict, Doctor};
use operations::log;
use operations::log::{EventTrail, LogFilter, LogStatus, delivery_reason, event_reason};
use runtime::ledger::{DeliveryStatus, Ledger};
use runtime::{Backend, TenantId, TraceId};
use serde::Serialize;
use tenants::audit::Audit;
use tenants::portals::Portals;

use crate::codes;

/// What operators do.
#[derive(Debug, Subcommand)]
pub enum Operate {
    /// Checks every connection, right, subscription, channel, database and the clock, and names the fix. Changes nothing.
    Doctor {
        /// Only this tenant; all of them if not said.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Shows one event's whole way: when it came, what was decided, each delivery with its calls.
    Trace {
        /// The trace, as every log line and page shows it.
        id: TraceId,
        /// Whose; looked for among all if not said.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Searches the log, newest first.
    Events {
        /// A record (`deal 42`), a channel, a route, any words.
        words: Vec<String>,
        /// Only what is `delivered`, `waiting`, `skipped` or `dead`.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        most: usize,
        /// Whose; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Looks at dead letters, redrives and discards them.
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: Dead,
    },
    /// Says how full each queue is, and since when its oldest message waits.
    Queues,
    /// Says who changed what, newest first.
    Audit {
        /// Whose; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        most: usize,
    },
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// Lists them by what they died of.
    List {
        /// Which.
        #[command(flatten)]
        which: Meant,
    },
    /// Shows one with its job.
    Show {
        /// Its name, as the list shows it: `slack-delivery/17`.
        name: String,
    },
    /// Sends their jobs again. What a job had done before it died is not done twice.
    Redrive {
        /// Which; say --all for all of them.
        #[command(flatten)]
        which: Meant,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Only says what would be sent again.
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes them away for good. The log says by whom and why.
    Discard {
        /// Which; say --all for all of them.
        #[command(flatten)]
        which: Meant,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Meant {
    /// This one: `slack-delivery/17`.
    name: Option<String>,
    /// Those on this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Those that died of this.
    #[arg(long)]
    code: Option<String>,
    /// Those with these words in reason, trace or job.
    #[arg(long, default_value = "")]
    text: String,
    /// Those of this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

impl Meant {
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

/// What it is done on.
pub struct Place<'a> {
    /// The engine.
    pub ports: &'a Backend,
    /// The providers.
    pub connections: &'a Connections,
    /// Where providers reach the deployment, if that is known.
    pub public_url: Option<&'a str>,
    /// Whether to print JSON.
    pub json: bool,
}

/// Who the audit says that it was.
pub fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "somebody".into());
    format!("{user} (command line)")
}

/// Does it; what to print. An error where something is wrong, so that scripts can tell.
pub async fn run(place: &Place<'_>, command: Operate) -> anyhow::Result<String> {
    match command {
        Operate::Doctor { tenant } => doctor(place, tenant).await,
        Operate::Trace { id, tenant } => trace(place, id, tenant).await,
        Operate::Events { words, status, most, tenant } => {
            let status = match status.as_deref() {
                Some(name) => match LogStatus::named(name) {
                    Some(status) => Some(status),
                    None => bail!("{name:?} is none of delivered, waiting, skipped, dead"),
                },
                None => None,
            };
            events(place, &LogFilter { text: words.join(" "), status, ..LogFilter::default() }, most, tenant).await
        }
        Operate::Dead { command } => dead(place, command).await,
        Operate::Queues => queues(place).await,
        Operate::Audit { tenant, most } => audit(place, tenant, most).await,
    }
}

impl Place<'_> {
    fn told<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<String> {
        Ok(if self.json { serde_json::to_string_pretty(value)? } else { text() })
    }

    async fn tenants(&self, named: Option<String>) -> anyhow::Result<Vec<TenantId>> {
        match named {
            Some(named) => Ok(vec![TenantId::new(named)?]),
            None => Ok(Portals::new(self.ports.store.clone(), self.ports.clock.clone()).tenants().await?),
        }
    }
}

/// What lets a shell complete a command.
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command, name: &str) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, command, name, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// A bar for people; nothing for pipes.
pub fn progress(most: u64, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = if most == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(most) };
    let template = if most == 0 { "{spinner} {msg} {elapsed}" } else { "{msg} [{bar:30}] {pos}/{len} {elapsed}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

#[derive(Serialize)]
struct Examined {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(flatten)]
    check: Check,
}

async fn doctor(place: &Place<'_>, tenant: Option<String>) -> anyhow::Result<String> {
    let mirror = NotionSync::new(place.ports, place.connections.clone());
    let doctor =
        Doctor { ports: place.ports, connections: place.connections, mirror: &mirror, public_url: place.public_url };
    let mut all = Vec::new();
    let spinner = progress(0, "looking");
    let tell = |all: &mut Vec<Examined>, tenant: Option<&TenantId>, check: Check| {
        if !place.json {
            // As soon as it is known: a provider that is down is waited for.
            spinner.suspend(|| println!("{}", line(&check)));
        }
        all.push(Examined { tenant: tenant.cloned(), check });
    };
    doctor.examine_deployment(&mut |check| tell(&mut all, None, check)).await;
    let tenants = place.tenants(tenant).await?;
    for tenant in &tenants {
        if !place.json {
            spinner.suspend(|| println!("\nTenant {tenant}"));
        }
        doctor.examine(tenant, &mut |check| tell(&mut all, Some(tenant), check)).await;
    }
    spinner.finish_and_clear();
    let wrong = all.iter().filter(|one| one.check.verdict == CheckVerdict::Wrong).count();
    let summary = match (wrong, tenants.is_empty()) {
        (0, true) => "Nothing is wrong; no portal is connected yet.".to_owned(),
        (0, false) => "Nothing is wrong.".to_owned(),
        (1, _) => "1 thing is wrong.".to_owned(),
        (wrong, _) => format!("{wrong} things are wrong."),
    };
    let told = place.told(&all, || format!("\n{summary}"))?;
    if wrong > 0 {
        println!("{told}");
        bail!("{summary}");
    }
    Ok(told)
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

async fn trace(place: &Place<'_>, id: TraceId, tenant: Option<String>) -> anyhow::Result<String> {
    let ledger = Ledger::new(place.ports.store.clone());
    for tenant in place.tenants(tenant).await? {
        if let Some(way) = log::way(&ledger, &tenant, id).await? {
            return place.told(&way, || told(&way));
        }
    }
    bail!("no event has the trace {id}; the log is kept for 30 days, and traces stand in every line of the log");
}

/// A way in full.
fn told(way: &EventTrail) -> String {
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
        event
            .calls
            .iter()
            .for_each(|call| add(format!("    {} ({} ms) {} → {}", call.to, call.ms, call.request, call.answer)));
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
        line.calls
            .iter()
            .for_each(|call| add(format!("    {} ({} ms) {} → {}", call.to, call.ms, call.request, call.answer)));
    }
    text
}

async fn events(place: &Place<'_>, filter: &LogFilter, most: usize, tenant: Option<String>) -> anyhow::Result<String> {
    let tenant = codes::tenant(place.ports, tenant).await?;
    let ledger = Ledger::new(place.ports.store.clone());
    let (mut ways, mut after) = (Vec::new(), None);
    let spinner = progress(0, "searching");
    // Pages without a find are gone through, up to the end of what is kept.
    while ways.len() < most {
        let now = place.ports.clock.now();
        let found = log::search(&ledger, &tenant, filter, after.as_deref(), most - ways.len(), now).await?;
        ways.extend(found.ways);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    spinner.finish_and_clear();
    place.told(&ways, || {
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

async fn queues(place: &Place<'_>) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Queue {
        queue: &'static str,
        #[serde(flatten)]
        depth: runtime::queue::Depth,
    }
    let mut all = Vec::new();
    for queue in queues::ALL {
        all.push(Queue { queue: queue.name(), depth: place.ports.queue.depth(queue).await? });
    }
    place.told(&all, || {
        let mut text = format!("{:<20} {:>8} {:>6}  oldest", "queue", "waiting", "dead");
        for Queue { queue, depth } in &all {
            let oldest = depth.oldest.map_or_else(|| "-".into(), |at| at.to_string());
            // Writing to a text does not fail.
            let _ = write!(text, "\n{queue:<20} {:>8} {:>6}  {oldest}", depth.waiting, depth.dead);
        }
        text
    })
}

async fn dead(place: &Place<'_>, command: Dead) -> anyhow::Result<String> {
    match command {
        Dead::List { which } => {
            let (which, tenant) = which.which()?;
            let found = Letters { ports: place.ports, tenant: tenant.as_ref() }.list(&which).await?;
            let groups = grouped(found);
            place.told(&groups, || {
                if groups.is_empty() {
                    return "There are none.".into();
                }
                let mut text = String::new();
                for group in &groups {
                    let _ = writeln!(
                        text,
                        "{} × {} on {}: {}",
                        group.letters.len(),
                        group.code,
                        group.queue.name(),
                        group.reason
                    );
                    for letter in group.letters.iter().take(10) {
                        let own = &letter.buried.letter;
                        let _ = writeln!(
                            text,
                            "  {}  {}  {}  {}",
                            letter.name(),
                            own.buried_at.strftime("%Y-%m-%d %H:%M:%S"),
                            letter.about(),
                            own.trace
                        );
                    }
                    if group.letters.len() > 10 {
                        let _ = writeln!(text, "  and {} more", group.letters.len() - 10);
                    }
                }
                text.trim_end().to_owned()
            })
        }
        Dead::Show { name } => {
            let which = Which { name: Some(name.clone()), ..Which::default() };
            let found = Letters { ports: place.ports, tenant: None }.list(&which).await?;
            let Some(letter) = found.first() else { bail!("there is no dead letter {name}; `dead list` shows them") };
            place.told(letter, || {
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
            })
        }
        Dead::Redrive { which, all, dry_run } => {
            let (meant, tenant) = chosen(&which, all)?;
            let letters = Letters { ports: place.ports, tenant: tenant.as_ref() };
            let found = letters.list(&meant).await?;
            if dry_run {
                return place
                    .told(&found, || format!("{} would go back to their queues; nothing was done.", found.len()));
            }
            let bar = progress(found.len() as u64, "redriving");
            let mut done: Vec<Letter> = Vec::new();
            // By queue, so that the bar moves and a queue that cannot be reached keeps no other.
            for queue in queues::ALL {
                let own = Which { queue: Some(queue), ..meant.clone() };
                if meant.queue.is_none_or(|only| only == queue) {
                    done.extend(letters.redrive(&own, &who()).await?.letters);
                    bar.set_position(done.len() as u64);
                }
            }
            bar.finish_and_clear();
            place.told(&done, || format!("{} of {} went back to their queues.", done.len(), found.len()))
        }
        Dead::Discard { which, all, reason } => {
            let (meant, tenant) = chosen(&which, all)?;
            let spinner = progress(0, "discarding");
            let done = Letters { ports: place.ports, tenant: tenant.as_ref() }.discard(&meant, &who(), &reason).await?;
            spinner.finish_and_clear();
            place.told(&done, || format!("{} discarded.", done.letters.len()))
        }
    }
}

fn chosen(which: &Meant, all: bool) -> anyhow::Result<(Which, Option<TenantId>)> {
    if which.is_everything() && !all {
        bail!("say which: a name, --queue, --code, --text or --tenant; or --all");
    }
    which.which()
}

async fn audit(place: &Place<'_>, tenant: Option<String>, most: usize) -> anyhow::Result<String> {
    let tenant = codes::tenant(place.ports, tenant).await?;
    let (entries, _) = Audit::new(place.ports.store.clone()).latest(&tenant, most, None).await?;
    place.told(&entries, || {
        if entries.is_empty() {
            return "Nobody has changed anything yet.".into();
        }
        let lines = entries.iter().map(|entry| {
            let of = if entry.of.is_empty() { String::new() } else { format!(": {}", entry.of) };
            format!("{}  {}  {}{of}", entry.at.strftime("%Y-%m-%d %H:%M:%S"), entry.who, entry.what)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}
