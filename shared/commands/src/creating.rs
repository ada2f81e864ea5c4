//! What creating a lead and creating a task share.

use bitrix24::CallAnswer;
use clients::time_limits::{PORTAL_WORKS_FOR, SLOW_CALL};
use clients::{ErrorClass, Failure, PortalClient};
use runtime::clock::{later, until};
use serde_json::Value;

use crate::answers;
use crate::misuse::{CreatedKind, Misuse};
use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::CommandSpec;

/// Makes a call that creates something, once nothing that an earlier try asked for can come any more.
pub(crate) async fn create(
    request: &CommandRequest<'_>,
    client: &PortalClient,
    method: &str,
    params: &Value,
) -> Result<CallAnswer, Failure> {
    request.nothing_comes_late()?;
    let began = request.deps.clock.now();
    let created = client.call(method, params).await;
    let is_unsure = created.as_ref().is_err_and(|failure| failure.class == ErrorClass::UnknownOutcome);
    // Of a call that ended at once only the answer was lost; one that took long may not have been done yet.
    if is_unsure && until(began, request.deps.clock.now()) >= SLOW_CALL {
        request.may_come_until(later(began, PORTAL_WORKS_FOR));
    }
    created
}

/// What the portal refused to create: in its words, unless a permission is missing, which has an answer of its own.
pub(crate) fn refused(
    request: &CommandRequest<'_>,
    kind: CreatedKind,
    spec: &CommandSpec,
    failure: Failure,
) -> Result<CommandAnswer, Failure> {
    let code = failure.code().to_owned();
    let is_ours = code.is_empty() || code == "portal_not_connected" || crm::views::needs_permission(&code);
    if !matches!(failure.class, ErrorClass::Permanent { .. }) || is_ours {
        return Err(failure);
    }
    let misuse = if answers::is_not_allowed(&code) {
        Misuse::NotAllowed
    } else {
        // The portal ends its lines in HTML.
        let text = failure.text.replace("<br />", " ").replace("<br>", " ");
        Misuse::NotCreated(kind, text.trim().to_owned())
    };
    tracing::warn!(tenant = %request.tenant.id, code, text = failure.text, "the portal refused to create a record");
    Ok(CommandAnswer { did: Some(format!("refused: {code}")), ..CommandAnswer::misuse(misuse, spec, request.language) })
}

/// The name of a user of the portal.
pub(crate) async fn name_of(request: &CommandRequest<'_>, user: Option<u64>) -> Result<Option<String>, Failure> {
    match user.filter(|user| *user > 0) {
        Some(user) => Ok(request.deps.context.portal_profile(&request.tenant, user).await?.map(|person| person.name)),
        None => Ok(None),
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
pub(crate) fn unexpected(error: serde_json::Error) -> Failure {
    Failure::permanent("unexpected_answer", format!("the portal answered something unexpected: {error}"))
}
