//! The calls that a job made at providers, noted while it runs, so that its ledger line can show them.
//!
//! The worker of a job sets the scope ([`scope`]), the clients of the providers note their calls ([`note`]), and the
//! writer of the job's line collects them ([`taken`]). A call outside of a job is not noted. Requests and answers are
//! shortened, and secrets in them are masked before they are kept.

use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most that is kept of a request or an answer, in bytes.
const MAX_SHOWN_BYTES: usize = 700;
/// The most calls of a job that are kept: the last ones.
pub const MAX_CALLS: usize = 6;

/// A call and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCall {
    /// When it ended.
    pub at: Timestamp,
    /// The provider and its method.
    pub to: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What was asked, shortened and without secrets.
    pub request: String,
    /// What was answered, shortened and without secrets; the error's text if it failed.
    pub answer: String,
    /// Whether it succeeded.
    pub ok: bool,
}

impl ProviderCall {
    /// A call, with what is kept of it.
    pub fn new(
        at: Timestamp,
        to: String,
        took: Duration,
        request: &dyn Display,
        answer: Result<&dyn Display, &dyn Display>,
    ) -> Self {
        let ok = answer.is_ok();
        let (Ok(answer) | Err(answer)) = answer;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { at, to, ms, request: kept(request), answer: kept(answer), ok }
    }
}

tokio::task_local! {
    static NOTED: RefCell<Vec<ProviderCall>>;
    static SUBJECT: u64;
}

/// Runs `work`, whose calls are made for `subject`: failures of two different ones are more than one job's own fault.
pub async fn on_behalf_of<F: Future>(subject: &str, work: F) -> F::Output {
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    SUBJECT.scope(hasher.finish(), work).await
}

/// A number for what the calls at this point are made for; zero for what belongs to no job.
pub fn subject() -> u64 {
    SUBJECT.try_with(|subject| *subject).unwrap_or_default()
}

/// Runs `work`, noting the calls that are made in it.
pub async fn scope<F: Future>(work: F) -> F::Output {
    NOTED.scope(RefCell::default(), work).await
}

/// Runs `work` and returns the calls that were made in it.
pub async fn recorded<F: Future>(work: F) -> (F::Output, Vec<ProviderCall>) {
    scope(async {
        let output = work.await;
        (output, taken())
    })
    .await
}

/// Whether calls are noted at this point.
pub fn are_noted() -> bool {
    NOTED.try_with(|_| ()).is_ok()
}

/// Notes a call.
pub fn note(call: ProviderCall) {
    let _ = NOTED.try_with(|noted| {
        let mut noted = noted.borrow_mut();
        noted.push(call);
        shorten(&mut noted);
    });
}

/// The calls noted since the last time; none outside of a scope.
pub fn taken() -> Vec<ProviderCall> {
    NOTED.try_with(RefCell::take).unwrap_or_default()
}

/// Keeps only the last calls.
pub fn shorten(calls: &mut Vec<ProviderCall>) {
    let more = calls.len().saturating_sub(MAX_CALLS);
    calls.drain(..more);
}

/// Accepts text up to a length, and then stops the writer.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = MAX_SHOWN_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        self.0.push_str(&text[..end]);
        Err(std::fmt::Error)
    }
}

fn kept(text: &dyn Display) -> String {
    let mut short = Short(String::new());
    let whole = write!(short, "{text}").is_ok();
    let mut kept = masked(&short.0);
    if !whole {
        kept.push('…');
    }
    kept
}

/// How names end whose values must not be readable, in small letters and digits alone: `botToken` and `bot_token` are
/// `bottoken`.
const SECRET_NAMES: [&str; 15] = [
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "auth",
    "signature",
    "verifier",
    "refreshid",
    "apikey",
    "webhookurl",
    // By it a bot of an older portal is known to be ours.
    "clientid",
    // These addresses carry a token, or are one.
    "downloadurl",
    "urldownload",
    "uploadurl",
];
/// Names in the query of an address whose values must not be readable either: our own address is known by its key.
const SECRET_FIELDS: [&str; 3] = ["key", "sign", "sig"];
/// How tokens begin, anywhere in a text.
const SECRET_BEGINNINGS: [&str; 9] = ["xoxb-", "xoxp-", "xoxe.", "xoxe-", "xoxa-", "xoxr-", "xapp-", "ntn_", "secret_"];

/// The text with what looks like a secret masked: values of names that say so, in JSON and in the query of an address,
/// tokens by their beginning, the secret in the address of an incoming webhook.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(end) = token_at(rest) {
            out.push('•');
            rest = &rest[end..];
        } else if let Some((keep, end)) = named_at(rest).or_else(|| field_at(rest)).or_else(|| webhook_at(rest)) {
            out.push_str(&rest[..keep]);
            out.push('•');
            rest = &rest[end..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len())
}

fn token_at(text: &str) -> Option<usize> {
    SECRET_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)).then(|| word_end(text))
}

