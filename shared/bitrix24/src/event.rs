//! An event as Bitrix24 posts it. It says *that* something changed, hardly ever what.
//!
//! There is no signature and no event id: the application token is the only proof of the sender, and two real changes
//! in the same second look the same (`docs/providers/bitrix24.md`, "Events").

use secrecy::SecretString;

use crate::form;
use crate::form::{BracketForm, FormError, Tree};
use crate::subject::Subject;

/// An event that was read but not yet verified.
#[derive(Debug, Clone)]
pub struct UnverifiedEvent {
    /// Its code in upper case: `ONCRMDEALUPDATE`. Some documents print other cases of the same code.
    pub code: String,
    /// Which binding sent it; missing in old captures.
    pub handler_id: Option<String>,
    /// What it says.
    pub data: Tree,
    /// When it was sent or fired, in Unix seconds; documents and source disagree which.
    pub ts: Option<i64>,
    /// Whose it is and how that is proven.
    pub auth: Auth,
    /// How many of its values could not be read, or only in part.
    pub unread: usize,
}

/// The `auth` part. Tokens are left out on purpose: calls are made with stored credentials only.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The portal's lasting id.
    pub member_id: String,
    /// The only proof of the sender.
    pub application_token: SecretString,
    /// The portal's present host. A word of the sender: for show, never for calls.
    pub domain: Option<String>,
    /// The user whose action fired the event, where the sender names one.
    pub user_id: Option<u64>,
}

/// Who says to send an event, and the proof: all that is looked at before the sender is believed.
#[derive(Debug, Clone)]
pub struct SenderProof {
    /// The portal's lasting id.
    pub member_id: String,
    /// The only proof of the sender.
    pub application_token: SecretString,
}

