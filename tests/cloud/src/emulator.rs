//! AWS emulated by ministack, as a process of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;

use crate::root;

/// How long it may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running emulator. It ends when dropped, and when the process that started it ends.
pub struct Emulator {
    process: Child,
    folder: PathBuf,
    port: u16,
}

/// What an emulator does with requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    /// Refuses what the caller's policies do not grant, and records who asked for what.
    Enforced,
    /// Lets everyone do everything. Functions reach AWS at this port, where requests may be changed on their way; without one
    /// at the emulator's own.
    Ignored { endpoint: Option<u16> },
}

impl Emulator {
    /// Starts one on a free port of this machine, and waits until it listens.
    pub async fn start(policies: Policies) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = root().join(format!("target/ministack/{port}"));
        std::fs::create_dir_all(&folder)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let program = root().join(".tools-cloud/bin/ministack");
        ensure!(program.exists(), "{} is missing; `scripts/check cloud` installs it", program.display());
        // The shell ends the emulator and its functions, which are one group of processes, when its input ends. That
        // happens whichever way this process ends.
        let script = "\"$0\" & read -r _; trap '' TERM; kill -TERM 0; wait";
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(&program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &folder);
        command.env("TMPDIR", &folder).env("BIND_HOST", "127.0.0.1").env("MINISTACK_HOST", "127.0.0.1");
        command.env("GATEWAY_PORT", port.to_string()).env("LOG_LEVEL", "INFO");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let endpoint = match policies {
            Policies::Enforced => {
                command.env("AUTH", "true").env("CLOUDTRAIL_RECORDING", "1").env("CLOUDTRAIL_MAX_EVENTS", "1000000");
                port
            }
            Policies::Ignored { endpoint } => endpoint.unwrap_or(port),
        };
        // It gives functions this variable, the only one that they would not have on AWS.
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{endpoint}"));
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let emulator = Self { process, folder, port };
        emulator.listen().await?;
        Ok(emulator)
    }

    async fn listen(&self) -> anyhow::Result<()> {
        let (began, health) = (Instant::now(), format!("{}/_ministack/health", self.url()));
        while reqwest::get(&health).await.is_err() {
            let log = self.folder.join("log");
            ensure!(began.elapsed() < START_LIMIT, "the emulator does not listen; see {}", log.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The address of all services.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The SDK's configuration of an administrator.
    pub async fn config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.url())
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .load()
            .await
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Works on the stack of `template.yaml` by `tests/cloud/stack.py`, and returns what that prints.
    pub(crate) async fn stack(&self, act: &str, stage: &str, others: &[String]) -> anyhow::Result<String> {
        let arguments: Vec<String> =
            [act.to_owned(), self.url(), stage.to_owned()].into_iter().chain(others.iter().cloned()).collect();
        script(&arguments).await
    }
}

/// Runs `tests/cloud/stack.py`.
pub(crate) async fn script(arguments: &[String]) -> anyhow::Result<String> {
    let python = root().join(".tools/bin/python");
    let ran = tokio::process::Command::new(&python)
        .arg(root().join("tests/cloud/stack.py"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} is missing; `scripts/check tools` installs it", python.display()))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "stack.py {} failed: {said}", arguments.join(" "));
    Ok(String::from_utf8(ran.stdout)?)
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        // A failed test leaves the emulator's log.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// What of the template the emulator does not know, a resource a line.
pub async fn left_out() -> anyhow::Result<String> {
    script(&["left-out".to_owned()]).await
}
