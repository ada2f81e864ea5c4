//! A task's comment, read from the old card's comments or from the new card's chat.

use std::sync::Arc;

use bitrix24::Subject;
use bitrix24::task::TaskComment;
use bitrix24::tolerant::whole;
use clients::Failure;
use jobs::Hint;
use records::{Change, ChangeKind, Record, RecordState};
use runtime::job::ReceivedJob;
use serde_json::{Value, json};
use tenants::portals::Portal;

use crate::Crm;

/// The change for a comment. None if no person wrote it, and if it is gone by now.
pub(crate) async fn read(
    crm: &Crm,
    portal: &Arc<Portal>,
    job: &ReceivedJob<Hint>,
    state: &RecordState,
) -> Result<Option<Change>, Failure> {
    let Subject::TaskComment { task, comment, message, .. } = job.body.subject else { return Ok(None) };
    let client = crm.connections.bitrix24(portal).await?;
    let chat = state.as_task().and_then(|task| task.chat_id);
    let found = match (message, chat, comment) {
        (Some(message), Some(chat), _) => {
            // Newer than the one before it; the page may hold more.
            let params =
                json!({"DIALOG_ID": format!("chat{chat}"), "FIRST_ID": message.saturating_sub(1), "LIMIT": 50});
            let answer = client.call("im.dialog.messages.get", &params).await?;
            let mut messages = answer.result["messages"].as_array().into_iter().flatten();
            messages
                .find(|row| whole(&row["id"]) == Some(message))
                .and_then(|row| TaskComment::from_message(row, &answer.result["files"]))
        }
        (_, _, Some(comment)) => {
            // This old method takes its parameters by their order, whatever their names.
            let params = json!({"TASKID": task, "ITEMID": comment});
            let answer = client.call("task.commentitem.get", &params).await?;
            Some(&answer.result).filter(|row| Value::is_object(row)).and_then(TaskComment::from_item)
        }
        _ => {
            let text =
                format!("the comment on task {task} cannot be read: the task has no chat that the webhook's user sees");
            return Err(Failure::permanent("no_chat", text));
        }
    };
    let said = found.filter(|comment| comment.author != 0 && !is_empty(comment));
    Ok(said.map(|comment| Change {
        comment: Some(comment),
        ..Change::new(ChangeKind::TaskCommented, Record::Task(task), state.clone())
    }))
}

/// Whether a message has only markup that shows nothing.
fn is_empty(comment: &TaskComment) -> bool {
    !comment.text.is_empty() && comment.files.is_empty() && text::Document::from_bbcode(&comment.text).is_empty()
}
