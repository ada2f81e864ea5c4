//! API keys: made and shown once, listed, revoked.

use clients::Failure;
use maud::html;
use tenants::api_keys::{ApiKeys, MAX_KEYS, Scope};
use web::page::Form;

use crate::page::{Page, heads, signed_in, token};
use crate::{Answer, Visit};

fn does(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read the log of events and deliveries",
        Scope::Sync => "begin syncs with Notion and see how they go",
        Scope::Intake => "bring in deals and contacts",
    }
}

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<Answer, Failure> {
    page(visit, done, None).await
}

async fn page(visit: &Visit<'_>, done: &str, fresh: Option<&str>) -> Result<Answer, Failure> {
    let keys = ApiKeys::new(visit.deps.talk.ports.store.clone()).all(&visit.id).await?;
    let url = visit.public_url.clone().unwrap_or_default();
    let body = html! {
        p { "Programs of yours ask at " code { (url) "/api/v1/" (visit.id) "/…" } ". What they can ask: " a href="/api/v1/openapi.json" { "the OpenAPI document" } "." }
        @if let Some(fresh) = fresh {
            div.done role="status" {
                p { strong { "Copy the key now; it is not shown again:" } }
                p { code { (fresh) } }
            }
        }
        h2 { "Keys" }
        @if keys.is_empty() { p.hint { "None yet." } }
        @else {
            table {
                (heads(&["Name", "May", "Made", ""]))
                tbody {
                    @for key in &keys {
                        tr {
                            td { (key.name) " " code { "…" (key.id) "…" } }
                            td { @for scope in &key.scopes { (scope.name()) " " } }
                            td { (key.made_at.strftime("%Y-%m-%d")) }
                            td {
                                form method="post" action="/admin/keys/revoke" {
                                    (token(visit))
                                    input type="hidden" name="id" value=(key.id);
                                    button aria-label={ "Take back " (key.name) } { "Take back" }
                                }
                            }
                        }
                    }
                }
            }
        }
        h2 { "A new key" }
        form method="post" action="/admin/keys" {
            (token(visit))
            label for="name" { "What it is for" }
            input id="name" name="name" required maxlength="60" placeholder="Web shop";
            @for scope in Scope::ALL {
                label { input type="checkbox" name=(scope.name()) value="1"; " " (does(scope)) }
            }
            button.main { "Make the key" }
        }
    };
    Ok(Answer::Page(signed_in(visit, Page::ApiKeys, done, &body)))
}

pub(crate) async fn make(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let ports = &visit.deps.talk.ports;
    let keys = ApiKeys::new(ports.store.clone());
    let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| !form.get(scope.name()).is_empty()).collect();
    let name = form.get("name");
    if scopes.is_empty() || name.is_empty() || name.chars().count() > 60 {
        return Ok(Answer::to("/keys", "Nothing was made: a key needs a name and something that it may do."));
    }
    if keys.all(&visit.id).await?.len() >= MAX_KEYS {
        let word = format!("Nothing was made: there are {MAX_KEYS} keys already; take one back.");
        return Ok(Answer::to("/keys", word));
    }
    let (key, text) = keys.make(&visit.id, name, &scopes, ports.clock.now()).await?;
    visit
        .note(
            "API key made",
            &format!("{name} ({})", key.id),
            "",
            &scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", "),
        )
        .await?;
    page(visit, "", Some(&text)).await
}

pub(crate) async fn revoke(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let id = form.get("id");
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(Answer::to("/keys", "There is no such key."));
    }
    ApiKeys::new(visit.deps.talk.ports.store.clone()).revoke(&visit.id, id).await?;
    visit.note("API key taken back", id, "", "").await?;
    Ok(Answer::to("/keys", "The key was taken back; it is refused from now on."))
}
