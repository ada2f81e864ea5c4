//! The people of the stories, and what they type and read in Slack.

use journeys::World;
use serde_json::{Value, json};

/// A company, three people and the channel `#general`. `admin` administers the workspace and is user 1 of the portal by
/// e-mail, `ann` is user 6; `stranger` has no user there.
pub(crate) struct Cast {
    pub(crate) world: World,
    pub(crate) admin: String,
    pub(crate) ann: String,
    pub(crate) stranger: String,
    pub(crate) channel: String,
}

impl Cast {
    pub(crate) async fn start() -> Self {
        Self::of(World::start().await)
    }

    pub(crate) async fn with(settings: Value) -> Self {
        Self::of(World::start_with_settings(settings).await)
    }

    pub(crate) fn of(world: World) -> Self {
        let slack = &world.sandbox.slack;
        let (admin, ann) = (slack.person("user1@example.com"), slack.person("user6@example.com"));
        let stranger = slack.add_person("nobody@elsewhere.example");
        let channel = slack.channel_id("general");
        Self { admin, ann, stranger, channel, world }
    }

    /// Types a command; the words of the message that the person reads in the end.
    pub(crate) async fn types(&self, user: &str, command: &str, text: &str) -> String {
        shown(&self.answer(user, command, text).await)
    }

    /// Types a command; the whole message that the person reads in the end.
    pub(crate) async fn answer(&self, user: &str, command: &str, text: &str) -> Value {
        let first = self.world.sandbox.slack.command(user, &self.channel, command, text).await;
        assert_eq!(first.status, 200, "{first:?}");
        self.world.settle().await;
        self.read_by(user)
    }

    /// Presses a button; what is due later is left.
    pub(crate) async fn presses(&self, user: &str, action_id: &str, value: &str) {
        self.world.sandbox.slack.press(user, &self.channel, action_id, value).await;
        self.world.none_left_to_work_now().await;
    }

    /// The last message that only this person reads.
    pub(crate) fn read_by(&self, user: &str) -> Value {
        self.world.sandbox.slack.whispers(user).pop().unwrap_or_default()
    }

    /// Its words.
    pub(crate) fn told(&self, user: &str) -> String {
        shown(&self.read_by(user))
    }

    /// The callback of the form that is open for a person.
    pub(crate) fn open_form(&self, user: &str) -> Option<String> {
        self.world.sandbox.slack.dialog(user)?["callback_id"].as_str().map(str::to_owned)
    }

    /// The portal's newest task.
    pub(crate) fn task(&self) -> Value {
        let portal = &self.world.sandbox.portal;
        json!(portal.task(*portal.task_ids().last().unwrap()).unwrap())
    }

    /// The portal's newest lead.
    pub(crate) fn lead(&self) -> Value {
        let portal = &self.world.sandbox.portal;
        json!(portal.item(simulators::portal::LEAD, *portal.ids(simulators::portal::LEAD).last().unwrap()).unwrap())
    }

    /// How many tasks the portal has.
    pub(crate) fn tasks(&self) -> usize {
        self.world.sandbox.portal.task_ids().len()
    }

    /// A deal that Ann observes.
    pub(crate) fn observed_deal(&self, title: &str, amount: u64) -> u64 {
        let deal = json!({"title": title, "opportunity": amount, "currencyId": "EUR", "observers": [6]});
        self.world.sandbox.portal.add_item(simulators::portal::DEAL, deal)
    }

    /// The code that a person of the portal was sent last.
    pub(crate) fn code(&self, user: u64) -> String {
        let note = self.world.sandbox.portal.notes(user).pop().unwrap();
        note.split("/b24-me ").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect()
    }
}

/// All words of a message: its text, then those of its blocks.
pub(crate) fn shown(message: &Value) -> String {
    fn words(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(text)) = map.get("text") {
                    into.push(text.clone());
                }
                map.values().for_each(|value| words(value, into));
            }
            Value::Array(list) => list.iter().for_each(|value| words(value, into)),
            _ => {}
        }
    }
    let mut all = vec![message["text"].as_str().unwrap_or_default().to_owned()];
    words(&message["blocks"], &mut all);
    all.join("\n")
}
