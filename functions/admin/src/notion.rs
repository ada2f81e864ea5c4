//! The Notion page: the connection, its webhook, the databases and what pauses them, conflicts with a way back,
//! backfills.

use clients::Failure;
use jobs::sync::SyncJob;
use maud::{Markup, html};
use notion_sync::conflicts::Kept;
use notion_sync::database::Known;
use notion_sync::runs::Run;
use notion_sync::runs::Wanted;
use runtime::TraceId;
use secrecy::ExposeSecret;
use settings::databases::Database;
use tenants::hooks::Hooks;
use tenants::portals::NOTION_VERIFICATION;
use web::page::Form;

use crate::page::{heads, signed_in, token};
use crate::{Answer, Visit, attention};

const TITLE: &str = "Notion";
/// Conflicts that are shown.
const MAX_CONFLICTS: usize = 30;
/// Runs that are shown.
const MAX_RUNS: usize = 5;

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<Answer, Failure> {
    let (mirror, tenant) = (&visit.deps.mirror, &visit.id);
    let runs = mirror.runs.latest(tenant, MAX_RUNS).await?;
    let conflicts = mirror.conflicts.latest(tenant, MAX_CONFLICTS).await?;
    let databases = &visit.settings.notion.databases;
    let mut known = Vec::new();
    for database in databases {
        known.push((database, mirror.stored(tenant, &database.name).await?));
    }
    let body = html! {
        (connection(visit))
        (webhook(visit).await?)
        (attention::hint(visit.attention))
        h2 { "Databases" }
        @if databases.is_empty() {
            p.hint { "The settings name no database yet. Add one below." }
        }
        @for (database, known) in &known { (one_database(visit, database, known.as_ref())) }
        p { a.button href="/admin/notion/edit" { "Add a database" } }
        h2 { "Runs" }
        (all_runs(&runs))
        h2 { "Conflicts" }
        @if conflicts.is_empty() { p.hint { "No conflicts." } }
        @else { (conflict_table(visit, &conflicts)) }
    };
    Ok(Answer::Page(signed_in(visit, TITLE, done, &body)))
}

/// The runs alone, for a page that looks how they go on.
pub(crate) async fn runs(visit: &Visit<'_>) -> Result<Answer, Failure> {
    let runs = visit.deps.mirror.runs.latest(&visit.id, MAX_RUNS).await?;
    Ok(Answer::Part(all_runs(&runs).into_string()))
}

/// While a run goes on, this part asks for itself again.
fn all_runs(runs: &[Run]) -> Markup {
    let goes_on = runs.iter().any(|run| !run.has_ended());
    html! {
        div hx-get=[goes_on.then_some("/admin/notion/runs")] hx-trigger="every 2s" hx-swap="outerHTML" aria-live="polite" {
            @if runs.is_empty() { p.hint { "Nothing was backfilled yet. A plan says what a run would do, and does nothing." } }
            @for run in runs { (one_run(run)) }
        }
    }
}

fn connection(visit: &Visit<'_>) -> Markup {
    html! {
        @match &visit.portal.notion {
            Some(notion) => p {
                "Connected with the workspace " strong { (notion.workspace) } " by the connection " strong { (notion.name) } ". "
                "Each database has to be shared with it: ••• › Connections › " (notion.name) "."
            },
            None => p.problem {
                "No Notion workspace is connected. Make an internal connection in Notion (Settings › Connections › Develop), "
                "put its secret under [notion] into the configuration, and start again. docs/notion.md shows it step by step."
            },
        }
    }
}

