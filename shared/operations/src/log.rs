//! The event log, searched: events with their deliveries, newest first.
//!
//! The ledger is read backwards, a bounded number of lines at a time. There is no index: a page of results costs what
//! it reads, and says where to continue.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, LINE_TTL, Ledger, LedgerLine};
use runtime::store::StoreError;
use runtime::{TenantId, TraceId};
use serde::Serialize;

/// Lines that one search reads before it returns the place to continue.
const MAX_LINES: usize = 3_000;
/// Lines that are read at once.
const AT_ONCE: usize = 500;

/// An event and what it led to. A delivery without its event (not yet written, or expired) is alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventTrail {
    pub trace: TraceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventLine>,
    /// What it led to.
    pub deliveries: Vec<DeliveryLine>,
}

/// A status in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStatus {
    /// It was done.
    Delivered,
    /// It is not done yet.
    Waiting,
    /// It did not have to be done.
    Skipped,
    /// It was given up.
    Dead,
}

impl LogStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Waiting, Self::Skipped, Self::Dead];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Dead => "dead",
        }
    }

    /// The status of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    pub fn of_delivery(line: &DeliveryLine) -> Self {
        match line.status {
            DeliveryStatus::Delivered { .. } | DeliveryStatus::Grouped { .. } => Self::Delivered,
            DeliveryStatus::Queued
            | DeliveryStatus::Started { .. }
            | DeliveryStatus::Retrying { .. }
            | DeliveryStatus::Held { .. }
            | DeliveryStatus::Other(_) => Self::Waiting,
            DeliveryStatus::Skipped { .. } => Self::Skipped,
            DeliveryStatus::Dead { .. } => Self::Dead,
        }
    }

    /// An event's own.
    pub fn of_event(line: &EventLine) -> Self {
        match line.status {
            EventStatus::Routed => Self::Delivered,
            EventStatus::Waiting { .. } | EventStatus::Other(_) => Self::Waiting,
            EventStatus::Skipped { .. } => Self::Skipped,
            EventStatus::Dead { .. } => Self::Dead,
        }
    }
}

/// The reason for a delivery's status, if there is one.
pub fn delivery_reason(line: &DeliveryLine) -> Option<String> {
    match &line.status {
        DeliveryStatus::Retrying { cause } => Some(cause.clone()),
        DeliveryStatus::Held { until } => Some(format!("held until {}", until.strftime("%Y-%m-%d %H:%M:%S UTC"))),
        DeliveryStatus::Grouped { into } => Some(format!("sent together with others, delivery {into}")),
        DeliveryStatus::Skipped { reason } => Some(reason.clone()),
        DeliveryStatus::Dead { code, reason } => Some(format!("{code}: {reason}")),
        DeliveryStatus::Delivered { .. } => line.remark.clone(),
        DeliveryStatus::Other(other) => Some(other.to_string()),
        DeliveryStatus::Queued | DeliveryStatus::Started { .. } => None,
    }
}

/// The reason for an event's status, if there is one.
pub fn event_reason(line: &EventLine) -> Option<String> {
    match &line.status {
        EventStatus::Routed => None,
        EventStatus::Waiting { cause } => Some(cause.clone()),
        EventStatus::Skipped { reason } => Some(reason.clone()),
        EventStatus::Dead { code, reason } => Some(format!("{code}: {reason}")),
        EventStatus::Other(other) => Some(other.to_string()),
    }
}

impl EventTrail {
    /// Its status as a whole: the worst of its deliveries, else that of the event.
    pub fn status(&self) -> LogStatus {
        let of = |status| self.deliveries.iter().any(|line| LogStatus::of_delivery(line) == status);
        let event = self.event.as_ref().map(LogStatus::of_event);
        if of(LogStatus::Dead) || event == Some(LogStatus::Dead) {
            LogStatus::Dead
        } else if of(LogStatus::Waiting) || event == Some(LogStatus::Waiting) {
            LogStatus::Waiting
        } else if of(LogStatus::Delivered) {
            LogStatus::Delivered
        } else if of(LogStatus::Skipped) {
            LogStatus::Skipped
        } else {
            event.unwrap_or(LogStatus::Waiting)
        }
    }

