//! What a backfill would do or did, record by record: in pages, as a file, and with a button that joins rows that carry
//! the same record number.

use clients::Failure;
use jobs::sync::{Others, SyncJob, SyncSide};
use locale::{Language, texts};
use maud::{Markup, html};
use notion_sync::plan::{EntryKind, FieldChange, MAX_ENTRIES, PlanLine, RowRef, csv};
use notion_sync::runs::SyncRun;
use runtime::TraceId;
use web::components::{Column, Tone, message, table};
use web::page::{Form, encoded};

use crate::notion::side_name;
use crate::page::{Page, missing, token, under};
use crate::runs::{phase, read_so_far};
use crate::{PageAnswer, Visit};

/// Lines on a page.
const A_PAGE: usize = 50;
/// Lines that are read at a time for a file.
const A_PART: usize = 500;
/// A file ends after this many bytes: answers have a limit on AWS.
const MAX_FILE: usize = 4 * 1024 * 1024;

/// The title of a kind of line in the list of choices.
fn title(language: Language, kind: EntryKind) -> &'static str {
    language.text(match kind {
        EntryKind::Double => texts::configuration::KIND_DOUBLE,
        EntryKind::Refused => texts::configuration::KIND_REFUSED,
        EntryKind::Stray => texts::configuration::KIND_STRAY,
        EntryKind::Change => texts::configuration::KIND_CHANGE,
        EntryKind::Link => texts::configuration::KIND_LINK,
        EntryKind::Make => texts::configuration::KIND_MAKE,
    })
}

/// What was asked for: the run, the kind of lines, and where to continue.
struct PlanQuery {
    run: SyncRun,
    kind: Option<EntryKind>,
    after: Option<String>,
}

