//! Sends an answer to where it belongs: in the thread, at the response URL, to the person alone, or in direct messages.

use clients::{ErrorClass, Failure};
use jobs::card_delivery::marked_as;
use slack::answers::Shown;
use slack::{ChannelId, Metadata, SlackMessage, Ts};

use crate::request::CommandRequest;

/// Sends a reply to where the person asked; to the person alone, if that is no longer possible.
pub(crate) async fn send(
    request: &CommandRequest<'_>,
    message: &SlackMessage,
    shown: Shown,
    is_private: bool,
) -> Result<(), Failure> {
    let slack = &request.tenant.slack;
    if let Some(thread) = request.origin.thread.as_ref().filter(|_| !is_private) {
        // The outcome for a message is posted below it.
        let channel = ChannelId::from(request.origin.channel.as_str());
        slack.admit_post(&channel).await?;
        let posted = slack.reply(&channel, &Ts::from(thread.as_str()), message, &metadata(request)).await;
        if let Some(said) = unless_refused(posted.map(|_| ())) {
            return said;
        }
    }
    if !request.response_url.is_empty()
        // Slack refuses a URL that is used up or has expired: there are other ways.
        && let Some(said) = unless_refused(slack.respond(&request.response_url, message, shown).await)
    {
        return said;
    }
    if !request.channel.is_empty()
        && let Some(said) = unless_refused(slack.whisper(&request.channel, &request.user, message).await)
    {
        return said;
    }
    if let Some(direct) = slack.direct(0, Some(&request.user), None).await? {
        slack.admit_post(&direct).await?;
        slack.post(&direct, message, &metadata(request)).await?;
    }
    Ok(())
}

/// How a try ended; `None` if Slack refused it, so that the next way is tried.
fn unless_refused(said: Result<(), Failure>) -> Option<Result<(), Failure>> {
    match said {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => None,
        said => Some(said),
    }
}

fn metadata(request: &CommandRequest<'_>) -> Metadata {
    marked_as(request.id.as_str())
}
