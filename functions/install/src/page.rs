//! The pages that connect, as HTML: the start, the state of each connection, the next step.

use bitrix24::crm::origin;
use bytes::Bytes;
use clients::scopes;
use clients::{ConnectionSide, ConnectionTrouble};
use http::{Response, StatusCode};
use locale::{Fixed, Language, texts};
use maud::{Markup, html};
use tenants::portals::Portal;
use web::components;
use web::components::{Column, Tone, moment};
use web::language::rich;
use web::page::frame;
use web::sessions::{BY_CODE, Session};

use crate::{BITRIX24_APP, BITRIX24_CALLBACK, InstallAnswer, InstallVisit, PATH, SLACK_CALLBACK};

/// Rights, each with its purpose.
type Rights<'a> = &'a [(&'a str, Fixed)];

/// A page as an answer.
pub(crate) fn ok(page: String) -> Response<Bytes> {
    web::page::page(StatusCode::OK, page)
}

/// A page without a menu.
pub(crate) fn titled(language: Language, title: Fixed, body: &Markup) -> String {
    frame(language, language.text(title), &html! {}, body)
}

/// A page with only a message.
pub(crate) fn message(language: Language, title: Fixed, text: &str) -> String {
    let body = html! {
        p role="status" { (text) }
        p { a href=(PATH) { (language.text(texts::pages::PAGE_CONNECTIONS)) } }
    };
    titled(language, title, &body)
}

fn rights(language: Language, caption: Fixed, right: Fixed, rights: Rights<'_>) -> Markup {
    let columns = [Column::text(language.text(right)), Column::text(language.text(texts::install::PURPOSE))];
    let rows = rights.iter().map(|(right, purpose)| [html! { code { (right) } }, html! { (language.text(*purpose)) }]);
    components::table(language.text(caption), columns, rows)
}

/// The rights that are still missing.
fn missing_rights(language: Language, right: Fixed, needed: Rights<'_>, given: &[String]) -> Markup {
    let missing = scopes::lacking(needed, given);
    if missing.is_empty() {
        return html! {};
    }
    let caption = texts::install::NOT_ALLOWED_YET;
    html! {
        (components::message(Tone::Problem, language.text(caption)))
        (rights(language, caption, right, &missing))
    }
}

/// The page of a person who is not signed in.
pub(crate) async fn first(visit: &InstallVisit<'_>) -> InstallAnswer {
    let language = visit.language;
    let has_app = visit.deps.connections.apps().await?.bitrix24.is_some();
    let rights_title = texts::install::RIGHTS_IN_BITRIX24;
    let sign_in = html! { a href="/admin" { (language.text(texts::install::SIGN_IN_WITH_CODE)) } };
    let body = html! {
        p { (language.text(texts::install::INTRO)) }
        form method="post" action="/install/bitrix24" {
            label for="portal" { (language.text(texts::install::PORTAL_ADDRESS)) }
            input id="portal" name="portal" required placeholder="acme.bitrix24.com" autocomplete="off" autofocus;
            (own_application(visit, !has_app))
            button.main { (language.text(texts::install::CONNECT_BITRIX24)) }
        }
        h2 { (language.text(rights_title)) }
        (rights(language, rights_title, texts::install::RIGHT, &scopes::BITRIX24))
        h2 { (language.text(texts::install::WITHOUT_APPLICATION)) }
        details {
            summary { (language.text(texts::install::BY_WEBHOOKS)) }
            (webhook_form(language, None))
        }
        p.hint { (rich(language, &texts::install::AlreadyConnected { sign_in })) }
    };
    Ok(ok(titled(language, texts::install::CONNECT, &body)))
}

/// The fields for the keys of a portal's own application; they are required if there is no other.
fn own_application(visit: &InstallVisit<'_>, is_required: bool) -> Markup {
    let language = visit.language;
    html! {
        details open[is_required] {
            summary { (language.text(texts::install::OWN_APPLICATION)) }
            p.hint {
                (language.text(texts::install::OWN_APPLICATION_HELP)) " "
                (language.text(texts::install::HANDLER_PATH)) " " code { (visit.address) (BITRIX24_CALLBACK) } " "
                (language.text(texts::install::INSTALLATION_PATH)) " " code { (visit.address) (BITRIX24_APP) }
            }
            label for="client_id" { code { "client_id" } }
            input id="client_id" name="client_id" autocomplete="off" required[is_required];
            label for="client_secret" { code { "client_secret" } }
            input id="client_secret" name="client_secret" type="password" autocomplete="off" required[is_required];
            label for="app_code" { (language.text(texts::install::CONNECTION_CODE)) }
            input id="app_code" name="code" type="password" autocomplete="one-time-code";
            p.hint { (language.text(texts::install::CONNECTION_CODE_HELP)) }
        }
    }
}

fn webhook_form(language: Language, session: Option<&Session>) -> Markup {
    let member_id = texts::install::MemberId {
        member_id: html! { code { "member_id" } },
        field: html! { code { "auth[member_id]" } },
    };
    html! {
        form method="post" action="/install/webhook" {
            @if let Some(session) = session { (token(session)) }
            @else {
                label for="code" { (language.text(texts::install::ONE_TIME_CODE)) }
                input id="code" name="code" type="password" autocomplete="one-time-code" required;
                label for="member_id" { (rich(language, &member_id)) }
                input id="member_id" name="member_id" required autocomplete="off";
            }
            label for="webhook_url" { (language.text(texts::install::WEBHOOK_URL)) }
            input id="webhook_url" name="webhook_url" type="password" required autocomplete="off" placeholder="https://acme.bitrix24.com/rest/1/…/";
            label for="application_token" { (language.text(texts::install::APPLICATION_TOKEN)) }
            input id="application_token" name="application_token" type="password" required autocomplete="off";
            button { (language.text(texts::install::CONNECT_BY_WEBHOOKS)) }
        }
    }
}

fn token(session: &Session) -> Markup {
    html! { input type="hidden" name="token" value=(session.token); }
}

/// A button in a form that carries only the session's token.
fn button(session: &Session, action: &str, is_main: bool, words: &str) -> Markup {
    html! { form method="post" action=(action) { (token(session)) button.main[is_main] { (words) } } }
}

/// The state of every connection.
pub(crate) async fn state(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let (language, connections) = (visit.language, &visit.deps.connections);
    let portal = connections.portal(&session.tenant).await?;
    let troubles = connections.troubles(&session.tenant).await?;
    let apps = connections.apps().await?;
    let trouble = |side: ConnectionSide| troubles.iter().find(|trouble| trouble.side == side);
    let done = visit.query.get("done");
    let name = if session.who == BY_CODE { language.text(texts::pages::BY_ONE_TIME_CODE) } else { &session.who };
    let who = texts::install::SignedIn { portal: html! { strong { (portal.domain) } }, name: html! { (name) } };
    let body = html! {
        @if !done.is_empty() { (components::message(Tone::Done, done)) }
        p { (rich(language, &who)) }
        (next(language, &portal, &troubles, session))
        h2 { (side_name(language, ConnectionSide::Bitrix24)) }
        (bitrix24(language, &portal, trouble(ConnectionSide::Bitrix24), session))
        h2 { (side_name(language, ConnectionSide::Slack)) }
        (slack(language, &portal, trouble(ConnectionSide::Slack), session, apps.slack.is_some()))
        h2 { (side_name(language, ConnectionSide::Notion)) }
        (notion(language, &portal, trouble(ConnectionSide::Notion), session, apps.notion.is_some()))
        (addresses(visit))
        (disconnect(language, &portal, session))
    };
    let nav = menu(language, portal.slack.is_some(), session);
    Ok(ok(frame(language, language.text(texts::pages::PAGE_CONNECTIONS), &nav, &body)))
}

pub(crate) fn side_name(language: Language, side: ConnectionSide) -> &'static str {
    language.text(match side {
        ConnectionSide::Bitrix24 => texts::install::BITRIX24,
        ConnectionSide::Slack => texts::install::SLACK,
        ConnectionSide::Notion => texts::install::NOTION,
    })
}

/// The list of pages; those about people need Slack.
fn menu(language: Language, has_slack: bool, session: &Session) -> Markup {
    let pages = [
        ("/admin", texts::pages::PAGE_OVERVIEW, true),
        ("/admin/events", texts::pages::PAGE_EVENTS, true),
        ("/admin/routes", texts::pages::PAGE_ROUTES, true),
        ("/admin/people", texts::pages::PAGE_PEOPLE, has_slack),
        ("/admin/bridges", texts::pages::PAGE_CONVERSATIONS, has_slack),
        ("/admin/notion", texts::pages::PAGE_NOTION, true),
        ("/admin/keys", texts::pages::PAGE_API_KEYS, true),
    ];
    html! {
        nav aria-label=(language.text(texts::pages::LIST_OF_PAGES)) {
            @for (address, name, is_shown) in pages { @if is_shown { a href=(address) { (language.text(name)) } } }
            a href=(PATH) aria-current="page" { (language.text(texts::pages::PAGE_CONNECTIONS)) }
            (button(session, "/install/sign-out", false, language.text(texts::pages::SIGN_OUT)))
        }
    }
}

/// The next step.
fn next(language: Language, portal: &Portal, troubles: &[ConnectionTrouble], session: &Session) -> Markup {
    if let Some(trouble) = troubles.first() {
        let rejected = language.text(texts::install::TokenRejected { provider: side_name(language, trouble.side) });
        let help = language.text(texts::install::TOKEN_REJECTED_HELP);
        return components::message(Tone::Problem, html! { strong { (rejected) } " " (help) });
    }
    let next = html! { strong { (language.text(texts::install::NEXT)) } " " };
    if portal.slack.is_none() {
        return html! { p { (next) (language.text(texts::install::NEXT_CONNECT_SLACK)) } };
    }
    let lacks = |needed: Rights<'_>, given: &[String]| !scopes::lacking(needed, given).is_empty();
    let application = portal.application.as_ref().is_some_and(|known| lacks(&scopes::BITRIX24, &known.scopes));
    if application || portal.slack.as_ref().is_some_and(|known| lacks(&scopes::SLACK, &known.scopes)) {
        let missing = language.text(texts::install::RIGHTS_MISSING);
        let help = language.text(texts::install::RIGHTS_MISSING_HELP);
        return components::message(Tone::Problem, html! { strong { (missing) } " " (help) });
    }
    let then = texts::install::WhatThen {
        people: html! { a href="/admin/people" { (language.text(texts::pages::PAGE_PEOPLE)) } },
        bridges: html! { a href="/admin/bridges" { (language.text(texts::pages::PAGE_CONVERSATIONS)) } },
        command: html! { code { "/b24-me" } },
    };
    html! {
        p {
            strong { (language.text(texts::install::ALL_CONNECTED)) } " " (language.text(texts::install::TRY_IT))
            @if portal.notion.is_none() { " " (language.text(texts::install::NOTION_CAN_BE_ADDED)) }
        }
        p { (rich(language, &then)) }
        (button(session, "/install/settle", false, language.text(texts::install::CHECK_NOW)))
    }
}

fn broken(language: Language, trouble: Option<&ConnectionTrouble>) -> Markup {
    let Some(trouble) = trouble else { return html! {} };
    let since = texts::install::FailingSince { since: moment(trouble.since), reason: html! { (trouble.why) } };
    components::message(Tone::Problem, rich(language, &since))
}

fn bitrix24(language: Language, portal: &Portal, trouble: Option<&ConnectionTrouble>, session: &Session) -> Markup {
    let address = html! { a href=(origin(&portal.domain)) { (portal.domain) } };
    let is_application = portal.application.is_some();
    let change = if trouble.is_some() { texts::install::CONNECT_AGAIN } else { texts::install::CHANGE };
    let again = if is_application { texts::install::SAME_APPLICATION } else { texts::install::AS_APPLICATION };
    let another = texts::install::ClientIdOfAnother { client_id: html! { code { "client_id" } } };
    let portal_field = html! { input type="hidden" name="portal" value=(portal.domain); };
    html! {
        (broken(language, trouble))
        @match &portal.application {
            Some(application) => {
                p { (rich(language, &texts::install::ConnectedAsApplication { portal: address })) }
                (missing_rights(language, texts::install::RIGHT, &scopes::BITRIX24, &application.scopes))
            }
            None => p { (rich(language, &texts::install::ConnectedByWebhooks { portal: address })) }
        }
        details {
            summary { (language.text(change)) }
            form method="post" action="/install/bitrix24" { (token(session)) (portal_field) button { (language.text(again)) } }
            form method="post" action="/install/bitrix24" {
                (token(session)) (portal_field)
                p.hint { (language.text(texts::install::ANOTHER_APPLICATION_HELP)) }
                label for="client_id" { (rich(language, &another)) }
                input id="client_id" name="client_id" autocomplete="off" required;
                label for="client_secret" { code { "client_secret" } }
                input id="client_secret" name="client_secret" type="password" autocomplete="off" required;
                button { (language.text(texts::install::CHANGE_APPLICATION)) }
            }
            @if !is_application { (webhook_form(language, Some(session))) }
        }
    }
}

fn slack(
    language: Language,
    portal: &Portal,
    trouble: Option<&ConnectionTrouble>,
    session: &Session,
    has_app: bool,
) -> Markup {
    let choice = texts::install::SlackWorkspaceChoice { portal: html! { strong { (portal.domain) } } };
    let connect = if portal.slack.is_some() { texts::install::CONNECT_AGAIN } else { texts::install::ADD_TO_SLACK };
    let (scopes_title, scope) = (texts::install::SCOPES_IN_SLACK, texts::install::SCOPE);
    html! {
        (broken(language, trouble))
        @match &portal.slack {
            Some(slack) => {
                @let workspace = if slack.team.is_empty() { &slack.team_id } else { &slack.team };
                p {
                    (rich(language, &texts::install::ConnectedTo { workspace: html! { strong { (workspace) } } }))
                    @if slack.renews { " " (language.text(texts::install::TOKENS_ROTATE)) }
                }
                (missing_rights(language, scope, &scopes::SLACK, &slack.scopes))
            }
            None => p { (language.text(texts::install::NOT_CONNECTED)) }
        }
        @if has_app {
            p.hint { (rich(language, &choice)) }
            (button(session, "/install/slack", portal.slack.is_none() || trouble.is_some(), language.text(connect)))
        } @else {
            p.hint { (language.text(texts::install::NoApp { provider: side_name(language, ConnectionSide::Slack) })) }
        }
        details {
            summary { (language.text(scopes_title)) }
            (rights(language, scopes_title, scope, &scopes::SLACK))
        }
    }
}

fn notion(
    language: Language,
    portal: &Portal,
    trouble: Option<&ConnectionTrouble>,
    session: &Session,
    has_app: bool,
) -> Markup {
    let choice = texts::install::NotionWorkspaceChoice { portal: html! { strong { (portal.domain) } } };
    let connect = if portal.notion.is_some() { texts::install::CONNECT_AGAIN } else { texts::install::CONNECT_NOTION };
    let title = texts::install::CAPABILITIES_IN_NOTION;
    html! {
        (broken(language, trouble))
        @match &portal.notion {
            Some(notion) => {
                @let connected = texts::install::ConnectedToNotion {
                    workspace: html! { strong { (notion.workspace) } },
                    connection: html! { strong { (notion.name) } },
                    page: html! { a href="/admin/notion" { (language.text(texts::pages::PAGE_NOTION)) } },
                };
                p { (rich(language, &connected)) }
            }
            None => p { (language.text(texts::install::NOTION_NOT_CONNECTED)) }
        }
        @if has_app {
            p.hint { (rich(language, &choice)) }
            (button(session, "/install/notion", false, language.text(connect)))
        }
        details {
            summary { (language.text(texts::install::BY_NOTION_SECRET)) }
            form method="post" action="/install/notion/token" {
                (token(session))
                label for="secret" { (language.text(texts::install::NOTION_SECRET)) }
                input id="secret" name="secret" type="password" required autocomplete="off" placeholder="ntn_…";
                button { (language.text(texts::install::CONNECT_BY_SECRET)) }
            }
        }
        details {
            summary { (language.text(title)) }
            (rights(language, title, texts::install::CAPABILITY, &scopes::NOTION))
        }
    }
}

/// The addresses that the providers' own settings need.
fn addresses(visit: &InstallVisit<'_>) -> Markup {
    let language = visit.language;
    let title = language.text(texts::install::ADDRESSES);
    let columns = [texts::install::ADDRESS, texts::install::WHERE].map(|name| Column::text(language.text(name)));
    let rows = [
        (BITRIX24_CALLBACK, texts::install::BITRIX24_HANDLER_PATH),
        (BITRIX24_APP, texts::install::BITRIX24_INSTALLATION_PATH),
        ("/webhooks/slack", texts::install::SLACK_REQUESTS),
        (SLACK_CALLBACK, texts::install::SLACK_REDIRECT),
    ];
    let row = |(path, used)| [html! { code { (visit.address) (path) } }, html! { (language.text(used)) }];
    html! {
        h2 { (title) }
        p.hint { (language.text(texts::install::ADDRESSES_HELP)) }
        (components::table(title, columns, rows.map(row)))
    }
}

fn disconnect(language: Language, portal: &Portal, session: &Session) -> Markup {
    let help = texts::install::DisconnectHelp { command: html! { code { "switchboard tenants export" } } };
    let confirm = texts::install::TypeToConfirm { portal: html! { strong { (portal.domain) } } };
    html! {
        h2 { (language.text(texts::install::DISCONNECT)) }
        details {
            summary { (language.text(texts::install::DISCONNECT_SUMMARY)) }
            p { (rich(language, &help)) }
            form method="post" action="/install/leave" {
                (token(session))
                label for="domain" { (rich(language, &confirm)) }
                input id="domain" name="domain" required autocomplete="off";
                button { (language.text(texts::install::DELETE_EVERYTHING)) }
            }
        }
    }
}

/// The portal has another name than the one that was typed.
pub(crate) fn renamed(language: Language, typed: &str, now: &str) -> String {
    let renamed =
        texts::install::PortalRenamed { typed: html! { strong { (typed) } }, portal: html! { strong { (now) } } };
    let body = html! {
        p { (rich(language, &renamed)) }
        form method="post" action="/install/bitrix24" {
            input type="hidden" name="portal" value=(now);
            button.main { (language.text(texts::install::ConnectRenamed { portal: now })) }
        }
        p { a href=(PATH) { (language.text(texts::install::GO_BACK)) } }
    };
    titled(language, texts::install::IS_THIS_YOUR_PORTAL, &body)
}
