//! Counts as CloudWatch's embedded metric format: a line of JSON in the log becomes a metric.

use std::time::{SystemTime, UNIX_EPOCH};

use platform::metrics::Metrics;
use serde_json::json;

/// Writes each count to standard output.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedMetrics;

impl Metrics for EmbeddedMetrics {
    fn count(&self, name: &'static str, reason: &'static str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = json!({
            "_aws": {
                "Timestamp": u64::try_from(now).unwrap_or_default(),
                "CloudWatchMetrics": [{
                    "Namespace": "Switchboard",
                    "Dimensions": [["reason"]],
                    "Metrics": [{"Name": name, "Unit": "Count"}],
                }],
            },
            "reason": reason,
            name: 1,
        });
        println!("{line}");
    }
}
