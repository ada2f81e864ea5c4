//! What could be observed, in order: a line for each call of a provider, each write and each job, with its virtual time.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::VirtualClock;

/// How much of a body a line keeps. The hash covers all of it.
const MAX_SHOWN: usize = 1_500;

/// The lines of a history and their hash.
pub struct Trace {
    clock: Arc<VirtualClock>,
    state: Mutex<TraceState>,
}

#[derive(Default)]
struct TraceState {
    hash: Sha256,
    lines: Vec<TraceLine>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// When, since the start.
    pub at: Duration,
    /// What.
    pub text: String,
}

impl std::fmt::Display for TraceLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12.3}  {}", self.at.as_secs_f64(), self.text)
    }
}

impl Trace {
    /// An empty trace.
    pub fn new(clock: Arc<VirtualClock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something.
    pub fn note(&self, text: impl Into<String>) {
        self.note_with(text, "");
    }

    /// Notes something that has a body.
    pub fn note_with(&self, text: impl Into<String>, body: &str) {
        let (at, mut text) = (self.clock.passed(), text.into());
        let mut state = self.state();
        for part in [&at.as_nanos().to_le_bytes()[..], text.as_bytes(), body.as_bytes(), &[0]] {
            state.hash.update(part);
        }
        if !body.is_empty() {
            let cut = body.char_indices().nth(MAX_SHOWN).map_or(body.len(), |(index, _)| index);
            let _ = write!(text, "  {}", &body[..cut]);
        }
        state.lines.push(TraceLine { at, text });
    }

    /// The hash of all lines so far.
    pub fn hash(&self) -> String {
        let digest = self.state().hash.clone().finalize();
        digest.iter().take(12).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<TraceLine> {
        self.state().lines.clone()
    }

    /// The last lines that contain any of these texts.
    pub fn about(&self, keys: &[String], most: usize) -> Vec<TraceLine> {
        let state = self.state();
        let found = state.lines.iter().filter(|line| keys.iter().any(|key| line.text.contains(key)));
        let found: Vec<TraceLine> = found.cloned().collect();
        found[found.len().saturating_sub(most)..].to_vec()
    }
}

/// Where two traces begin to differ: the number of the line, and the line of each, if it has one.
pub fn divergence(one: &[TraceLine], other: &[TraceLine]) -> Option<(usize, Option<TraceLine>, Option<TraceLine>)> {
    let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let at = |lines: &[TraceLine]| lines.get(common).cloned();
    (common < one.len().max(other.len())).then(|| (common, at(one), at(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_hash_covers_time_text_and_the_whole_body() {
        let clock = Arc::new(VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        let hash = |text: &str, body: &str| {
            let trace = Trace::new(clock.clone());
            trace.note_with(text, body);
            trace.hash()
        };
        let long = "x".repeat(MAX_SHOWN);
        assert_eq!(hash("a", "b"), hash("a", "b"));
        assert_ne!(hash("a", "b"), hash("a", "c"));
        assert_ne!(hash("a", &format!("{long}y")), hash("a", &format!("{long}z")));
        let before = hash("a", "");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_ne!(hash("a", ""), before);
    }

    #[test]
    fn the_first_line_that_differs_is_found() {
        let line = |text: &str| TraceLine { at: Duration::ZERO, text: text.into() };
        let (one, other) = (vec![line("a"), line("b")], vec![line("a"), line("c"), line("d")]);
        assert_eq!(divergence(&one, &one), None);
        assert_eq!(divergence(&one, &other), Some((1, Some(line("b")), Some(line("c")))));
        assert_eq!(divergence(&one[..1], &other), Some((1, None, Some(line("c")))));
    }
}
