//! The page of people: everyone in Slack with their Bitrix24 user, or with suggestions. Links are made and ended here.

use std::collections::{BTreeMap, BTreeSet};

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use serde_json::json;
use slack::event::SlackUser;
use tenants::user_links::{EndedLink, LinkOrigin, UserLink};
use user_mapping::mapping::reason_words;
use user_mapping::profiles::PortalProfile;
use user_mapping::rights::Reach;
use web::components::{Column, Confirm, empty, moment, table};
use web::language::rich;
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::suggest::suggest;
use crate::{ConnectedVisit, PageAnswer, Visit};

/// Pages of people that are read on either side.
const MAX_PAGES: u64 = 10;

pub(crate) async fn show(visit: &ConnectedVisit<'_>, done: &str) -> Result<PageAnswer, Failure> {
    let in_slack = in_slack(visit).await?;
    let on_portal = on_portal(visit).await?;
    let links = visit.deps.context.people.all(&visit.tenant.id).await?;
    let mut links_of: BTreeMap<&str, Vec<&UserLink>> = BTreeMap::new();
    for link in &links {
        links_of.entry(&link.slack).or_default().push(link);
    }
    let by_email: BTreeMap<String, &PortalProfile> = on_portal
        .iter()
        .filter(|person| !person.is_outsider)
        .filter_map(|person| Some((person.email.as_ref()?.to_lowercase(), person)))
        .collect();
    let people = &visit.tenant.settings.people;
    let rows = in_slack.iter().map(|user| {
        let is_member = visit.tenant.slack.is_member(user) && !people.not_by_email;
        let email = user.email.as_ref().filter(|_| is_member);
        PersonRow {
            user,
            links: links_of.get(user.id.as_str()).cloned().unwrap_or_default(),
            settings: people.map.iter().find(|(_, id)| **id == user.id).map(|(number, _)| number.clone()),
            email: email.and_then(|email| by_email.get(&email.to_lowercase())).copied(),
        }
    });
    let (linked, open): (Vec<_>, Vec<_>) = rows.partition(PersonRow::is_linked);
    let directory = PeopleDirectory {
        linked,
        open,
        on_portal: &on_portal,
        permitted: visit.deps.context.permitted(&visit.tenant).await?,
        ended: visit.deps.context.people.ended(&visit.tenant.id).await?,
        reach: Reach::without_permission(people.act_as, &visit.tenant.portal),
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::People, done, &content(visit, &directory))))
}

/// Everyone in Slack and in Bitrix24, and with whose rights they work.
pub(crate) struct PeopleDirectory<'a> {
    pub(crate) linked: Vec<PersonRow<'a>>,
    pub(crate) open: Vec<PersonRow<'a>>,
    pub(crate) on_portal: &'a [PortalProfile],
    /// The Bitrix24 users who have given permission to work with their own rights.
    pub(crate) permitted: BTreeSet<u64>,
    pub(crate) ended: Vec<EndedLink>,
    /// How far people without that permission reach; `None` if they need it.
    pub(crate) reach: Option<Reach>,
}

pub(crate) fn content(visit: &Visit<'_>, directory: &PeopleDirectory<'_>) -> Markup {
    let language = visit.language;
    let PeopleDirectory { linked, open, .. } = directory;
    let counts = texts::admin::PeopleCounts {
        slack: (linked.len() + open.len()) as u64,
        bitrix24: directory.on_portal.len() as u64,
        open: open.len() as u64,
    };
    html! {
        p { a href="/admin/person" { (language.text(texts::admin::ONE_PERSONS_DATA_LINK)) } }
        (rights(language, directory))
        p { (language.text(counts)) }
        h2 { (language.text(texts::admin::NOT_LINKED)) }
        @if open.is_empty() { (empty(language.text(texts::admin::EVERYONE_IS_LINKED))) }
        @else { (open_table(visit, directory)) }
        h2 { (language.text(texts::admin::LINKED)) }
        @if linked.is_empty() { (empty(language.text(texts::admin::NO_ONE_IS_LINKED))) }
        @else { (linked_table(visit, directory)) }
        (ended_links(language, &directory.ended))
        h2 { (language.text(texts::admin::LINK_BY_LIST)) }
        form method="post" action="/admin/people/list" {
            (token(visit))
            label for="list" { (language.text(texts::admin::LIST_LABEL)) }
            textarea id="list" name="list" rows="5" placeholder=(language.text(texts::admin::LIST_EXAMPLE)) {}
            button.main { (language.text(texts::admin::LINK_THEM)) }
        }
    }
}

