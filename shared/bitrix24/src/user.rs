//! Users as `user.get` gives them.

use serde::{Deserialize, Serialize};

use crate::tolerant;

/// A person on the portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalUser {
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
    /// Whether they work here; false for who was dismissed. Older portals write `Y` and `N`.
    #[serde(default, rename = "ACTIVE", deserialize_with = "tolerant::flag")]
    pub active: Option<bool>,
    /// `employee`, `extranet`, `email`, …
    #[serde(default, rename = "USER_TYPE", deserialize_with = "tolerant::text")]
    pub user_type: Option<String>,
    /// Their departments; extranet users have none.
    #[serde(default, rename = "UF_DEPARTMENT", deserialize_with = "departments")]
    pub departments: Option<Vec<u64>>,
}

/// `None` where the field is missing; `[]` and `false` mean none.
fn departments<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u64>>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        value => tolerant::numbers(value).map(Some).map_err(serde::de::Error::custom),
    }
}

impl PortalUser {
    /// Whether they may work on the portal: true unless it says otherwise.
    pub fn is_active(&self) -> bool {
        self.active.unwrap_or(true)
    }

    /// Whether they are an employee. A portal that gives no type is believed by the departments, if it gives those.
    pub fn is_employee(&self) -> bool {
        match (&self.user_type, &self.departments) {
            (Some(kind), _) => kind.eq_ignore_ascii_case("employee"),
            (None, Some(departments)) => !departments.is_empty(),
            (None, None) => true,
        }
    }

    /// The name that people see; falls back to the e-mail.
    pub fn display_name(&self) -> Option<String> {
        let parts = [self.name.as_deref(), self.last_name.as_deref()];
        let name = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join(" ");
        if name.is_empty() { self.email.clone() } else { Some(name) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(row: Value) -> PortalUser {
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn the_dismissed_are_known_however_it_is_written() {
        for active in [json!(true), json!("Y"), json!("true"), json!("1"), json!(1), json!(null)] {
            assert!(read(json!({"ID": "1", "ACTIVE": active})).is_active(), "{active}");
        }
        for gone in [json!(false), json!("N"), json!("false"), json!("0"), json!(0)] {
            assert!(!read(json!({"ID": "1", "ACTIVE": gone})).is_active(), "{gone}");
        }
    }

    #[test]
    fn extranet_users_are_no_employees() {
        assert!(read(json!({"ID": "1", "USER_TYPE": "employee", "UF_DEPARTMENT": [1]})).is_employee());
        assert!(!read(json!({"ID": "1", "USER_TYPE": "extranet", "UF_DEPARTMENT": []})).is_employee());
        assert!(!read(json!({"ID": "1", "UF_DEPARTMENT": []})).is_employee());
        assert!(!read(json!({"ID": "1", "UF_DEPARTMENT": false})).is_employee());
        assert!(read(json!({"ID": "1"})).is_employee());
    }
}
