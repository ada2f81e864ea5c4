//! The names of people, user groups and channels in a message: from the text itself, or from Slack, cached for a while.
//!
//! No id is ever shown: what cannot be looked up is "someone outside", "a user group", "a private channel".

use std::collections::BTreeMap;

use clients::{ErrorClass, Failure};
use jiff::{SignedDuration, Timestamp};
use locale::Language;
use locale::texts;
use runtime::store::{ItemKey, Table};
use serde::{Deserialize, Serialize};
use text::{Document, Leaf, PersonMention};
use user_mapping::mapping::Acting;
use user_mapping::{OpenTenant, TenantContext};

/// A group that is not in the list is looked up again after this time.
const GROUPS_TTL: SignedDuration = SignedDuration::from_mins(10);
/// The most groups of a workspace that are cached.
const MAX_GROUPS: usize = 5_000;

/// The names that a message's own text gives: `<#C1|general>`, `<!subteam^S1|@sales>`.
#[derive(Debug, Clone, Default)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The names in a text with Slack's markup.
    pub fn of(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for leaf in Document::from_mrkdwn(text).leaves() {
            let (id, name) = match leaf {
                Leaf::Channel { id, name } | Leaf::Group { id, name } => (Some(id), name),
                Leaf::Person(person) => (person.slack.as_ref(), &person.name),
                _ => (None, &None),
            };
            if let (Some(id), Some(name)) = (id, name) {
                all.insert(id.clone(), name.clone());
            }
        }
        Self(all)
    }

    fn get(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

/// The workspace's groups, as last read.
#[derive(Serialize, Deserialize)]
struct Groups {
    at: Timestamp,
    handles: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChannelName {
    Named(String),
    Private,
    Direct,
    Unknown,
}

/// The document with names instead of the ids of people, groups and channels. People are mentioned on the portal only
/// if `mention` says so.
pub async fn named(
    context: &TenantContext,
    tenant: &OpenTenant,
    document: Document,
    labels: &Labels,
    mention: bool,
) -> Result<Document, Failure> {
    let mut known: BTreeMap<String, Leaf> = BTreeMap::new();
    for leaf in document.leaves() {
        let Some(id) = id_of(leaf) else { continue };
        if !known.contains_key(id) {
            known.insert(id.to_owned(), named_leaf(context, tenant, leaf, labels, mention).await?);
        }
    }
    Ok(document.with_leaves(|leaf| {
        if let Some(found) = id_of(leaf).and_then(|id| known.get(id)) {
            *leaf = found.clone();
        }
    }))
}

async fn named_leaf(
    context: &TenantContext,
    tenant: &OpenTenant,
    leaf: &Leaf,
    labels: &Labels,
    mention: bool,
) -> Result<Leaf, Failure> {
    let language = tenant.settings.language;
    Ok(match leaf {
        Leaf::Person(PersonMention { slack: Some(id), name, .. }) => {
            let label = name.as_deref().or_else(|| labels.get(id));
            named_person(context, tenant, id, label, mention).await?
        }
        Leaf::Group { id, name } => {
            let name = match name.as_deref().or_else(|| labels.get(id)) {
                Some(name) => Some(name.to_owned()),
                None => group_name(context, tenant, id).await?,
            };
            let unknown = || Leaf::Text(language.text(texts::chat::A_USER_GROUP).into());
            name.map_or_else(unknown, |name| Leaf::Group { id: id.clone(), name: Some(name) })
        }
        Leaf::Channel { id, name } => {
            let label = name.as_deref().or_else(|| labels.get(id));
            let name = match label {
                Some(name) => ChannelName::Named(name.to_owned()),
                None => channel_name(context, tenant, id).await?,
            };
            named_channel(id, name, language)
        }
        other => other.clone(),
    })
}

async fn named_person(
    context: &TenantContext,
    tenant: &OpenTenant,
    id: &str,
    label: Option<&str>,
    mention: bool,
) -> Result<Leaf, Failure> {
    let person = PersonMention::of_slack(id, label);
    let acting = match context.acting(tenant, id).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Acting::Nobody { email: None },
        acting => acting?,
    };
    let found = match acting {
        Acting::As(link) => {
            let name = Some(link.name).filter(|name| !name.is_empty()).or_else(|| person.name.clone());
            let name = match name {
                None => slack_name(context, tenant, id).await?,
                name => name,
            };
            PersonMention { bitrix24: Some(link.user).filter(|_| mention), name, ..person }
        }
        Acting::Dismissed | Acting::Nobody { .. } => match &person.name {
            Some(_) => person,
            None => PersonMention { name: slack_name(context, tenant, id).await?, ..person },
        },
    };
    let is_known = found.name.is_some() || found.bitrix24.is_some();
    let outside = || Leaf::Text(tenant.settings.language.text(texts::chat::SOMEONE_OUTSIDE).into());
    Ok(if is_known { Leaf::Person(found) } else { outside() })
}

/// The name of a person in Slack; `None` if Slack does not say.
pub(crate) async fn slack_name(
    context: &TenantContext,
    tenant: &OpenTenant,
    id: &str,
) -> Result<Option<String>, Failure> {
    let profile = match context.slack_profile(tenant, id).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => None,
        profile => profile?,
    };
    Ok(profile.map(|profile| profile.name).filter(|name| !name.is_empty() && name != id))
}