async fn webhook(visit: &Visit<'_>) -> Result<Markup, Failure> {
    let (ports, tenant) = (&visit.deps.talk.ports, &visit.id);
    let connections = &visit.deps.mirror.connections;
    let address = connections.notion_address(tenant).await?;
    let hook = match &address {
        Some((_, place)) => Hooks::new(ports.store.clone()).read(place).await?,
        None => None,
    };
    let is_open = hook.as_ref().and_then(|hook| hook.open_until).is_some_and(|until| until > ports.clock.now());
    // The address and the tokens are shown for as long as the window is open: the operator pastes them into Notion.
    let url = address.as_ref().zip(visit.public_url.as_ref());
    let url = url.map(|((key, _), url)| format!("{url}/webhooks/notion/{}", key.expose_secret()));
    let mut offered = Vec::new();
    for sealed in hook.iter().flat_map(|hook| hook.pending.iter().rev()).filter(|_| is_open) {
        offered.push(
            connections.open_sealed(&visit.portal, NOTION_VERIFICATION, sealed).await?.expose_secret().to_owned(),
        );
    }
    let count = hook.as_ref().map_or(0, |hook| hook.tokens.len());
    let pending = hook.as_ref().map_or(0, |hook| hook.pending.len());
    Ok(html! {
        h2 { "Webhook" }
        @match hook.as_ref().and_then(|hook| hook.seen_at) {
            Some(at) => p { "Signed events arrive; the last was noted at " (at.strftime("%Y-%m-%d %H:%M UTC")) "." },
            None if count + pending > 0 => p { "There is a subscription; no event of it was noted yet." },
            None => p.hint { "Without a webhook, edits in Notion are found by a poll every 30 seconds. With one they come within seconds." },
        }
        @if is_open {
            ol {
                li { "In Notion open your connection, then Webhooks › Create a subscription." }
                li { "Address: " code { (url.as_deref().unwrap_or("(the public address is not known: set public_url)")) } }
                li { "Version 2026-03-11; events: page created, properties updated, deleted, undeleted, moved, content updated; data source schema updated, deleted, undeleted." }
                li { (tokens(&offered)) }
            }
        }
        form.inline method="post" action="/admin/notion/webhook" {
            (token(visit)) button { @if is_open { "Keep the window open" } @else { "Wait for a verification token (15 minutes)" } }
        }
        @if address.is_some() {
            form.inline method="post" action="/admin/notion/webhook" {
                (token(visit)) input type="hidden" name="anew" value="yes"; button { "Make a new address" }
            }
            p.hint { "A new address ends the old one at once, with its subscription: create a subscription for the new one in Notion, and delete the old one there." }
        }
        @if count > 1 || (count > 0 && pending > 0) {
            form.inline method="post" action="/admin/notion/webhook/close" {
                (token(visit)) button { "Forget all but the newest subscription" }
            }
        }
    })
}

/// The tokens that arrived, newest first.
fn tokens(offered: &[String]) -> Markup {
    html! {
        @match offered {
            [] => "Notion sends a token to that address; it appears here. Load this page again.",
            [token] => { "Notion has sent the token. Paste it under Verify: " code { (token) } },
            many => {
                (many.len()) " tokens arrived that have signed no event yet. Only one of them is Notion’s newest: paste them under Verify one after the other, Notion accepts only its own. "
                "If you did not ask Notion for several, someone else knows this address: make a new one. "
                @for token in many { code { (token) } " " }
            },
        }
    }
}

fn one_database(visit: &Visit<'_>, database: &Database, known: Option<&Known>) -> Markup {
    let closed = known.and_then(|known| known.closed.as_ref());
    html! {
        section.card {
            h3 {
                @match known.and_then(|known| known.source.as_ref()) {
                    Some(source) if source.title == database.name => a href=(source.url) { (source.title) },
                    Some(source) => { (database.name) ": " a href=(source.url) { (source.title) } },
                    None => { (database.name) " " span.hint { "not looked at yet" } },
                }
            }
            @if let Some(closed) = closed { p.problem role="alert" { (closed.text) } }
            @if let Some(known) = known {
                @for trouble in &known.troubles { p.problem role="alert" { strong { (trouble.field) " pauses. " } (trouble.text) } }
                @for notice in &known.notices { p.hint { (notice.text) } }
            }
            p.hint {
                "Mirrors each " (database.records.kind().to_string())
                @if let Some(when) = &database.when { " for which " code { (when) } " holds" }
                "; " (database.mappings().len()) " fields."
            }
            a.button href={ "/admin/notion/edit?database=" (web::page::encoded(&database.name)) } { "Change" } " "
            @for (dry, words) in [("yes", "Plan a backfill"), ("", "Run it")] {
                form.inline method="post" action="/admin/notion/backfill" {
                    (token(visit)) input type="hidden" name="database" value=(database.name);
                    input type="hidden" name="dry" value=(dry);
                    button { (words) }
                }
            }
        }
    }
}

/// A run as people read it.
fn one_run(run: &Run) -> Markup {
    let counts = &run.counts;
    let state = run.phase.words();
    let would = if run.dry { "would be " } else { "" };
    html! {
        section.card {
            h3 { (if run.dry { "Plan" } else { "Run" }) " over " (run.database) ": " (state) }
            @if !run.has_ended() { progress aria-label={ "Progress over " (run.database) } {} }
            p {
                (counts.rows) " rows and " (counts.records) " records so far: "
                (counts.created) " pages " (would) "made, " (counts.linked_by_id) " " (would) "linked by number, "
                (counts.linked_by_title) " by title or name, " (counts.linked_by_key) " by another key, "
                (counts.changed) " " (would) "brought into step, "
                (counts.linked_before) " linked before, " (counts.left_out) " left out, " (counts.failed) " failed."
            }
            @if counts.doubles + counts.strays + counts.refused + counts.undecided > 0 {
                p.problem {
                    "To decide: " (counts.doubles) " records with several rows, " (counts.refused) " records that could not be matched or failed, "
                    (counts.strays) " rows whose number fits no record, " (counts.undecided) " fields with different values."
                }
            }
            p { a href={ "/admin/notion/plan?run=" (web::page::encoded(&run.id)) } { "Show every record and field" } }
            @if let Some(waits) = &run.waits_for { p.hint { "Waits: " (waits) } }
            @if !run.examples.is_empty() {
                details { summary { "Some of it" } ul { @for line in &run.examples { li { (line) } } } }
            }
            p.hint { "Begun by " (run.by) " at " (run.began_at.strftime("%Y-%m-%d %H:%M UTC")) }
        }
    }
}

