//! A Lambda Runtime API for one function, and an event source mapping that feeds it from its queue.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use runtime::QueueName;
use serde_json::{Value, json};
use simulators::http::{Server, answer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use crate::{Cloud, template};

/// How long an invocation may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A started function: its process and the Runtime API that it asks for work.
pub struct Function {
    /// Ends with the test.
    _process: Child,
    _server: Server,
    invocations: mpsc::UnboundedSender<(Value, oneshot::Sender<Result<Value, Value>>)>,
    log: Log,
    worked: Mutex<(u64, Duration)>,
}

/// What a function wrote for CloudWatch, a line each.
type Log = Arc<Mutex<Vec<String>>>;

#[derive(Default)]
struct Pending {
    answers: HashMap<String, oneshot::Sender<Result<Value, Value>>>,
    count: u64,
}

impl Function {
    /// Starts the function's binary at `path` with exactly the variables that `template.yaml` gives it;
    /// `slack_api` stands for the stack's parameter.
    pub async fn start(name: &str, path: &Path, cloud: &Cloud, slack_api: &str) -> anyhow::Result<Self> {
        let variables = template::variables(name)?;
        let (invocations, waiting) = mpsc::unbounded_channel::<(Value, oneshot::Sender<Result<Value, Value>>)>();
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let pending = Arc::new(Mutex::new(Pending::default()));
        let server = Server::start(0, move |request| {
            let (waiting, pending) = (waiting.clone(), pending.clone());
            async move { Ok::<_, simulators::http::HangUp>(runtime_api(&waiting, &pending, request).await) }
        })
        .await?;
        let mut command = Command::new(path);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_REGION", crate::aws::REGION)
            // By this the emulated AWS knows whose policy counts.
            .env("AWS_ACCESS_KEY_ID", format!("{}{name}", crate::policy::KEY_OF))
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL", cloud.url())
            .envs(cloud.variables(slack_api).into_iter().filter(|(name, _)| variables.contains(name)))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let mut process = command.spawn().with_context(|| {
            format!("{} does not start; build it with `cargo lambda build --release`", path.display())
        })?;
        let log = Log::default();
        if let Some(out) = process.stdout.take() {
            let log = log.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(out).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Ok(Self { _process: process, _server: server, invocations, log, worked: Mutex::default() })
    }

    /// Invokes the function and returns what it answers.
    pub async fn invoke(&self, event: Value) -> anyhow::Result<Value> {
        let began = Instant::now();
        let (answer, answered) = oneshot::channel();
        self.invocations.send((event, answer)).ok().context("the Runtime API has stopped")?;
        let answered = tokio::time::timeout(PATIENCE, answered).await.context("the function does not answer")??;
        {
            let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
            *worked = (worked.0 + 1, worked.1 + began.elapsed());
        }
        match answered {
            Ok(answer) => Ok(answer),
            Err(error) => bail!("the function failed: {error}"),
        }
    }

    /// How often it was invoked, and how long that took together.
    pub fn worked(&self) -> (u64, Duration) {
        *self.worked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that it has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Feeds the function one batch from its queue, as an event source mapping with `ReportBatchItemFailures`
    /// does, and deletes what it did not report. Returns how many messages the batch had.
    pub async fn feed(&self, cloud: &Cloud, queue: QueueName) -> anyhow::Result<usize> {
        let sqs = aws_sdk_sqs::Client::new(&cloud.config);
        cloud.note_mapping(queue);
        let url = &cloud.names.queues[&queue];
        let received = sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .message_system_attribute_names(aws_sdk_sqs::types::MessageSystemAttributeName::All)
            .send()
            .await?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(0);
        }
        let records = messages.iter().map(|message| {
            let body = message.body().unwrap_or_default();
            let attempt = message.attributes().and_then(|attributes| {
                attributes.get(&aws_sdk_sqs::types::MessageSystemAttributeName::ApproximateReceiveCount)
            });
            json!({
                "messageId": message.message_id(), "receiptHandle": message.receipt_handle(), "body": body,
                "attributes": {"ApproximateReceiveCount": attempt, "MessageGroupId": cloud.group_of(body)},
                "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": crate::aws::REGION,
                "eventSourceARN": format!("arn:aws:sqs:{}:123456789012:{}", crate::aws::REGION, queue.name()),
            })
        });
        let answer = self.invoke(json!({"Records": records.collect::<Vec<_>>()})).await?;
        let failed: Vec<_> = answer["batchItemFailures"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|failure| failure["itemIdentifier"].as_str())
            .collect();
        for message in &messages {
            if !failed.contains(&message.message_id().unwrap_or_default()) {
                sqs.delete_message().queue_url(url).set_receipt_handle(message.receipt_handle.clone()).send().await?;
            }
        }
        Ok(messages.len())
    }
}

/// An event of an HTTP API (payload version 2.0) that carries a form.
pub fn form_post(path: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded", "host": "api.example.com"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "Bitrix24 Webhook Engine"},
            "requestId": "id", "routeKey": format!("POST {path}"), "stage": "$default",
            "time": "21/Nov/2026:00:00:00 +0000", "timeEpoch": 1_795_219_200_000_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

type Waiting = tokio::sync::Mutex<mpsc::UnboundedReceiver<(Value, oneshot::Sender<Result<Value, Value>>)>>;

/// `GET …/invocation/next`, `POST …/invocation/ID/response`, `POST …/invocation/ID/error`.
async fn runtime_api(waiting: &Waiting, pending: &Mutex<Pending>, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().trim_start_matches("/2018-06-01/runtime/").to_owned();
    let parts: Vec<_> = path.split('/').collect();
    match (request.method(), &parts[..]) {
        (&Method::GET, ["invocation", "next"]) => {
            let Some((event, reply)) = waiting.lock().await.recv().await else { return answer(500, &json!({})) };
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.count += 1;
            let id = format!("invocation-{}", pending.count);
            pending.answers.insert(id.clone(), reply);
            let mut response = answer(200, &event);
            let deadline = "4102444800000"; // the year 2100
            for (name, value) in [
                ("lambda-runtime-aws-request-id", id.as_str()),
                ("lambda-runtime-deadline-ms", deadline),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:function"),
                ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
            ] {
                if let Ok(value) = value.parse() {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        (&Method::POST, ["invocation", id, kind]) => {
            let body = serde_json::from_slice(request.body()).unwrap_or_default();
            let reply = pending.lock().unwrap_or_else(PoisonError::into_inner).answers.remove(*id);
            if let Some(reply) = reply {
                let _ = reply.send(if *kind == "response" { Ok(body) } else { Err(body) });
            }
            answer(202, &json!({}))
        }
        _ => answer(202, &json!({})),
    }
}

/// The built binary of a function, where `cargo lambda build` puts it, or in `LAMBDA_DIR`.
pub fn bootstrap(function: &str) -> PathBuf {
    let folder = std::env::var("LAMBDA_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lambda"), PathBuf::from);
    folder.join(function).join("bootstrap")
}