    pub fn arrived_at(&self) -> Timestamp {
        self.trace.arrived_at()
    }

    /// What it is about: `deal 42`.
    pub fn record(&self) -> Option<&str> {
        let own = self.event.as_ref().and_then(|event| event.record.as_deref());
        own.or_else(|| self.deliveries.first().map(|line| line.record.as_str())).filter(|record| !record.is_empty())
    }
}

/// The conditions of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Words that must all occur in the trail: a record, a person, a channel, a route, a code, a reason.
    pub text: String,
    /// The status of any step.
    pub status: Option<LogStatus>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
}

impl LogFilter {
    /// Whether it asks for anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event with its deliveries matches.
    pub fn fits(&self, way: &EventTrail) -> bool {
        let in_status = self.status.is_none_or(|status| {
            way.status() == status || way.deliveries.iter().any(|line| LogStatus::of_delivery(line) == status)
        });
        let at = way.arrived_at();
        let in_time = self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to);
        in_status && in_time && self.has_words(way)
    }

    fn has_words(&self, way: &EventTrail) -> bool {
        if self.text.trim().is_empty() {
            return true;
        }
        let words = words_of(way).to_lowercase();
        // "deal 42" must not match deal 421.
        let wanted = self.text.trim().to_lowercase();
        match wanted.split_once(' ') {
            Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() => {
                let record = format!("{kind} {number}");
                way.record() == Some(record.as_str()) || way.deliveries.iter().any(|line| line.record == record)
            }
            _ => wanted.split_whitespace().all(|word| words.contains(word)),
        }
    }
}

