//! The settings document of a tenant: what is sent, to whom, how and when.
//!
//! Everything has a default; the default routes need no editing but, perhaps, the channels' names. Types and
//! documentation are also the published JSON Schema (`docs/settings.schema.json`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use locale::Language;
use records::change::ChangeKind;
use records::record::RecordKind;
use records::words;
use serde::{Deserialize, Serialize};

use crate::bot::BotSettings;
use crate::condition::Condition;
use crate::databases::NotionSettings;
use crate::default::is_default;
use crate::destination::Destination;
use crate::hours;
use crate::hours::Hours;
use crate::robots::Robot;
use crate::template::TextTemplate;

/// One, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<'a, T> IntoIterator for &'a OneOrMany<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => {
                // In YAML a # begins a comment.
                return Err(serde::de::Error::custom(
                    "nothing stands here; write a channel in quotes: \"#sales-leads\"",
                ));
            }
            many @ serde_json::Value::Array(_) => serde_json::from_value(many).map(Self::Many),
            one => serde_json::from_value(one).map(Self::One),
        };
        read.map_err(serde::de::Error::custom)
    }
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
    }
}

/// How a card stands to the cards before it of the same record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Thread {
    /// A card of its own.
    #[default]
    None,
    /// A reply under the record's first card in the channel; the first card itself if there is none.
    Reply,
    /// The record's card is updated in place, and a line in its thread says what changed.
    Live,
    /// A reply under the record's first card; nothing if there is none.
    OnlyReply,
}

/// How much a card shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Density {
    /// Two lines.
    Compact,
    /// A headline, fields, a button.
    #[default]
    Normal,
    /// More fields.
    Full,
}

/// A field on a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum CardField {
    /// A word, with its own label: `responsible`, `record.ufCrm_17`.
    Word(String),
    /// A label and a template.
    Own {
        /// What stands above it.
        label: String,
        /// What it shows: `{sum} of {company}`.
        value: String,
    },
}

/// How a route's card looks, where it is not the change's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct CardDesign {
    /// The headline, a template: `{company} pays {sum}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A text below it, a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The fields, ten at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<CardField>>,
    /// How much is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<Density>,
    /// Whether there is a button that opens the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<bool>,
}

/// A rule from a change to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct Route {
    /// What people call it; unique.
    pub name: String,
    /// Which change, or changes: `deal.stage_changed`.
    #[cfg_attr(feature = "document", schemars(with = "OneOrMany<json_schema_of::ChangeName>"))]
    pub change: OneOrMany<ChangeKind>,
    /// Only if this holds, in CEL: `record.opportunity > 100000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Where to: `#channel`, `@responsible`, `#project-{project}`, or several of these.
    #[serde(alias = "channel")]
    #[cfg_attr(feature = "document", schemars(with = "OneOrMany<String>"))]
    pub to: OneOrMany<Destination>,
    /// The channel for what cannot go there: to a person without a Slack account, to a channel that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// How its card looks, where it is not the change's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardDesign>,
    /// Its language, where it is not the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// How its cards stand to earlier ones of the same record.
    #[serde(default, skip_serializing_if = "is_default")]
    pub thread: Thread,
    /// Whether it goes out at once, whatever the quiet hours and however many there are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at_once: bool,
}

/// How people of the portal are found in Slack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct PeopleSettings {
    /// Whether they are not looked up by e-mail.
    #[serde(skip_serializing_if = "is_default")]
    pub not_by_email: bool,
    /// By hand: the number on the portal, and the Slack id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, String>,
    /// With whose rights people in Slack work on the portal.
    #[serde(skip_serializing_if = "is_default")]
    pub act_as: ActAs,
}

/// With whose rights people in Slack work on the portal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActAs {
    /// With the person's own rights. Where an application is connected they allow that once; where an incoming webhook is
    /// connected, which has only its own rights, the person reaches the records that they are responsible for, created or
    /// observe.
    #[default]
    Person,
    /// With all rights of the connection, for everybody who is linked: they see and change whatever it may. The record
    /// names the person.
    Connection,
    /// With a permission of the person's own only, also where an incoming webhook is connected.
    PersonOnly,
}