/// A user group's handle; `None` if the id is unknown, or the app may not know (`usergroups:read`).
async fn group_name(context: &TenantContext, tenant: &OpenTenant, id: &str) -> Result<Option<String>, Failure> {
    let now = context.backend.clock.now();
    let key = kept(tenant, "slack-groups");
    let groups: Option<Groups> = match context.backend.store.get(&key).await? {
        Some(item) => Some(item.decode()?),
        None => None,
    };
    if let Some(groups) = groups {
        let is_fresh = groups.at <= now && now.duration_since(groups.at) < GROUPS_TTL;
        if let Some(handle) = groups.handles.get(id) {
            return Ok(Some(handle.clone()));
        }
        if is_fresh {
            return Ok(None);
        }
    }
    let handles: BTreeMap<String, String> = match tenant.slack.user_groups().await {
        Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) => {
            tracing::warn!(tenant = %tenant.id, code, text, "user groups stay without names");
            BTreeMap::new()
        }
        groups => groups?.into_iter().take(MAX_GROUPS).collect(),
    };
    let found = handles.get(id).cloned();
    context.keep(key, &Groups { at: now, handles }).await?;
    Ok(found)
}

async fn channel_name(context: &TenantContext, tenant: &OpenTenant, id: &str) -> Result<ChannelName, Failure> {
    if id.is_empty() {
        return Ok(ChannelName::Unknown);
    }
    let key = channel_key(tenant, id);
    if let Some(item) = context.backend.store.get(&key).await? {
        return Ok(item.decode()?);
    }
    let found = match tenant.slack.channel_info(id).await {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if code == "channel_not_found" => {
            ChannelName::Private
        }
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => ChannelName::Unknown,
        found => match found?.name {
            name if name.is_empty() => ChannelName::Direct,
            name => ChannelName::Named(name),
        },
    };
    context.keep(key, &found).await?;
    Ok(found)
}

/// Forgets a channel's name: it has changed.
pub async fn forget_channel_name(context: &TenantContext, tenant: &OpenTenant, id: &str) -> Result<(), Failure> {
    Ok(context.backend.store.delete(&channel_key(tenant, id)).await?)
}

fn kept(tenant: &OpenTenant, what: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#profile", tenant.id), what.to_owned())
}

fn channel_key(tenant: &OpenTenant, id: &str) -> ItemKey {
    kept(tenant, &format!("slack-channel#{id}"))
}

fn id_of(leaf: &Leaf) -> Option<&str> {
    match leaf {
        Leaf::Person(person) => person.slack.as_deref(),
        Leaf::Group { id, .. } | Leaf::Channel { id, .. } => Some(id),
        _ => None,
    }
}

fn named_channel(id: &str, name: ChannelName, language: Language) -> Leaf {
    match name {
        ChannelName::Named(name) => Leaf::Channel { id: id.to_owned(), name: Some(name) },
        ChannelName::Private => Leaf::Text(language.text(texts::chat::A_PRIVATE_CHANNEL).into()),
        ChannelName::Direct => Leaf::Text(language.text(texts::chat::DIRECT_MESSAGES).into()),
        ChannelName::Unknown => Leaf::Text(language.text(texts::chat::A_CHANNEL).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_itself_says_what_things_are_called() {
        let labels = Labels::of("<!subteam^S1|@sales> in <#C1|general>, not <#C2|> nor <!subteam^S2>; <@U1|ann>");
        assert_eq!(labels.get("S1"), Some("@sales"));
        assert_eq!((labels.get("C1"), labels.get("U1")), (Some("general"), Some("ann")));
        assert_eq!((labels.get("C2"), labels.get("S2")), (None, None));
    }
}
