//! The pages of installing, as HTML: the start, the state of each connection, the next step.

use bitrix24::crm::origin;
use clients::scopes;
use clients::{Side, Trouble};
use http::StatusCode;
use locale::Fixed;
use maud::{DOCTYPE, Markup, html};
use tenants::departure::Departure;
use tenants::portals::Portal;
use web::page::{STYLE, frame};
use web::sessions::Session;

use crate::{Answer, BITRIX24_APP, BITRIX24_CALLBACK, Deps, PATH, SLACK_CALLBACK};

/// A page with nothing but a message.
pub(crate) fn message(title: &str, text: &str) -> String {
    frame(title, &html! {}, &html! { p role="status" { (text) } p { a href=(PATH) { "Connections" } } })
}

/// Rights, with what each is for.
fn purposes<'a>(needed: &[(&'a str, Fixed)]) -> Vec<(&'a str, &'static str)> {
    needed.iter().map(|(scope, why)| (*scope, locale::Language::En.text(*why))).collect()
}

fn table(head: [&str; 2], rows: &[(&str, &str)]) -> Markup {
    html! {
        table {
            thead { tr { @for name in head { th scope="col" { (name) } } } }
            tbody { @for (scope, why) in rows { tr { td { code { (scope) } } td { (why) } } } }
        }
    }
}

/// Where one begins, at our `address`.
pub(crate) async fn first(deps: &Deps, address: &str) -> Answer {
    let has_app = deps.connections.apps().await?.bitrix24.is_some();
    let body = html! {
        p { "Switchboard joins your Bitrix24 with Slack and Notion. First your portal; you must administer it." }
        form method="post" action="/install/bitrix24" {
            label for="portal" { "Address of your portal" }
            input id="portal" name="portal" required placeholder="acme.bitrix24.com" autocomplete="off" autofocus;
            details open[!has_app] {
                summary { "My portal has a local application of its own" }
                p.hint {
                    "In the portal: Developer resources → Other → Local application, with server, without a user interface, and the rights below. Handler path: "
                    code { (address) (BITRIX24_CALLBACK) }
                    " Initial installation path: "
                    code { (address) (BITRIX24_APP) }
                }
                label for="client_id" { "client_id" }
                input id="client_id" name="client_id" autocomplete="off" required[!has_app];
                label for="client_secret" { "client_secret" }
                input id="client_secret" name="client_secret" type="password" autocomplete="off" required[!has_app];
                label for="app_code" { "Connection code, from the person who runs Switchboard" }
                input id="app_code" name="code" type="password" autocomplete="one-time-code";
                p.hint { "A portal that is connected by this application already needs no code." }
            }
            button.main { "Connect Bitrix24" }
        }
        h2 { "What Bitrix24 is asked for" }
        (table(["Right", "For"], &purposes(&scopes::BITRIX24)))
        h2 { "Without an application" }
        details {
            summary { "Connect by an incoming and an outgoing webhook" }
            (webhook_form(None))
        }
        p.hint { "Connected already? " a href="/admin" { "Sign in with a code" } ", or connect again as an administrator of the portal: nothing is lost by it." }
    };
    Ok(web::page::page(StatusCode::OK, frame("Connect", &html! {}, &body)))
}

fn webhook_form(session: Option<&Session>) -> Markup {
    html! {
        form method="post" action="/install/webhook" {
            @if let Some(session) = session { (token(session)) }
            @else {
                label for="code" { "One-time code, from whoever runs Switchboard" }
                input id="code" name="code" type="password" autocomplete="one-time-code" required;
                label for="member_id" { "member_id of the portal (auth[member_id] of any event)" }
                input id="member_id" name="member_id" required autocomplete="off";
            }
            label for="webhook_url" { "URL of the incoming webhook" }
            input id="webhook_url" name="webhook_url" type="password" required autocomplete="off" placeholder="https://acme.bitrix24.com/rest/1/…/";
            label for="application_token" { "Application token of the outgoing webhook" }
            input id="application_token" name="application_token" type="password" required autocomplete="off";
            button { "Connect by webhooks" }
        }
    }
}

fn token(session: &Session) -> Markup {
    html! { input type="hidden" name="token" value=(session.token); }
}

