//! Secrets at rest: AES-256-GCM under a key ring, bound to the tenant and the field they belong to.
//!
//! A sealed text that was moved to another tenant or another field does not open. The ring keeps old keys, so that a
//! new one can be put in front without rewriting everything.

use std::collections::BTreeMap;
use std::time::Duration;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{TenantId, random};

/// A secret text, sealed. Safe to store and to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    key: String,
    /// The field that it is the secret of: resealing an item needs no knowledge of its type.
    field: String,
    nonce: String,
    text: String,
}

/// Why a seal was not made or not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The ring's text is not a ring.
    #[error(
        "the key ring is not readable: {0}; it is JSON like {{\"current\":\"k1\",\"keys\":{{\"k1\":\"<32 bytes in base64>\"}}}}"
    )]
    Ring(String),
    /// The sealed text names a key that the ring does not hold.
    #[error("sealed with key {0:?}, which the key ring does not hold; put the old key back into the ring")]
    UnknownKey(String),
    /// The seal is broken: changed text, or another tenant's or field's.
    #[error("the seal of {0:?} does not open: it was changed, or made for another tenant, field or key")]
    Broken(String),
}

#[derive(Serialize, Deserialize)]
struct RingText {
    current: String,
    keys: BTreeMap<String, String>,
}

/// How long a ring is cached: a new key in front is used everywhere after this.
pub const RING_TTL: Duration = Duration::from_secs(5 * 60);

/// The keys that seal and open. Never printed.
pub struct KeyRing {
    current: String,
    keys: BTreeMap<String, Aes256Gcm>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("current", &self.current).field("keys", &self.keys.len()).finish()
    }
}

impl KeyRing {
    /// The text of a new ring with one fresh key.
    pub fn generate() -> SecretString {
        let key = STANDARD.encode(random::bytes::<32>());
        let ring = RingText { current: "k1".into(), keys: BTreeMap::from([("k1".into(), key)]) };
        serde_json::to_string(&ring).unwrap_or_default().into()
    }

    /// Reads a ring from its text, as [`KeyRing::generate`] makes it.
    pub fn parse(text: &SecretString) -> Result<Self, SealError> {
        let ring = Self::text(text)?;
        let mut keys = BTreeMap::new();
        for (name, key) in ring.keys {
            let bytes = STANDARD.decode(key).map_err(|_| SealError::Ring(format!("key {name:?} is not base64")))?;
            let cipher = Aes256Gcm::new_from_slice(&bytes)
                .map_err(|_| SealError::Ring(format!("key {name:?} has {} bytes, not 32", bytes.len())))?;
            keys.insert(name, cipher);
        }
        if keys.contains_key(&ring.current) {
            Ok(Self { current: ring.current, keys })
        } else {
            Err(SealError::Ring(format!("the current key {:?} is not among the keys", ring.current)))
        }
    }

    /// The text of this ring with a new key in front: new seals use it, and the old keys still open their own.
    pub fn rotated(text: &SecretString) -> Result<SecretString, SealError> {
        Self::parse(text)?;
        let mut ring = Self::text(text)?;
        let last = ring.keys.keys().filter_map(|name| name.strip_prefix('k')?.parse::<u32>().ok()).max();
        let name = format!("k{}", last.unwrap_or(0) + 1);
        ring.keys.insert(name.clone(), STANDARD.encode(random::bytes::<32>()));
        ring.current = name;
        Ok(serde_json::to_string(&ring).unwrap_or_default().into())
    }

    /// The text of this ring without the keys that no longer seal anything.
    pub fn retired(text: &SecretString) -> Result<SecretString, SealError> {
        let mut ring = Self::text(text)?;
        let current = ring.current.clone();
        ring.keys.retain(|name, _| *name == current);
        let text = SecretString::from(serde_json::to_string(&ring).unwrap_or_default());
        Self::parse(&text)?;
        Ok(text)
    }

    fn text(text: &SecretString) -> Result<RingText, SealError> {
        serde_json::from_str(text.expose_secret())
            .map_err(|error| SealError::Ring(format!("line {} column {}", error.line(), error.column())))
    }

    /// The name of the key that seals.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Seals again, with this ring's current key, everything in a stored value that `opened_by` opens. Returns how many
    /// seals were made; seals of the current key are left, if it is the same ring.
    pub fn reseal(
        &self,
        opened_by: &Self,
        tenant: &TenantId,
        value: &mut serde_json::Value,
    ) -> Result<usize, SealError> {
        use serde_json::Value;
        match value {
            Value::Object(map) => {
                let looks_sealed =
                    map.len() == 4 && ["key", "field", "nonce", "text"].iter().all(|name| map.contains_key(*name));
                if looks_sealed && let Ok(sealed) = serde_json::from_value::<Sealed>(Value::Object(map.clone())) {
                    if sealed.key == self.current && std::ptr::eq(self, opened_by) {
                        return Ok(0);
                    }
                    let secret = opened_by.open_field(tenant, &sealed.field, &sealed)?;
                    let resealed = self.seal_field(tenant, &sealed.field, &secret)?;
                    *value = serde_json::to_value(resealed).map_err(|error| SealError::Ring(error.to_string()))?;
                    return Ok(1);
                }
                map.values_mut().try_fold(0, |sum, inner| Ok(sum + self.reseal(opened_by, tenant, inner)?))
            }
            Value::Array(list) => {
                list.iter_mut().try_fold(0, |sum, inner| Ok(sum + self.reseal(opened_by, tenant, inner)?))
            }
            _ => Ok(0),
        }
    }

