//! The budget of one evaluation: steps of work, and bytes of the values that it makes.

use std::fmt;

/// The most steps that one evaluation takes.
pub const MAX_STEPS: u64 = 10_000;
/// The most bytes that the values made by one evaluation take, together.
pub const MAX_BYTES: u64 = 1_000_000;
/// Looking at, or copying, so many bytes of text is a step.
const BYTES_PER_STEP: usize = 256;
/// What an element of a list, or an entry of a map, takes at least.
const ELEMENT_BYTES: usize = 32;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EvaluationFault {
    /// The evaluation took more steps than it may.
    Steps,
    /// The evaluation made more than it may.
    Bytes,
    /// The expression does not work on these values.
    Failed(String),
}

impl EvaluationFault {
    /// Whether it ends the evaluation, whatever the expressions around it make of errors.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Steps | Self::Bytes)
    }
}

impl fmt::Display for EvaluationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => f.write_str(
                "the condition takes more than 10,000 steps on this record; use fewer exists, all, map and filter \
                 within each other, or shorter lists",
            ),
            Self::Bytes => f.write_str(
                "the condition makes more than 1 MB of texts and lists on this record; join fewer texts and lists with +",
            ),
            Self::Failed(why) => write!(f, "the condition fails on this record: {why}"),
        }
    }
}

/// What an evaluation has cost so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Steps taken.
    pub(super) steps: u64,
    /// Bytes made.
    pub(super) bytes: u64,
}

impl Budget {
    /// Takes steps.
    pub(super) fn take(&mut self, steps: usize) -> Result<(), EvaluationFault> {
        self.steps += steps as u64;
        if self.steps > MAX_STEPS { Err(EvaluationFault::Steps) } else { Ok(()) }
    }

    /// Looks at text.
    pub(super) fn scan(&mut self, bytes: usize) -> Result<(), EvaluationFault> {
        self.take(bytes / BYTES_PER_STEP)
    }

    /// Makes text.
    pub(super) fn make_text(&mut self, bytes: usize) -> Result<(), EvaluationFault> {
        self.make(bytes)?;
        self.scan(bytes)
    }

    /// Makes a list or a map of so many elements, or adds so many to one.
    pub(super) fn make_elements(&mut self, elements: usize) -> Result<(), EvaluationFault> {
        self.make(elements.saturating_mul(ELEMENT_BYTES))?;
        self.take(elements)
    }

    fn make(&mut self, bytes: usize) -> Result<(), EvaluationFault> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > MAX_BYTES { Err(EvaluationFault::Bytes) } else { Ok(()) }
    }
}