/// Someone in Slack, and what links them to a Bitrix24 user.
pub(crate) struct PersonRow<'a> {
    pub(crate) user: &'a SlackUser,
    pub(crate) links: Vec<&'a UserLink>,
    /// The number of the Bitrix24 user in the settings.
    pub(crate) settings: Option<String>,
    /// The Bitrix24 user with the same e-mail.
    pub(crate) email: Option<&'a PortalProfile>,
}

impl PersonRow<'_> {
    fn is_linked(&self) -> bool {
        !self.is_by_email() || self.email.is_some()
    }

    /// Whether only the e-mail links them.
    fn is_by_email(&self) -> bool {
        self.links.is_empty() && self.settings.is_none()
    }

    /// Whether the person has allowed us to work with their own rights.
    fn has_permission(&self, permitted: &BTreeSet<u64>) -> bool {
        let by_settings = self.settings.as_deref().and_then(|number| number.parse().ok());
        let by_link = || self.links.first().map(|link| link.user);
        let user = by_settings.or_else(by_link).or(self.email.map(|person| person.user));
        user.is_some_and(|user| permitted.contains(&user))
    }
}

/// With whose rights people work, and how that is changed.
fn rights(language: Language, directory: &PeopleDirectory<'_>) -> Markup {
    let text = match directory.reach {
        None => texts::admin::OWN_RIGHTS,
        Some(Reach::Connection) => texts::admin::CONNECTION_RIGHTS,
        Some(_) => texts::admin::INVOLVED_ONLY,
    };
    let code = |word: &str| html! { code { (word) } };
    let setting = texts::admin::RightsSetting {
        setting: code("people.act_as"),
        page: html! { a href="/admin/settings" { (Page::Settings.title(language)) } },
        person: code("person"),
        person_only: code("person_only"),
        connection: code("connection"),
    };
    html! {
        p.rights {
            (language.text(text)) " "
            (language.text(texts::admin::PermissionsGiven { count: directory.permitted.len() as u64 }))
        }
        p.hint { (rich(language, &setting)) }
    }
}

/// Links that ended automatically in the last 30 days.
pub(crate) fn ended_links(language: Language, ended: &[EndedLink]) -> Markup {
    if ended.is_empty() {
        return html! {};
    }
    let columns = [
        Column::text(language.text(texts::admin::IN_SLACK)),
        Column::text(language.text(texts::admin::IN_BITRIX24)),
        Column::text(language.text(texts::admin::REASON)),
        Column::text(language.text(texts::admin::NOTICED)),
    ];
    let rows = ended.iter().map(|one| {
        [
            html! { code { (one.link.slack) } },
            html! { (one.link.name) " (" (one.link.user) ")" },
            html! { (reason_words(one.reason)) },
            moment(one.at),
        ]
    });
    html! {
        h2 { (language.text(texts::admin::ENDED_LINKS)) }
        p.hint { (language.text(texts::admin::ENDED_LINKS_EXPLAINED)) }
        (table(language.text(texts::admin::ENDED_LINKS), columns, rows))
    }
}

/// A form that links someone in Slack with a Bitrix24 user.
fn link_form(visit: &Visit<'_>, user: &SlackUser) -> Markup {
    let language = visit.language;
    html! {
        form.inline method="post" action="/admin/people/link" {
            (token(visit))
            input type="hidden" name="slack" value=(user.id);
            input name="user" placeholder=(language.text(texts::admin::NUMBER_OR_EMAIL)) aria-label=(language.text(texts::admin::NumberOrEmailOf { name: &user.name })) required;
            button { (language.text(texts::admin::LINK)) }
        }
    }
}

fn in_slack_cell(user: &SlackUser) -> Markup {
    html! { (user.name) " " code { (user.id) } }
}

fn open_table(visit: &Visit<'_>, directory: &PeopleDirectory<'_>) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::admin::IN_SLACK)),
        Column::text(language.text(texts::admin::EMAIL)),
        Column::text(language.text(texts::admin::SUGGESTIONS)),
        Column::text(language.text(texts::admin::LINK)),
    ];
    let rows = directory.open.iter().map(|PersonRow { user, .. }| {
        [
            in_slack_cell(user),
            html! { (user.email.as_deref().unwrap_or(language.text(texts::admin::EMAIL_HIDDEN))) },
            suggestions(visit, user, directory.on_portal),
            link_form(visit, user),
        ]
    });
    table(language.text(texts::admin::NOT_LINKED), columns, rows)
}

