//! The texts of scheduled reports: the present state, and what changed.

use std::collections::BTreeMap;

use clients::{Connections, Failure};
use jiff::{SignedDuration, Timestamp};
use runtime::ledger::{DeliveryStatus, Ledger, Line, today};
use settings::Settings;
use tenants::portals::Portal;

/// Pages of the log that are counted for a day, at most.
const MAX_PAGES: usize = 25;
/// Days that are looked back, at most.
const MAX_DAYS: i64 = 8;
/// Kinds of changes that a digest names.
const MAX_KINDS: usize = 12;

/// The lines of the log since a moment, and whether all were seen.
async fn since(
    ledger: &Ledger,
    portal: &Portal,
    since: Timestamp,
    now: Timestamp,
) -> Result<(Vec<Line>, bool), Failure> {
    let (mut lines, mut all) = (Vec::new(), true);
    for back in 0..MAX_DAYS {
        let moment = now - SignedDuration::from_hours(24 * back);
        let mut after = None;
        for page_number in 0.. {
            if page_number == MAX_PAGES {
                all = false;
                break;
            }
            let page = ledger.day(&portal.tenant, &today(moment), after).await?;
            lines.extend(page.lines);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if today(moment) == today(since) {
            break;
        }
    }
    lines.retain(|line| match line {
        Line::Event(event) => event.received_at >= since && event.received_at < now,
        Line::Delivery(delivery) => delivery.trace.arrived_at() >= since && delivery.trace.arrived_at() < now,
    });
    Ok((lines, all))
}

/// The present state, and what was sent in the last day. `conflicts` are kept by the sync with Notion.
pub async fn status(
    ledger: &Ledger,
    connections: &Connections,
    portal: &Portal,
    conflicts: usize,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    let troubles = connections.troubles(&portal.tenant).await?;
    for trouble in &troubles {
        told.push(format!("{} does not take our access: {}", trouble.side.name(), trouble.why));
    }
    if troubles.is_empty() {
        let parts = [("Bitrix24", true), ("Slack", portal.slack.is_some()), ("Notion", portal.notion.is_some())];
        let connected: Vec<_> = parts.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        told.push(format!("Connected: {}.", connected.join(", ")));
    }
    let (lines, all) = since(ledger, portal, now - SignedDuration::from_hours(24), now).await?;
    let (mut delivered, mut dead, mut waiting) = (0, 0, 0);
    for line in &lines {
        if let Line::Delivery(delivery) = line {
            match delivery.status {
                DeliveryStatus::Delivered { .. } => delivered += 1,
                DeliveryStatus::Dead { .. } => dead += 1,
                DeliveryStatus::Queued | DeliveryStatus::Started { .. } | DeliveryStatus::Retrying { .. } => {
                    waiting += 1;
                }
                _ => {}
            }
        }
    }
    let more = if all { "" } else { " at least" };
    told.push(format!("In the last 24 hours{more}: {delivered} delivered, {waiting} waiting, {dead} dead."));
    let settings = portal.settings_as::<Settings>()?;
    if !settings.notion.databases.is_empty() {
        told.push(format!("Notion: {} databases, {conflicts} conflicts kept.", settings.notion.databases.len()));
    }
    Ok(told)
}

/// What has changed since a moment, by kind.
pub async fn digest(ledger: &Ledger, portal: &Portal, from: Timestamp, now: Timestamp) -> Result<Vec<String>, Failure> {
    let (lines, all) = since(ledger, portal, from, now).await?;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in &lines {
        if let Line::Event(event) = line {
            for change in event.changes.iter().filter(|change| !change.starts_with("alert.")) {
                let kind = change.split([' ', ':']).next().unwrap_or_default().replace(['.', '_'], " ");
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    let mut counted: Vec<_> = kinds.into_iter().collect();
    counted.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    let when = from.strftime("%Y-%m-%d %H:%M UTC");
    if counted.is_empty() {
        return Ok(vec![format!("Nothing has changed since {when}.")]);
    }
    let mut told = vec![format!("Since {when}{}:", if all { "" } else { ", at least" })];
    told.extend(counted.iter().take(MAX_KINDS).map(|(name, count)| format!("{name}: {count}")));
    Ok(told)
}
