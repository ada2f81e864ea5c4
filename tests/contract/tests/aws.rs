//! The promises, kept by the AWS engine with the real SDKs, over emulated services.

use std::sync::Arc;

use cloud::Services;
use contract::Engine;
use runtime::ManualClock;

pub(crate) async fn engine() -> (Engine, Services) {
    let services = Services::start().await.unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let backend = aws::ports_over(&services.config, services.names.clone(), clock.clone());
    // A Lambda function keeps nothing between two calls.
    let same = backend.clone();
    let restart =
        move || -> futures::future::BoxFuture<'static, runtime::Backend> { Box::pin(std::future::ready(same.clone())) };
    (Engine { backend, clock, restart: Box::new(restart) }, services)
}

contract::all_promises!(crate::aws::engine());
