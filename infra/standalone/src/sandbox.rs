//! `sandbox`: the simulators alone, for a client that is tested against them.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use runtime::{SystemClock, private_files};
use serde_json::Value;
use simulators::Sandbox;
use tokio::sync::watch;

/// Which simulators run, and how they answer.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Many companies instead of one, each with a portal and a Slack workspace, and none connected yet.
    #[arg(long)]
    companies: Option<usize>,
    /// Answers https, for clients that insist on it: with a certificate of an authority that is made for this run. The
    /// line names the file with the authority's own certificate, for the client to trust.
    #[arg(long)]
    tls: bool,
}

/// Runs the simulators until `stop` becomes true.
pub async fn run(options: Options, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let authority = if options.tls { Some(Trusted::new()?) } else { None };
    let secured = |described: Value| match &authority {
        Some(authority) => authority.named_in(described),
        None => described,
    };
    if let Some(companies) = options.companies {
        let starting = simulators::Estate::start(Arc::new(SystemClock), companies.clamp(1, 20));
        let estate = match &authority {
            Some(trusted) => trusted.authority.secure(starting).await?,
            None => starting.await?,
        };
        println!("{}", secured(estate.describe()));
        stop.wait_for(|stop| *stop).await?;
        return Ok(());
    }
    let starting = Sandbox::start(Arc::new(SystemClock));
    let sandbox = match &authority {
        Some(trusted) => trusted.authority.secure(starting).await?,
        None => starting.await?,
    };
    println!("{}", secured(sandbox.describe()));
    tokio::select! {
        () = sandbox.notion.keep_sending() => {}
        stopped = stop.wait_for(|stop| *stop) => { stopped?; }
    }
    Ok(())
}

/// A certificate authority whose certificate is in a file while the simulators run.
struct Trusted {
    authority: simulators::tls::CertificateAuthority,
    file: PathBuf,
}

impl Trusted {
    fn new() -> anyhow::Result<Self> {
        let made = simulators::tls::CertificateAuthority::new()
            .map_err(|error| anyhow::anyhow!("no certificate could be made: {error}"))?;
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let file = std::env::temp_dir().join(format!("switchboard-sandbox-{}-{moment}.pem", std::process::id()));
        let mut kept =
            private_files::create(&file).with_context(|| format!("the file {} cannot be made", file.display()))?;
        kept.write_all(made.certificate().as_bytes())?;
        Ok(Self { authority: made, file })
    }

    fn named_in(&self, mut described: Value) -> Value {
        described["certificate_authority"] = self.file.display().to_string().into();
        described
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
