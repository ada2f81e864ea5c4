//! Looks up the people and channels that a command's text names, before the text is read.

use std::collections::BTreeMap;

use clients::{ErrorClass, Failure};
use serde_json::json;

use crate::people::{self, Assignee, Directory, KnownPerson, PersonMatch};
use crate::reader;
use crate::request::CommandRequest;
use crate::spec::CommandSpec;

/// The most people and channels of one text whose names are looked up.
pub(crate) const MAX_NAMED: usize = 20;
/// The most pages of the workspace's people that are searched for a name.
const MAX_PAGES: usize = 5;

/// The text with names for those that Slack sent only an id of. What cannot be looked up stays as it is.
pub(crate) async fn named(request: &CommandRequest<'_>, text: &str) -> String {
    let mut names = BTreeMap::new();
    for (sign, id) in reader::unnamed(text).into_iter().take(MAX_NAMED) {
        let name = if sign == '@' {
            let profile = request.deps.context.slack_profile(&request.tenant, &id).await;
            profile.ok().flatten().map(|profile| profile.name)
        } else {
            request.tenant.slack.channel_info(&id).await.ok().map(|channel| channel.name)
        };
        if let Some(name) = name.filter(|name| !name.is_empty() && *name != id) {
            names.insert((sign, id), name);
        }
    }
    reader::named(text, |sign, id| names.get(&(sign, id.to_owned())).cloned())
}

/// The people that the names in a command's text can mean.
pub(crate) async fn directory(
    request: &CommandRequest<'_>,
    spec: &CommandSpec,
    text: &str,
) -> Result<Directory, Failure> {
    if !spec.names_people {
        return Ok(Directory::default());
    }
    let mut known = Vec::new();
    for words in people::to_look_up(text) {
        known.extend(find_people(request, &words).await?);
    }
    Ok(Directory::new(known))
}

async fn find_people(request: &CommandRequest<'_>, words: &str) -> Result<Vec<KnownPerson>, Failure> {
    let context = &request.deps.context;
    if let Some(email) = people::is_email(words) {
        let found = context.portal_user_by_email(&request.tenant, &email).await?;
        return Ok(found
            .map(|found| KnownPerson::new(Assignee::Portal(found.user), &found.name, [email]))
            .into_iter()
            .collect());
    }
    let found = match context.portal_users(&request.tenant, &json!({"NAME_SEARCH": words, "ACTIVE": true})).await {
        // If we may not list people, they can only be named by mention.
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Vec::new(),
        found => found?,
    };
    let known = |person: user_mapping::profiles::PortalProfile| {
        KnownPerson::new(Assignee::Portal(person.user), &person.name, person.email)
    };
    let found: Vec<KnownPerson> = found.into_iter().filter(|person| !person.is_dismissed).map(known).collect();
    if Directory::new(found.clone()).by_name(words) == PersonMatch::Nobody && !words.contains(' ') {
        return in_slack(request, words).await;
    }
    Ok(found)
}

/// The people in the workspace who may have this name: there they may have another one.
async fn in_slack(request: &CommandRequest<'_>, words: &str) -> Result<Vec<KnownPerson>, Failure> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = match request.tenant.slack.users(cursor.as_deref()).await {
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => break,
            page => page?,
        };
        for user in page.items.into_iter().filter(|user| !user.deleted && !user.is_bot) {
            let known = KnownPerson::new(Assignee::Slack(user.id), &user.name, user.email);
            if Directory::new([known.clone()]).by_name(words) != PersonMatch::Nobody {
                found.push(known);
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}
