//! The ways a provider fails, as data.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Whether the request does its work before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing happens.
    BeforeEffect,
    /// The work is done; only the answer goes wrong.
    AfterEffect,
}

/// How a request fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Fault {
    /// No answer comes, ever.
    Timeout {
        /// When.
        when: When,
    },
    /// The connection breaks.
    Reset {
        /// When.
        when: When,
    },
    /// An HTML page, as proxies and gateways give.
    Html {
        /// With which HTTP status.
        status: u16,
        /// When.
        when: When,
    },
    /// Half of the answer's JSON.
    CutJson {
        /// When.
        when: When,
    },
    /// Too many requests, whatever the limits say.
    TooMany {
        /// For how many seconds.
        seconds: u64,
    },
    /// Notion saves the change and says that it could not build its answer.
    Saved {
        /// Whether it says what it made.
        told: bool,
    },
    /// The provider's own error answer.
    Code {
        /// With which HTTP status.
        status: u16,
        /// The provider's code.
        code: String,
    },
}

impl Fault {
    /// Whether the work is done all the same.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Timeout { when } | Self::Reset { when } | Self::Html { when, .. } | Self::CutJson { when } => {
                *when == When::AfterEffect
            }
            Self::Saved { .. } => true,
            Self::TooMany { .. } | Self::Code { .. } => false,
        }
    }
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub struct Faults(BTreeMap<String, VecDeque<Fault>>);

impl Faults {
    /// Makes the next request of `method` fail (`*` is any method). Several wait in line.
    pub fn next(&mut self, method: &str, fault: Fault) {
        self.0.entry(method.to_lowercase()).or_default().push_back(fault);
    }

    /// Forgets all that wait.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// The fault of this request, if one waits.
    pub fn take(&mut self, method: &str) -> Option<Fault> {
        for name in [method.to_lowercase().as_str(), "*"] {
            if let Some(fault) = self.0.get_mut(name).and_then(VecDeque::pop_front) {
                return Some(fault);
            }
        }
        None
    }
}
