//! The metrics port, as CloudWatch's embedded metric format: a line of JSON in the log becomes a metric.

use std::time::{SystemTime, UNIX_EPOCH};

use runtime::metrics::{Metrics, Unit};
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Switchboard";

/// Writes each to standard output, under the deployment's stage.
#[derive(Debug, Clone)]
pub struct EmbeddedMetrics {
    stage: String,
}

impl EmbeddedMetrics {
    /// Metrics of the stage that the variable `STAGE` names.
    pub fn from_env() -> Self {
        Self { stage: std::env::var("STAGE").ok().filter(|stage| !stage.is_empty()).unwrap_or_else(|| "none".into()) }
    }

    fn line(&self, name: &str, unit: &str, value: &Value, reason: Option<&str>) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let dimensions = if reason.is_some() { json!([["stage", "reason"]]) } else { json!([["stage"]]) };
        let mut line = Map::new();
        let metrics = json!([{
            "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": [{"Name": name, "Unit": unit}],
        }]);
        let stamp = u64::try_from(now).unwrap_or_default();
        line.insert("_aws".into(), json!({"Timestamp": stamp, "CloudWatchMetrics": metrics}));
        line.insert("stage".into(), self.stage.clone().into());
        if let Some(reason) = reason {
            line.insert("reason".into(), reason.into());
        }
        line.insert(name.to_owned(), value.clone());
        Value::Object(line)
    }
}

impl Metrics for EmbeddedMetrics {
    fn add(&self, name: &'static str, reason: &'static str, number: u64) {
        println!("{}", self.line(name, "Count", &number.into(), Some(reason)));
    }

    fn measure(&self, name: &'static str, value: f64, unit: Unit) {
        let unit = match unit {
            Unit::Milliseconds => "Milliseconds",
            Unit::Seconds => "Seconds",
            Unit::Count => "Count",
        };
        println!("{}", self.line(name, unit, &value.into(), None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_reads_as_a_metric() {
        let metrics = EmbeddedMetrics { stage: "prod".into() };
        let line = metrics.line("jobs", "Count", &3.into(), Some("done"));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Switchboard");
        // Each dimension and each metric is a field of the line itself.
        for dimension in directive["Dimensions"][0].as_array().into_iter().flatten() {
            assert!(line[dimension.as_str().unwrap_or_default()].is_string());
        }
        assert_eq!((&line["jobs"], &directive["Metrics"][0]["Unit"]), (&json!(3), &json!("Count")));
        assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000));
        let measured = metrics.line("delivery_lag", "Milliseconds", &1.5.into(), None);
        assert_eq!(measured["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["stage"]]));
    }
}
