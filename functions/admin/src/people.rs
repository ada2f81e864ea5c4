//! The page of people: everyone in Slack with their Bitrix24 user, or with suggestions. Links are made and ended here.

use std::collections::{BTreeMap, BTreeSet};

use clients::Failure;
use maud::{Markup, html};
use serde_json::json;
use slack::event::User;
use tenants::people::{Ended, Link, Origin};
use user_mapping::mapping::reason_words;
use user_mapping::profiles::PortalProfile;
use user_mapping::rights::Reach;
use web::page::Form;

use crate::page::{Page, heads, signed_in, token};
use crate::suggest::suggest;
use crate::{Answer, Opened};

/// Pages of people that are read of either side.
const MAX_PAGES: u64 = 10;

pub(crate) async fn show(visit: &Opened<'_>, done: &str) -> Result<Answer, Failure> {
    let in_slack = in_slack(visit).await?;
    let on_portal = on_portal(visit).await?;
    let links = visit.deps.talk.people.all(&visit.tenant.id).await?;
    let mut of: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in &links {
        of.entry(&link.slack).or_default().push(link);
    }
    let by_email: BTreeMap<String, &PortalProfile> = on_portal
        .iter()
        .filter(|person| !person.is_outsider)
        .filter_map(|person| Some((person.email.as_ref()?.to_lowercase(), person)))
        .collect();
    let by_settings = &visit.tenant.settings.people.map;
    let mut rows = Vec::new();
    let mut open = Vec::new();
    for user in &in_slack {
        let own = of.get(user.id.as_str()).cloned().unwrap_or_default();
        let settings = by_settings.iter().find(|(_, id)| **id == user.id).map(|(number, _)| number.clone());
        let is_member = visit.tenant.slack.is_member(user) && !visit.tenant.settings.people.not_by_email;
        let email = user.email.as_ref().filter(|_| is_member).and_then(|email| by_email.get(&email.to_lowercase()));
        if own.is_empty() && settings.is_none() && email.is_none() {
            open.push(user);
        } else {
            rows.push((user, own, settings, email.copied()));
        }
    }
    let permitted = visit.deps.talk.permitted(&visit.tenant).await?;
    let ended = visit.deps.talk.people.ended(&visit.tenant.id).await?;
    let body = html! {
        p { a href="/admin/person" { "One person’s data: export or delete it" } }
        (rights(visit, &permitted))
        p { (in_slack.len()) " in Slack, " (on_portal.len()) " on the portal, " (open.len()) " without a counterpart." }
        h2 { "Without a counterpart" }
        @if open.is_empty() { p.hint { "Everybody in Slack is somebody on the portal." } }
        @else { table { (heads(&["In Slack", "E-mail", "Might be", "Link"])) tbody { @for user in &open { (unmapped(visit, user, &on_portal)) } } } }
        h2 { "Linked" }
        @if rows.is_empty() { p.hint { "Nobody yet." } }
        @else {
            table {
                (heads(&["In Slack", "On the portal", "How", "Permission", ""]))
                tbody { @for (user, own, settings, email) in &rows { (mapped(visit, user, own, settings.as_deref(), *email, &permitted)) } }
            }
        }
        (ended_links(&ended))
        h2 { "By a list" }
        form method="post" action="/admin/people/list" {
            (token(visit))
            label for="list" { "One person a line: their Slack id or e-mail, a comma, their number or e-mail on the portal" }
            textarea id="list" name="list" rows="5" placeholder="U024BE7LH, 15\nann@corp.example, ann.lee@portal.example" {}
            button.main { "Link them" }
        }
    };
    Ok(Answer::Page(signed_in(visit, Page::People, done, &body)))
}

/// Whether a person has allowed us to work with their own rights.
fn permission(
    own: &[&Link],
    settings: Option<&str>,
    email: Option<&PortalProfile>,
    permitted: &BTreeSet<u64>,
) -> &'static str {
    let by_settings = settings.and_then(|number| number.parse().ok());
    let user = by_settings.or(own.first().map(|link| link.user)).or(email.map(|person| person.user));
    if user.is_some_and(|user| permitted.contains(&user)) { "given" } else { "not given" }
}

