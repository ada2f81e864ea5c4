//! The rows as they were put down, and which of them a record belongs to.

use connect::Failure;
use mirror::{Link, Opened, SyncJob};
use notion::Page;
use platform::TenantId;
use platform::job::Job;
use platform::store::{Key, Query, Table};
use rules::sync::Cell;
use rules::{Record, State};

use crate::{Deps, read};

/// The row that a record belongs to.
pub(super) enum Row {
    None,
    Numbered(Page),
    Titled(Page),
    Several(usize),
}

pub(super) async fn row(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    run: &str,
    record: Record,
    state: &State,
) -> Result<Row, Failure> {
    let numbered = free(deps, job, run, &format!("number#{}#", record.id())).await?;
    if let Some(page) = numbered.into_iter().next() {
        return Ok(Row::Numbered(page));
    }
    let title = state.title().unwrap_or_default();
    let titled = free(deps, job, run, &by_title(&title)).await?;
    let mut fitting = Vec::new();
    for page in titled {
        // The same title, letter for letter, and the same company where the database has one.
        if Cell::line(&page.title()) == Cell::line(&title) && has_company(deps, opened, record, state, &page).await? {
            fitting.push(page);
        }
    }
    Ok(match fitting.len() {
        0 => Row::None,
        1 => fitting.pop().map_or(Row::None, Row::Titled),
        several => Row::Several(several),
    })
}

async fn has_company(
    deps: &Deps,
    opened: &Opened,
    record: Record,
    state: &State,
    page: &Page,
) -> Result<bool, Failure> {
    if opened.field("companyId").is_none() {
        return Ok(true);
    }
    let context = deps.mirror.context(opened, record, Some(state), Some(page)).await?;
    let link = Link::making(&opened.database.name, record, deps.now());
    let company = |sides: &rules::sync::Sides| {
        sides.fields.get("companyId").map(|reading| reading.cell.clone()).unwrap_or_default()
    };
    let bitrix24 = read::portal_side(opened, record, state, &context);
    let notion = read::page_side(opened, &link, page, None, &context);
    Ok(company(&bitrix24) == company(&notion))
}

/// The rows put down under a prefix that are nobody's yet.
async fn free(deps: &Deps, job: &Job<SyncJob>, run: &str, prefix: &str) -> Result<Vec<Page>, Failure> {
    let query = Query::prefix(Table::Links, partition(&job.tenant, run), prefix);
    let mut pages = Vec::new();
    for item in deps.ports.store.list(&query).await?.items {
        let id: String = item.decode()?;
        if deps.mirror.links.owner(&job.tenant, &id).await?.is_some() {
            continue;
        }
        if let Some(row) = deps.ports.store.get(&row_key(&job.tenant, run, &id)).await? {
            pages.push(row.decode()?);
        }
    }
    Ok(pages)
}

/// The prefix of rows with a title; a long one by its beginning and its length.
pub(super) fn by_title(title: &str) -> String {
    let Cell::Text(title) = Cell::line(title) else { return "title##".into() };
    format!("title#{}#{}#", title.len(), title.chars().take(80).collect::<String>())
}

fn partition(tenant: &TenantId, run: &str) -> String {
    format!("{tenant}#rows#{run}")
}

pub(super) fn row_key(tenant: &TenantId, run: &str, page: &str) -> Key {
    index(tenant, run, &format!("page#{page}"))
}

pub(super) fn index(tenant: &TenantId, run: &str, sort: &str) -> Key {
    Key::new(Table::Links, partition(tenant, run), sort)
}
