//! Telephone calls, as `ONVOXIMPLANTCALLEND` and `voximplant.statistic.get` describe them, with the same names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tolerant;

/// A call that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub struct FinishedCall {
    /// Telephony's id of it.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// 1 outgoing, 2 incoming, 3 incoming and forwarded, 4 callback, 5 information.
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub call_type: Option<u64>,
    /// The other side's number.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whose call it was.
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub portal_user_id: Option<u64>,
    /// Seconds.
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub call_duration: Option<u64>,
    /// When it began.
    #[serde(deserialize_with = "tolerant::moment", skip_serializing_if = "Option::is_none")]
    pub call_start_date: Option<Timestamp>,
    /// `200` answered, `304` missed, `603-S` and others: a text, not a number.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub call_failed_code: Option<String>,
    /// The same in words.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub call_failed_reason: Option<String>,
    /// The CRM activity made of it.
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub crm_activity_id: Option<u64>,
    /// `CONTACT`, `COMPANY` or `LEAD`; never a deal. Only in the statistics.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub crm_entity_type: Option<String>,
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub crm_entity_id: Option<u64>,
    /// Where the recording is, once there is one. Only in the statistics.
    #[serde(deserialize_with = "tolerant::text", skip_serializing_if = "Option::is_none")]
    pub call_record_url: Option<String>,
    /// The recording's file on the portal's disk.
    #[serde(deserialize_with = "tolerant::number", skip_serializing_if = "Option::is_none")]
    pub record_file_id: Option<u64>,
}

impl FinishedCall {
    /// Whether somebody called and nobody answered. An outgoing call that nobody took has the code 304, too.
    pub fn is_missed(&self) -> bool {
        matches!(self.call_type, Some(2 | 3)) && self.call_failed_code.as_deref() == Some("304")
    }

    /// Whether there is a recording.
    pub fn has_recording(&self) -> bool {
        self.call_record_url.is_some() || self.record_file_id.is_some_and(|id| id != 0)
    }

    /// A link to the recording that may be shown to others: one that carries no token.
    pub fn shown_record_url(&self) -> Option<&str> {
        let url = self.call_record_url.as_deref()?;
        let parsed = url::Url::parse(url).ok()?;
        let is_secret = |name: &str| {
            ["auth", "token", "sessid", "signature", "sign", "key", "access"].iter().any(|word| name.contains(word))
        };
        let tells = parsed.query_pairs().any(|(name, _)| is_secret(&name.to_lowercase()));
        let web = parsed.scheme() == "https" || (parsed.scheme() == "http" && parsed.host_str() == Some("127.0.0.1"));
        (web && !tells && parsed.password().is_none()).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_an_incoming_304_is_missed() {
        let call = |kind: &str, code: &str| {
            serde_json::from_value::<FinishedCall>(json!({"CALL_TYPE": kind, "CALL_FAILED_CODE": code})).unwrap()
        };
        assert!(call("2", "304").is_missed() && call("3", "304").is_missed());
        assert!(!call("1", "304").is_missed(), "the vendor's own example is an outgoing call");
        assert!(!call("2", "603-S").is_missed() && !call("2", "OTHER").is_missed());
    }

    #[test]
    fn the_documented_statistics_are_read() {
        let answer: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/rest/voximplant-statistic-get.json")).unwrap();
        let calls: Vec<FinishedCall> = serde_json::from_value(answer["result"].clone()).unwrap();
        assert_eq!((calls[0].crm_entity_type.as_deref(), calls[0].crm_entity_id), (Some("CONTACT"), Some(275)));
        assert!(!calls[0].has_recording());
    }

    #[test]
    fn a_link_with_a_token_is_shown_to_nobody() {
        let call = |url: &str| FinishedCall { call_record_url: Some(url.into()), ..FinishedCall::default() };
        assert!(call("https://a.bitrix24.com/rest/download.json?auth=1&token=x").shown_record_url().is_none());
        assert!(call("https://storage.example/rec.mp3?sessionid=3").shown_record_url().is_some());
        assert!(call("javascript:alert(1)").shown_record_url().is_none());
    }
}
