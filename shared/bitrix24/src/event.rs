//! An event as Bitrix24 posts it. It says *that* something changed, hardly ever what.
//!
//! There is no signature and no event id: the application token is the only proof of the sender, and two
//! genuine changes in the same second look the same (`docs/providers/bitrix24.md`, "Events").

use secrecy::SecretString;

use crate::form::{self, FormError, Tree};
use crate::subject::Subject;

/// An event that was read but not yet verified.
#[derive(Debug, Clone)]
pub struct Event {
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
}

/// Codes are short words; what is longer is not one.
const LONGEST_CODE: usize = 100;

impl Event {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let tree = form::parse(body)?;
        let code = tree.text(&["event"]).map(str::trim).filter(|code| (1..=LONGEST_CODE).contains(&code.len()));
        let code = code.ok_or(EventError::NoEvent)?.to_ascii_uppercase();
        let auth = |name: &'static str| {
            tree.text(&["auth", name]).filter(|text| !text.is_empty()).ok_or(EventError::NoAuth(name))
        };
        Ok(Self {
            auth: Auth {
                member_id: auth("member_id")?.to_owned(),
                application_token: auth("application_token")?.to_owned().into(),
                domain: tree.text(&["auth", "domain"]).map(str::to_owned),
                user_id: tree.number(&["auth", "user_id"]),
            },
            handler_id: tree.text(&["event_handler_id"]).map(str::to_owned),
            ts: tree.number(&["ts"]),
            data: tree.get("data").cloned().unwrap_or_default(),
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
        let event = Event::parse(format!("event=onofflineevent{HOOK}").as_bytes()).unwrap();
        assert_eq!(event.code, "ONOFFLINEEVENT");
        assert_eq!(event.data, Tree::default());
        assert_eq!(event.auth.application_token.expose_secret(), "t1");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Event::parse(b"a=1").unwrap_err(), EventError::NoEvent);
        assert_eq!(Event::parse(b"event=X").unwrap_err(), EventError::NoAuth("member_id"));
        assert_eq!(Event::parse(b"event=X&auth[member_id]=m").unwrap_err(), EventError::NoAuth("application_token"));
        assert_eq!(Event::parse(b"event[a]=X&auth=b").unwrap_err(), EventError::NoEvent);
    }

    #[test]
    fn a_printed_event_does_not_show_its_token() {
        let event = Event::parse(format!("event=X{HOOK}").as_bytes()).unwrap();
        assert!(!format!("{event:?}").contains("t1"));
    }
}
