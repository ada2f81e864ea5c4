//! A request from Slack, parsed into one of its four kinds. Its signature has already been checked.

use serde_json::Value;

use crate::command::SlashCommand;
use crate::event::EventCallback;
use crate::form::FormFields;
use crate::interaction::Interaction;

/// The largest body that is read, once its signature is right. The largest honest one tells of an edit: a message of 40,000
/// characters, each up to twelve bytes of JSON (`\ud83d\ude00`), as text and as blocks, before and after; that is 2 MB.
pub const MAX_REQUEST_BODY: usize = 4 * 1024 * 1024;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackInbound {
    /// Slack makes sure that the address is ours; the challenge is the answer.
    UrlVerification {
        /// What to answer.
        challenge: String,
    },
    /// Slack makes sure that the address is there.
    SslCheck,
    /// Slack has more than 30,000 events an hour for the workspace and leaves some out.
    RateLimited {
        /// The workspace.
        team_id: String,
    },
    Event(Box<EventCallback>),
    Command(SlashCommand),
    /// A button, a menu, a dialog, a shortcut.
    Interaction(Box<Interaction>),
}

/// A body that is none of Slack's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// Neither a form nor JSON.
    #[error("the body is neither Slack's JSON nor one of its forms: {0}")]
    Unreadable(String),
    /// Something that every real one has is not there.
    #[error("the request has no {0}")]
    Missing(&'static str),
}

impl SlackInbound {
    /// Reads a body: an object is an event, anything else a form.
    pub fn parse(body: &[u8]) -> Result<Self, InboundError> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') { Self::json(body) } else { Self::form(&FormFields::parse(body)) }
    }

    fn json(body: &[u8]) -> Result<Self, InboundError> {
        let outer = json(body)?;
        match outer["type"].as_str() {
            Some("url_verification") => {
                let challenge = outer["challenge"].as_str().ok_or(InboundError::Missing("challenge"))?.to_owned();
                Ok(Self::UrlVerification { challenge })
            }
            Some("app_rate_limited") => {
                Ok(Self::RateLimited { team_id: outer["team_id"].as_str().unwrap_or_default().to_owned() })
            }
            Some("event_callback") => {
                let event = EventCallback::read(&outer).map_err(InboundError::Missing)?;
                Ok(Self::Event(Box::new(event)))
            }
            Some(other) => {
                Err(InboundError::Unreadable(format!("type {:?}", other.chars().take(60).collect::<String>())))
            }
            None => Err(InboundError::Missing("type")),
        }
    }

    fn form(form: &FormFields) -> Result<Self, InboundError> {
        if form.get("ssl_check") == Some("1") {
            return Ok(Self::SslCheck);
        }
        if let Some(payload) = form.get("payload") {
            let payload = json(payload.as_bytes())?;
            let interaction = Interaction::read(&payload).map_err(InboundError::Missing)?;
            return Ok(Self::Interaction(Box::new(interaction)));
        }
        if form.get("command").is_none() {
            return Err(InboundError::Missing("command, payload or ssl_check"));
        }
        SlashCommand::read(form).map(Self::Command).map_err(InboundError::Missing)
    }

    /// The workspace that it comes from, where it says one.
    pub fn team_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.team_id),
            Self::Command(command) => Some(&command.team_id),
            Self::Interaction(interaction) => Some(&interaction.team_id),
            Self::RateLimited { team_id } => Some(team_id),
            Self::UrlVerification { .. } | Self::SslCheck => None,
        }
    }
}

fn json(body: &[u8]) -> Result<Value, InboundError> {
    serde_json::from_slice(body).map_err(|error| InboundError::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_is_told_from_the_others() {
        let parse = |body: &str| SlackInbound::parse(body.as_bytes());
        let challenge = parse(r#"{"type":"url_verification","challenge":"c","token":"t"}"#);
        assert_eq!(challenge, Ok(SlackInbound::UrlVerification { challenge: "c".into() }));
        assert_eq!(parse("ssl_check=1&token=x"), Ok(SlackInbound::SslCheck));
        let Ok(SlackInbound::Command(command)) = parse(
            "team_id=T1&user_id=U1&channel_id=C1&command=%2Fb24-lead&text=ACME+%7C+hi&response_url=https%3A%2F%2Fhooks",
        ) else {
            panic!()
        };
        assert_eq!((command.command.as_str(), command.text.as_str()), ("/b24-lead", "ACME | hi"));
        let payload = r#"payload={"type":"view_closed","team":{"id":"T1"},"user":{"id":"U1"}}"#;
        assert!(matches!(parse(payload), Ok(SlackInbound::Interaction(_))));
        assert_eq!(parse("hello=1"), Err(InboundError::Missing("command, payload or ssl_check")));
        assert_eq!(parse("command=%2Fx"), Err(InboundError::Missing("team_id")));
        assert!(matches!(parse("{"), Err(InboundError::Unreadable(_))));
        assert!(matches!(parse("payload=<html>"), Err(InboundError::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = SlackInbound::parse(&body);
        }

        #[test]
        fn nor_does_any_json(text in "\\{\"type\":\"(event_callback|url_verification)\",\"event\":(\\{\"type\":\"message\"\\}|null|1)\\}") {
            let _ = SlackInbound::parse(text.as_bytes());
        }
    }
}
