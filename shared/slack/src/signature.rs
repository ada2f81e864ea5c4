//! Slack's request signature, version 0: HMAC-SHA256 over `v0:{timestamp}:{raw body}`.
//!
//! It covers the bytes as received, so it is checked before anything is parsed. Source:
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack/>.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header with the signature: `v0=…`.
pub const SIGNATURE_HEADER: &str = "x-slack-signature";
/// The header with the time of sending, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// A request from further away in time is not taken: somebody may be playing it again.
pub const WINDOW_SECONDS: i64 = 5 * 60;

/// Why a signature is refused. The answer does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or is not what it should be.
    #[error("the signature's headers are missing or malformed")]
    Malformed,
    /// The timestamp is more than five minutes away from now.
    #[error("the request's timestamp is more than five minutes away")]
    Stale,
    /// The signature is not over these bytes by any of the secrets.
    #[error("the signature does not match")]
    Wrong,
}

/// Which of `secrets` signed `body`, as its place in the list. Compares in constant time, and tries every secret
/// whatever the first ones say.
pub fn verify(
    secrets: &[SecretString],
    signature: Option<&[u8]>,
    timestamp: Option<&[u8]>,
    body: &[u8],
    now: Timestamp,
) -> Result<usize, SignatureError> {
    let signature = signature.and_then(|text| std::str::from_utf8(text).ok()).ok_or(SignatureError::Malformed)?;
    let timestamp = timestamp.and_then(|text| std::str::from_utf8(text).ok()).ok_or(SignatureError::Malformed)?;
    let sent_at: i64 = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
    if now.as_second().abs_diff(sent_at) > WINDOW_SECONDS.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    let given = signature.strip_prefix("v0=").and_then(|hex| hex::decode(hex).ok()).ok_or(SignatureError::Malformed)?;
    let mut found = None;
    for (index, secret) in secrets.iter().enumerate() {
        let matches = hmac(secret, timestamp, body).is_some_and(|mac| mac.verify_slice(&given).is_ok());
        if matches && found.is_none() {
            found = Some(index);
        }
    }
    found.ok_or(SignatureError::Wrong)
}

/// The signature's header for `body`, as Slack makes it.
pub fn sign(secret: &SecretString, timestamp: i64, body: &[u8]) -> String {
    let mac = hmac(secret, &timestamp.to_string(), body).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("v0={}", mac.unwrap_or_default())
}

fn hmac(secret: &SecretString, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    for part in [b"v0:".as_slice(), timestamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Slack's published example.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn check(signature: &str, timestamp: &str, body: &[u8], now: i64) -> Result<usize, SignatureError> {
        let secrets = ["another".to_owned().into(), SECRET.to_owned().into()];
        let now = Timestamp::from_second(now).unwrap();
        verify(&secrets, Some(signature.as_bytes()), Some(timestamp.as_bytes()), body, now)
    }

    #[test]
    fn slacks_own_example_is_taken_and_made() {
        assert_eq!(check(SIGNATURE, "1531420618", BODY, AT + 299), Ok(1));
        assert_eq!(sign(&SECRET.to_owned().into(), AT, BODY), SIGNATURE);
    }

    #[test]
    fn what_is_forged_stale_or_malformed_is_not() {
        assert_eq!(check(SIGNATURE, "1531420618", &BODY[1..], AT), Err(SignatureError::Wrong));
        assert_eq!(check(SIGNATURE, "1531420619", BODY, AT), Err(SignatureError::Wrong));
        assert_eq!(check(SIGNATURE, "1531420618", BODY, AT + 301), Err(SignatureError::Stale));
        assert_eq!(check(SIGNATURE, "1531420618", BODY, AT - 301), Err(SignatureError::Stale));
        assert_eq!(check(SIGNATURE, "-9223372036854775808", BODY, AT), Err(SignatureError::Stale));
        assert_eq!(check("v1=00", "1531420618", BODY, AT), Err(SignatureError::Malformed));
        assert_eq!(check("v0=zz", "1531420618", BODY, AT), Err(SignatureError::Malformed));
        assert_eq!(check("v0=", "1531420618", BODY, AT), Err(SignatureError::Wrong));
        assert_eq!(verify(&[], None, None, BODY, Timestamp::UNIX_EPOCH), Err(SignatureError::Malformed));
    }
}