/// With whose rights people work here, and how that is changed.
fn rights(visit: &Opened<'_>, permitted: &BTreeSet<u64>) -> Markup {
    let act_as = visit.tenant.settings.people.act_as;
    let text = match Reach::without_permission(act_as, &visit.tenant.portal) {
        None => {
            "People act with their own rights. Whoever has given no permission yet is asked for it when they first use Switchboard."
        }
        Some(Reach::Connection) => {
            "People act with the connection's rights: everybody who is linked sees and changes everything that the connection may."
        }
        Some(_) => {
            "People act only on records that they are responsible for, created or observe. The incoming webhook has no rights of theirs; connect an application at /install, and they act with their own."
        }
    };
    html! {
        p.rights { (text) " " (permitted.len()) " gave a permission of their own." }
        p.hint { "The setting " code { "people.act_as" } " on the page " a href="/admin/settings" { "Settings" } " changes that: " code { "person" } ", " code { "person_only" } " or " code { "connection" } "." }
    }
}

/// Links that ended by themselves in the last 30 days.
fn ended_links(ended: &[Ended]) -> Markup {
    html! {
        @if !ended.is_empty() {
            h2 { "Ended" }
            p.hint { "These links ended by themselves in the last 30 days. Link somebody again below if that was a mistake." }
            table {
                (heads(&["In Slack", "On the portal", "Why", "Noticed"]))
                tbody {
                    @for one in ended {
                        tr {
                            td data-label="In Slack" { code { (one.link.slack) } }
                            td data-label="On the portal" { (one.link.name) " (" (one.link.user) ")" }
                            td data-label="Why" { (reason_words(one.reason)) }
                            td data-label="Noticed" { (one.at.strftime("%Y-%m-%d %H:%M UTC")) }
                        }
                    }
                }
            }
        }
    }
}

fn unmapped(visit: &Opened<'_>, user: &User, on_portal: &[PortalProfile]) -> Markup {
    let likely = suggest(&user.name, user.email.as_deref(), on_portal, |person| &person.name);
    html! {
        tr {
            td data-label="In Slack" { (user.name) " " code { (user.id) } }
            td data-label="E-mail" { (user.email.as_deref().unwrap_or("not to be seen")) }
            td data-label="Might be" {
                @if likely.is_empty() { span.hint { "nobody by that name" } }
                @for person in likely {
                    form.inline method="post" action="/admin/people/link" {
                        (token(visit))
                        input type="hidden" name="slack" value=(user.id);
                        input type="hidden" name="user" value=(person.user);
                        button { (person.name) }
                    }
                }
            }
            td data-label="Link" {
                form.inline method="post" action="/admin/people/link" {
                    (token(visit))
                    input type="hidden" name="slack" value=(user.id);
                    input name="user" placeholder="number or e-mail" aria-label={ "Number or e-mail of " (user.name) " on the portal" } required;
                    button { "Link" }
                }
            }
        }
    }
}

fn mapped(
    visit: &Opened<'_>,
    user: &User,
    own: &[&Link],
    settings: Option<&str>,
    email: Option<&PortalProfile>,
    permitted: &BTreeSet<u64>,
) -> Markup {
    let how = |origin| match origin {
        Origin::Email => "by e-mail",
        Origin::Hand => "by hand",
        Origin::Own => "by themselves",
        Origin::Settings => "by the settings",
    };
    html! {
        tr {
            td data-label="In Slack" { (user.name) " " code { (user.id) } }
            td data-label="On the portal" {
                @if let Some(number) = settings { div { "user " (number) } }
                @for link in own { div { (link.name) " (" (link.user) ")" } }
                @if own.is_empty() && settings.is_none() { @if let Some(person) = email { (person.name) " (" (person.user) ")" } }
            }
            td data-label="How" {
                @if settings.is_some() { div { "by the settings" } }
                @for link in own { div { (how(link.origin)) } }
                @if own.is_empty() && settings.is_none() { "by e-mail" }
            }
            td data-label="Permission" { (permission(own, settings, email, permitted)) }
            td {
                @for link in own.iter().filter(|link| link.origin != Origin::Email) {
                    form.inline method="post" action="/admin/people/unlink" {
                        (token(visit))
                        input type="hidden" name="slack" value=(link.slack);
                        input type="hidden" name="user" value=(link.user);
                        button { "Unlink " (link.name) }
                    }
                }
                form.inline method="post" action="/admin/people/link" {
                    (token(visit))
                    input type="hidden" name="slack" value=(user.id);
                    input name="user" placeholder="number or e-mail" aria-label={ "Number or e-mail of " (user.name) " on the portal" } required;
                    button { "Link" }
                }
            }
        }
    }
}

