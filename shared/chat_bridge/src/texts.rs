//! A text for the other side: its markup translated, the people it mentions linked there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bitrix24::chat::MAX_MESSAGE as MAX_FROM_BITRIX24;
use bitrix24::chat::{ChatAuthor, ChatMessage};
use clients::Failure;
use jiff::Timestamp;
use locale::texts;
use settings::Settings;
use slack::Author;
use slack::event::MessageEvent;
use slack::text::MAX_MESSAGE as MAX_FROM_SLACK;
use text::Document;
use user_mapping::{OpenTenant, TenantContext};

use crate::chat::said::{SaidMessage, written_then};
use crate::names::Labels;

/// The document, with a note at its end if it is cut.
fn shortened(document: Document, is_cut: bool, tenant: &OpenTenant, most: usize) -> Document {
    if is_cut {
        document.then(&tenant.settings.language.text(texts::chat::Shortened { characters: most as u64 }))
    } else {
        document
    }
}

/// The document below a line that says when it was written, in the tenant's time zone.
fn below_its_time(document: Document, written_at: Option<Timestamp>, settings: &Settings) -> Document {
    let Some(written_at) = written_at else { return document };
    let time = written_at.to_zoned(settings.zone()).strftime("%Y-%m-%d %H:%M").to_string();
    let mut all = written_then(&time, settings.language);
    all.blocks.extend(document.blocks);
    all
}

/// A message from Slack, for Bitrix24, below its author's name, and below the time at which it was written if it comes
/// after newer ones; nothing if it is empty.
pub async fn for_bitrix24(
    context: &TenantContext,
    tenant: &OpenTenant,
    message: &MessageEvent,
    author: &str,
    written_at: Option<Timestamp>,
) -> Result<Vec<String>, Failure> {
    let language = tenant.settings.language;
    let said = SaidMessage::of(message, language);
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let labels = Labels::of(&message.text);
    let (own, is_cut) = said.own.within(MAX_FROM_SLACK);
    let (shown, is_shown_cut) = said.shown.within(MAX_FROM_SLACK);
    let own = crate::names::named(context, tenant, own, &labels, true).await?;
    // People who are mentioned in a forwarded message were notified when it was written.
    let shown = crate::names::named(context, tenant, shown, &Labels::default(), false).await?;
    let document = SaidMessage { own, shown, ..said }.by(author);
    let is_cut = is_cut || is_shown_cut || message.shortened;
    let document = shortened(document, is_cut, tenant, MAX_FROM_SLACK);
    let document = below_its_time(document, written_at, &tenant.settings);
    Ok(crate::chat::bitrix24_parts(document, tenant.settings.chats.mention_everyone, language))
}

/// A message from Bitrix24, for Slack, below the time at which it was written if it comes after newer ones.
pub async fn for_slack(
    context: &TenantContext,
    tenant: &OpenTenant,
    message: &ChatMessage,
    written_at: Option<Timestamp>,
) -> Result<Vec<jobs::chat::SlackPart>, Failure> {
    let written = Document::from_bbcode(&message.text);
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<u64, Option<String>> = BTreeMap::new();
    let mentioned: Vec<u64> = written.people().filter_map(|person| person.bitrix24).collect();
    for user in mentioned {
        if let Entry::Vacant(place) = known.entry(user) {
            place.insert(context.slack_of(tenant, user).await?);
        }
    }
    let document = written.with_people(|person| {
        person.slack = person.bitrix24.and_then(|user| known.get(&user).cloned().flatten());
    });
    let document = shortened(document, message.shortened, tenant, MAX_FROM_BITRIX24);
    let document = below_its_time(document, written_at, &tenant.settings);
    Ok(crate::chat::slack_parts(document, tenant.settings.chats.mention_everyone, tenant.settings.language))
}

/// The name of a Slack message's author.
pub async fn author_in_slack(
    context: &TenantContext,
    tenant: &OpenTenant,
    message: &MessageEvent,
) -> Result<String, Failure> {
    // Slack itself writes the message of a huddle.
    let began = message.huddle.as_ref().map(|huddle| &huddle.by).filter(|by| !by.is_empty());
    if let Some(user) = began.or(message.user.as_ref())
        && let Some(name) = crate::names::slack_name(context, tenant, user).await?
    {
        return Ok(name);
    }
    let outside = message.user.as_ref().map(|_| tenant.settings.language.text(texts::chat::SOMEONE_OUTSIDE));
    Ok(message.username.clone().unwrap_or_else(|| outside.unwrap_or("Slack").into()))
}

/// The name and picture under which a person's message from Bitrix24 is posted in Slack: those of their Slack account,
/// if they have one.
pub async fn author_for_slack(
    context: &TenantContext,
    tenant: &OpenTenant,
    author: &ChatAuthor,
) -> Result<Author, Failure> {
    let mut name = author.name.trim().to_owned();
    let mut picture = author.picture.clone();
    if author.id > 0 && !author.is_bot {
        if let Some(slack) = context.slack_of(tenant, author.id).await?
            && let Some(profile) = context.slack_profile(tenant, &slack).await?
        {
            picture = profile.picture.or(picture);
        }
        if (name.is_empty() || picture.is_none())
            && let Some(profile) = context.portal_profile(tenant, author.id).await?
        {
            picture = picture.or(profile.picture);
            if name.is_empty() {
                name = profile.name;
            }
        }
    }
    if name.is_empty() {
        name = "Bitrix24".into();
    }
    // Slack accepts names of up to 80 characters.
    Ok(Author { name: name.chars().take(80).collect(), picture })
}
