//! That no secret gets out: everything that is logged in a journey is kept, and searched at its end, together with
//! everything that its engine stored.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

fn kept() -> &'static Mutex<Vec<u8>> {
    static KEPT: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    KEPT.get_or_init(Mutex::default)
}

struct Keep;

impl Write for Keep {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        kept().lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Keep {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Our crates that log.
const OURS: [&str; 13] = [
    "admin",
    "api",
    "chat_bridge",
    "clients",
    "commands",
    "crm",
    "install",
    "notifications",
    "notion_sync",
    "runtime",
    "tenants",
    "user_mapping",
    "web",
];

/// Keeps everything that is logged from now on, down to the smallest of ours.
pub fn listen() {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level = tracing_subscriber::filter::Targets::new()
        .with_default(tracing::Level::INFO)
        .with_targets(OURS.map(|name| (name, tracing::Level::TRACE)));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Keep);
    // Fails only if it listens already.
    let _ = tracing_subscriber::registry().with(level).with(layer).try_init();
}

/// What was logged so far.
pub fn logged() -> String {
    String::from_utf8_lossy(&kept().lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// Fails if a secret is in the log or on the disk.
pub fn nothing_leaked(secrets: &[String], disk: &[u8]) {
    for secret in secrets.iter().filter(|secret| secret.len() >= 12) {
        let finder = memchr::memmem::Finder::new(secret);
        // Not copied: where all tests share a process, it is the log of all of them.
        let is_logged = finder.find(&kept().lock().unwrap_or_else(PoisonError::into_inner)).is_some();
        assert!(!is_logged, "a secret is in the log: {}…", &secret[..8]);
        assert!(finder.find(disk).is_none(), "a secret is readable in the database: {}…", &secret[..8]);
    }
}