/// All texts of an event and its deliveries that a search may match.
fn words_of(way: &EventTrail) -> String {
    let mut told = way.trace.to_string();
    let mut add = |text: &str| {
        told.push(' ');
        told.push_str(text);
    };
    if let Some(event) = &way.event {
        add(&event.event);
        add(event.record.as_deref().unwrap_or_default());
        add(&event_reason(event).unwrap_or_default());
        event.changes.iter().chain(&event.left).for_each(|text| add(text));
    }
    for line in &way.deliveries {
        for text in [&line.record, &line.change, &line.route, &line.destination] {
            add(text);
        }
        add(&delivery_reason(line).unwrap_or_default());
        if let DeliveryStatus::Delivered { provider_id, .. } = &line.status {
            add(provider_id);
        }
    }
    told
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct SearchResult {
    /// The events with their deliveries, newest first.
    pub ways: Vec<EventTrail>,
    /// Where to continue; `None` if everything that is kept was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Lines that were read.
    pub looked_at: usize,
}

/// Searches a tenant's log, newest first, up to `most` events, continuing at [`SearchResult::next`].
pub async fn search(
    ledger: &Ledger,
    tenant: &TenantId,
    filter: &LogFilter,
    after: Option<&str>,
    most: usize,
    now: Timestamp,
) -> Result<SearchResult, StoreError> {
    if let Ok(trace) = filter.text.trim().parse::<TraceId>() {
        let ways = way(ledger, tenant, trace).await?.into_iter().collect();
        return Ok(SearchResult { ways, next: None, looked_at: 1 });
    }
    let mut found = SearchResult::default();
    let mut reading = LogReading::begin(ledger, tenant, filter, after, now);
    let mut open: Option<EventTrail> = None;
    loop {
        let lines = reading.next().await?;
        let is_end = lines.is_empty();
        found.looked_at += lines.len();
        for (at, line) in lines {
            let trace = trace_of(&line);
            if open.as_ref().is_some_and(|open| open.trace != trace) {
                let whole = open.take().filter(|way| filter.fits(way));
                found.ways.extend(whole);
                if found.ways.len() == most {
                    found.next = Some(at.before());
                    return Ok(found);
                }
            }
            let way = open.get_or_insert_with(|| EventTrail { trace, event: None, deliveries: Vec::new() });
            match line {
                LedgerLine::Event(event) => way.event = Some(event),
                // Newest first: they are read in the reverse order of their ids.
                LedgerLine::Delivery(delivery) => way.deliveries.insert(0, delivery),
            }
        }
        if is_end {
            found.ways.extend(open.filter(|way| filter.fits(way)));
            return Ok(found);
        }
        if found.looked_at >= MAX_LINES
            && let Some(open) = &open
        {
            // An event that is half read is read again from its beginning.
            found.next = Some(LogCursor::after(open.trace));
            return Ok(found);
        }
    }
}

/// One event with all its deliveries.
pub async fn way(ledger: &Ledger, tenant: &TenantId, trace: TraceId) -> Result<Option<EventTrail>, StoreError> {
    let lines = ledger.trace(tenant, trace).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    let mut way = EventTrail { trace, event: None, deliveries: Vec::new() };
    for line in lines {
        match line {
            LedgerLine::Event(event) => way.event = Some(event),
            LedgerLine::Delivery(delivery) => way.deliveries.push(delivery),
        }
    }
    Ok(Some(way))
}

fn trace_of(line: &LedgerLine) -> TraceId {
    match line {
        LedgerLine::Event(event) => event.trace,
        LedgerLine::Delivery(delivery) => delivery.trace,
    }
}

/// A place in the log: a day, and the last line of it that was read.
#[derive(Debug, Clone)]
struct LogCursor {
    day: Date,
    after: Option<String>,
}

impl LogCursor {
    /// The position after a whole trail, when read backwards.
    fn after(trace: TraceId) -> String {
        // No line of it sorts above this: ids of deliveries are hexadecimal.
        format!("{}|{trace}#~", trace.day())
    }

    fn parse(text: &str) -> Option<Self> {
        let (day, after) = text.split_once('|')?;
        Some(Self { day: day.parse().ok()?, after: Some(after.to_owned()).filter(|after| !after.is_empty()) })
    }
}

/// Where a line was read, as a place to continue.
struct At {
    day: Date,
    sort: String,
}

impl At {
    /// The place from which this line is read again.
    fn before(&self) -> String {
        // "!" sorts behind the line itself and before every other one.
        format!("{}|{}!", self.day, self.sort)
    }
}

struct LogReading<'a> {
    ledger: &'a Ledger,
    tenant: &'a TenantId,
    place: Option<LogCursor>,
    oldest: Date,
}

impl<'a> LogReading<'a> {
    fn begin(
        ledger: &'a Ledger,
        tenant: &'a TenantId,
        filter: &LogFilter,
        after: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let kept = runtime::clock::earlier(now, LINE_TTL);
        let oldest = day(filter.from.map_or(kept, |from| from.max(kept)));
        let newest = day(filter.to.map_or(now, |to| to.min(now)));
        let place = after.and_then(LogCursor::parse).unwrap_or(LogCursor { day: newest, after: None });
        Self { ledger, tenant, place: Some(place), oldest }
    }

    /// The next lines, newest first; none at the end.
    async fn next(&mut self) -> Result<Vec<(At, LedgerLine)>, StoreError> {
        while let Some(place) = self.place.take() {
            if place.day < self.oldest {
                return Ok(Vec::new());
            }
            let page = self.ledger.day_lines(self.tenant, &place.day.to_string(), place.after, AT_ONCE).await?;
            self.place = match page.1 {
                Some(after) => Some(LogCursor { day: place.day, after: Some(after) }),
                None => place.day.yesterday().ok().map(|day| LogCursor { day, after: None }),
            };
            if !page.0.is_empty() {
                let at = |sort| At { day: place.day, sort };
                return Ok(page.0.into_iter().map(|(sort, line)| (at(sort), line)).collect());
            }
        }
        Ok(Vec::new())
    }
}
