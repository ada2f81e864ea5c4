//! For each type of job: its queue, its group and its deduplication key.

use bitrix24::Subject;
use runtime::{GroupKey, Job, QueueName};
use serde::{Deserialize, Serialize};
use slack::event::EventCallback;

use crate::chat::{SlackJob, ToBitrix24};
use crate::hint::{FollowUp, Hint};
use crate::queues;
use crate::slack_request::SlackRequest;
use crate::sync::SyncJob;
use crate::tenant_job::TenantJob;

/// Every hint has its own deduplication: two that look the same may be two changes.
impl Job for Hint {
    const QUEUE: QueueName = queues::BITRIX24_EVENTS;

    fn group(&self) -> GroupKey {
        match &self.errand {
            Some(FollowUp::Recording { call_id }) => return GroupKey::new(["recording", &short(call_id)]),
            Some(FollowUp::Digest { place, until, .. }) => {
                return GroupKey::new(["digest", &until.to_string(), &short(place)]);
            }
            None => {}
        }
        match &self.subject {
            Subject::Item { entity, id, .. } => GroupKey::new([entity.to_string().as_str(), &id.to_string()]),
            Subject::Task { id, .. } | Subject::TaskComment { task: id, .. } => numbered("task", *id),
            Subject::Call { call_id, .. } => GroupKey::new(["call", &short(call_id)]),
            Subject::Custom { name, .. } => GroupKey::new(["custom", name]),
            Subject::Activity { id, .. } => numbered("activity", *id),
            Subject::TimelineComment { id, .. } => numbered("timeline", *id),
            Subject::User { id } => numbered("user", *id),
            Subject::Application | Subject::Uninstalled { .. } => GroupKey::new(["application"]),
            Subject::Chat(event) => GroupKey::new(["chat", &short(&event.dialog)]),
            Subject::Bot => GroupKey::new(["bot"]),
            Subject::Offline => GroupKey::new(["offline"]),
            Subject::Incomplete { .. } | Subject::Unknown => GroupKey::new(["other"]),
        }
    }
}

fn numbered(kind: &str, id: u64) -> GroupKey {
    GroupKey::new([kind, &id.to_string()])
}

/// SQS accepts groups of 128 characters; ids from outside are cut to fit, readable to the end.
fn short(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).take(70).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlackEvent(pub Box<EventCallback>);

impl Job for SlackEvent {
    const QUEUE: QueueName = queues::SLACK_EVENTS;

    fn group(&self) -> GroupKey {
        GroupKey::new([self.0.event.group().as_str()])
    }

    fn deduplication(&self) -> Option<String> {
        Some(self.0.event_id.clone())
    }
}

/// A person's requests keep their order; other people's do not wait for them.
impl Job for SlackRequest {
    const QUEUE: QueueName = queues::SLACK_COMMANDS;

    fn group(&self) -> GroupKey {
        GroupKey::new([self.user()])
    }

    fn deduplication(&self) -> Option<String> {
        Some(self.identity())
    }
}

/// The cards of a destination keep their order and wait for its limit without holding up others; so do the messages of
/// a conversation.
impl Job for SlackJob {
    const QUEUE: QueueName = queues::SLACK_DELIVERY;

    fn group(&self) -> GroupKey {
        match self {
            Self::Chat(message) => GroupKey::new(["chat", &message.channel]),
            Self::Card(card) => GroupKey::new([card.destination.key().as_str()]),
        }
    }

    fn deduplication(&self) -> Option<String> {
        Some(match self {
            Self::Chat(message) => message.delivery.clone(),
            Self::Card(card) => card.delivery.clone(),
        })
    }
}

/// Messages keep the order of their conversation.
impl Job for ToBitrix24 {
    const QUEUE: QueueName = queues::BITRIX24_DELIVERY;

    fn group(&self) -> GroupKey {
        GroupKey::new([self.dialog.as_str()])
    }

    fn deduplication(&self) -> Option<String> {
        Some(self.delivery.clone())
    }
}

/// A record and its page have one writer at a time.
impl Job for SyncJob {
    const QUEUE: QueueName = queues::RECORD_SYNC;

    fn group(&self) -> GroupKey {
        match self {
            Self::Record { database, record, .. }
            | Self::Undo { database, record, .. }
            | Self::Join { database, record, .. }
            | Self::Take { database, record, .. } => GroupKey::new([database.as_str(), &record.key()]),
            Self::Page { page, .. } => GroupKey::new(["page", page]),
            Self::Schema { .. } => GroupKey::new(["schema"]),
            Self::Backfill { database, .. } => GroupKey::new(["backfill", database]),
        }
    }

    fn deduplication(&self) -> Option<String> {
        match self {
            Self::Record { signal, .. } => signal.delivery.clone(),
            _ => None,
        }
    }
}

/// The slices of one kind of work come one after the other; other kinds do not wait for them.
impl Job for TenantJob {
    const QUEUE: QueueName = queues::TENANT_JOBS;

    fn group(&self) -> GroupKey {
        match self {
            Self::Leave { .. } => GroupKey::new(["leave"]),
        }
    }

