//! What a backfill would do or did, record by record: in pages, as a file, and with a button that joins rows that carry
//! the same record number.

use clients::Failure;
use jobs::sync::{Others, SyncJob};
use maud::{Markup, html};
use notion_sync::plan::{Entry, EntryKind, FieldChange, MAX_ENTRIES, RowRef, csv};
use notion_sync::runs::Run;
use runtime::TraceId;
use web::page::{Form, encoded};

use crate::page::{Page, count, heads, missing, token, under};
use crate::{Answer, Visit};

/// Lines on a page.
const A_PAGE: usize = 50;
/// Lines that are read at once for a file.
const A_PART: usize = 500;
/// A file ends after so many bytes: an answer has a limit on AWS.
const MAX_FILE: usize = 4 * 1024 * 1024;

/// What a kind of line is called as a choice.
fn title(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Double => "Several rows with one number",
        EntryKind::Refused => "Not decided, or failed",
        EntryKind::Stray => "Numbers that fit no record",
        EntryKind::Change => "Linked, with different values",
        EntryKind::Link => "Linked with a row",
        EntryKind::Make => "New pages",
    }
}

/// What was asked for: the run, the kind of lines, and where to go on.
struct Asked {
    run: Run,
    kind: Option<EntryKind>,
    after: Option<String>,
}

impl Asked {
    async fn read(visit: &Visit<'_>, query: &Form) -> Result<Option<Self>, Failure> {
        let Some((run, _)) = visit.deps.mirror.runs.get(&visit.id, query.get("run")).await? else { return Ok(None) };
        let after = Some(query.get("after").to_owned()).filter(|after| !after.is_empty());
        Ok(Some(Self { run, kind: EntryKind::named(query.get("kind")), after }))
    }

    fn address(&self, page: &str, after: Option<&str>) -> String {
        let kind = self.kind.map(|kind| format!("&kind={}", kind.name())).unwrap_or_default();
        let after = after.map(|after| format!("&after={}", encoded(after))).unwrap_or_default();
        format!("/admin/notion/{page}?run={}{kind}{after}", encoded(&self.run.id))
    }
}

const GONE: &str = "This run has expired. Make a new plan on the page Notion.";

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let Some(asked) = Asked::read(visit, query).await? else { return Ok(missing(visit, GONE)) };
    let plans = &visit.deps.mirror.plans;
    let (entries, next) = plans.page(&visit.id, &asked.run.id, asked.kind, asked.after.clone(), A_PAGE).await?;
    let run = &asked.run;
    let body = html! {
        p { (run.phase.words()) ". " (run.counts.rows) " rows and " (run.counts.records) " records so far." }
        @if !run.has_ended() { p.hint { "The run continues; reload this page to see more." } }
        @if run.counts.entries >= MAX_ENTRIES { p.problem { "Only the first " (MAX_ENTRIES) " lines are kept; the counts on the page Notion are complete." } }
        form.search method="get" action="/admin/notion/plan" role="search" {
            input type="hidden" name="run" value=(run.id);
            div { label for="kind" { "Show" } select id="kind" name="kind" {
                option value="" { "everything" }
                @for kind in EntryKind::ALL { option value=(kind.name()) selected[asked.kind == Some(kind)] { (title(kind)) } }
            } }
            button { "Filter" }
        }
        p { a.button href=(asked.address("plan.csv", None)) download="plan.csv" { "Download as CSV" } " " a href="/admin/notion" { "Back to Notion" } }
        @if entries.is_empty() {
            p.done role="status" { @if asked.kind.is_some() || asked.after.is_some() { "Nothing of this kind." } @else { "Nothing to do: all records and rows are linked and have the same values." } }
        }
        @for entry in &entries { (line(visit, run, entry)) }
        @if let Some(next) = &next { p { a href=(asked.address("plan", Some(next))) rel="next" { "Next page" } } }
    };
    let title = format!("{} over {}", if run.dry { "Plan" } else { "Run" }, run.database);
    Ok(Answer::Page(under(visit, Page::Notion, &title, query.get("done"), &body)))
}