/// The state of every connection.
pub(crate) async fn state(deps: &Deps, session: &Session, done: &str, url: &str) -> Answer {
    let portal = deps.connections.portal(&session.tenant).await?;
    let troubles = deps.connections.troubles(&session.tenant).await?;
    let apps = deps.connections.apps().await?;
    let people = portal.slack.is_some();
    let body = html! {
        @if !done.is_empty() { p.done role="status" { (done) } }
        p { "These are the pages of " strong { (portal.domain) } ". You are signed in as " (session.who) "." }
        (next(&portal, &troubles, session))
        h2 { "Bitrix24" }
        (bitrix24(&portal, trouble(&troubles, Side::Bitrix24), session))
        h2 { "Slack" }
        (slack(&portal, trouble(&troubles, Side::Slack), session, apps.slack.is_some()))
        h2 { "Notion" }
        (notion(&portal, trouble(&troubles, Side::Notion), session, apps.notion.is_some()))
        h2 { "Addresses" }
        p.hint { "What the providers' own settings need to know:" }
        (table(["Address", "Where"], &[
            (&format!("{url}{BITRIX24_CALLBACK}"), "Bitrix24, local application: handler path"),
            (&format!("{url}{BITRIX24_APP}"), "Bitrix24, local application: initial installation path"),
            (&format!("{url}/webhooks/slack"), "Slack: events, commands, interactivity"),
            (&format!("{url}{SLACK_CALLBACK}"), "Slack: redirect URL"),
        ]))
        h2 { "Leave" }
        details {
            summary { "Disconnect and delete everything of this portal" }
            p { "Connections, settings, links between records, chats and people, the log: all of it is deleted here within 15 minutes, and nothing in Bitrix24, Slack or Notion. It cannot be undone; " code { "switchboard tenants export" } " keeps a copy." }
            form method="post" action="/install/leave" {
                (token(session))
                label for="domain" { "Type " strong { (portal.domain) } " to confirm" }
                input id="domain" name="domain" required autocomplete="off";
                button { "Delete everything" }
            }
        }
    };
    let nav = html! {
        nav aria-label="Pages" {
            a href="/admin" { "Overview" }
            a href="/admin/events" { "Events" }
            a href="/admin/routes" { "Routes" }
            @if people {
                a href="/admin/people" { "People" }
                a href="/admin/bridges" { "Conversations" }
            }
            a href="/admin/notion" { "Notion" }
            a href="/admin/keys" { "API keys" }
            a href=(PATH) aria-current="page" { "Connections" }
            form method="post" action="/install/sign-out" { (token(session)) button { "Sign out" } }
        }
    };
    Ok(web::page::page(StatusCode::OK, frame("Connections", &nav, &body)))
}

fn trouble(troubles: &[Trouble], side: Side) -> Option<&Trouble> {
    troubles.iter().find(|trouble| trouble.side == side)
}

/// The one thing to do next.
fn next(portal: &Portal, troubles: &[Trouble], session: &Session) -> Markup {
    if let Some(trouble) = troubles.first() {
        return html! { p.problem role="alert" { strong { (trouble.side.name()) " does not take our access any more. " } "Connect it again below. Nothing is lost: what is for it waits, and goes out then." } };
    }
    if portal.slack.is_none() {
        return html! { p { strong { "Next: " } "connect Slack. Cards, commands and conversations begin with it." } };
    }
    let lacks = |needed: &[(&str, Fixed)], given: &[String]| !scopes::lacking(needed, given).is_empty();
    let application = portal.application.as_ref().is_some_and(|known| lacks(&scopes::BITRIX24, &known.scopes));
    if application || portal.slack.as_ref().is_some_and(|known| lacks(&scopes::SLACK, &known.scopes)) {
        return html! { p.problem { strong { "Connected, but not everything is allowed. " } "What is missing stands below, with what it is for. Allow it at the provider, and connect again." } };
    }
    let more = if portal.notion.is_none() { " Notion can be added below." } else { "" };
    html! {
        p { strong { "All is connected." } " Change a deal in Bitrix24: its card appears in Slack." (more) }
        p { "Then: see who is who on " a href="/admin/people" { "People" } ", join chats on " a href="/admin/bridges" { "Conversations" } ", and type " code { "/b24-me" } " in Slack." }
        form method="post" action="/install/settle" { (token(session)) button { "Check events and chatbot now" } }
    }
}