    /// A slice that is handed out twice sends its successor twice.
    fn deduplication(&self) -> Option<String> {
        match self {
            Self::Leave { began_at, slice } => Some(format!("leave#{}#{slice}", began_at.as_microsecond())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlackDelivery;
    use crate::card_delivery::{CardDestination, PortalPerson};
    use crate::chat::{InSlack, ToSlack};
    use runtime::job::{ReceivedJob, message};
    use runtime::queue::Received;
    use runtime::{TenantId, TraceId};
    use serde_json::{Value, json};
    use settings::schema::Thread;
    use slack::SlackMessage;

    fn card(channel: &str) -> SlackDelivery {
        SlackDelivery {
            delivery: "d".into(),
            route: "r".into(),
            destination: CardDestination::channel(channel),
            record: "deal 1".into(),
            change: "deal.created".into(),
            message: SlackMessage::new(slack::Mrkdwn::from_markup("x"), []),
            fallback: None,
            thread: Thread::None,
            line: None,
        }
    }

    fn chat() -> ToSlack {
        let dialog = "chat1".into();
        let (delivery, channel, digest) = ("d".into(), "C1".into(), String::new());
        ToSlack { delivery, channel, dialog, message: 1, digest, in_slack: InSlack::Delete }
    }

    fn group(job: &SlackJob) -> String {
        let (tenant, trace) = (TenantId::new("t").unwrap(), TraceId::new("2026-11-21T12:00:00Z".parse().unwrap()));
        message(&tenant, trace, job).unwrap().message.group
    }

    fn parse(body: &Value) -> Result<SlackJob, String> {
        let trace = TraceId::new("2026-11-21T12:00:00Z".parse().unwrap());
        let body = json!({"v": 1, "tenant": "t", "trace": trace, "body": body}).to_string();
        let received = Received { id: "m".into(), receipt: "r".into(), group: "g".into(), body, attempt: 1 };
        ReceivedJob::<SlackJob>::parse(&received).map(|job| job.body)
    }

    #[test]
    fn a_slice_that_is_sent_twice_is_one_message_and_the_next_is_another() {
        let (tenant, trace) = (TenantId::new("t").unwrap(), TraceId::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let sent = |began_at: &str, slice| {
            let job = TenantJob::Leave { began_at: began_at.parse().unwrap(), slice };
            message(&tenant, trace, &job).unwrap().message
        };
        let (first, began_at) = (sent("2026-11-21T12:00:00Z", 0), "2026-11-21T12:00:00Z");
        assert_eq!((first.group.as_str(), &first), ("t#leave", &sent(began_at, 0)));
        let others = [sent(began_at, 1), sent("2026-11-21T12:00:01Z", 0)];
        assert!(others.iter().all(|other| other.deduplication != first.deduplication && other.group == first.group));
    }

    #[test]
    fn a_destination_has_one_group_and_a_conversation_another() {
        assert_eq!(group(&SlackJob::Card(Box::new(card("#sales")))), "t#sales");
        let person = PortalPerson { user: 7, name: None, email: None, slack: None };
        let to_person = SlackDelivery { destination: CardDestination::Person(person), ..card("") };
        assert_eq!(group(&SlackJob::Card(Box::new(to_person))), "t#user#7");
        assert_eq!(group(&SlackJob::Chat(Box::new(chat()))), "t#chat#C1");
    }

    #[test]
    fn jobs_that_were_queued_without_a_tag_are_read() {
        for job in [SlackJob::Card(Box::new(card("#sales"))), SlackJob::Chat(Box::new(chat()))] {
            let tagged = serde_json::to_value(&job).unwrap();
            assert_eq!(parse(&tagged).unwrap(), job);
            let mut earlier = tagged;
            earlier.as_object_mut().unwrap().remove("job").unwrap();
            assert_eq!(parse(&earlier).unwrap(), job);
        }
    }

    #[test]
    fn a_card_is_kept_with_the_fields_of_its_destination() {
        let person = PortalPerson { user: 7, name: Some("Ann".into()), email: None, slack: None };
        let made = CardDestination::Channel { name: "#deal-1".into(), may_create: true };
        for (destination, channel, user, may_create) in [
            (CardDestination::channel("#sales"), "#sales", Value::Null, false),
            (made, "#deal-1", Value::Null, true),
            (CardDestination::Person(person), "@Ann (user 7)", json!(7), false),
        ] {
            let job = SlackJob::Card(Box::new(SlackDelivery { destination, ..card("") }));
            let kept = serde_json::to_value(&job).unwrap();
            let fields = (&kept["channel"], &kept["person"]["user"], &kept["may_create"], &kept["record"]);
            assert_eq!(fields, (&json!(channel), &user, &json!(may_create), &json!("deal 1")));
            assert_eq!(parse(&kept).unwrap(), job);
        }
    }

    #[test]
    fn later_cards_reply_to_the_first_card_of_a_record_and_of_a_call() {
        let begins =
            |change: &str, thread| SlackDelivery { change: change.into(), thread, ..card("#x") }.begins_thread();
        for change in ["deal.created", "item.created", "call.missed", "call.recorded"] {
            assert!(begins(change, Thread::None), "{change}");
        }
        for change in ["deal.updated", "digest", "custom.created", "alert.silence", "custom.call.missed"] {
            assert!(!begins(change, Thread::None), "{change}");
            assert!(begins(change, Thread::Reply), "{change}");
        }
    }

    #[test]
    fn an_unreadable_job_says_which_field_is_wrong() {
        let says = |job: &Value, words: &str| {
            let error = parse(job).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        };
        let mut job = serde_json::to_value(SlackJob::Chat(Box::new(chat()))).unwrap();
        job["message"] = json!("one");
        says(&job, "body: message: invalid type: string \"one\", expected u64");
        let mut job = serde_json::to_value(SlackJob::Card(Box::new(card("#sales")))).unwrap();
        job["message"]["text"] = json!(7);
        says(&job, "body: message.text: invalid type: integer `7`");
        job["job"] = json!("fax");
        says(&job, "body: unknown variant `fax`, expected `chat` or `card`");
    }
}
