//! The backfills of Notion databases: how far they are, what they did, and how one begins.

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use notion_sync::runs::{Phase, RunRequest, SyncRun};
use web::components::{empty, moment};
use web::language::rich;
use web::page::Form;

use crate::{PageAnswer, Visit};

/// Runs that are shown.
const MAX_RUNS: usize = 5;

/// The newest runs.
pub(crate) async fn latest(visit: &Visit<'_>) -> Result<Vec<SyncRun>, Failure> {
    Ok(visit.deps.mirror.runs.latest(&visit.id, MAX_RUNS).await?)
}

/// The list of runs alone, for a page that shows their progress.
pub(crate) async fn show(visit: &Visit<'_>) -> Result<PageAnswer, Failure> {
    Ok(PageAnswer::Part(all(visit.language, &latest(visit).await?).into_string()))
}

/// While a run continues, this part reloads itself.
pub(crate) fn all(language: Language, runs: &[SyncRun]) -> Markup {
    let continues = runs.iter().any(|run| !run.has_ended());
    html! {
        div hx-get=[continues.then_some("/admin/notion/runs")] hx-trigger="every 2s" hx-swap="outerHTML" aria-live="polite" {
            @if runs.is_empty() { (empty(language.text(texts::configuration::NO_BACKFILLS))) }
            @for run in runs { (card(language, run)) }
        }
    }
}

/// The phase of a run, in words.
pub(crate) fn phase(language: Language, phase: &Phase) -> String {
    language
        .text(match phase {
            Phase::Rows { .. } => texts::configuration::READING_ROWS,
            Phase::Numbers { .. } => texts::configuration::CHECKING_NUMBERS,
            Phase::Keys { .. } => texts::configuration::COMPARING,
            Phase::Records { .. } => texts::configuration::GOING_THROUGH,
            Phase::Done => texts::configuration::DONE,
            Phase::Stopped { why } => return language.text(texts::configuration::Stopped { reason: why }),
        })
        .to_owned()
}

/// How much a run has read so far.
pub(crate) fn read_so_far(language: Language, run: &SyncRun) -> String {
    let (rows, records) = (run.counts.rows, run.counts.records);
    language.text(texts::configuration::ReadSoFar { rows, records })
}

fn card(language: Language, run: &SyncRun) -> Markup {
    let (database, state) = (&run.database, &phase(language, &run.phase));
    let title = if run.dry {
        language.text(texts::configuration::PlanState { database, state })
    } else {
        language.text(texts::configuration::RunState { database, state })
    };
    let begun = texts::configuration::Begun { by: html! { (run.by) }, time: moment(run.began_at) };
    html! {
        section.card {
            h3 { (title) }
            @if !run.has_ended() { progress aria-label=(language.text(texts::configuration::ProgressOf { database })) {} }
            (counts(language, run))
            p {
                a href={ "/admin/notion/plan?run=" (web::page::encoded(&run.id)) } {
                    (language.text(texts::configuration::SHOW_EVERY_RECORD))
                }
            }
            @if let Some(reason) = &run.waits_for {
                p.hint { (language.text(texts::configuration::WaitsFor { reason })) }
            }
            @if !run.examples.is_empty() {
                details {
                    summary { (language.text(texts::configuration::EXAMPLES)) }
                    ul { @for line in &run.examples { li { (line) } } }
                }
            }
            p.hint { (rich(language, &begun)) }
        }
    }
}

fn counts(language: Language, run: &SyncRun) -> Markup {
    let counts = &run.counts;
    let (created, changed) = (counts.created, counts.changed);
    let (number, title, key) = (counts.linked_by_id, counts.linked_by_title, counts.linked_by_key);
    let done = if run.dry {
        language.text(texts::configuration::PlanCounts { created, number, title, key, changed })
    } else {
        language.text(texts::configuration::RunCounts { created, number, title, key, changed })
    };
    let other = texts::configuration::OtherCounts {
        linked: counts.linked_before,
        left_out: counts.left_out,
        failed: counts.failed,
    };
    let to_decide = texts::configuration::ToDecide {
        doubles: counts.doubles,
        refused: counts.refused,
        strays: counts.strays,
        undecided: counts.undecided,
    };
    html! {
        p { (read_so_far(language, run)) " " (done) " " (language.text(other)) }
        @if counts.doubles + counts.strays + counts.refused + counts.undecided > 0 {
            p.problem { (language.text(to_decide)) }
        }
    }
}

pub(crate) async fn begin(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (name, dry, language) = (form.get("database"), !form.get("dry").is_empty(), visit.language);
    if visit.settings.notion.named(name).is_none() {
        let gone = texts::configuration::DatabaseIsUnknown { database: name };
        return Ok(PageAnswer::to("/notion", language.text(gone)));
    }
    if latest(visit).await?.iter().any(|run| run.database == name && !run.has_ended()) {
        let running = texts::configuration::BackfillIsRunning { database: name };
        return Ok(PageAnswer::to("/notion", language.text(running)));
    }
    let wanted = RunRequest { dry, since: None, by: &visit.session.who };
    visit.deps.mirror.start(&visit.id, name, &wanted).await?;
    let what = if dry { "backfill planned" } else { "backfill begun" };
    visit.note(what, name, "", "").await?;
    let begun = if dry { texts::configuration::PLAN_HAS_BEGUN } else { texts::configuration::RUN_HAS_BEGUN };
    Ok(PageAnswer::to("/notion", language.text(begun)))
}
