//! A connection that measures how long its client takes: for a head, between requests, and while it reads.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::host_limits::HostLimits;

/// How a client was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// It sent no further request.
    Idle,
    /// It sent a part of a request's head.
    Head,
    /// It did not read what it asked for.
    Reading,
}

impl Late {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Head => "head_late",
            Self::Reading => "not_read",
        }
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The next request, until then.
    Quiet(Instant),
    /// The rest of a head, until then.
    Head(Instant),
    /// Our answer.
    Answering,
}

/// The progress of a connection, shared by its stream and its handler.
#[derive(Clone)]
pub(crate) struct Progress {
    limits: HostLimits,
    state: Arc<Mutex<State>>,
    closing: Arc<Notify>,
}

struct State {
    phase: Phase,
    /// When the client was last active.
    active: Instant,
    late: Option<Late>,
    /// How long the client can still make us wait while it reads.
    patience: Duration,
}

impl Progress {
    /// The progress of a new connection: its first request is due at once.
    pub(crate) fn new(limits: HostLimits) -> Self {
        let now = Instant::now();
        let state = State { phase: Phase::Quiet(now + limits.head), active: now, late: None, patience: limits.reading };
        Self { limits, state: Arc::new(Mutex::new(state)), closing: Arc::default() }
    }

    /// Since when the client has been quiet; `None` during a request and its answer.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        matches!(state.phase, Phase::Quiet(_)).then_some(state.active)
    }

    /// Asks the connection to end once nothing is being answered on it.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Returns when the connection is asked to end.
    pub(crate) async fn closed(&self) {
        self.closing.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A head has arrived.
    pub(crate) fn answering(&self) {
        let mut state = self.state();
        state.phase = Phase::Answering;
        state.patience = self.limits.reading;
    }

    fn answered(&self) {
        let (mut state, now) = (self.state(), Instant::now());
        (state.phase, state.active) = (Phase::Quiet(now + self.limits.idle), now);
    }

    fn received(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Quiet(_)) {
            state.phase = Phase::Head(Instant::now() + self.limits.head);
        }
    }

    /// When the client has to send something, and what it is late with after that.
    fn due(&self) -> Option<(Instant, Late)> {
        match self.state().phase {
            Phase::Quiet(until) => Some((until, Late::Idle)),
            Phase::Head(until) => Some((until, Late::Head)),
            Phase::Answering => None,
        }
    }

    fn is_late(&self, with: Late) -> io::Error {
        self.state().late = Some(with);
        io::ErrorKind::TimedOut.into()
    }

    /// How the client was too slow, if that ended the connection.
    pub(crate) fn late(&self) -> Option<Late> {
        self.state().late
    }
}

/// A stream with limits for how long its client can take.
pub(crate) struct Timed {
    stream: TcpStream,
    progress: Progress,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    blocked_since: Option<Instant>,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream, progress: Progress) -> Self {
        let timer = || Box::pin(sleep_until(Instant::now()));
        Self { stream, progress, reading: timer(), writing: timer(), blocked_since: None }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Takes the result of a write: while the client reads nothing, its patience runs out.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let now = Instant::now();
        if done.is_ready() {
            if let Some(since) = self.blocked_since.take() {
                let mut state = self.progress.state();
                state.patience = state.patience.saturating_sub(now - since);
            }
            return done;
        }
        let since = *self.blocked_since.get_or_insert(now);
        let until = since + self.progress.state().patience;
        ready!(wait(&mut self.writing, until, cx));
        Poll::Ready(Err(self.progress.is_late(Late::Reading)))
    }
}

fn wait(timer: &mut Pin<Box<Sleep>>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() != until {
        timer.as_mut().reset(until);
    }
    timer.as_mut().poll(cx)
}

impl AsyncRead for Timed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.progress.received();
        }
        // A client that sends a byte from time to time is late all the same.
        match this.progress.due() {
            Some((until, with)) if read.is_pending() || Instant::now() >= until => {
                ready!(wait(&mut this.reading, until, cx));
                Poll::Ready(Err(this.progress.is_late(with)))
            }
            _ => read,
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.wrote(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of an answer; when it ends, the connection waits for its next request.
pub(crate) struct Watched {
    body: Body,
    progress: Progress,
}

impl Watched {
    pub(crate) fn new(body: Body, progress: Progress) -> Self {
        Self { body, progress }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.progress.answered();
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
