//! Everything that is logged on this thread, to be searched for secrets.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// The text of a log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was logged so far.
    pub fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what this thread logs from now on, as long as the guard lives.
    #[must_use]
    pub fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let level = tracing_subscriber::filter::Targets::new().with_default(tracing::Level::DEBUG);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(self.clone());
        tracing::subscriber::set_default(tracing_subscriber::registry().with(level).with(layer))
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