/// Why a body is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is not a form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It names no event.
    #[error("the form has no field \"event\": Bitrix24 names the event there")]
    NoEvent,
    /// It carries no proof of its sender.
    #[error("the form has no auth[{0}]: Bitrix24 sends it with every event")]
    NoAuth(&'static str),
    /// The proof of its sender cannot be read.
    #[error("auth[{0}] is not UTF-8")]
    UnreadableAuth(&'static str),
}

/// Codes are short words; what is longer is not one.
const MAX_CODE: usize = 100;

/// One of the two credentials: missing, broken, or there.
#[derive(Default)]
struct CredentialField(Option<(String, bool)>);

impl CredentialField {
    fn read(self, name: &'static str) -> Result<String, EventError> {
        match self.0 {
            Some((_, false)) => Err(EventError::UnreadableAuth(name)),
            // What Bitrix24 writes where it has nothing to say.
            Some((text, true)) if !text.is_empty() && text != "undefined" => Ok(text),
            _ => Err(EventError::NoAuth(name)),
        }
    }
}

impl SenderProof {
    /// Finds them in a body, wherever they are, by one pass that builds nothing: this is all the work that a body gets
    /// of a sender who is not known yet. The rules are those of the whole form: the last value of a name counts.
    pub fn find(body: &[u8]) -> Result<Self, EventError> {
        form::check(body)?;
        let (mut member_id, mut token) = (CredentialField::default(), CredentialField::default());
        for pair in form::under(body, "auth") {
            let Some(path) = form::path_of(&pair.name).filter(|path| path[0] == "auth") else { continue };
            let field = match path.get(1) {
                Some(&"member_id") => &mut member_id,
                Some(&"application_token") => &mut token,
                Some(_) => continue,
                // `auth` became a text, and everything in it is gone.
                None => {
                    (member_id, token) = (CredentialField::default(), CredentialField::default());
                    continue;
                }
            };
            // `auth[member_id][x]` makes it a map, which is not an id.
            *field = CredentialField((path.len() == 2).then_some((pair.value, pair.is_whole)));
        }
        Ok(Self { member_id: member_id.read("member_id")?, application_token: token.read("application_token")?.into() })
    }
}

impl UnverifiedEvent {
    /// Reads a body. Call it after [`SenderProof::find`] and a look at what that found.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let BracketForm { tree, unread, .. } = form::read(body)?;
        let code = tree.text(&["event"]).map(str::trim).filter(|code| (1..=MAX_CODE).contains(&code.len()));
        let code = code.ok_or(EventError::NoEvent)?.to_ascii_uppercase();
        let SenderProof { member_id, application_token } = SenderProof::find(body)?;
        Ok(Self {
            auth: Auth {
                member_id,
                application_token,
                domain: tree.text(&["auth", "domain"]).map(str::to_owned),
                user_id: tree.number(&["auth", "user_id"]),
            },
            handler_id: tree.text(&["event_handler_id"]).map(str::to_owned),
            ts: tree.number(&["ts"]),
            data: tree.get("data").cloned().unwrap_or_default(),
            unread,
            code,
        })
    }

    /// What the event points at.
    pub fn subject(&self) -> Subject {
        Subject::of(&self.code, &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const HOOK: &str = "&auth[domain]=some-domain.bitrix24.com&auth[member_id]=m1&auth[application_token]=t1";

    #[test]
    fn an_event_without_data_is_an_event() {
        let event = UnverifiedEvent::parse(format!("event=onofflineevent{HOOK}").as_bytes()).unwrap();
        assert_eq!(event.code, "ONOFFLINEEVENT");
        assert_eq!(event.data, Tree::default());
        assert_eq!(event.auth.application_token.expose_secret(), "t1");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(UnverifiedEvent::parse(b"a=1").unwrap_err(), EventError::NoEvent);
        assert_eq!(UnverifiedEvent::parse(b"event=X").unwrap_err(), EventError::NoAuth("member_id"));
        assert_eq!(
            UnverifiedEvent::parse(b"event=X&auth[member_id]=m").unwrap_err(),
            EventError::NoAuth("application_token")
        );
        assert_eq!(UnverifiedEvent::parse(b"event[a]=X&auth=b").unwrap_err(), EventError::NoEvent);
    }

    #[test]
    fn a_printed_event_does_not_show_its_token() {
        let event = UnverifiedEvent::parse(format!("event=X{HOOK}").as_bytes()).unwrap();
        assert!(!format!("{event:?}").contains("t1"));
    }

    #[test]
    fn a_broken_value_costs_only_itself_unless_it_is_the_proof() {
        let deep = format!("deep{}=1", "[x]".repeat(60));
        let event = UnverifiedEvent::parse(format!("event=X&flag&data[T]=%ff&=1&{deep}{HOOK}").as_bytes()).unwrap();
        assert_eq!((event.code.as_str(), event.unread), ("X", 4));
        let broken = UnverifiedEvent::parse(b"event=X&auth[member_id]=m%ff&auth[application_token]=t").unwrap_err();
        assert_eq!(broken.to_string(), "auth[member_id] is not UTF-8");
        let broken = UnverifiedEvent::parse(b"event=X&auth[member_id]=m&auth[application_token]").unwrap_err();
        assert_eq!(broken, EventError::UnreadableAuth("application_token"));
    }

    #[test]
    fn the_proof_is_found_behind_any_number_of_values() {
        let body = format!("event=X&{}{HOOK}", "a[]=1&".repeat(form::MAX_PAIRS + 10));
        let event = UnverifiedEvent::parse(body.as_bytes()).unwrap();
        assert_eq!((event.auth.member_id.as_str(), event.unread), ("m1", 14), "auth itself is found by another way");
    }

    proptest::proptest! {
        #[test]
        fn the_proof_is_what_the_whole_form_says(
            pairs in proptest::collection::vec(
                (
                    "(auth|%61uth|au|auths)(\\[(member_id|application_token|member%5Fid|x|)\\]?(\\[y\\])?)?",
                    "=(a|b|%ff|undefined|)|",
                ),
                1..8,
            ),
        ) {
            let body = pairs.into_iter().map(|(name, value)| name + &value).collect::<Vec<_>>().join("&") + "&end=1";
            let tree = form::read(body.as_bytes()).unwrap().tree;
            let said = |name: &str| tree.text(&["auth", name]).filter(|text| !text.is_empty()).map(str::to_owned);
            let found = SenderProof::find(body.as_bytes());
            match found {
                Ok(found) => {
                    proptest::prop_assert_eq!(Some(found.member_id), said("member_id"));
                    let token = found.application_token.expose_secret().to_owned();
                    proptest::prop_assert_eq!(Some(token), said("application_token"));
                }
                Err(EventError::NoAuth(name)) => proptest::prop_assert_eq!(said(name), None),
                Err(EventError::UnreadableAuth(name)) => {
                    let text = said(name).unwrap_or_default();
                    let is_broken = text.is_empty() || text.contains(char::REPLACEMENT_CHARACTER);
                    proptest::prop_assert!(is_broken, "{}", text);
                }
                Err(other) => proptest::prop_assert!(false, "{other}"),
            }
        }
    }
}
