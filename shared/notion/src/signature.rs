//! The signature of a webhook: HMAC-SHA256 over the raw body, keyed with the subscription's verification token.
//!
//! It covers no time, so a repeated request has the same signature: repetitions are found by the event's id.
//! Source: <https://developers.notion.com/reference/webhooks>, step 3.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header with the signature: `sha256=…`.
pub const HEADER: &str = "x-notion-signature";

/// Whether `signature` is that of `body` under `token`; compared in constant time.
pub fn is_right(token: &SecretString, signature: Option<&[u8]>, body: &[u8]) -> bool {
    let given = signature.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.strip_prefix("sha256="));
    let Some(given) = given.and_then(|text| hex::decode(text).ok()) else { return false };
    mac(token, body).is_some_and(|mac| mac.verify_slice(&given).is_ok())
}

/// The header for `body`, as Notion makes it.
pub fn sign(token: &SecretString, body: &[u8]) -> String {
    format!("sha256={}", mac(token, body).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default())
}

fn mac(token: &SecretString, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.expose_secret().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_vector_holds_and_nothing_else_does() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/webhooks/signature_vector.json")).unwrap();
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let token = SecretString::from(text("verification_token"));
        let body = text("body_utf8");
        assert_eq!(sign(&token, body.as_bytes()), text("documented_value"));
        let right = text("documented_value").to_uppercase().replace("SHA256", "sha256");
        assert!(is_right(&token, Some(right.as_bytes()), body.as_bytes()));
        assert!(!is_right(&token, Some(right.as_bytes()), format!("{body} ").as_bytes()));
        assert!(!is_right(&token, None, body.as_bytes()));
        assert!(!is_right(&token, Some(b"sha256=zz"), body.as_bytes()));
    }
}
