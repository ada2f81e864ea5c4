//! The texts of scheduled reports: the present state, and what changed.

use std::collections::BTreeMap;

use clients::{ConnectionSide, ConnectionTrouble, Connections, Failure};
use jiff::{SignedDuration, Timestamp};
use locale::{Localized, texts};
use records::change::ChangeKind;
use runtime::ledger::{DeliveryStatus, Ledger, LedgerLine, today};
use settings::Settings;
use tenants::portals::Portal;

/// The most pages of the log that are counted for a day.
const MAX_PAGES: usize = 25;
/// The most days that are looked back.
const MAX_DAYS: i64 = 8;
/// Kinds of changes that a digest names.
const MAX_KINDS: usize = 12;

/// The lines of the log since a moment, and whether all were seen.
async fn since(
    ledger: &Ledger,
    portal: &Portal,
    since: Timestamp,
    now: Timestamp,
) -> Result<(Vec<LedgerLine>, bool), Failure> {
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
        LedgerLine::Event(event) => event.received_at >= since && event.received_at < now,
        LedgerLine::Delivery(delivery) => delivery.trace.arrived_at() >= since && delivery.trace.arrived_at() < now,
    });
    Ok((lines, all))
}

/// Deliveries of a day.
#[derive(Default)]
struct Sent {
    delivered: u64,
    waiting: u64,
    failed: u64,
}

impl Sent {
    fn count(lines: &[LedgerLine]) -> Self {
        let mut sent = Self::default();
        for line in lines {
            if let LedgerLine::Delivery(delivery) = line {
                match delivery.status {
                    DeliveryStatus::Delivered { .. } => sent.delivered += 1,
                    DeliveryStatus::Dead { .. } => sent.failed += 1,
                    DeliveryStatus::Queued | DeliveryStatus::Started { .. } | DeliveryStatus::Retrying { .. } => {
                        sent.waiting += 1;
                    }
                    _ => {}
                }
            }
        }
        sent
    }

    /// A sentence about them; `all` says whether every line was counted.
    fn line(&self, all: bool) -> Localized {
        let Self { delivered, waiting, failed } = *self;
        if all {
            Localized::of(|_| texts::reports::LastDay { delivered, waiting, failed })
        } else {
            Localized::of(|_| texts::reports::LastDayAtLeast { delivered, waiting, failed })
        }
    }
}

/// The present state, and what was sent in the last day. `conflicts` are kept by the sync with Notion.
pub async fn status(
    ledger: &Ledger,
    connections: &Connections,
    portal: &Portal,
    conflicts: usize,
    now: Timestamp,
) -> Result<Vec<Localized>, Failure> {
    let troubles = connections.troubles(&portal.tenant).await?;
    let mut report = connected(portal, &troubles);
    let (lines, all) = since(ledger, portal, now - SignedDuration::from_hours(24), now).await?;
    report.push(Sent::count(&lines).line(all));
    let settings = portal.settings_as::<Settings>()?;
    if !settings.notion.databases.is_empty() {
        let (databases, conflicts) = (settings.notion.databases.len() as u64, conflicts as u64);
        report.push(Localized::of(|_| texts::reports::Notion { databases, conflicts }));
    }
    Ok(report)
}

fn connected(portal: &Portal, troubles: &[ConnectionTrouble]) -> Vec<Localized> {
    if troubles.is_empty() {
        let parts = [
            (ConnectionSide::Bitrix24, true),
            (ConnectionSide::Slack, portal.slack.is_some()),
            (ConnectionSide::Notion, portal.notion.is_some()),
        ];
        let names = |language| parts.iter().filter(|(_, is)| *is).map(move |(side, _)| side.title(language));
        return vec![Localized::of(|language| texts::reports::Connected {
            providers: names(language).collect::<Vec<_>>().join(", "),
        })];
    }
    let line = |trouble: &ConnectionTrouble| {
        let reason = trouble.why.as_str();
        Localized::of(|language| texts::reports::AccessRejected { provider: trouble.side.title(language), reason })
    };
    troubles.iter().map(line).collect()
}

/// What has changed since a moment, by kind.
pub async fn digest(
    ledger: &Ledger,
    portal: &Portal,
    from: Timestamp,
    now: Timestamp,
) -> Result<Vec<Localized>, Failure> {
    let (lines, all) = since(ledger, portal, from, now).await?;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in &lines {
        if let LedgerLine::Event(event) = line {
            for change in event.changes.iter().filter(|change| !change.starts_with("alert.")) {
                let kind = change.split([' ', ':']).next().unwrap_or_default().to_owned();
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    Ok(counts(kinds, from, all))
}

fn counts(kinds: BTreeMap<String, u64>, from: Timestamp, all: bool) -> Vec<Localized> {
    let since = from.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let since = since.as_str();
    if kinds.is_empty() {
        return vec![Localized::of(|_| texts::reports::NothingChanged { since })];
    }
    let mut counted: Vec<_> = kinds.into_iter().collect();
    counted.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    let head = if all {
        Localized::of(|_| texts::reports::Since { since })
    } else {
        Localized::of(|_| texts::reports::SinceAtLeast { since })
    };
    let line = |(name, count): &(String, u64)| {
        let kind = kind_name(name);
        Localized::of(|language| texts::reports::Count { kind: kind.text(language).to_owned(), count: *count })
    };
    std::iter::once(head).chain(counted.iter().take(MAX_KINDS).map(line)).collect()
}

/// A kind of change, as a heading of its count.
fn kind_name(name: &str) -> Localized {
    match ChangeKind::parse(name).and_then(|kind| kind.plural()) {
        Some(plural) => plural.into(),
        None => Localized::data(name.trim_start_matches("custom.").replace(['.', '_'], " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use locale::{Language, assert_from_the_catalogues, in_pseudo};

    #[test]
    fn a_digest_names_kinds_in_the_readers_language() {
        let kinds = BTreeMap::from([("deal.stage_changed".to_owned(), 2), ("call.missed".into(), 5)]);
        let lines = counts(kinds, "2026-11-22T08:00:00Z".parse().unwrap(), true);
        let read = |language| lines.iter().map(|line| line.text(language)).collect::<Vec<_>>();
        assert_eq!(
            read(Language::En),
            ["Since 2026-11-22 08:00 UTC:", "Missed calls: 5", "Deals moved to another stage: 2"]
        );
        assert_eq!(
            read(Language::Ru),
            ["С 2026-11-22 08:00 UTC:", "Пропущенные звонки: 5", "Сделки сменили стадию: 2"]
        );
    }

    #[test]
    fn reports_come_from_the_catalogues() {
        let from: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let kinds = ChangeKind::ALL.iter().map(|(_, name, _)| (*name).to_owned()).chain(["custom.оплата".into()]);
        let lines = in_pseudo(|| {
            let mut lines: Vec<Localized> = kinds.map(|name| kind_name(&name)).collect();
            for all in [true, false] {
                lines.extend(counts(BTreeMap::from([("custom.оплата".to_owned(), 1)]), from, all));
                lines.push(Sent::default().line(all));
            }
            lines.extend(counts(BTreeMap::new(), from, true));
            lines
        });
        for line in &lines {
            assert_from_the_catalogues(line.text(Language::En));
        }
    }
}
