//! What the simulators' own tests share: virtual time on an isolated thread, and handlers that note what comes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use runtime::ManualClock;
use runtime::clock::Clock as _;

use crate::direct::{Isolated, isolate};
use crate::http::{HangUp, HttpAnswer, Server};

/// Virtual time, from which this thread does not get away.
pub(crate) struct VirtualTime {
    pub(crate) clock: Arc<ManualClock>,
    _isolated: Isolated,
}

impl VirtualTime {
    pub(crate) fn start() -> Self {
        let start = "2026-11-21T12:00:00Z".parse().unwrap_or_default();
        Self { clock: Arc::new(ManualClock::at(start)), _isolated: isolate() }
    }

    /// Lets so many seconds pass, and what is due happen.
    pub(crate) async fn pass(&self, seconds: u64) {
        rest().await;
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            rest().await;
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> i64 {
        self.clock.now().as_second() - 1_795_262_400
    }
}

/// Lets everything run that can.
pub(crate) async fn rest() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Our handler: what came, and how it answers.
pub(crate) struct NotingHandler {
    pub(crate) server: Server,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl NotingHandler {
    /// Answers as `answer` says, given how many came before.
    pub(crate) async fn start(answer: impl Fn(usize) -> HttpAnswer + Clone + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
        let notes = seen.clone();
        let server = Server::start(0, move |request| {
            let mut notes = notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let answered = answer(notes.len());
            notes.push(request);
            async move { answered }
        });
        Self { server: server.await.unwrap_or_else(|error| unreachable!("{error}")), seen }
    }

    /// What came so far.
    pub(crate) fn seen(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

pub(crate) fn status(status: u16) -> HttpAnswer {
    Response::builder().status(status).body(Bytes::new()).map_err(|_| HangUp::Breaks)
}