fn line(visit: &Visit<'_>, run: &Run, entry: &Entry) -> Markup {
    let would = |dry: &'static str, real: &'static str| if run.dry { dry } else { real };
    html! {
        section.card {
            h3 {
                @if let Some(record) = entry.record { (record.to_string()) " " }
                @if entry.title.is_empty() { span.hint { "without a title" } } @else { (entry.title) }
            }
            @match entry.kind {
                EntryKind::Double => p.problem { (count(entry.rows.len(), "row")) " with its number." },
                EntryKind::Refused => p.problem { (entry.why.as_deref().unwrap_or_default()) },
                EntryKind::Stray => p.problem { (entry.why.as_deref().unwrap_or_default()) },
                EntryKind::Change => p { "Linked before; " (count(entry.changes.len(), "field")) " with different values." },
                EntryKind::Link => p { (would("Would be linked", "Linked")) " with the row by its " (entry.key.as_deref().unwrap_or("number")) "." },
                EntryKind::Make => p { (would("A page would be made.", "A page was made.")) },
            }
            @if entry.kind == EntryKind::Double { (join_form(visit, run, entry)) }
            @else if !entry.rows.is_empty() { ul { @for row in &entry.rows { li { (link(row)) } } } }
            @if !entry.changes.is_empty() { (changes(&entry.changes)) }
        }
    }
}

fn link(row: &RowRef) -> Markup {
    let title = if row.title.trim().is_empty() { "Untitled" } else { &row.title };
    html! { a href=(row.url) { (title) } }
}

fn changes(changes: &[FieldChange]) -> Markup {
    html! {
        table {
            (heads(&["Field", "Bitrix24", "Notion", "What happens"]))
            tbody { @for change in changes {
                tr {
                    td data-label="Field" { (change.property) " " span.hint { (change.field) } }
                    td data-label="Bitrix24" { (change.bitrix24) }
                    td data-label="Notion" { (change.notion) }
                    td data-label="What happens" {
                        @match (&change.to, &change.why) {
                            (Some(side), _) => { "written to " (side.to_string()) },
                            (None, Some(why)) => { "both stay: " (why) },
                            (None, None) => "both stay",
                        }
                    }
                }
            } }
        }
    }
}

fn join_form(visit: &Visit<'_>, run: &Run, entry: &Entry) -> Markup {
    let Some(record) = entry.record else { return html! {} };
    html! {
        form method="post" action="/admin/notion/join" {
            (token(visit))
            input type="hidden" name="run" value=(run.id);
            input type="hidden" name="number" value=(record.id());
            fieldset {
                legend { "Which row stays the page of " (record.to_string()) "?" }
                @for (place, row) in entry.rows.iter().enumerate() {
                    label.tick { input type="radio" name="keep" value=(row.page) checked[place == 0] required; " " (link(row)) }
                }
            }
            label for={ "others-" (record.id()) } { "The other rows lose the number, and" }
            select id={ "others-" (record.id()) } name="others" {
                option value="note" { "stay, with a note that says which row is synced" }
                option value="trash" { "go into Notion’s trash, with the same note" }
            }
            button { "Join them" }
        }
    }
}

/// The lines as a file.
pub(crate) async fn file(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let Some(asked) = Asked::read(visit, query).await? else { return Ok(missing(visit, GONE)) };
    let plans = &visit.deps.mirror.plans;
    let (mut text, mut after) = (csv(&[], true), asked.after.clone());
    loop {
        let (entries, next) = plans.page(&visit.id, &asked.run.id, asked.kind, after, A_PART).await?;
        text.push_str(&csv(&entries, false));
        match next {
            Some(next) if text.len() > MAX_FILE => {
                let rest = Entry {
                    why: Some(format!("the rest is in another file: {}", asked.address("plan.csv", Some(&next)))),
                    title: "more".into(),
                    ..Entry::about(EntryKind::Make)
                };
                text.push_str(&csv(&[rest], false));
                break;
            }
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(Answer::File("plan.csv", text))
}

pub(crate) async fn join(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let mirror = &visit.deps.mirror;
    let Some((run, _)) = mirror.runs.get(&visit.id, form.get("run")).await? else {
        return Ok(Answer::to("/notion", GONE));
    };
    let back = format!("/notion/plan?run={}&kind=double", encoded(&run.id));
    let Some(database) = visit.settings.notion.named(&run.database) else {
        return Ok(Answer::to("/notion", format!("The settings have no database “{}” any more.", run.database)));
    };
    let (Ok(number), Some(keep)) = (form.get("number").parse::<u64>(), notion::object_id(form.get("keep"))) else {
        return Ok(Answer::to(&back, "Choose the row that stays."));
    };
    let record = database.records.kind().record(number);
    let others = if form.get("others") == "trash" { Others::Trash } else { Others::Note };
    let job = SyncJob::Join { database: run.database.clone(), record, keep, others, by: visit.session.who.clone() };
    let trace = TraceId::new(mirror.ports.clock.now());
    mirror.send(vec![notion_sync::message(&job, &visit.id, trace, &format!("join#{trace}"))?]).await?;
    visit.note("rows joined", &format!("{record} in {}", run.database), "", form.get("keep")).await?;
    Ok(Answer::to(&back, format!("The rows of {record} are being joined. A new plan shows what is left.")))
}
