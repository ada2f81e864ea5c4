//! A channel and a chat that are one conversation, for the stories about them.

use std::ops::Deref;

use jobs::queues;
use journeys::World;
use serde_json::Value;

use crate::cast::Cast;

/// A company with a bridge between `#general` and a chat of Ann and the administrator.
pub(crate) struct Bridged {
    cast: Cast,
    pub(crate) chat: String,
}

impl Deref for Bridged {
    type Target = Cast;

    fn deref(&self) -> &Cast {
        &self.cast
    }
}

impl Bridged {
    pub(crate) async fn start() -> Self {
        Self::of(World::start().await).await
    }

    pub(crate) async fn with(settings: Value) -> Self {
        Self::of(World::start_with_settings(settings).await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let cast = Cast::of(world);
        let portal = &cast.world.sandbox.portal;
        let chat = portal.add_chat("Support", &[1, 6]);
        // The first try registers the bot; the chat's people then let it in.
        cast.answer(&cast.admin, "/b24-bridge", &chat).await;
        portal.invite_bots(&chat);
        cast.world.settle().await;
        cast.answer(&cast.admin, "/b24-bridge", &chat).await;
        Self { cast, chat }
    }

    /// Says something in the channel; the message's `ts`.
    pub(crate) fn say(&self, user: &str, text: &str) -> String {
        self.world.sandbox.slack.say(user, &self.channel, text, None, &[])
    }

    /// Says something in the channel, and waits until it has arrived.
    pub(crate) async fn says(&self, user: &str, text: &str) -> String {
        let ts = self.say(user, text);
        self.world.settle().await;
        ts
    }

    /// Writes something in the chat, and waits until it has arrived; the message's id.
    pub(crate) async fn writes(&self, user: u64, text: &str) -> u64 {
        let id = self.world.sandbox.portal.write(user, &self.chat, text, None, &[]);
        self.world.settle().await;
        id
    }

    /// What is said in the chat, without the bot's welcome.
    pub(crate) fn in_bitrix24(&self) -> Vec<String> {
        said_in(&self.world, &self.chat)
    }

    /// The same, after everything has arrived.
    pub(crate) async fn chat_when_settled(&self) -> Vec<String> {
        self.world.settle().await;
        self.in_bitrix24()
    }

    /// The chat's messages as the portal keeps them, without the bot's welcome.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let mut rows = self.world.sandbox.portal.messages(&self.chat);
        rows.retain(|row| !row["text"].as_str().is_some_and(is_welcome));
        rows
    }

    /// The channel's messages as Slack keeps them, without the one that announces the bridge.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let mut messages = self.world.sandbox.slack.messages("general");
        messages.retain(|message| {
            !message["text"].as_str().is_some_and(|text| text.contains("This channel is bridged with"))
        });
        messages
    }

    /// What people read in the channel: `name: text`.
    pub(crate) fn in_slack(&self) -> Vec<String> {
        let line = |message: &Value| {
            let name = message["username"].as_str().or_else(|| message["user"].as_str()).unwrap_or_default();
            format!("{name}: {}", message["text"].as_str().unwrap_or_default().replace('\u{200b}', ""))
        };
        self.messages().iter().map(line).collect()
    }

    /// The lines of the log that contain these words.
    pub(crate) async fn logged(&self, words: &str) -> Vec<String> {
        let ledger = self.world.ledger().await;
        ledger.into_iter().filter(|line| line.contains(words)).collect()
    }

    /// What the channel shows after the administrator has written in the chat.
    pub(crate) async fn after_writing(&self, text: &str) -> Vec<String> {
        let before = self.world.channel("general").len();
        self.writes(1, text).await;
        self.world.channel("general").split_off(before)
    }

    /// What the chat shows after Ann has written in the channel.
    pub(crate) async fn after_saying(&self, text: &str) -> Vec<String> {
        let before = self.world.sandbox.portal.conversation(&self.chat).len();
        self.says(&self.ann, text).await;
        self.world.sandbox.portal.conversation(&self.chat).split_off(before)
    }

    /// Fails if a delivery was given up, or still waits.
    pub(crate) async fn nothing_is_stuck(&self) {
        for queue in queues::ALL {
            let letters = self.world.dead_letters(queue).await;
            assert!(letters.is_empty(), "{queue:?}: {letters:?}");
            let waiting = self.world.engine.queue.depth(queue).await.unwrap().waiting;
            assert_eq!(waiting, 0, "{queue:?}");
        }
    }
}

/// What is said in a chat, without the bot's welcome.
pub(crate) fn said_in(world: &World, chat: &str) -> Vec<String> {
    let mut said = world.sandbox.portal.conversation(chat);
    said.retain(|text| !is_welcome(text));
    said
}

fn is_welcome(text: &str) -> bool {
    text.starts_with("Hello! I am Switchboard")
}
