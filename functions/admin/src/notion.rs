//! The Notion page: the connection, its webhook, the databases and what pauses them, conflicts with a way back. Its
//! backfills are in `runs`.

use clients::Failure;
use jobs::sync::{SyncJob, SyncSide};
use locale::{Language, texts};
use maud::{Markup, html};
use notion_sync::conflicts::StoredConflict;
use notion_sync::database::KnownDatabase;
use notion_sync::fields::merge::Why;
use runtime::TraceId;
use secrecy::ExposeSecret;
use settings::databases::DatabaseSettings;
use tenants::hooks::Hooks;
use tenants::portals::NOTION_VERIFICATION;
use web::components::{Column, Tone, empty, message, moment, table};
use web::language::rich;
use web::page::Form;

use crate::databases::records_name;
use crate::page::{Page, signed_in, token};
use crate::{PageAnswer, Visit, attention, runs};

/// Conflicts that are shown.
const MAX_CONFLICTS: usize = 30;

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<PageAnswer, Failure> {
    let (language, mirror, tenant) = (visit.language, &visit.deps.mirror, &visit.id);
    let runs = runs::latest(visit).await?;
    let conflicts = mirror.conflicts.latest(tenant, MAX_CONFLICTS).await?;
    let databases = &visit.settings.notion.databases;
    let mut known = Vec::new();
    for database in databases {
        known.push((database, mirror.stored(tenant, &database.name).await?));
    }
    let body = html! {
        (connection(visit))
        (webhook(visit).await?)
        (attention::hint(visit))
        h2 { (language.text(texts::configuration::DATABASES)) }
        @if databases.is_empty() { (empty(language.text(texts::configuration::NO_DATABASES))) }
        @for (database, known) in &known { (database_card(visit, database, known.as_ref())) }
        p { a.button href="/admin/notion/edit" { (language.text(texts::configuration::ADD_DATABASE)) } }
        h2 { (language.text(texts::configuration::BACKFILLS)) }
        (runs::all(language, &runs))
        h2 { (language.text(texts::configuration::CONFLICTS)) }
        @if conflicts.is_empty() { (empty(language.text(texts::configuration::NO_CONFLICTS))) }
        @else { (conflict_table(visit, &conflicts)) }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::Notion, done, &body)))
}

fn connection(visit: &Visit<'_>) -> Markup {
    let language = visit.language;
    match &visit.portal.notion {
        Some(notion) => {
            let (workspace, connection) = (html! { strong { (notion.workspace) } }, html! { strong { (notion.name) } });
            html! { p { (rich(language, &texts::configuration::Connected { workspace, connection })) } }
        }
        None => {
            let page = html! { a href="/install" { (language.text(texts::pages::PAGE_CONNECTIONS)) } };
            message(Tone::Problem, rich(language, &texts::configuration::NotConnected { page }))
        }
    }
}

async fn webhook(visit: &Visit<'_>) -> Result<Markup, Failure> {
    let (backend, tenant, language) = (&visit.deps.context.backend, &visit.id, visit.language);
    let connections = &visit.deps.mirror.connections;
    let address = connections.notion_address(tenant).await?;
    let hook = match &address {
        Some((_, place)) => Hooks::new(backend.store.clone()).read(place).await?,
        None => None,
    };
    let is_open = hook.as_ref().is_some_and(|hook| hook.is_open(backend.clock.now()));
    // The address and the tokens are shown while the window is open: the operator pastes them into Notion.
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
    let wait = if is_open { texts::configuration::KEEP_WAITING } else { texts::configuration::WAIT_FOR_TOKEN };
    Ok(html! {
        h2 { (language.text(texts::configuration::WEBHOOK)) }
        @match hook.as_ref().and_then(|hook| hook.seen_at) {
            Some(at) => p { (rich(language, &texts::configuration::WebhookWorks { time: moment(at) })) },
            None if count + pending > 0 => p { (language.text(texts::configuration::WEBHOOK_IS_SILENT)) },
            None => p.hint { (language.text(texts::configuration::NO_WEBHOOK)) },
        }
        @if is_open { (steps(language, url.as_deref(), &offered)) }
        form.inline method="post" action="/admin/notion/webhook" {
            (token(visit)) button { (language.text(wait)) }
        }
        @if address.is_some() {
            form.inline method="post" action="/admin/notion/webhook" {
                (token(visit)) input type="hidden" name="again" value="yes";
                button { (language.text(texts::configuration::NEW_ADDRESS)) }
            }
            p.hint { (language.text(texts::configuration::NEW_ADDRESS_HELP)) }
        }
        @if count > 1 || (count > 0 && pending > 0) {
            form.inline method="post" action="/admin/notion/webhook/close" {
                (token(visit)) button { (language.text(texts::configuration::FORGET_OLD_SUBSCRIPTIONS)) }
            }
        }
    })
}