    /// Seals `secret` for one field of one tenant.
    pub fn seal(&self, tenant: &TenantId, field: &'static str, secret: &SecretString) -> Result<Sealed, SealError> {
        self.seal_field(tenant, field, secret)
    }

    fn seal_field(&self, tenant: &TenantId, field: &str, secret: &SecretString) -> Result<Sealed, SealError> {
        let cipher = self.cipher(&self.current)?;
        let nonce = Nonce::from(random::bytes::<12>());
        let aad = bound_to(tenant, field);
        let text = cipher
            .encrypt(&nonce, Payload { msg: secret.expose_secret().as_bytes(), aad: &aad })
            .map_err(|_| SealError::Broken(field.to_owned()))?;
        Ok(Sealed {
            key: self.current.clone(),
            field: field.to_owned(),
            nonce: STANDARD.encode(nonce),
            text: STANDARD.encode(text),
        })
    }

    /// Opens what was sealed for this field of this tenant.
    pub fn open(&self, tenant: &TenantId, field: &'static str, sealed: &Sealed) -> Result<SecretString, SealError> {
        self.open_field(tenant, field, sealed)
    }

    fn open_field(&self, tenant: &TenantId, field: &str, sealed: &Sealed) -> Result<SecretString, SealError> {
        let cipher = self.cipher(&sealed.key)?;
        let broken = || SealError::Broken(field.to_owned());
        let nonce = STANDARD.decode(&sealed.nonce).ok().filter(|nonce| nonce.len() == 12).ok_or_else(broken)?;
        let text = STANDARD.decode(&sealed.text).map_err(|_| broken())?;
        let aad = bound_to(tenant, field);
        let plain =
            cipher.decrypt(Nonce::from_slice(&nonce), Payload { msg: &text, aad: &aad }).map_err(|_| broken())?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| broken())
    }

    fn cipher(&self, name: &str) -> Result<&Aes256Gcm, SealError> {
        self.keys.get(name).ok_or_else(|| SealError::UnknownKey(name.to_owned()))
    }
}

fn bound_to(tenant: &TenantId, field: &str) -> Vec<u8> {
    format!("{tenant}\n{field}").into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::parse(&KeyRing::generate()).unwrap()
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    #[test]
    fn only_the_same_tenant_and_field_open_a_seal() {
        let ring = ring();
        let sealed = ring.seal(&tenant("a"), "slack-bot-token", &"xoxb-1".into()).unwrap();
        assert_eq!(ring.open(&tenant("a"), "slack-bot-token", &sealed).unwrap().expose_secret(), "xoxb-1");
        assert!(ring.open(&tenant("b"), "slack-bot-token", &sealed).is_err());
        assert!(ring.open(&tenant("a"), "portal-webhook", &sealed).is_err());
        assert!(matches!(
            self::ring().open(&tenant("a"), "slack-bot-token", &sealed),
            Err(SealError::Broken(field)) if field == "slack-bot-token"
        ));
    }

    #[test]
    fn a_changed_seal_does_not_open() {
        let ring = ring();
        let mut sealed = ring.seal(&tenant("a"), "f", &"secret".into()).unwrap();
        sealed.nonce = STANDARD.encode([0; 12]);
        assert!(ring.open(&tenant("a"), "f", &sealed).is_err());
        sealed.nonce = "short".into();
        assert!(ring.open(&tenant("a"), "f", &sealed).is_err());
    }

    #[test]
    fn a_key_can_be_changed_while_everything_stays_open() {
        let (acme, first) = (tenant("acme"), KeyRing::generate());
        let old = KeyRing::parse(&first).unwrap();
        let mut stored = serde_json::json!({"a": [{"b": old.seal(&acme, "f", &"one".into()).unwrap()}], "c": 1});
        let second = KeyRing::rotated(&first).unwrap();
        let both = KeyRing::parse(&second).unwrap();
        assert_eq!((old.current(), both.current()), ("k1", "k2"));
        let sealed: Sealed = serde_json::from_value(stored["a"][0]["b"].clone()).unwrap();
        assert_eq!(both.open(&acme, "f", &sealed).unwrap().expose_secret(), "one");

        let newest = KeyRing::parse(&KeyRing::retired(&second).unwrap()).unwrap();
        assert!(matches!(newest.open(&acme, "f", &sealed), Err(SealError::UnknownKey(key)) if key == "k1"));
        assert_eq!(both.reseal(&both, &acme, &mut stored), Ok(1));
        assert_eq!(both.reseal(&both, &acme, &mut stored), Ok(0));
        let sealed: Sealed = serde_json::from_value(stored["a"][0]["b"].clone()).unwrap();
        assert_eq!(newest.open(&acme, "f", &sealed).unwrap().expose_secret(), "one");
        assert!(both.reseal(&self::ring(), &acme, &mut stored).is_err());
    }

    #[test]
    fn a_bad_ring_says_what_is_wrong() {
        let error = |text: &str| KeyRing::parse(&text.into()).unwrap_err().to_string();
        assert!(error("nonsense").contains("line 1"));
        assert!(error(r#"{"current":"k1","keys":{"k1":"AAAA"}}"#).contains("3 bytes, not 32"));
        assert!(error(r#"{"current":"k2","keys":{}}"#).contains("k2"));
    }
}