/// A Slack channel and a Bitrix24 chat that are one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct BridgeSetting {
    /// The channel: `#support`, or its id.
    pub channel: String,
    /// The chat: `chat57`.
    pub chat: String,
}

/// Who may join channels with chats by `/b24-bridge`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhoBridges {
    /// Who administers the workspace.
    #[default]
    Admins,
    /// Everybody.
    Everyone,
    /// Nobody: only these settings and the page do.
    Nobody,
}

/// How bridged conversations behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Chats {
    /// Whether a mention of everyone on one side is one on the other.
    #[serde(skip_serializing_if = "is_default")]
    pub mention_everyone: bool,
    /// Whether what other apps and bots write is copied.
    #[serde(skip_serializing_if = "is_default")]
    pub bots: bool,
    /// Whether files are copied; else they are linked.
    pub files: bool,
    /// The largest file that is copied, in megabytes; larger ones are linked. Bitrix24 takes 100.
    pub largest_file_mb: u32,
    /// Who may join channels with chats by command.
    #[serde(skip_serializing_if = "is_default")]
    pub who_bridges: WhoBridges,
}

impl Default for Chats {
    fn default() -> Self {
        Self {
            mention_everyone: false,
            bots: false,
            files: true,
            largest_file_mb: 100,
            who_bridges: WhoBridges::Admins,
        }
    }
}

/// How commands in Slack behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Commands {
    /// Whether everybody in the channel sees the answers, not only who asked.
    #[serde(skip_serializing_if = "is_default")]
    pub public: bool,
    /// Whether fields of records may be shown in channels that are shared with another organisation.
    #[serde(skip_serializing_if = "is_default")]
    pub fields_in_shared_channels: bool,
}

/// What is done when a channel that is named after the record does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MissingChannel {
    /// It is said, once, and the card goes to the route's fallback or to the dead letters.
    #[default]
    Say,
    /// It is created. The app needs the scope `channels:manage`.
    Create,
}

/// When many cards at once are told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Bursts {
    /// When more than so many cards of a route go to one place …
    pub more_than: u32,
    /// … within so many seconds, the rest of them goes as one.
    pub seconds: u32,
}

impl Default for Bursts {
    fn default() -> Self {
        Self { more_than: 40, seconds: 60 }
    }
}

/// Those who keep it running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Operators {
    /// Where they are told of trouble; nowhere but in the log if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// After so many minutes of business hours without an event of a watched kind something is wrong; 0 for never.
    pub silence_minutes: u32,
    /// The kinds of events that are watched for silence: `crm`, `tasks`, `calls`.
    pub watch: Vec<Family>,
    /// When events are to be expected.
    pub business_hours: Hours,
}

impl Default for Operators {
    fn default() -> Self {
        Self { channel: None, silence_minutes: 120, watch: vec![Family::Crm], business_hours: Hours::default() }
    }
}

/// A kind of events that come or stay away together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Leads, deals, contacts, companies, smart processes.
    Crm,
    /// Tasks and their comments.
    Tasks,
    /// Telephone calls.
    Calls,
}

