//! `replay`: posts a recorded event body, as Bitrix24 would.

use std::path::Path;

use anyhow::Context;

/// Posts the body in `file` to `url`; returns the answer.
pub async fn replay(file: &Path, url: &str) -> anyhow::Result<String> {
    let body = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // The line end after a recorded body comes from an editor, not from Bitrix24.
    let body = body.strip_suffix(b"\n").map_or(body.clone(), <[u8]>::to_vec);
    let response = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("user-agent", "Bitrix24 Webhook Engine")
        .body(body)
        .send()
        .await
        .with_context(|| format!("nobody answers at {url}; is `serve` or `demo` running there?"))?;
    let status = response.status();
    let answer = response.text().await.unwrap_or_default();
    anyhow::ensure!(status.is_success(), "answered {status}: {answer}");
    Ok(format!("{status} {answer}"))
}