fn conflict_table(visit: &Visit<'_>, conflicts: &[Kept]) -> Markup {
    html! {
        table {
            (heads(&["When", "Record", "Field", "Bitrix24", "Notion", "What counted", ""]))
            tbody {
                @for kept in conflicts {
                    tr {
                        td data-label="When" { (kept.at.strftime("%m-%d %H:%M")) }
                        td data-label="Record" { (kept.record.to_string()) " " (kept.title) }
                        td data-label="Field" { (kept.property) }
                        td data-label="Bitrix24" { (kept.conflict.bitrix24.to_string()) }
                        td data-label="Notion" { (kept.conflict.notion.to_string()) }
                        td data-label="What counted" { (kept.conflict.winner.to_string()) ": " (kept.conflict.why.words(locale::Language::En)) }
                        td {
                            @match &kept.undone {
                                Some((at, by)) => span.hint { "undone by " (by) ", " (at.strftime("%m-%d %H:%M")) },
                                None if kept.can_be_undone() => form.inline method="post" action="/admin/notion/undo" {
                                    (token(visit)) input type="hidden" name="conflict" value=(kept.id);
                                    button { "Write the other value" }
                                },
                                None => span.hint { "cannot be written back" },
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) async fn open_window(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let anew = !form.get("anew").is_empty();
    visit.deps.mirror.connections.open_notion_window(&visit.id, anew).await?;
    let what = if anew { "new address for webhooks made" } else { "window for a verification token opened" };
    visit.note(what, "Notion", "", "").await?;
    Ok(Answer::to("/notion", "A verification token is accepted for the next 15 minutes."))
}

pub(crate) async fn close_old(visit: &Visit<'_>) -> Result<Answer, Failure> {
    if let Some((_, place)) = visit.deps.mirror.connections.notion_address(&visit.id).await? {
        Hooks::new(visit.deps.talk.ports.store.clone()).close_old(&place).await?;
        visit.note("older verification tokens forgotten", "Notion", "", "").await?;
    }
    Ok(Answer::to("/notion", "Only the newest subscription is known now."))
}

pub(crate) async fn backfill(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let (name, dry) = (form.get("database"), !form.get("dry").is_empty());
    if visit.settings.notion.named(name).is_none() {
        return Ok(Answer::to("/notion", format!("The settings have no database “{name}” any more.")));
    }
    let running = visit.deps.mirror.runs.latest(&visit.id, MAX_RUNS).await?;
    if running.iter().any(|run| run.database == name && !run.has_ended()) {
        return Ok(Answer::to("/notion", format!("A run over {name} goes on already.")));
    }
    let wanted = Wanted { dry, since: None, by: &visit.session.who };
    visit.deps.mirror.start(&visit.id, name, &wanted).await?;
    let what = if dry { "backfill planned" } else { "backfill begun" };
    visit.note(what, name, "", "").await?;
    let word = if dry { "The plan is being made." } else { "The run has begun." };
    Ok(Answer::to("/notion", format!("{word} It goes on below.")))
}

pub(crate) async fn undo(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let (mirror, tenant) = (&visit.deps.mirror, &visit.id);
    let Some(kept) = mirror.conflicts.get(tenant, form.get("conflict")).await? else {
        return Ok(Answer::to("/notion", "This conflict is not kept any more."));
    };
    let job = SyncJob::Undo {
        database: kept.database.clone(),
        record: kept.record,
        conflict: kept.id.clone(),
        by: visit.session.who.clone(),
    };
    let trace = TraceId::new(mirror.ports.clock.now());
    mirror.send(vec![notion_sync::message(&job, tenant, trace, &format!("undo#{}", kept.id))?]).await?;
    visit.note("conflict undone", &format!("{} of {}", kept.property, kept.record), "", "").await?;
    Ok(Answer::to("/notion", format!("{} of {} is being written back.", kept.property, kept.record)))
}