/// What to do in Notion while the window is open.
fn steps(language: Language, url: Option<&str>, offered: &[String]) -> Markup {
    let address = url.unwrap_or(language.text(texts::configuration::WEBHOOK_ADDRESS_UNKNOWN));
    let address = texts::configuration::WebhookAddress { address: html! { code { (address) } } };
    html! {
        ol {
            li { (language.text(texts::configuration::CREATE_SUBSCRIPTION)) }
            li { (rich(language, &address)) }
            li { (language.text(texts::configuration::WEBHOOK_EVENTS)) }
            li { (tokens(language, offered)) }
        }
    }
}

/// The tokens that arrived, newest first.
fn tokens(language: Language, offered: &[String]) -> Markup {
    match offered {
        [] => html! { (language.text(texts::configuration::NO_TOKEN_YET)) },
        [token] => {
            let token = html! { code { (token) } };
            rich(language, &texts::configuration::TokenArrived { token })
        }
        many => {
            let tokens = html! { @for token in many { code { (token) } " " } };
            rich(language, &texts::configuration::TokensArrived { count: many.len() as u64, tokens })
        }
    }
}

fn database_card(visit: &Visit<'_>, database: &DatabaseSettings, known: Option<&KnownDatabase>) -> Markup {
    let language = visit.language;
    let closed = known.and_then(|known| known.closed.as_ref());
    let syncs = texts::configuration::Syncs {
        records: records_name(language, database.records),
        fields: database.mappings().len() as u64,
    };
    let buttons = [("yes", texts::configuration::PLAN_BACKFILL), ("", texts::configuration::RUN_BACKFILL)];
    html! {
        section.card {
            h3 {
                @match known.and_then(|known| known.source.as_ref()) {
                    Some(source) if source.title == database.name => a href=(source.url) { (source.title) },
                    Some(source) => { (database.name) ": " a href=(source.url) { (source.title) } },
                    None => { (database.name) " " span.hint { (language.text(texts::configuration::NOT_READ_YET)) } },
                }
            }
            @if let Some(closed) = closed { (message(Tone::Problem, closed.text.text(language))) }
            @if let Some(known) = known {
                @for trouble in &known.troubles {
                    @let pauses = language.text(texts::configuration::FieldPauses { field: &trouble.field });
                    (message(Tone::Problem, html! { strong { (pauses) } " " (trouble.text.text(language)) }))
                }
                @for notice in &known.notices { p.hint { (notice.text.text(language)) } }
            }
            p.hint {
                (language.text(syncs))
                @if let Some(when) = &database.when {
                    @let condition = html! { code { (when) } };
                    " " (rich(language, &texts::configuration::SyncsOnlyIf { condition }))
                }
            }
            a.button href={ "/admin/notion/edit?database=" (web::page::encoded(&database.name)) } {
                (language.text(texts::configuration::CHANGE))
            } " "
            @for (dry, words) in buttons {
                form.inline method="post" action="/admin/notion/backfill" {
                    (token(visit)) input type="hidden" name="database" value=(database.name);
                    input type="hidden" name="dry" value=(dry);
                    button { (language.text(words)) }
                }
            }
        }
    }
}

