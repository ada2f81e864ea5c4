//! Acknowledges a request from Slack: verifies its signature over the raw bytes, queues what it asks, answers. Nothing
//! else, for Slack waits three seconds.
//!
//! At most one read of the store (cached) and one send to the queue; no call to a provider. If the queue refuses, the
//! answer is 503 and never 200: Slack then sends an event again. A submitted form is checked first: a problem is shown
//! at its field and the form remains open. For that, the store is asked which of the chosen people are not linked.

mod secrets;

use std::sync::Arc;

use bytes::Bytes;
use commands::forms::{FormOrigin, FormProblems, SubmittedForm};
use commands::misuse::Misuse;
use http::{Method, Request, Response, StatusCode};
use jobs::job_impls::SlackEvent;
use jobs::slack_request::SlackRequest;
use locale::Language;
use runtime::clock::Clock;
use runtime::job::{BadJob, message, message_in};
use runtime::metrics::Metrics;
use runtime::queue::QueuedMessage;
use runtime::{Backend, Queue, TenantId, TraceId, backend};
use serde_json::json;
use slack::event::{EventCallback, WorkspaceEvent};
use slack::inbound::{MAX_REQUEST_BODY, SlackInbound};
use slack::interaction::{Act, Interaction};
use slack::signature::{self, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use tenants::portals::{Portals, Workspace};
use tenants::user_links::UserLinks;
use web::answer::{Refused, answer, empty};
use web::doors::{Door, RequestProof};

use crate::secrets::SigningSecrets;

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::provider("/webhooks/slack", MAX_REQUEST_BODY, RequestProof::Signature),
    Door::provider("/webhooks/{member_id}/slack", MAX_REQUEST_BODY, RequestProof::Signature),
];

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    portals: Portals,
    people: UserLinks,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    secrets: SigningSecrets,
}

impl From<Backend> for Deps {
    fn from(backend: Backend) -> Self {
        Self {
            people: UserLinks::new(backend.store.clone()),
            portals: Portals::new(backend.store, backend.clock.clone()),
            queue: backend.queue,
            secrets: SigningSecrets::new(backend.secrets, backend.clock.clone()),
            clock: backend.clock,
            metrics: backend.metrics,
        }
    }
}

/// Why a request is not accepted.
enum RequestRefusal {
    NotPost,
    TooLarge,
    /// A wrong signature and an unknown workspace are indistinguishable to the caller.
    NotSlacks(&'static str),
    NotARequest(String),
    /// The address names another tenant than the workspace's.
    NotTheirs,
    Unavailable(String),
}

/// The largest text of a job that a queue certainly accepts.
const MAX_JOB: usize = 200 * 1024;
/// The size of a job without its message.
const MAX_ENVELOPE: usize = 8 * 1024;

/// Handles one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    match accept(deps, &request).await {
        Ok(answer) => answer,
        Err(refusal) => refuse(deps, &refusal),
    }
}

async fn accept(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, RequestRefusal> {
    if request.method() == Method::GET && request.uri().query().is_some_and(|query| query.contains("ssl_check=1")) {
        return Ok(empty());
    }
    if request.method() != Method::POST {
        return Err(RequestRefusal::NotPost);
    }
    if request.body().len() > MAX_REQUEST_BODY {
        return Err(RequestRefusal::TooLarge);
    }
    let app = verify(deps, request).await?;
    let inbound =
        SlackInbound::parse(request.body()).map_err(|error| RequestRefusal::NotARequest(error.to_string()))?;
    if let SlackInbound::UrlVerification { challenge } = &inbound {
        return Ok(answer(StatusCode::OK, &json!({"challenge": challenge})));
    }
    let Some(team) = inbound.team_id() else { return Ok(empty()) };
    let workspace = whose(deps, team, &app).await?;
    if web::answer::named_tenant(request.uri().path()).is_some_and(|named| named != workspace.tenant.as_str()) {
        return Err(RequestRefusal::NotTheirs);
    }
    take(deps, inbound, &workspace).await
}

/// The digest of the secret of the app that signed the request.
async fn verify(deps: &Deps, request: &Request<Bytes>) -> Result<tenants::portals::TokenDigest, RequestRefusal> {
    let header = |name| request.headers().get(name).map(http::HeaderValue::as_bytes);
    let (signature, timestamp) = (header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER));
    let now = deps.clock.now();
    let mut newest = false;
    loop {
        let known = deps.secrets.get(newest).await.map_err(RequestRefusal::Unavailable)?;
        match signature::verify(&known.secrets, signature, timestamp, request.body(), now) {
            Ok(index) => return Ok(known.digests[index]),
            // The app may have been connected since then.
            Err(signature::SignatureError::Wrong) if !newest && deps.secrets.may_be_old(&known) => newest = true,
            Err(signature::SignatureError::Malformed) => return Err(RequestRefusal::NotSlacks("no_signature")),
            Err(signature::SignatureError::Stale) => return Err(RequestRefusal::NotSlacks("stale_signature")),
            Err(signature::SignatureError::Wrong) => return Err(RequestRefusal::NotSlacks("wrong_signature")),
        }
    }
}

async fn whose(deps: &Deps, team: &str, app: &tenants::portals::TokenDigest) -> Result<Workspace, RequestRefusal> {
    match deps.portals.verify_workspace(team, app).await {
        Ok(Some(workspace)) => Ok(workspace),
        Ok(None) => Err(RequestRefusal::NotSlacks("unknown_workspace")),
        Err(error) => Err(RequestRefusal::Unavailable(error.to_string())),
    }
}