/// A name without what only separates its words: brackets too, as they are written in a query.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace("%5b", "").replace("%5d", "");
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn is_secret(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// `"…token":"value"`: how much of it is kept, and where it ends.
fn named_at(text: &str) -> Option<(usize, usize)> {
    let name_end = text.strip_prefix('"')?.find('"')? + 1;
    if !is_secret(&plain(&text[1..name_end])) {
        return None;
    }
    let value = text[name_end + 1..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let start = text.len() - value.len();
    let mut escaped = false;
    let end = value.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some((start, start + end.unwrap_or(value.len())))
}

/// `?token=value` and `&token=value`: the same.
fn field_at(text: &str) -> Option<(usize, usize)> {
    let field = text.strip_prefix(['?', '&'])?;
    let (name, value) = field.split_once('=')?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.%[]".contains(c)) {
        return None;
    }
    let name = plain(name);
    if !is_secret(&name) && !SECRET_FIELDS.contains(&name.as_str()) {
        return None;
    }
    let start = text.len() - value.len();
    let end = value.find(|c: char| c.is_whitespace() || "&\"'\\<>#".contains(c)).unwrap_or(value.len());
    Some((start, start + end))
}

/// `/rest/7/SECRET/`: the same.
fn webhook_at(text: &str) -> Option<(usize, usize)> {
    let user = text.strip_prefix("/rest/")?;
    let digits = user.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
    let secret = user[digits..].strip_prefix('/')?;
    let start = text.len() - secret.len();
    let end = word_end(secret);
    // A method's name has a dot in it; then there is no secret here.
    (end >= 8 && !secret[..end].contains('.')).then_some((start, start + end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn call(to: &str) -> ProviderCall {
        ProviderCall::new(Timestamp::UNIX_EPOCH, to.into(), Duration::from_millis(3), &"asked", Ok(&"answered"))
    }

    #[tokio::test]
    async fn a_job_takes_its_own_calls_and_the_last_ones_only() {
        assert!(!are_noted());
        note(call("nobody's"));
        let (left, right) = tokio::join!(
            recorded(async {
                for n in 0..MAX_CALLS + 2 {
                    note(call(&n.to_string()));
                    tokio::task::yield_now().await;
                }
            }),
            recorded(async {
                tokio::task::yield_now().await;
                note(call("other"));
            })
        );
        assert_eq!(left.1.iter().map(|call| call.to.as_str()).collect::<Vec<_>>(), ["2", "3", "4", "5", "6", "7"]);
        assert_eq!(right.1.len(), 1);
    }

    #[tokio::test]
    async fn calls_are_made_for_the_innermost_subject() {
        assert_eq!(subject(), 0);
        let (inner, outer) =
            on_behalf_of("batch", async { (on_behalf_of("job", async { subject() }).await, subject()) }).await;
        let again = on_behalf_of("job", async { subject() }).await;
        assert!(inner != outer && outer != 0 && inner == again);
    }

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        for (text, kept) in [
            (r#"{"auth":"a\"b","id":1}"#, r#"{"auth":"•","id":1}"#),
            (r#"{"access_token":"abc","text":"a token"}"#, r#"{"access_token":"•","text":"a token"}"#),
            (r#"{"application_token":"abc"#, r#"{"application_token":"•"#),
            ("with xoxb-1-a.b and ntn_99, so", "with • and •, so"),
            (
                "https://acme.bitrix24.com/rest/7/abcdef123456/crm.item.get",
                "https://acme.bitrix24.com/rest/7/•/crm.item.get",
            ),
            ("https://acme.bitrix24.com/rest/crm.item.get", "https://acme.bitrix24.com/rest/crm.item.get"),
            (r#"{"author":"Ann","tokens":["x"]}"#, r#"{"author":"Ann","tokens":["x"]}"#),
            (r#"{"botId":7,"botToken":"abc"}"#, r#"{"botId":7,"botToken":"•"}"#),
            (r#"{"CLIENT_ID":"abc","CODE":"b"}"#, r#"{"CLIENT_ID":"•","CODE":"b"}"#),
            (r#"{"webhookUrl": "https://us/?key=abc"}"#, r#"{"webhookUrl": "•"}"#),
            (r#"{"handler":"https://us/hook?key=abc"}"#, r#"{"handler":"https://us/hook?key=•"}"#),
            (r#"{"downloadUrl":"https://a/f?token=abc"}"#, r#"{"downloadUrl":"•"}"#),
            (r#"{"upload_url":"https://files.slack.com/upload/v1/abc"}"#, r#"{"upload_url":"•"}"#),
            (
                r#"{"urlMachine":"https://a/f?id=5&auth=abc&token=d%3D&name=x"}"#,
                r#"{"urlMachine":"https://a/f?id=5&auth=•&token=•&name=x"}"#,
            ),
            (
                r#"{"cmd":{"0":"imbot.v2.Bot.get?botId=7&botToken=abc&fields%5Btoken%5D=d"}}"#,
                r#"{"cmd":{"0":"imbot.v2.Bot.get?botId=7&botToken=•&fields%5Btoken%5D=•"}}"#,
            ),
            ("xoxe-1-My0x and is it so? key = 5 & a=b", "• and is it so? key = 5 & a=b"),
        ] {
            assert_eq!(masked(text), kept);
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives_wherever_it_is_cut(before in "[a-zé\"\\\\ ]{0,700}", secret in "[a-zA-Z0-9]{12,40}") {
            let text = json!({"text": before, "refresh_token": secret, "also": format!("xoxb-{secret}")});
            let call = ProviderCall::new(Timestamp::UNIX_EPOCH, "x".into(), Duration::ZERO, &text, Err(&text));
            prop_assert!(!call.request.contains(&secret[..8]), "{}", call.request);
            prop_assert!(call.answer.len() <= MAX_SHOWN_BYTES + 20);
        }
    }
}