fn suggestions(visit: &Visit<'_>, user: &SlackUser, on_portal: &[PortalProfile]) -> Markup {
    let likely = suggest(&user.name, user.email.as_deref(), on_portal, |person| &person.name);
    html! {
        @if likely.is_empty() { span.hint { (visit.language.text(texts::admin::NO_SIMILAR_NAME)) } }
        @for person in likely {
            form.inline method="post" action="/admin/people/link" {
                (token(visit))
                input type="hidden" name="slack" value=(user.id);
                input type="hidden" name="user" value=(person.user);
                button { (person.name) }
            }
        }
    }
}

fn linked_table(visit: &Visit<'_>, directory: &PeopleDirectory<'_>) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::admin::IN_SLACK)),
        Column::text(language.text(texts::admin::IN_BITRIX24)),
        Column::text(language.text(texts::admin::LINKED_BY)),
        Column::text(language.text(texts::admin::PERMISSION)),
        Column::untitled(),
    ];
    let rows = directory.linked.iter().map(|row| {
        let permission = if row.has_permission(&directory.permitted) {
            texts::admin::PERMISSION_GIVEN
        } else {
            texts::admin::PERMISSION_NOT_GIVEN
        };
        [
            in_slack_cell(row.user),
            in_bitrix24(language, row),
            linked_by(language, row),
            html! { (language.text(permission)) },
            html! { (unlink_forms(visit, row)) (link_form(visit, row.user)) },
        ]
    });
    table(language.text(texts::admin::LINKED), columns, rows)
}

fn in_bitrix24(language: Language, row: &PersonRow<'_>) -> Markup {
    html! {
        @if let Some(number) = &row.settings { div { (language.text(texts::admin::UserNumber { number })) } }
        @for link in &row.links { div { (link.name) " (" (link.user) ")" } }
        @if row.is_by_email() && let Some(person) = row.email { (person.name) " (" (person.user) ")" }
    }
}

fn linked_by(language: Language, row: &PersonRow<'_>) -> Markup {
    let word = |origin| {
        language.text(match origin {
            LinkOrigin::Email => texts::admin::BY_EMAIL,
            LinkOrigin::Hand => texts::admin::BY_HAND,
            LinkOrigin::Own => texts::admin::BY_THEMSELVES,
            LinkOrigin::Settings => texts::admin::BY_SETTINGS,
        })
    };
    html! {
        @if row.settings.is_some() { div { (word(LinkOrigin::Settings)) } }
        @for link in &row.links { div { (word(link.origin)) } }
        @if row.is_by_email() { (word(LinkOrigin::Email)) }
    }
}

fn unlink_forms(visit: &Visit<'_>, row: &PersonRow<'_>) -> Markup {
    let language = visit.language;
    html! {
        @for link in row.links.iter().filter(|link| link.origin != LinkOrigin::Email) {
            @let user = link.user.to_string();
            @let confirm = Confirm {
                action: "/admin/people/unlink",
                token: &visit.session.token,
                fields: &[("slack", link.slack.as_str()), ("user", user.as_str())],
                question: &language.text(texts::admin::UnlinkQuestion { name: &link.name }),
                button: language.text(texts::admin::UNLINK),
            };
            (confirm.in_place(&language.text(texts::admin::UnlinkPerson { name: &link.name })))
        }
    }
}