fn broken(trouble: Option<&Trouble>) -> Markup {
    html! { @if let Some(trouble) = trouble { p.problem role="alert" { "Since " (trouble.since.strftime("%Y-%m-%d %H:%M")) " UTC: " (trouble.why) } } }
}

fn lacking(needed: &[(&str, Fixed)], given: &[String]) -> Markup {
    let missing = scopes::lacking(needed, given);
    html! {
        @if !missing.is_empty() {
            p.problem { "Not allowed yet:" }
            (table(["Right", "For"], &purposes(&missing)))
        }
    }
}

fn bitrix24(portal: &Portal, trouble: Option<&Trouble>, session: &Session) -> Markup {
    let address = origin(&portal.domain);
    html! {
        (broken(trouble))
        @match &portal.application {
            Some(application) => {
                p { "Connected as an application to " a href=(address) { (portal.domain) } "." }
                (lacking(&scopes::BITRIX24, &application.scopes))
            }
            None => { p { "Connected by webhooks to " a href=(address) { (portal.domain) } ". Events are ticked by hand, and people cannot allow their own rights; an application can do both." } }
        }
        details {
            summary { @if trouble.is_some() { "Connect again" } @else { "Change" } }
            form method="post" action="/install/bitrix24" {
                (token(session))
                input type="hidden" name="portal" value=(portal.domain);
                button { @if portal.application.is_some() { "Connect again with the same application" } @else { "Connect as an application" } }
            }
            form method="post" action="/install/bitrix24" {
                (token(session))
                input type="hidden" name="portal" value=(portal.domain);
                p.hint { "Another local application takes the place of this connection. All sessions and API keys end, and people allow their own rights again." }
                label for="client_id" { "client_id of another local application" }
                input id="client_id" name="client_id" autocomplete="off" required;
                label for="client_secret" { "client_secret" }
                input id="client_secret" name="client_secret" type="password" autocomplete="off" required;
                button { "Change the application" }
            }
            @if portal.application.is_none() { (webhook_form(Some(session))) }
        }
    }
}

fn slack(portal: &Portal, trouble: Option<&Trouble>, session: &Session, has_app: bool) -> Markup {
    html! {
        (broken(trouble))
        @match &portal.slack {
            Some(slack) => {
                p { "Connected to " strong { @if slack.team.is_empty() { (slack.team_id) } @else { (slack.team) } } "." @if slack.renews { " Its tokens rotate." } }
                (lacking(&scopes::SLACK, &slack.scopes))
            }
            None => { p { "Not connected." } }
        }
        @if has_app {
            form method="post" action="/install/slack" {
                (token(session))
                p.hint { "The Slack workspace that you choose will work with " strong { (portal.domain) } "." }
                button.main[portal.slack.is_none() || trouble.is_some()] { @if portal.slack.is_some() { "Connect again" } @else { "Add to Slack" } }
            }
        } @else {
            p.hint { "There is no Slack app here yet. Whoever runs Switchboard sets it up: docs/installing.md." }
        }
        details { summary { "What Slack is asked for" } (table(["Scope", "For"], &purposes(&scopes::SLACK))) }
    }
}

fn notion(portal: &Portal, trouble: Option<&Trouble>, session: &Session, has_app: bool) -> Markup {
    html! {
        (broken(trouble))
        @match &portal.notion {
            Some(notion) => { p { "Connected to " strong { (notion.workspace) } ". Share your databases with the connection " strong { (notion.name) } ", and name them on the page " a href="/admin/notion" { "Notion" } "." } }
            None => { p { "Not connected. Only needed if deals or tasks are synced with Notion databases." } }
        }
        @if has_app {
            form method="post" action="/install/notion" { (token(session)) p.hint { "The Notion workspace that you choose will work with " strong { (portal.domain) } "." } button { @if portal.notion.is_some() { "Connect again" } @else { "Connect Notion" } } }
        }
        details {
            summary { "Connect by the secret of an internal connection" }
            form method="post" action="/install/notion/token" {
                (token(session))
                label for="secret" { "Internal integration secret" }
                input id="secret" name="secret" type="password" required autocomplete="off" placeholder="ntn_…";
                button { "Connect by this secret" }
            }
        }
        details { summary { "What Notion is asked for" } (table(["Capability", "For"], &purposes(&scopes::NOTION))) }
    }
}

