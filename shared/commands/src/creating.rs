//! What creating a lead and creating a task share.

use clients::{ErrorClass, Failure};

use crate::answers;
use crate::misuse::{CreatedKind, Misuse};
use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::CommandSpec;

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