/// A tenant's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Settings {
    /// The language of cards, alerts, reports and notes in Notion.
    #[serde(skip_serializing_if = "is_default")]
    pub language: Language,
    /// The time zone of quiet and business hours: `Europe/Berlin`.
    pub time_zone: String,
    /// Other names for the channels that routes name: `sales-leads: "#vertrieb"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, String>,
    /// The routes.
    pub routes: Vec<Route>,
    /// How people of the portal are found in Slack.
    #[serde(skip_serializing_if = "is_default")]
    pub people: PeopleSettings,
    /// What is done when a channel named after a project does not exist.
    #[serde(skip_serializing_if = "is_default")]
    pub missing_channels: MissingChannel,
    /// The hours in which cards go out at once; outside of them they wait and come together as a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_outside: Option<Hours>,
    /// When many cards at once are told together; `null` for never.
    pub group_bursts: Option<Bursts>,
    /// The smart processes that the sweep looks after, by `entityTypeId`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smart_processes: Vec<u32>,
    /// Those who keep it running.
    #[serde(skip_serializing_if = "is_default")]
    pub operators: Operators,
    /// Who may sign in to the administrators' pages with Slack besides those who administer the workspace: Slack ids or
    /// e-mails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// Channels and chats that are one conversation; others are made by `/b24-bridge` and on the page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bridges: Vec<BridgeSetting>,
    /// How such conversations behave.
    #[serde(skip_serializing_if = "is_default")]
    pub chats: Chats,
    /// How commands in Slack behave.
    #[serde(skip_serializing_if = "is_default")]
    pub commands: Commands,
    /// What is synced with Notion.
    #[serde(skip_serializing_if = "is_default")]
    pub notion: NotionSettings,
    /// The chatbot in Bitrix24.
    #[serde(skip_serializing_if = "is_default")]
    pub bot: BotSettings,
    /// What is done by the clock: digests, syncs, reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub robots: Vec<Robot>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: Language::default(),
            time_zone: "UTC".into(),
            channels: BTreeMap::new(),
            routes: default_routes(),
            people: PeopleSettings::default(),
            missing_channels: MissingChannel::Say,
            quiet_outside: None,
            group_bursts: Some(Bursts::default()),
            smart_processes: Vec::new(),
            operators: Operators::default(),
            admins: Vec::new(),
            bridges: Vec::new(),
            chats: Chats::default(),
            commands: Commands::default(),
            notion: NotionSettings::default(),
            bot: BotSettings::default(),
            robots: Vec::new(),
        }
    }
}

impl Route {
    /// A route from changes to a destination, and nothing special about it.
    pub fn new(name: &str, changes: &[ChangeKind], to: Destination) -> Self {
        let change = match changes {
            [one] => OneOrMany::One(one.clone()),
            many => OneOrMany::Many(many.to_vec()),
        };
        Self {
            name: name.into(),
            change,
            when: None,
            to: OneOrMany::One(to),
            fallback: None,
            card: None,
            language: None,
            thread: Thread::None,
            at_once: false,
        }
    }
}

fn default_routes() -> Vec<Route> {
    let channel = |name: &str| Destination::Channel(name.into());
    let mut project_tasks = Route::new("project tasks", &[ChangeKind::TaskCreated], channel("#general"));
    if let Ok(pattern) = Destination::parse("#project-{project}") {
        project_tasks.to = OneOrMany::One(pattern);
    }
    project_tasks.when = Some("record.groupId > 0".into());
    let assignee = Destination::Person(crate::destination::RecordRole::Responsible);
    let mut recordings = Route::new("call recordings", &[ChangeKind::CallRecorded], channel("#calls"));
    recordings.thread = Thread::OnlyReply;
    vec![
        Route::new("new leads", &[ChangeKind::LeadCreated], channel("#sales-leads")),
        Route::new("new deals", &[ChangeKind::DealCreated], channel("#sales-pipeline")),
        Route::new(
            "deal stages",
            &[ChangeKind::DealStageChanged, ChangeKind::DealFunnelChanged],
            channel("#sales-pipeline"),
        ),
        project_tasks,
        Route::new("task comments", &[ChangeKind::TaskCommented], assignee),
        Route::new("missed calls", &[ChangeKind::CallMissed], channel("#calls")),
        recordings,
    ]
}

impl Settings {
    /// The tenant's time zone.
    pub fn zone(&self) -> TimeZone {
        hours::zone(&self.time_zone)
    }

    /// What a channel that a route names is called here.
    pub fn channel<'a>(&'a self, named: &'a str) -> &'a str {
        let bare = named.trim_start_matches('#');
        let other = self.channels.iter().find(|(name, _)| name.trim_start_matches('#') == bare);
        other.map_or(named, |(_, channel)| channel.as_str())
    }

