//! Undoing a conflict: the value that lost is written to both sides.

use std::collections::BTreeMap;

use connect::Failure;
use mirror::{Kept, Open, SyncJob, conflicts};
use platform::job::Job;
use rules::Record;
use rules::sync::Agreed;

use crate::{Deps, Settled, Told, read, write};

pub(crate) async fn undo(
    deps: &Deps,
    job: &Job<SyncJob>,
    database: &str,
    record: Record,
    conflict: &str,
    by: &str,
) -> Result<Settled, Failure> {
    let Some(kept) = deps.mirror.conflicts.get(&job.tenant, conflict).await? else {
        return Ok(Settled::skip("the conflict is not kept any more"));
    };
    if !kept.can_be_undone() {
        return Ok(Settled::skip("the conflict was undone before, or its value cannot be written"));
    }
    let opened = match deps.mirror.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(Settled::skip(closed.text)),
    };
    let field = kept.conflict.field.clone();
    let Some((mut link, version)) = deps.mirror.links.get(&job.tenant, database, record).await? else {
        return Ok(Settled::skip("the record and its page are not linked any more"));
    };
    if opened.field(&field).is_none() || !link.is_together() {
        return Ok(Settled::skip("the field or the link rests; see the database's state"));
    }
    let gone = || Failure::permanent("gone", format!("{record} or its page is gone"));
    let known = read::record(deps, &opened, record, None).await?.ok_or_else(gone)?;
    let page = read::page(&opened, link.page.as_deref().unwrap_or_default()).await?.ok_or_else(gone)?;
    let cells = BTreeMap::from([(field.clone(), kept.conflict.lost().clone())]);
    let context = deps.mirror.context(&opened, record, Some(&known.state), Some(&page)).await?;
    let mut state = known.state;
    let is_shown =
        opened.field(&field).is_some_and(|field| field.fit == rules::sync::Fit::Shown || field.portal.read_only);
    let mut refused = Vec::new();
    if !is_shown {
        let written = write::to_portal(deps, &opened, record, &state, &cells).await?;
        (state, refused) = (written.now, written.refused);
    }
    let written = write::to_page(&opened, &page, &cells, &context).await?;
    refused.extend(written.refused);
    if let Some(refused) = refused.first() {
        return Err(Failure::permanent("undo_refused", refused.why.clone()));
    }
    let context = deps.mirror.context(&opened, record, Some(&state), Some(&written.now)).await?;
    let cell =
        |sides: &rules::sync::Sides| sides.fields.get(&field).map(|reading| reading.cell.clone()).unwrap_or_default();
    let bitrix24 = read::portal_side(&opened, record, &state, &context);
    let notion = read::page_side(&opened, &link, &written.now, None, &context);
    link.base.insert(field.clone(), Agreed::new(&cell(&bitrix24), &cell(&notion)));
    link.synced_at = Some(deps.now());
    let undone = Kept { undone: Some((deps.now(), by.to_owned())), ..kept };
    let writes = vec![
        mirror::link::link_write(&job.tenant, &link, Some(version))?,
        conflicts::conflict_write(&job.tenant, &undone)?,
    ];
    let changes = vec![format!("{field}: {:?} written again, by {by}", undone.conflict.lost().to_string())];
    Ok(Settled { told: Told::Done { changes, place: written.now.url }, writes })
}
