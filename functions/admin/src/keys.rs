//! API keys: made and shown once, listed, revoked.

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use tenants::api_keys::{ApiKey, ApiKeys, MAX_KEYS, Scope};
use web::components::{Column, Confirm, empty, table};
use web::language::rich;
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::{PageAnswer, Visit};

/// The longest name of a key, in characters.
const MAX_NAME: usize = 60;

fn allows(language: Language, scope: Scope) -> &'static str {
    language.text(match scope {
        Scope::Read => texts::admin::SCOPE_READ,
        Scope::Sync => texts::admin::SCOPE_SYNC,
        Scope::Intake => texts::admin::SCOPE_INTAKE,
    })
}

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<PageAnswer, Failure> {
    page(visit, done, None).await
}

async fn page(visit: &Visit<'_>, done: &str, fresh: Option<&str>) -> Result<PageAnswer, Failure> {
    let keys = ApiKeys::new(visit.deps.context.backend.store.clone()).all(&visit.id).await?;
    let language = visit.language;
    let url = visit.public_url.as_deref().unwrap_or_default();
    let explained = texts::admin::KeysExplained {
        address: html! { code { (url) "/api/v1/" (visit.id) "/…" } },
        document: html! { a href="/api/v1/openapi.json" { (language.text(texts::admin::OPENAPI_DOCUMENT)) } },
    };
    let body = html! {
        p { (rich(language, &explained)) }
        @if let Some(fresh) = fresh {
            div.done role="status" {
                p { strong { (language.text(texts::admin::COPY_THE_KEY)) } }
                p { code { (fresh) } }
            }
        }
        h2 { (language.text(texts::admin::KEYS)) }
        @if keys.is_empty() { (empty(language.text(texts::admin::NO_KEYS))) }
        @else { (key_table(visit, &keys)) }
        h2 { (language.text(texts::admin::NEW_KEY)) }
        (new_key_form(visit))
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::ApiKeys, done, &body)))
}

fn key_table(visit: &Visit<'_>, keys: &[ApiKey]) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::admin::KEY_NAME)),
        Column::text(language.text(texts::admin::KEY_SCOPES)),
        Column::text(language.text(texts::admin::KEY_CREATED)),
        Column::untitled(),
    ];
    let rows = keys.iter().map(|key| {
        let confirm = Confirm {
            action: "/admin/keys/revoke",
            token: &visit.session.token,
            fields: &[("id", key.id.as_str())],
            question: language.text(texts::admin::REVOKE_QUESTION),
            button: language.text(texts::admin::REVOKE),
        };
        [
            html! { (key.name) " " code { "…" (key.id) "…" } },
            html! { @for scope in &key.scopes { code { (scope.name()) } " " } },
            html! { (key.made_at.strftime("%Y-%m-%d")) },
            confirm.in_place(&language.text(texts::admin::RevokeKey { name: &key.name })),
        ]
    });
    table(language.text(texts::admin::KEYS), columns, rows)
}

fn new_key_form(visit: &Visit<'_>) -> Markup {
    let language = visit.language;
    html! {
        form method="post" action="/admin/keys" {
            (token(visit))
            label for="name" { (language.text(texts::admin::KEY_PURPOSE)) }
            input id="name" name="name" required maxlength=(MAX_NAME) placeholder=(language.text(texts::admin::KEY_EXAMPLE));
            @for scope in Scope::ALL {
                label { input type="checkbox" name=(scope.name()) value="1"; " " (allows(language, scope)) }
            }
            button.main { (language.text(texts::admin::CREATE_KEY)) }
        }
    }
}

pub(crate) async fn make(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (backend, language) = (&visit.deps.context.backend, visit.language);
    let keys = ApiKeys::new(backend.store.clone());
    let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| !form.get(scope.name()).is_empty()).collect();
    let name = form.get("name");
    if scopes.is_empty() || name.is_empty() || name.chars().count() > MAX_NAME {
        return Ok(PageAnswer::to("/keys", language.text(texts::admin::KEY_NEEDS)));
    }
    if keys.all(&visit.id).await?.len() >= MAX_KEYS {
        return Ok(PageAnswer::to("/keys", language.text(texts::admin::TooManyKeys { most: MAX_KEYS as u64 })));
    }
    let (key, text) = keys.make(&visit.id, name, &scopes, backend.clock.now()).await?;
    let allowed = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    visit.note("API key made", &format!("{name} ({})", key.id), "", &allowed).await?;
    page(visit, "", Some(&text)).await
}

pub(crate) async fn revoke(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (id, language) = (form.get("id"), visit.language);
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(PageAnswer::to("/keys", language.text(texts::admin::NO_SUCH_KEY)));
    }
    ApiKeys::new(visit.deps.context.backend.store.clone()).revoke(&visit.id, id).await?;
    visit.note("API key taken back", id, "", "").await?;
    Ok(PageAnswer::to("/keys", language.text(texts::admin::KEY_REVOKED)))
}
