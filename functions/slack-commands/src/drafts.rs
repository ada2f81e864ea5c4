//! What somebody typed and has to correct: kept for a day, opened by the button *Edit*.

use std::time::Duration;

use clients::Failure;
use commands::answers;
use commands::forms::Draft;
use commands::views;
use commands::views::Origin;
use runtime::Kind;
use runtime::clock::later;
use runtime::store::{Condition, Key, Table, Write};

use crate::act;
use crate::ask::{Answer, Request};

/// How long a draft is kept.
const DRAFT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

fn key(request: &Request<'_>, id: &str) -> Key {
    Key::new(Table::Links, format!("{}#draft", request.tenant.id), format!("{}#{id}", request.user))
}

/// Keeps a draft; the value of the button that opens it.
async fn keep(request: &Request<'_>, draft: &Draft) -> Result<String, Failure> {
    let id = request.id.as_str().to_owned();
    let write = Write::new(key(request, &id), draft, Condition::Always)?;
    request.deps.talk.ports.store.put(write.expiring(later(request.deps.clock.now(), DRAFT_TTL))).await?;
    Ok(id)
}

/// An answer that says what is wrong, with the button that opens what was typed in a form.
pub(crate) async fn offer(request: &Request<'_>, mut answer: Answer, draft: &Draft) -> Result<Answer, Failure> {
    let id = keep(request, draft).await?;
    if let Some(message) = &mut answer.message {
        message.blocks.push(views::edit_button(&id, request.language));
    }
    Ok(answer)
}

/// Opens a form again that was sent and has a problem; where its three seconds are over, offers it on a button.
pub(crate) async fn reopen(
    request: &Request<'_>,
    answer: Answer,
    draft: &Draft,
    origin: &Origin,
    problem: &str,
) -> Result<Answer, Failure> {
    let view = views::of_draft(draft, request.language, origin, Some(problem));
    match request.tenant.slack.open_view(&request.trigger_id, &view).await {
        Ok(()) => Ok(Answer { message: None, ..answer }),
        Err(Failure { kind: Kind::Permanent { .. }, .. }) => offer(request, answer, draft).await,
        Err(failure) => Err(failure),
    }
}

/// Somebody pressed *Edit*.
pub(crate) async fn edit(request: &Request<'_>, id: &str) -> Result<Answer, Failure> {
    let kept = request.deps.talk.ports.store.get(&key(request, id)).await?;
    let Some(draft) = kept.and_then(|item| item.decode::<Draft>().ok()) else {
        return Ok(Answer::private(answers::tell(request.language.pick(
            "What you typed was kept for a day and has been deleted. Type the command again.",
            "Набранное вами хранилось сутки и удалено. Наберите команду снова.",
        ))));
    };
    let view = views::of_draft(&draft, request.language, &act::here(request), None);
    match request.tenant.slack.open_view(&request.trigger_id, &view).await {
        Ok(()) => Ok(Answer::silent("dialog.opened")),
        Err(Failure { kind: Kind::Permanent { code }, .. }) if code.contains("trigger") => {
            Ok(Answer::private(views::open_draft(id, request.language)))
        }
        Err(failure) => Err(failure),
    }
}
