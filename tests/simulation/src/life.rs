//! Whether a process lives. One that has crashed does nothing any more that others could see.

use tokio::sync::watch;

/// The life of a process.
#[derive(Debug)]
pub struct Life {
    /// Its number, for the trace.
    pub number: u64,
    is_over: watch::Sender<bool>,
}

impl Life {
    /// A process that lives.
    pub fn new(number: u64) -> Self {
        Self { number, is_over: watch::Sender::new(false) }
    }

    /// It crashes.
    pub fn end(&self) {
        self.is_over.send_replace(true);
    }

    /// Whether it has crashed.
    pub fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Returns when it crashes.
    pub async fn ended(&self) {
        let mut is_over = self.is_over.subscribe();
        // It cannot end otherwise: `self` holds the sender.
        let _ = is_over.wait_for(|is_over| *is_over).await;
    }

    /// Does `work` as long as the process lives; afterwards nothing happens and nothing returns.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.ended() => std::future::pending().await,
            done = work => done,
        }
    }
}
