//! What a message says on the other side: its markup translated, the people it mentions found there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bitrix24::chat::MAX_MESSAGE as MAX_FROM_BITRIX24;
use bitrix24::chat::{ChatAuthor, ChatMessage};
use connect::Failure;
use rules::text::{Document, Person};
use slack::Author;
use slack::event::MessageEvent;
use slack::text::MAX_MESSAGE as MAX_FROM_SLACK;

use crate::people::Acting;
use crate::{Talk, Tenant};

/// The document, saying at its end that it is not all that was written.
fn shortened(document: Document, is_cut: bool, tenant: &Tenant, most: usize) -> Document {
    if is_cut { document.then(&tenant.settings.language.shortened(most)) } else { document }
}

impl Talk {
    /// What somebody wrote in Slack, for Bitrix24, below their name.
    pub async fn for_bitrix24(
        &self,
        tenant: &Tenant,
        message: &MessageEvent,
        author: &str,
    ) -> Result<Vec<String>, Failure> {
        let (written, is_cut) = match &message.rich_text {
            Some(block) => Document::from_rich_text(block).within(MAX_FROM_SLACK),
            None => (Document::from_mrkdwn(&message.text), message.shortened),
        };
        if written.is_empty() {
            return Ok(Vec::new());
        }
        let mut known: BTreeMap<String, Person> = BTreeMap::new();
        let mentioned: Vec<String> = written.people().filter_map(|person| person.slack.clone()).collect();
        for id in mentioned {
            if let Entry::Vacant(place) = known.entry(id) {
                let person = self.of_slack(tenant, place.key()).await?;
                place.insert(person);
            }
        }
        let document = written.with_people(|person| {
            if let Some(found) = person.slack.as_ref().and_then(|id| known.get(id)) {
                *person = Person { name: found.name.clone().or_else(|| person.name.take()), ..found.clone() };
            }
        });
        let document = shortened(document.by(author), is_cut, tenant, MAX_FROM_SLACK);
        Ok(rules::chat::bitrix24_parts(document, tenant.settings.chats.mention_everyone, tenant.settings.language))
    }

    async fn of_slack(&self, tenant: &Tenant, id: &str) -> Result<Person, Failure> {
        let person = Person::of_slack(id, None);
        Ok(match self.acting(tenant, id).await? {
            Acting::As(link) => {
                Person { bitrix24: Some(link.user), name: Some(link.name).filter(|name| !name.is_empty()), ..person }
            }
            Acting::Dismissed | Acting::Nobody { .. } => {
                Person { name: self.slack_profile(tenant, id).await?.map(|profile| profile.name), ..person }
            }
        })
    }

    /// What somebody wrote in Bitrix24, for Slack.
    pub async fn for_slack(
        &self,
        tenant: &Tenant,
        message: &ChatMessage,
    ) -> Result<Vec<rules::chat::SlackPart>, Failure> {
        let written = Document::from_bbcode(&message.text);
        if written.is_empty() {
            return Ok(Vec::new());
        }
        let mut known: BTreeMap<u64, Option<String>> = BTreeMap::new();
        let mentioned: Vec<u64> = written.people().filter_map(|person| person.bitrix24).collect();
        for user in mentioned {
            if let Entry::Vacant(place) = known.entry(user) {
                place.insert(self.slack_of(tenant, user).await?);
            }
        }
        let document = written.with_people(|person| {
            person.slack = person.bitrix24.and_then(|user| known.get(&user).cloned().flatten());
        });
        let document = shortened(document, message.shortened, tenant, MAX_FROM_BITRIX24);
        Ok(rules::chat::slack_parts(document, tenant.settings.chats.mention_everyone, tenant.settings.language))
    }

    /// The name of whoever wrote a message in Slack.
    pub async fn author_in_slack(&self, tenant: &Tenant, message: &MessageEvent) -> Result<String, Failure> {
        if let Some(user) = &message.user
            && let Some(profile) = self.slack_profile(tenant, user).await?
        {
            return Ok(profile.name);
        }
        Ok(message.username.clone().unwrap_or_else(|| "Slack".into()))
    }

    /// Under which name and picture what somebody wrote in Bitrix24 is posted in Slack: their own there, if they have one.
    pub async fn author_for_slack(&self, tenant: &Tenant, author: &ChatAuthor) -> Result<Author, Failure> {
        let mut name = author.name.trim().to_owned();
        let mut picture = author.picture.clone();
        if author.id > 0 && !author.is_bot {
            if let Some(slack) = self.slack_of(tenant, author.id).await?
                && let Some(profile) = self.slack_profile(tenant, &slack).await?
            {
                picture = profile.picture.or(picture);
            }
            if (name.is_empty() || picture.is_none())
                && let Some(profile) = self.portal_profile(tenant, author.id).await?
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
        // Slack takes names of up to 80 characters.
        Ok(Author { name: name.chars().take(80).collect(), picture })
    }
}
