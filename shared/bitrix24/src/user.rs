//! Users as `user.get` gives them.

use serde::{Deserialize, Serialize};

use crate::tolerant;

/// A person on the portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their number.
    #[serde(default, rename = "ID", deserialize_with = "tolerant::number")]
    pub id: Option<u64>,
    /// Given name.
    #[serde(default, rename = "NAME", deserialize_with = "tolerant::text")]
    pub name: Option<String>,
    /// Family name.
    #[serde(default, rename = "LAST_NAME", deserialize_with = "tolerant::text")]
    pub last_name: Option<String>,
    /// E-mail; needs the scope `user_basic`.
    #[serde(default, rename = "EMAIL", deserialize_with = "tolerant::text")]
    pub email: Option<String>,
}

impl User {
    /// The name that people see; falls back to the e-mail.
    pub fn display_name(&self) -> Option<String> {
        let parts = [self.name.as_deref(), self.last_name.as_deref()];
        let name = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join(" ");
        if name.is_empty() { self.email.clone() } else { Some(name) }
    }
}