pub(crate) fn conflict_table(visit: &Visit<'_>, conflicts: &[StoredConflict]) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::configuration::WHEN)),
        Column::text(language.text(texts::configuration::RECORD)),
        Column::text(language.text(texts::configuration::FIELD)),
        Column::text(side_name(language, SyncSide::Bitrix24)),
        Column::text(side_name(language, SyncSide::Notion)),
        Column::text(language.text(texts::configuration::KEPT_VALUE)),
        Column::untitled(),
    ];
    let rows = conflicts.iter().map(|kept| {
        let (side, reason) = (side_name(language, kept.conflict.winner), because(language, kept.conflict.why));
        [
            moment(kept.at),
            html! { (kept.record.title(language)) " " (kept.title) },
            html! { (kept.property) },
            html! { (kept.conflict.bitrix24.to_string()) },
            html! { (kept.conflict.notion.to_string()) },
            html! { (language.text(texts::configuration::KeptBecause { side, reason })) },
            way_back(visit, kept),
        ]
    });
    table(language.text(texts::configuration::CONFLICTS), columns, rows)
}

/// A button that writes the value that lost, if it can be written.
fn way_back(visit: &Visit<'_>, kept: &StoredConflict) -> Markup {
    let language = visit.language;
    html! {
        @match &kept.undone {
            Some((at, by)) => {
                @let undone = texts::configuration::Undone { by: html! { (by) }, time: moment(*at) };
                span.hint { (rich(language, &undone)) }
            },
            None if kept.can_be_undone() => form.inline method="post" action="/admin/notion/undo" {
                (token(visit)) input type="hidden" name="conflict" value=(kept.id);
                button { (language.text(texts::configuration::WRITE_OTHER)) }
            },
            None => span.hint { (language.text(texts::configuration::CANNOT_BE_UNDONE)) },
        }
    }
}

/// The name of a side.
pub(crate) fn side_name(language: Language, side: SyncSide) -> &'static str {
    language.text(match side {
        SyncSide::Bitrix24 => texts::configuration::BITRIX24,
        SyncSide::Notion => texts::configuration::NOTION,
    })
}

/// Why a value was kept.
fn because(language: Language, why: Why) -> &'static str {
    language.text(match why {
        Why::Master => texts::configuration::BECAUSE_MASTER,
        Why::Later => texts::configuration::BECAUSE_LATER,
        Why::SameMinute => texts::configuration::BECAUSE_SAME_MINUTE,
        Why::OneWay => texts::configuration::BECAUSE_ONE_WAY,
        Why::OtherCannotBeWritten => texts::configuration::BECAUSE_OTHER_UNWRITABLE,
        Why::Chosen => texts::configuration::BECAUSE_CHOSEN,
        Why::First => texts::configuration::BECAUSE_FIRST,
    })
}

pub(crate) async fn open_window(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let again = !form.get("again").is_empty();
    visit.deps.mirror.connections.open_notion_window(&visit.id, again).await?;
    let what = if again { "new address for webhooks made" } else { "window for a verification token opened" };
    visit.note(what, "Notion", "", "").await?;
    Ok(PageAnswer::to("/notion", visit.language.text(texts::configuration::WINDOW_IS_OPEN)))
}

pub(crate) async fn close_old(visit: &Visit<'_>) -> Result<PageAnswer, Failure> {
    if let Some((_, place)) = visit.deps.mirror.connections.notion_address(&visit.id).await? {
        Hooks::new(visit.deps.context.backend.store.clone()).close_old(&place).await?;
        visit.note("older verification tokens forgotten", "Notion", "", "").await?;
    }
    Ok(PageAnswer::to("/notion", visit.language.text(texts::configuration::OLD_ARE_FORGOTTEN)))
}

pub(crate) async fn undo(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (mirror, tenant) = (&visit.deps.mirror, &visit.id);
    let Some(kept) = mirror.conflicts.get(tenant, form.get("conflict")).await? else {
        return Ok(PageAnswer::to("/notion", visit.language.text(texts::configuration::CONFLICT_IS_GONE)));
    };
    let job = SyncJob::Undo {
        database: kept.database.clone(),
        record: kept.record,
        conflict: kept.id.clone(),
        by: visit.session.who.clone(),
    };
    let trace = TraceId::new(mirror.backend.clock.now());
    mirror.send(vec![notion_sync::message(&job, tenant, trace, &format!("undo#{}", kept.id))?]).await?;
    visit.note("conflict undone", &format!("{} of {}", kept.property, kept.record), "", "").await?;
    let (field, record) = (kept.property, kept.record.title(visit.language));
    let undoing = texts::configuration::IsBeingUndone { field, record };
    Ok(PageAnswer::to("/notion", visit.language.text(undoing)))
}