async fn in_slack(visit: &Opened<'_>) -> Result<Vec<User>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let page = visit.tenant.slack.users(cursor.as_deref()).await?;
        all.extend(page.items.into_iter().filter(|user| !user.is_bot && !user.deleted && user.id != "USLACKBOT"));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

async fn on_portal(visit: &Opened<'_>) -> Result<Vec<PortalProfile>, Failure> {
    let mut all = Vec::new();
    for page in 0..MAX_PAGES {
        let params = json!({"FILTER": {"ACTIVE": true}, "start": page * 50});
        let answer = visit.tenant.bitrix24.call("user.get", &params).await?;
        let more = answer.next.is_some();
        all.extend(user_mapping::profiles::read(&answer.result));
        if !more {
            break;
        }
    }
    Ok(all)
}

pub(crate) async fn link(visit: &Opened<'_>, form: &Form) -> Result<Answer, Failure> {
    let word = link_one(visit, form.get("slack"), form.get("user")).await?;
    Ok(Answer::to("/people", word))
}

/// Links two accounts; what to say of it.
async fn link_one(visit: &Opened<'_>, slack: &str, user: &str) -> Result<String, Failure> {
    let Some(slack) = slack_id(visit, slack).await? else { return Ok(format!("Nobody in Slack is {slack}.")) };
    let found = match user.parse::<u64>() {
        Ok(number) => visit.deps.talk.portal_profile_now(&visit.tenant, number).await?,
        Err(_) if user.contains('@') => visit.deps.talk.portal_user_by_email(&visit.tenant, user).await?,
        Err(_) => None,
    };
    let Some(found) = found else { return Ok(format!("Nobody on the portal is {user}.")) };
    if found.is_dismissed {
        return Ok(format!("Nobody active on the portal is {user}: {} was dismissed.", found.name));
    }
    let at = visit.deps.talk.ports.clock.now();
    let link = Link { slack: slack.clone(), user: found.user, origin: Origin::Hand, name: found.name.clone(), at };
    visit.deps.talk.people.link(&visit.tenant.id, &link).await?;
    visit.note("linked", &format!("{slack} and {} ({})", found.name, found.user), "", "").await?;
    Ok(format!("{slack} is {} now.", found.name))
}

async fn slack_id(visit: &Opened<'_>, text: &str) -> Result<Option<String>, Failure> {
    if text.contains('@') {
        return Ok(visit.tenant.slack.user_by_email(text).await?.map(|user| user.id));
    }
    Ok(visit.deps.talk.slack_profile(&visit.tenant, text).await?.map(|user| user.id))
}

pub(crate) async fn unlink(visit: &Opened<'_>, form: &Form) -> Result<Answer, Failure> {
    let (slack, user) = (form.get("slack"), form.get("user").parse().unwrap_or_default());
    visit.deps.talk.people.unlink(&visit.tenant.id, slack, user).await?;
    if visit.deps.talk.people.of_user(&visit.tenant.id, user).await?.is_empty() {
        visit.deps.talk.connections.revoke(&visit.tenant.id, user).await?;
    }
    visit.note("unlinked", &format!("{slack} and user {user}"), "", "").await?;
    Ok(Answer::to("/people", format!("{slack} and user {user} are two again.")))
}

/// Lines of a list that are worked at once; more take longer than a page may.
const MAX_LINES: usize = 100;

pub(crate) async fn list(visit: &Opened<'_>, form: &Form) -> Result<Answer, Failure> {
    let lines: Vec<&str> = form.get("list").lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_LINES {
        return Ok(Answer::to("/people", format!("At most {MAX_LINES} lines at once; nobody was linked.")));
    }
    let (mut linked, mut problems) = (0, Vec::new());
    for (place, line) in lines.iter().enumerate() {
        let Some((slack, user)) = line.split_once([',', ';', '\t']) else {
            problems.push(format!("line {}: two parts with a comma between them are needed.", place + 1));
            continue;
        };
        let word = link_one(visit, slack.trim(), user.trim()).await?;
        if word.starts_with("Nobody") {
            problems.push(format!("line {}: {word}", place + 1));
        } else {
            linked += 1;
        }
    }
    Ok(Answer::to("/people", format!("{linked} linked. {}", problems.join(" "))))
}
