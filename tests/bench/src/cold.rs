//! How long a function takes from its start to its first request for work.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use simulators::http::{HangUp, Server};
use tokio::process::Command;
use tokio::sync::Notify;

const RUNS: usize = 21;

/// Measures each bootstrap beside the bare one.
pub(crate) async fn measure() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bare = median(&root.join("target/release/bare-lambda")).await?;
    println!("{:>20}: {bare:?}", "bare lambda_runtime");
    for function in ["bitrix24-webhook", "bitrix24-events", "slack-delivery"] {
        let bootstrap: PathBuf = root.join("target/lambda").join(function).join("bootstrap");
        let took = median(&bootstrap).await?;
        println!("{function:>20}: {took:?}, {:.2} times the bare one", took.as_secs_f64() / bare.as_secs_f64());
    }
    Ok(())
}

async fn median(path: &Path) -> anyhow::Result<Duration> {
    let asked = Arc::new(Notify::new());
    let told = asked.clone();
    let server = Server::start(0, move |_| {
        told.notify_one();
        std::future::pending::<Result<http::Response<axum::body::Bytes>, HangUp>>()
    })
    .await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let mut child = Command::new(path)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} is not built; docs/performance.md says how", path.display()))?;
        asked.notified().await;
        times.push(began.elapsed());
        child.kill().await?;
    }
    times.sort_unstable();
    Ok(times[RUNS / 2])
}