/// A person is asked whether we may work with their own rights.
pub(crate) fn give(ticket: &str) -> String {
    let body = html! {
        p { "What you do from Slack will be done in Bitrix24 as you: with your rights, under your name. You can take it back at any time." }
        form method="post" action="/install/give" {
            input type="hidden" name="ticket" value=(ticket);
            button.main { "Allow it in Bitrix24" }
        }
    };
    frame("Work as yourself", &html! {}, &body)
}

/// A tenant was cut off, and everything of it will be deleted.
pub(crate) fn departed(domain: &str, departure: &Departure, follow: &str) -> String {
    let body = html! {
        p role="status" { (domain) " is disconnected. Everything of it will be deleted here within 15 minutes." }
        (progress(departure))
        p { a href=(follow) { "See how far the deletion is" } ". Keep this address if you want to see that it is done; nobody else can see it." }
        (to_finish())
    };
    frame("Disconnected", &html! {}, &body)
}

/// How far that is.
pub(crate) fn left(departure: &Departure) -> String {
    let body = html! { (progress(departure)) (to_finish()) };
    frame("Deletion", &html! {}, &body)
}

fn progress(departure: &Departure) -> Markup {
    let began = departure.began_at.strftime("%Y-%m-%d %H:%M UTC");
    html! {
        @match departure.done_at {
            Some(done) => p { "Everything of " (departure.tenant) " was deleted here: " (departure.total()) " items. Asked for at " (began) ", done at " (done.strftime("%Y-%m-%d %H:%M UTC")) "." },
            None => p { "Asked for at " (began) ". Not done yet: " (departure.total()) " items were deleted so far. Load this page again in a few minutes." },
        }
        @if !departure.deleted.is_empty() {
            ul { @for (table, count) in &departure.deleted { li { (table) ": " (count) } } }
        }
    }
}

fn to_finish() -> Markup {
    html! {
        p { "What was under way may still write a line; it is looked for and deleted for another day. Messages that lie in queues are dropped when their turn comes, in 14 days at most." }
        p { "To finish, remove the application in Bitrix24, the app in Slack and the connection in Notion." }
    }
}

/// Within the portal: the application was opened.
pub(crate) fn opened(domain: &str, url: &str, is_joined: bool) -> String {
    within(&html! {
        p { (domain) " is connected with Switchboard." }
        @if !is_joined { p { strong { "Next: " } "connect Slack, on Switchboard's own page." } }
        p { a href={ (url) (PATH) } target="_blank" rel="noopener" { "Open Switchboard" } }
    })
}

/// The portal has another name than the one that was typed.
pub(crate) fn renamed(typed: &str, now: &str) -> String {
    let body = html! {
        p { "You typed " strong { (typed) } ". This portal is called " strong { (now) } " now. Nothing was changed yet." }
        form method="post" action="/install/bitrix24" {
            input type="hidden" name="portal" value=(now);
            button.main { "Yes, connect " (now) }
        }
        p { a href=(PATH) { "No, go back" } }
    };
    frame("Is this your portal?", &html! {}, &body)
}

/// Within the portal: an application was opened that does not belong to the portal's connection.
pub(crate) fn not_admitted(domain: &str, why: &str) -> String {
    within(&html! { p role="alert" { (domain) ": " (why) "." } })
}

/// Within the portal: the application was opened by somebody who cannot connect it.
pub(crate) fn opened_by_other(domain: &str) -> String {
    within(
        &html! { p { "An administrator of " (domain) " has to open this application first: that connects the portal." } },
    )
}

fn within(body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Switchboard" }
                link rel="stylesheet" href=(STYLE);
                script src="https://api.bitrix24.com/api/v1/" {}
                script src="/install/finish.js" {}
            }
            body { main { h1 { "Switchboard" } (body) } }
        }
    }
    .into_string()
}

/// Tells the portal that the installation is finished: until then it sends no events.
pub(crate) const FINISH: &str = "BX24.init(function () { BX24.install(function () { BX24.installFinish(); }); });\n";