async fn in_slack(visit: &ConnectedVisit<'_>) -> Result<Vec<SlackUser>, Failure> {
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

async fn on_portal(visit: &ConnectedVisit<'_>) -> Result<Vec<PortalProfile>, Failure> {
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

pub(crate) async fn link(visit: &ConnectedVisit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let outcome = link_one(visit, form.get("slack"), form.get("user")).await?;
    Ok(PageAnswer::to("/people", outcome.text(visit.language)))
}

/// The outcome of linking two accounts.
#[derive(Debug)]
enum LinkOutcome {
    Linked { slack: String, name: String },
    NotInSlack { typed: String },
    NotInBitrix24 { typed: String },
    Dismissed { typed: String, name: String },
}

impl LinkOutcome {
    fn is_linked(&self) -> bool {
        matches!(self, Self::Linked { .. })
    }

    fn text(&self, language: Language) -> String {
        match self {
            Self::Linked { slack, name } => language.text(texts::admin::LinkedTo { slack, name }),
            Self::NotInSlack { typed } => language.text(texts::admin::NotInSlack { typed }),
            Self::NotInBitrix24 { typed } => language.text(texts::admin::NotInBitrix24 { typed }),
            Self::Dismissed { typed, name } => language.text(texts::admin::Dismissed { typed, name }),
        }
    }
}

async fn link_one(visit: &ConnectedVisit<'_>, slack: &str, user: &str) -> Result<LinkOutcome, Failure> {
    let Some(slack) = slack_id(visit, slack).await? else {
        return Ok(LinkOutcome::NotInSlack { typed: slack.to_owned() });
    };
    let found = match user.parse::<u64>() {
        Ok(number) => visit.deps.context.portal_profile_now(&visit.tenant, number).await?,
        Err(_) if user.contains('@') => visit.deps.context.portal_user_by_email(&visit.tenant, user).await?,
        Err(_) => None,
    };
    let Some(found) = found else { return Ok(LinkOutcome::NotInBitrix24 { typed: user.to_owned() }) };
    if found.is_dismissed {
        return Ok(LinkOutcome::Dismissed { typed: user.to_owned(), name: found.name });
    }
    let at = visit.deps.context.backend.clock.now();
    let link =
        UserLink { slack: slack.clone(), user: found.user, origin: LinkOrigin::Hand, name: found.name.clone(), at };
    visit.deps.context.people.link(&visit.tenant.id, &link).await?;
    visit.note("linked", &format!("{slack} and {} ({})", found.name, found.user), "", "").await?;
    Ok(LinkOutcome::Linked { slack, name: found.name })
}

async fn slack_id(visit: &ConnectedVisit<'_>, text: &str) -> Result<Option<String>, Failure> {
    if text.contains('@') {
        return Ok(visit.tenant.slack.user_by_email(text).await?.map(|user| user.id));
    }
    Ok(visit.deps.context.slack_profile(&visit.tenant, text).await?.map(|user| user.id))
}

pub(crate) async fn unlink(visit: &ConnectedVisit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (slack, user) = (form.get("slack"), form.get("user").parse().unwrap_or_default());
    visit.deps.context.people.unlink(&visit.tenant.id, slack, user).await?;
    if visit.deps.context.people.of_user(&visit.tenant.id, user).await?.is_empty() {
        visit.deps.context.connections.revoke(&visit.tenant.id, user).await?;
    }
    visit.note("unlinked", &format!("{slack} and user {user}"), "", "").await?;
    let word = visit.language.text(texts::admin::Unlinked { slack: slack.to_owned(), user: user.to_string() });
    Ok(PageAnswer::to("/people", word))
}

/// The most lines of a list that are processed at once; more take longer than a page may.
const MAX_LINES: usize = 100;

pub(crate) async fn list(visit: &ConnectedVisit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let lines: Vec<&str> = form.get("list").lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_LINES {
        let word = visit.language.text(texts::admin::TooManyLines { most: MAX_LINES as u64 });
        return Ok(PageAnswer::to("/people", word));
    }
    let mut outcomes = Vec::new();
    for line in lines {
        outcomes.push(match line.split_once([',', ';', '\t']) {
            Some((slack, user)) => Some(link_one(visit, slack.trim(), user.trim()).await?),
            None => None,
        });
    }
    Ok(PageAnswer::to("/people", summary(visit.language, &outcomes)))
}

/// The outcome for each line of a list; `None` is a line that could not be read.
fn summary(language: Language, outcomes: &[Option<LinkOutcome>]) -> String {
    let (mut count, mut parts) = (0, Vec::new());
    for (line, outcome) in (1..).zip(outcomes) {
        let problem = match outcome {
            Some(outcome) if outcome.is_linked() => {
                count += 1;
                continue;
            }
            Some(outcome) => outcome.text(language),
            None => language.text(texts::admin::LINE_WITHOUT_COMMA).to_owned(),
        };
        parts.push(language.text(texts::admin::LineProblem { line, problem }));
    }
    parts.insert(0, language.text(texts::admin::LinkedCount { count }));
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_what_was_linked_and_names_the_other_lines_in_every_language() {
        let outcomes = [
            // A name that begins like a refusal must not turn a link into a problem.
            Some(LinkOutcome::Linked { slack: "Nobody".into(), name: "Nobody Jones".into() }),
            Some(LinkOutcome::NotInSlack { typed: "U9".into() }),
            None,
            Some(LinkOutcome::NotInBitrix24 { typed: "77".into() }),
            Some(LinkOutcome::Dismissed { typed: "8".into(), name: "Eve".into() }),
        ];
        assert_eq!(
            summary(Language::En, &outcomes),
            "1 linked. Line 2: U9 was not found in Slack. Line 3: two parts separated by a comma are needed. \
             Line 4: 77 was not found in Bitrix24. Line 5: Eve (8) was dismissed in Bitrix24."
        );
        assert_eq!(
            summary(Language::Ru, &outcomes),
            "Связано: 1. Строка 2: U9: не найдено в Slack. Строка 3: нужны две части через запятую. \
             Строка 4: 77: не найдено в Битрикс24. Строка 5: Eve (8): сотрудник уволен в Битрикс24."
        );
    }
}
