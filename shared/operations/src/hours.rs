//! The last day by the hour: how much was delivered, how much waits, how long it took.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use runtime::TenantId;
use runtime::ledger::{DeliveryLine, DeliveryStatus, Ledger, LedgerLine};
use runtime::store::StoreError;
use serde::Serialize;

use crate::log::LogStatus;

/// Hours that are shown.
pub const HOURS: usize = 24;
/// The most lines that are counted: the newest ones.
pub const MAX_LINES: usize = 10_000;

/// An hour's deliveries by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    pub delivered: u32,
    /// Not done yet.
    pub waiting: u32,
    /// Did not have to be done.
    pub skipped: u32,
    /// Given up.
    pub dead: u32,
}

impl Hour {
    /// How many there are.
    pub fn all(&self) -> u32 {
        self.delivered + self.waiting + self.skipped + self.dead
    }

    fn count(&mut self, status: LogStatus) {
        let counter = match status {
            LogStatus::Delivered => &mut self.delivered,
            LogStatus::Waiting => &mut self.waiting,
            LogStatus::Skipped => &mut self.skipped,
            LogStatus::Dead => &mut self.dead,
        };
        *counter += 1;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastDay {
    /// The beginning of the first hour.
    pub from: Timestamp,
    /// Its hours, oldest first.
    pub hours: Vec<Hour>,
    /// From an event's arrival to its delivery, in milliseconds: the median and the 95th percentile. None if nothing
    /// was delivered.
    pub lag_ms: Option<(i64, i64)>,
    /// The oldest that is not done yet, and when its event arrived.
    pub oldest: Option<(String, Timestamp)>,
    /// Events by status.
    pub events: BTreeMap<&'static str, u32>,
    /// Whether there were more lines than are counted.
    pub is_cut: bool,
}

pub async fn count(ledger: &Ledger, tenant: &TenantId, now: Timestamp) -> Result<LastDay, StoreError> {
    let span = SignedDuration::from_hours(i64::try_from(HOURS).unwrap_or(24) - 1);
    let this_hour = Timestamp::from_second(now.as_second() / 3600 * 3600).unwrap_or(now);
    let from = this_hour - span;
    let mut day = LastDay {
        from,
        hours: vec![Hour::default(); HOURS],
        lag_ms: None,
        oldest: None,
        events: BTreeMap::new(),
        is_cut: false,
    };
    let (mut lags, mut counted) = (Vec::new(), 0);
    // Two days of UTC contain any last day.
    for at in [now, from] {
        let mut after = None;
        loop {
            let (lines, next) = ledger.day_lines(tenant, &runtime::ledger::today(at), after, 500).await?;
            counted += lines.len();
            for (_, line) in lines {
                match line {
                    LedgerLine::Event(event) => {
                        if event.received_at >= from {
                            *day.events.entry(LogStatus::of_event(&event).name()).or_default() += 1;
                        }
                    }
                    LedgerLine::Delivery(line) => day.take(&line, &mut lags),
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
            if counted >= MAX_LINES {
                day.is_cut = true;
                break;
            }
        }
        if day.is_cut || runtime::ledger::today(now) == runtime::ledger::today(from) {
            break;
        }
    }
    lags.sort_unstable();
    let at = |share: usize| lags.get((lags.len().saturating_sub(1)) * share / 100).copied();
    day.lag_ms = at(50).zip(at(95));
    Ok(day)
}

impl LastDay {
    fn take(&mut self, line: &DeliveryLine, lags: &mut Vec<i64>) {
        let arrived = line.trace.arrived_at();
        let hour = arrived.duration_since(self.from).as_secs().div_euclid(3600);
        let Some(hour) = usize::try_from(hour).ok().and_then(|hour| self.hours.get_mut(hour)) else { return };
        let status = LogStatus::of_delivery(line);
        hour.count(status);
        if let DeliveryStatus::Delivered { at, .. } = &line.status {
            lags.push(i64::try_from(at.duration_since(arrived).as_millis()).unwrap_or(i64::MAX));
        }
        // A held delivery waits on purpose.
        let waits = status == LogStatus::Waiting && !matches!(line.status, DeliveryStatus::Held { .. });
        if waits && self.oldest.as_ref().is_none_or(|(_, oldest)| arrived < *oldest) {
            self.oldest = Some((line.trace.to_string(), arrived));
        }
    }
}
