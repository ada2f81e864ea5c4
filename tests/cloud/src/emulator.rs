//! AWS emulated by ministack, as a process of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;
use tokio::process::Command;

use crate::root;

/// How long it may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);

const REGION: &str = "us-east-1";
/// Both halves of an administrator's key.
const KEY: &str = "test";

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
        let script = "\"$0\" & read -r _; kill -KILL 0";
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(script).arg(&program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &folder);
        command.env("TMPDIR", &folder).env("BIND_HOST", "127.0.0.1");
        command.env("GATEWAY_PORT", port.to_string()).env("LOG_LEVEL", "INFO");
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", KEY);
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
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (began, health) = (Instant::now(), format!("{}/_ministack/health", self.url()));
        while reqwest::get(&health).await.is_err() {
            ensure!(began.elapsed() < START_LIMIT, "the emulator does not listen:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The last lines of its log.
    pub(crate) fn said(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The address of all services.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The SDK's configuration of an administrator.
    pub async fn config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new(REGION))
            .endpoint_url(self.url())
            .credentials_provider(Credentials::new(KEY, KEY, None, None, "tests"))
            .load()
            .await
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Works on the stack of `template.yaml` by `tests/cloud/emulated.py`, and returns what that prints.
    pub(crate) async fn stack(&self, act: &str, stage: &str, others: &[String]) -> anyhow::Result<String> {
        let own = [act.to_owned(), self.url(), stage.to_owned()];
        self.python("tests/cloud/emulated.py", &[&own[..], others].concat()).await
    }

    /// Runs a script of the repository as an administrator of the emulated account, and returns what it prints.
    pub(crate) async fn python(&self, path: &str, arguments: &[String]) -> anyhow::Result<String> {
        let mut command = python(path, arguments);
        command.env("AWS_ENDPOINT_URL", self.url()).env("AWS_REGION", REGION).env("SWITCHBOARD_POLL_SECONDS", "0.2");
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", KEY);
        printed(command).await
    }
}

fn python(path: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(root().join(".tools/bin/python"));
    command.arg(root().join(path)).args(arguments).kill_on_drop(true);
    command
}

async fn printed(mut command: Command) -> anyhow::Result<String> {
    let ran = command.output().await.context("no Python in .tools; `scripts/check tools` installs it")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{:?} failed: {said}", command.as_std());
    Ok(String::from_utf8(ran.stdout)?)
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What of the template the emulator does not know, a resource a line.
pub async fn left_out() -> anyhow::Result<String> {
    printed(python("tests/cloud/emulated.py", &["left-out".to_owned()])).await
}