    /// The fields to read with records of a kind, besides those that are always read: what routes ask for or show, and
    /// what goes into Notion.
    pub fn fields_of(&self, kind: RecordKind) -> Vec<String> {
        let mut fields = self.custom_fields();
        fields.extend(
            self.notion.fields_of(kind).into_iter().filter(|field| !fields.contains(field)).collect::<Vec<_>>(),
        );
        fields
    }

    /// The custom fields that routes ask for or show.
    fn custom_fields(&self) -> Vec<String> {
        let mut fields = BTreeSet::new();
        for route in &self.routes {
            if let Some(Ok(condition)) = route.when.as_deref().map(Condition::parse) {
                fields.extend(condition.custom_fields());
            }
            for template in route.templates().into_iter().filter_map(|(_, text)| TextTemplate::parse(&text).ok()) {
                let words = template.words().filter_map(|word| word.split_once('.').map(|(_, field)| field.to_owned()));
                fields.extend(words.map(|field| field.split('.').next().unwrap_or_default().to_owned()));
            }
        }
        fields.into_iter().filter(|field| words::is_custom_field(field)).collect()
    }
}

impl Route {
    /// The templates of its card, with their places.
    pub(crate) fn templates(&self) -> Vec<(String, String)> {
        let Some(card) = &self.card else { return Vec::new() };
        let mut templates = Vec::new();
        templates.extend(card.title.clone().map(|title| ("card.title".to_owned(), title)));
        templates.extend(card.text.clone().map(|text| ("card.text".to_owned(), text)));
        for (index, field) in card.fields.iter().flatten().enumerate() {
            templates.push(match field {
                CardField::Word(word) => (format!("card.fields[{index}]"), format!("{{{word}}}")),
                CardField::Own { value, .. } => (format!("card.fields[{index}].value"), value.clone()),
            });
        }
        templates
    }
}

/// Schemas of values that say more than their Rust types do.
#[cfg(feature = "document")]
mod json_schema_of {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use records::change::ChangeKind;

    /// The name of a change.
    pub(super) struct ChangeName;

    impl JsonSchema for ChangeName {
        fn schema_name() -> Cow<'static, str> {
            "ChangeName".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let known: Vec<_> = ChangeKind::ALL
                .iter()
                .map(|(_, name, meaning)| serde_json::json!({"const": name, "description": meaning}))
                .chain([serde_json::json!({"type": "string", "pattern": "^custom\\..+$", "description": "An event of your own, from an on-premise portal."})])
                .collect();
            json_schema!({"anyOf": known})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_defaults_are_the_missions_table_and_hold_up() {
        assert_eq!(Settings::default().problems(), []);
        let empty: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Settings::default());
        let written = serde_json::to_value(Settings::default()).unwrap();
        assert_eq!(serde_json::from_value::<Settings>(written).unwrap(), Settings::default());
    }

    #[test]
    fn the_fields_that_routes_ask_for_are_read() {
        let settings: Settings = serde_json::from_value(json!({"routes": [{
            "name": "x", "change": "deal.created", "to": "#a", "when": "record.ufCrm_1 == 'a' && record.opportunity > 1",
            "card": {"fields": ["record.ufCrm_2", {"label": "L", "value": "{record.ufCrm_3} {sum}"}]},
        }]}))
        .unwrap();
        assert_eq!(settings.fields_of(RecordKind::Tasks), ["ufCrm_1", "ufCrm_2", "ufCrm_3"]);
    }

    #[test]
    fn a_channel_may_have_another_name_here() {
        let settings: Settings = serde_json::from_value(json!({"channels": {"sales-leads": "#vertrieb"}})).unwrap();
        assert_eq!(settings.channel("#sales-leads"), "#vertrieb");
        assert_eq!(settings.channel("#calls"), "#calls");
    }
}
