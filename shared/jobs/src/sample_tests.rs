//! The samples of jobs in `events/`, one for each queue: this release reads them, also with names that only a newer one knows.

use std::fmt::Debug;
use std::path::Path;

use runtime::Job;
use runtime::job::ReceivedJob;
use runtime::queue::Received;
use serde_json::{Value, json};

use crate::chat::{SlackJob, ToBitrix24};
use crate::job_impls::SlackEvent;
use crate::queues;
use crate::slack_request::SlackRequest;
use crate::sync::SyncJob;
use crate::{Hint, TenantJob};

/// The text of the job in a queue's sample.
fn sample(queue: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(format!("{queue}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let event: Value = serde_json::from_str(&text).unwrap();
    event["Records"][0]["body"].as_str().unwrap().to_owned()
}

/// Adds a name to an object and to all objects in it, except to those that only name a variant: `{"Item": …}`.
fn add_unknown(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(add_unknown);
            let names_a_variant = object.len() == 1 && object.keys().all(|name| name.starts_with(char::is_uppercase));
            if !names_a_variant {
                object.insert("of_a_newer_release".into(), json!({"a": [1, null]}));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown),
        _ => {}
    }
}

fn parse<T: Job>(body: String) -> T {
    let received = Received { id: "m".into(), receipt: "r".into(), group: "g".into(), body, attempt: 1 };
    ReceivedJob::<T>::parse(&received).unwrap().body
}

fn reads<T: Job + PartialEq + Debug>() {
    let text = sample(T::QUEUE.name());
    let job: T = parse(text.clone());
    let mut newer: Value = serde_json::from_str(&text).unwrap();
    newer["of_a_newer_release"] = json!("x");
    add_unknown(&mut newer["body"]);
    assert_eq!(parse::<T>(newer.to_string()), job, "{}", T::QUEUE.name());
}

#[test]
fn a_job_with_names_that_only_a_newer_release_knows_is_the_same_job() {
    for queue in queues::ALL {
        match queue {
            queues::BITRIX24_EVENTS => reads::<Hint>(),
            queues::SLACK_DELIVERY => reads::<SlackJob>(),
            queues::SLACK_EVENTS => reads::<SlackEvent>(),
            queues::SLACK_COMMANDS => reads::<SlackRequest>(),
            queues::BITRIX24_DELIVERY => reads::<ToBitrix24>(),
            queues::RECORD_SYNC => reads::<SyncJob>(),
            queues::TENANT_JOBS => reads::<TenantJob>(),
            unknown => panic!("no sample of {}", unknown.name()),
        }
    }
}