async fn take(deps: &Deps, inbound: SlackInbound, workspace: &Workspace) -> Result<Response<Bytes>, RequestRefusal> {
    let trace = TraceId::new(deps.clock.now());
    let tenant = &workspace.tenant;
    let unavailable = |error: BadJob| RequestRefusal::Unavailable(error.to_string());
    if let SlackInbound::Event(event) = &inbound
        && is_own(event)
    {
        // Each card comes back as an event, which nobody needs.
        deps.metrics.count("events_echoed", "slack");
        return Ok(empty());
    }
    let (job, reply, kind) = match inbound {
        SlackInbound::Event(event) => {
            let mut event = SlackEvent(event);
            let mut job = message(tenant, trace, &event).map_err(unavailable)?;
            if job.message.body.len() > MAX_JOB
                && let WorkspaceEvent::Message(written) = &mut event.0.event
            {
                let room = MAX_JOB - MAX_ENVELOPE;
                written.lighten(|message| serde_json::to_string(message).is_ok_and(|text| text.len() <= room));
                job = message(tenant, trace, &event).map_err(unavailable)?;
            }
            (job, empty(), event.0.kind)
        }
        SlackInbound::Command(command) => {
            let reply = first_answer(workspace, &command);
            let kind = command.command.clone();
            let asked = SlackRequest::Command(Box::new(command));
            (in_order(tenant, trace, &asked).map_err(unavailable)?, reply, kind)
        }
        SlackInbound::Interaction(interaction) => {
            let problems = form_problems(deps, workspace, &interaction).await?;
            if !problems.is_empty() {
                return Ok(answer(StatusCode::OK, &json!({"response_action": "errors", "errors": problems})));
            }
            let asked = SlackRequest::Interaction(interaction);
            (in_order(tenant, trace, &asked).map_err(unavailable)?, empty(), asked.name())
        }
        SlackInbound::RateLimited { .. } => {
            tracing::warn!(%tenant, "Slack leaves events out: more than 30,000 an hour");
            deps.metrics.count("events_left_out", "slack");
            return Ok(empty());
        }
        SlackInbound::UrlVerification { .. } | SlackInbound::SslCheck => return Ok(empty()),
    };
    backend::send(deps.queue.as_ref(), vec![job])
        .await
        .map_err(|error| RequestRefusal::Unavailable(error.to_string()))?;
    deps.metrics.count("events_accepted", "slack");
    tracing::info!(%trace, %tenant, kind, "request from Slack accepted");
    Ok(reply)
}

/// A request as a job; one that changes nothing waits for none of the same person's.
fn in_order(tenant: &TenantId, trace: TraceId, asked: &SlackRequest) -> Result<QueuedMessage, BadJob> {
    message_in(tenant, trace, asked, &commands::order::group(asked))
}

/// Whether it is about a message that this very app wrote.
fn is_own(event: &EventCallback) -> bool {
    let WorkspaceEvent::Message(message) = &event.event else { return false };
    !event.api_app_id.is_empty() && message.app_id.as_deref() == Some(event.api_app_id.as_str())
}

/// What is wrong with a submitted form, by field; nothing for any other request.
async fn form_problems(
    deps: &Deps,
    workspace: &Workspace,
    interaction: &Interaction,
) -> Result<FormProblems, RequestRefusal> {
    let Act::Sent { callback_id, private_metadata, values, .. } = &interaction.act else {
        return Ok(FormProblems::new());
    };
    let (form, now) =
        (SubmittedForm { callback_id, origin: FormOrigin::read(private_metadata), values }, deps.clock.now());
    let mut problems = commands::form_problems(&form, now);
    for (field, person) in commands::chosen_people(&form) {
        let unlinked = deps.people.is_unmapped(&workspace.tenant, &person, now).await;
        if unlinked.map_err(|error| RequestRefusal::Unavailable(error.to_string()))? {
            problems.insert(field.to_owned(), Misuse::Unlinked(Vec::new()).words(form.origin.language));
        }
    }
    Ok(problems)
}

/// A command's first answer, which only the person who typed it sees; none if a form opens instead.
fn first_answer(workspace: &Workspace, command: &slack::command::SlashCommand) -> Response<Bytes> {
    let language = Language::of_code(&workspace.language).unwrap_or_default();
    match commands::typed::acknowledgement(&command.command, &command.text, language) {
        Some(text) => answer(StatusCode::OK, &json!({"response_type": "ephemeral", "text": text})),
        None => empty(),
    }
}

fn refuse(deps: &Deps, refusal: &RequestRefusal) -> Response<Bytes> {
    let refused = match refusal {
        RequestRefusal::NotPost => Refused::not_post("Slack"),
        RequestRefusal::TooLarge => Refused::too_large("Slack"),
        RequestRefusal::NotSlacks(why) => {
            let text =
                "the signature is not that of an app that is connected here, is missing, or is older than five minutes";
            Refused::new(StatusCode::UNAUTHORIZED, why, text).shown_as("wrong_signature")
        }
        RequestRefusal::NotARequest(what) => Refused::new(StatusCode::BAD_REQUEST, "not_a_request", what),
        RequestRefusal::NotTheirs => Refused::not_found(),
        RequestRefusal::Unavailable(cause) => Refused::unavailable(cause),
    };
    refused.answer(deps.metrics.as_ref(), "slack_refused")
}
