//! The start-up of a Lambda function: its loop for HTTP requests, queue batches, schedules or calls.

use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use lambda_http::request::RequestContext;
use lambda_runtime::{LambdaEvent, service_fn};
use runtime::job::{Job, Outcomes};
use runtime::queue::Received;
use runtime::{Backend, ClientAddress, Jobs, Runner, SuspectTurn, WorkTime};
use serde::de::DeserializeOwned;

use crate::lag;

pub use lambda_runtime::Error;

/// Answers API Gateway's requests with `handle`. Bodies come decoded: a signature is over these bytes. Where a request
/// comes from, the gateway says in its context; headers about it are the client's own words.
pub async fn run_http<F>(handle: impl Fn(Request<Bytes>) -> F + Sync) -> Result<(), Error>
where
    F: Future<Output = Response<Bytes>> + Send,
{
    let handle = &handle;
    lambda_http::run(service_fn(move |request: lambda_http::Request| async move {
        let (mut head, body) = request.into_parts();
        if let Some(address) = source(&head.extensions) {
            head.extensions.insert(address);
        }
        let body = body.collect().await?.to_bytes();
        let (head, body) = handle(Request::from_parts(head, body)).await.into_parts();
        // Our answers are text; as bytes they would travel in base64.
        let body = lambda_http::Body::Text(String::from_utf8(body.to_vec())?);
        Ok::<_, Error>(Response::from_parts(head, body))
    }))
    .await
}

/// The same for webhooks: if the answer takes too long, because AWS hangs, the sender gets a 503 in time, as long as it still
/// listens. What it sent may have been accepted; a sender that repeats it has the same identity again.
pub async fn run_webhook<F>(handle: impl Fn(Request<Bytes>) -> F + Sync) -> Result<(), Error>
where
    F: Future<Output = Response<Bytes>> + Send,
{
    let handle = &handle;
    run_http(move |request| in_time(handle(request))).await
}

/// The longest that a webhook takes to answer.
const MAX_ANSWER_TIME: Duration = Duration::from_millis(1_900);

async fn in_time(answer: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
    tokio::time::timeout(MAX_ANSWER_TIME, answer).await.unwrap_or_else(|_| {
        tracing::error!("AWS did not answer within {} ms; the sender gets a 503", MAX_ANSWER_TIME.as_millis());
        let mut response =
            Response::new(Bytes::from_static(br#"{"ok":false,"error":"unavailable; send it again later"}"#));
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    })
}

fn source(extensions: &http::Extensions) -> Option<ClientAddress> {
    match extensions.get::<RequestContext>()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_ref()?.parse().ok().map(ClientAddress),
        _ => None,
    }
}

/// Works the batches of a queue's event source mapping with `handle`.
pub async fn run_queue<T, F>(backend: &Backend, handle: impl Fn(Jobs<T>) -> F) -> Result<(), Error>
where
    T: Job,
    F: Future<Output = Outcomes>,
{
    let (runner, handle) = (&Runner::new(backend.clone(), SuspectTurn::default()), &handle);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        lag::measure(T::QUEUE, &event.payload.records, backend.clock.now(), backend.metrics.as_ref());
        let batch = event.payload.records.into_iter().filter_map(received).collect();
        // An invocation that is not over by then is ended without a word, and everything that it had in hand waits.
        let remaining = event.context.deadline().duration_since(SystemTime::now());
        let time = remaining.map_or_else(|_| WorkTime::default(), WorkTime::within);
        let report = runner.run(time, batch, handle).await;
        // What is not named here, the mapping deletes.
        Ok::<_, Error>(partial_batch_response(report.failed))
    }))
    .await
}

/// Runs on a schedule: `handle` gets the time, and what it reports goes into the log.
pub async fn run_schedule<R, F>(backend: &Backend, handle: impl Fn(jiff::Timestamp) -> F) -> Result<(), Error>
where
    R: serde::Serialize,
    F: Future<Output = R>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        let report = serde_json::to_value(handle(backend.clock.now()).await)?;
        tracing::info!(%report, "done");
        Ok::<_, Error>(report)
    }))
    .await
}

/// Answers the calls of other functions with `handle`.
pub async fn run_calls<Q, A, F>(handle: impl Fn(Q) -> F) -> Result<(), Error>
where
    Q: DeserializeOwned,
    A: serde::Serialize,
    F: Future<Output = A>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| async move {
        // What cannot be read is not repeated in the log.
        let request = serde_json::from_value(event.payload).map_err(|_| Error::from("the request cannot be read"))?;
        Ok::<_, Error>(serde_json::to_value(handle(request).await)?)
    }))
    .await
}

/// The answer that names the messages to hand out again.
pub fn partial_batch_response(failed: Vec<String>) -> SqsBatchResponse {
    let failures = failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.collect();
    response
}

/// A message as the mapping hands it to Lambda.
pub fn received(message: SqsMessage) -> Option<Received> {
    let attempt = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    Some(Received {
        attempt: attempt.unwrap_or(1),
        group: message.attributes.get("MessageGroupId").cloned().unwrap_or_default(),
        id: message.message_id?,
        receipt: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_hangs_answers_503_within_two_seconds() {
        let began = tokio::time::Instant::now();
        let answer = in_time(std::future::pending()).await;
        assert_eq!((answer.status().as_u16(), began.elapsed()), (503, MAX_ANSWER_TIME));
        assert!(MAX_ANSWER_TIME < Duration::from_secs(2));
        assert_eq!(in_time(async { Response::new(Bytes::new()) }).await.status(), 200);
    }
}
