//! The ports of `runtime` on AWS, and the start-up of a Lambda function.
//!
//! The store is DynamoDB, the queues are SQS FIFO, the secrets are in Secrets Manager. A function names none of them:
//! its `main.rs` gets the ports here and passes its handler on.

pub mod clients;
pub mod invoke;
mod lag;
pub mod lambda;
mod log;
pub mod metrics;
pub mod names;
pub mod queue;
pub mod secrets;
pub mod store;

use std::sync::Arc;

// What is shipped cannot draw its secrets from a seed. Tests are built with everything that any of them needs.
const _: () =
    assert!(cfg!(debug_assertions) || !runtime::random::IS_SEEDABLE, "the feature runtime/seeded is for tests");

use aws_config::SdkConfig;
use runtime::{Backend, Clock, SystemClock};

pub use clients::{AwsPatience, Clients};
pub use invoke::{LambdaFunction, token_renewal};
pub use lambda::{Error, run_calls, run_http, run_queue, run_schedule, run_webhook};
pub use names::ResourceNames;

/// The ports of this function, by its environment.
pub fn backend() -> Backend {
    log::begin();
    assemble(Clients::lazy(AwsPatience::OF_WORKER), ResourceNames::from_env(), Arc::new(SystemClock))
}

/// The same for a function that answers webhooks: AWS gets little time, so that the sender hears of it in time.
pub fn backend_of_webhook() -> Backend {
    log::begin();
    assemble(Clients::lazy(AwsPatience::OF_WEBHOOK), ResourceNames::from_env(), Arc::new(SystemClock))
}

/// The ports of a deployment for a command that somebody runs: by the environment, with warnings for people.
pub fn ports_of_command() -> Backend {
    log::begin_for_people();
    assemble(Clients::lazy(AwsPatience::OF_WORKER), ResourceNames::from_env(), Arc::new(SystemClock))
}

/// The ports over one configuration of the SDK, with the time of `clock`.
pub fn ports_over(config: &SdkConfig, names: ResourceNames, clock: Arc<dyn Clock>) -> Backend {
    ports_within(config, names, clock, AwsPatience::OF_WORKER)
}

/// The same with another patience.
pub fn ports_within(config: &SdkConfig, names: ResourceNames, clock: Arc<dyn Clock>, patience: AwsPatience) -> Backend {
    assemble(Clients::over(config, patience), names, clock)
}

fn assemble(clients: Clients, names: ResourceNames, clock: Arc<dyn Clock>) -> Backend {
    let (clients, names) = (Arc::new(clients), Arc::new(names));
    Backend {
        store: Arc::new(store::DynamoStore::new(clients.clone(), names.clone(), clock.clone())),
        queue: Arc::new(queue::SqsQueue::new(clients.clone(), names.clone())),
        secrets: Arc::new(secrets::ManagedSecrets::new(clients, names)),
        clock,
        metrics: Arc::new(metrics::EmbeddedMetrics::from_env()),
    }
}