impl PlanQuery {
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

fn gone(visit: &Visit<'_>) -> &'static str {
    visit.language.text(texts::configuration::RUN_IS_GONE)
}

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let Some(asked) = PlanQuery::read(visit, query).await? else { return Ok(missing(visit, gone(visit))) };
    let (language, plans, run) = (visit.language, &visit.deps.mirror.plans, &asked.run);
    let (entries, next) = plans.page(&visit.id, &run.id, asked.kind, asked.after.clone(), A_PAGE).await?;
    let is_part = asked.kind.is_some() || asked.after.is_some();
    let nothing = if is_part { texts::configuration::NONE_OF_THIS_KIND } else { texts::configuration::NOTHING_TO_DO };
    let body = html! {
        p { (phase(language, &run.phase)) ". " (read_so_far(language, run)) }
        @if !run.has_ended() { p.hint { (language.text(texts::configuration::RUN_CONTINUES)) } }
        @if run.counts.entries >= MAX_ENTRIES {
            p.problem { (language.text(texts::configuration::OnlyFirstLines { count: MAX_ENTRIES })) }
        }
        (filter(language, &asked))
        p {
            a.button href=(asked.address("plan.csv", None)) download="plan.csv" {
                (language.text(texts::configuration::DOWNLOAD_CSV))
            } " "
            a href="/admin/notion" { (language.text(texts::configuration::BACK_TO_NOTION)) }
        }
        @if entries.is_empty() { (message(Tone::Done, language.text(nothing))) }
        @for entry in &entries { (line(visit, run, entry)) }
        @if let Some(next) = &next {
            p { a href=(asked.address("plan", Some(next))) rel="next" { (language.text(texts::configuration::NEXT_PAGE)) } }
        }
    };
    let database = &run.database;
    let title = if run.dry {
        language.text(texts::configuration::ThePlan { database })
    } else {
        language.text(texts::configuration::TheRun { database })
    };
    Ok(PageAnswer::Page(under(visit, Page::Notion, &title, query.get("done"), &body)))
}

fn filter(language: Language, asked: &PlanQuery) -> Markup {
    html! {
        form.search method="get" action="/admin/notion/plan" role="search" {
            input type="hidden" name="run" value=(asked.run.id);
            div {
                label for="kind" { (language.text(texts::configuration::SHOW)) }
                select id="kind" name="kind" {
                    option value="" { (language.text(texts::configuration::EVERYTHING)) }
                    @for kind in EntryKind::ALL {
                        option value=(kind.name()) selected[asked.kind == Some(kind)] { (title(language, kind)) }
                    }
                }
            }
            button { (language.text(texts::configuration::FILTER)) }
        }
    }
}

pub(crate) fn line(visit: &Visit<'_>, run: &SyncRun, entry: &PlanLine) -> Markup {
    let language = visit.language;
    html! {
        section.card {
            h3 {
                @if let Some(record) = entry.record { (record.title(language)) " " }
                @if entry.title.is_empty() { span.hint { (language.text(texts::configuration::WITHOUT_TITLE)) } }
                @else { (entry.title) }
            }
            @let is_wrong = matches!(entry.kind, EntryKind::Double | EntryKind::Refused | EntryKind::Stray);
            p.problem[is_wrong] { (outcome(language, run, entry)) }
            @if entry.kind == EntryKind::Double { (join_form(visit, run, entry)) }
            @else if !entry.rows.is_empty() { ul { @for row in &entry.rows { li { (link(language, row)) } } } }
            @if !entry.changes.is_empty() { (changes(language, &entry.changes)) }
        }
    }
}

/// The outcome of a run; for a plan, what it would do.
fn outcome(language: Language, run: &SyncRun, entry: &PlanLine) -> String {
    let key = || entry.key.as_deref().unwrap_or(language.text(texts::configuration::KEY_NUMBER));
    match entry.kind {
        EntryKind::Double => language.text(texts::configuration::RowsWithNumber { count: entry.rows.len() as u64 }),
        EntryKind::Refused | EntryKind::Stray => entry.why.clone().unwrap_or_default(),
        EntryKind::Change => language.text(texts::configuration::DifferentValues { count: entry.changes.len() as u64 }),
        EntryKind::Link if run.dry => language.text(texts::configuration::WouldBeLinked { key: key() }),
        EntryKind::Link => language.text(texts::configuration::WasLinked { key: key() }),
        EntryKind::Make if run.dry => language.text(texts::configuration::PAGE_WOULD_BE_CREATED).to_owned(),
        EntryKind::Make => language.text(texts::configuration::PAGE_WAS_CREATED).to_owned(),
    }
}

fn link(language: Language, row: &RowRef) -> Markup {
    let untitled = row.title.trim().is_empty();
    let title = if untitled { language.text(texts::configuration::UNTITLED) } else { &row.title };
    html! { a href=(row.url) { (title) } }
}

fn changes(language: Language, changes: &[FieldChange]) -> Markup {
    let columns = [
        Column::text(language.text(texts::configuration::FIELD)),
        Column::text(side_name(language, SyncSide::Bitrix24)),
        Column::text(side_name(language, SyncSide::Notion)),
        Column::text(language.text(texts::configuration::WHAT_HAPPENS)),
    ];
    let rows = changes.iter().map(|change| {
        let happens = match (&change.to, &change.why) {
            (Some(side), _) => language.text(texts::configuration::WrittenTo { side: side_name(language, *side) }),
            (None, Some(reason)) => language.text(texts::configuration::BothStayBecause { reason }),
            (None, None) => language.text(texts::configuration::BOTH_STAY).to_owned(),
        };
        [
            html! { (change.property) " " span.hint { (change.field) } },
            html! { (change.bitrix24) },
            html! { (change.notion) },
            html! { (happens) },
        ]
    });
    table(language.text(texts::configuration::KIND_CHANGE), columns, rows)
}

fn join_form(visit: &Visit<'_>, run: &SyncRun, entry: &PlanLine) -> Markup {
    let language = visit.language;
    let Some(record) = entry.record else { return html! {} };
    let which = texts::configuration::WhichRowStays { record: record.title(language) };
    let others = format!("others-{}", record.id());
    html! {
        form method="post" action="/admin/notion/join" {
            (token(visit))
            input type="hidden" name="run" value=(run.id);
            input type="hidden" name="number" value=(record.id());
            fieldset {
                legend { (language.text(which)) }
                @for (index, row) in entry.rows.iter().enumerate() {
                    label.tick {
                        input type="radio" name="keep" value=(row.page) checked[index == 0] required;
                        " " (link(language, row))
                    }
                }
            }
            label for=(others) { (language.text(texts::configuration::OTHER_ROWS)) }
            select id=(others) name="others" {
                option value="note" { (language.text(texts::configuration::OTHERS_STAY)) }
                option value="trash" { (language.text(texts::configuration::OTHERS_TO_TRASH)) }
            }
            button { (language.text(texts::configuration::JOIN_ROWS)) }
        }
    }
}

/// The lines as a file.
pub(crate) async fn file(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let Some(asked) = PlanQuery::read(visit, query).await? else { return Ok(missing(visit, gone(visit))) };
    let plans = &visit.deps.mirror.plans;
    let (mut text, mut after) = (csv(&[], true), asked.after.clone());
    loop {
        let (entries, next) = plans.page(&visit.id, &asked.run.id, asked.kind, after, A_PART).await?;
        text.push_str(&csv(&entries, false));
        match next {
            Some(next) if text.len() > MAX_FILE => {
                let address = asked.address("plan.csv", Some(&next));
                let rest = PlanLine {
                    why: Some(visit.language.text(texts::configuration::RestIsElsewhere { address })),
                    title: visit.language.text(texts::configuration::MORE).into(),
                    ..PlanLine::about(EntryKind::Make)
                };
                text.push_str(&csv(&[rest], false));
                break;
            }
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(PageAnswer::File("plan.csv", text))
}

pub(crate) async fn join(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let mirror = &visit.deps.mirror;
    let Some((run, _)) = mirror.runs.get(&visit.id, form.get("run")).await? else {
        return Ok(PageAnswer::to("/notion", gone(visit)));
    };
    let back = format!("/notion/plan?run={}&kind=double", encoded(&run.id));
    let Some(database) = visit.settings.notion.named(&run.database) else {
        let unknown = texts::configuration::DatabaseIsUnknown { database: &run.database };
        return Ok(PageAnswer::to("/notion", visit.language.text(unknown)));
    };
    let (Ok(number), Some(keep)) = (form.get("number").parse::<u64>(), notion::object_id(form.get("keep"))) else {
        return Ok(PageAnswer::to(&back, visit.language.text(texts::configuration::CHOOSE_ROW)));
    };
    let record = database.records.kind().record(number);
    let others = if form.get("others") == "trash" { Others::Trash } else { Others::Note };
    let job = SyncJob::Join { database: run.database.clone(), record, keep, others, by: visit.session.who.clone() };
    let trace = TraceId::new(mirror.backend.clock.now());
    mirror.send(vec![notion_sync::message(&job, &visit.id, trace, &format!("join#{trace}"))?]).await?;
    visit.note("rows joined", &format!("{record} in {}", run.database), "", form.get("keep")).await?;
    let joined = texts::configuration::RowsAreJoined { record: record.title(visit.language) };
    Ok(PageAnswer::to(&back, visit.language.text(joined)))
}
