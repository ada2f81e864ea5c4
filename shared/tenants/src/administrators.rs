//! How a person proved that they administer a tenant, and what a provider answers when asked whether they still do.

use serde::{Deserialize, Serialize};

/// The proof that a session began with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInProof {
    /// A code that an operator of Switchboard made. No provider knows of it.
    #[default]
    Operator,
    /// Slack said who they are, and that they administer the workspace or are named in the settings.
    Slack {
        /// Their Slack id.
        user: String,
        /// The organisation, if the app is installed for a whole Enterprise organisation and not for their workspace.
        organisation: Option<String>,
    },
    /// The portal said that they administer it.
    Portal {
        /// Their id there.
        user: u64,
    },
    /// Something that cannot be confirmed again.
    Once,
}

/// A provider's answer when it is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdministratorRights {
    /// They still administer the tenant.
    Held,
    /// They no longer do.
    Ended,
    /// The provider could not be asked.
    Unknown,
}
