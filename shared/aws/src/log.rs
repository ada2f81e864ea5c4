//! The log: one flat line of JSON for each event, with the fields of the spans around it (trace and tenant of the job)
//! and the X-Ray trace of the invocation. CloudWatch adds the time.

use std::io::Write;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter::LevelFilter};

/// Begins to log, by the variable `LOG_LEVEL`.
pub(crate) fn begin() {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    // Fails only if a log is set up already.
    let _ = tracing_subscriber::registry().with(LineWriter.with_filter(LevelFilter::from_level(level))).try_init();
}

/// Begins to log for the user of a command: warnings, as text, beside what the command prints.
pub(crate) fn begin_for_people() {
    let _ = tracing_subscriber::fmt().with_max_level(Level::WARN).with_writer(std::io::stderr).try_init();
}

/// Writes lines.
struct LineWriter;

/// What a span says.
struct SpanFields(Map<String, Value>);

impl<S> Layer<S> for LineWriter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Map::new();
        attributes.record(&mut LogFields(&mut said));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(said));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(said)) = span.extensions_mut().get_mut()
        {
            values.record(&mut LogFields(said));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("level".into(), event.metadata().level().as_str().into());
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(SpanFields(said)) = span.extensions().get() {
                line.extend(said.clone());
            }
        }
        event.record(&mut LogFields(&mut line));
        line.insert("target".into(), event.metadata().target().into());
        if let Some(trace) = xray_trace() {
            line.insert("xray".into(), trace.into());
        }
        // An unwritable log must not be a failure.
        let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(line));
    }
}

/// The trace of the invocation, as Lambda gives it to the process.
fn xray_trace() -> Option<String> {
    let header = std::env::var("_X_AMZN_TRACE_ID").ok()?;
    header.split(';').find_map(|part| part.trim().strip_prefix("Root=").map(str::to_owned))
}

struct LogFields<'a>(&'a mut Map<String, Value>);

impl Visit for LogFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
}
