//! A command that its author has to correct: kept for a day, opened by the button *Edit*.

use std::time::Duration;

use clients::Failure;
use runtime::clock::later;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::CommandSpec;
use crate::views;

/// How long a draft is kept.
const DRAFT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a person typed or filled in and has to correct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FormDraft {
    /// The command, as it is typed.
    pub(crate) command: String,
    /// What it was given.
    #[serde(flatten)]
    pub(crate) content: DraftContent,
}

/// The input of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DraftContent {
    /// Its form, filled in.
    Form(Value),
    /// The text after a command that has no form.
    Text(String),
}

impl FormDraft {
    /// A command's form, filled in.
    pub(crate) fn form(spec: &CommandSpec, form: Value) -> Self {
        Self { command: spec.typed.to_owned(), content: DraftContent::Form(form) }
    }
}

fn key(request: &CommandRequest<'_>, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#draft", request.tenant.id), format!("{}#{id}", request.user))
}

/// An answer that says what is wrong, with a button that opens the input in a form.
pub(crate) async fn offer(
    request: &CommandRequest<'_>,
    mut answer: CommandAnswer,
    draft: &FormDraft,
) -> Result<CommandAnswer, Failure> {
    let id = request.id.as_str();
    let write = StoreWrite::new(key(request, id), draft, WriteCondition::Always)?;
    let until = later(request.deps.clock.now(), DRAFT_TTL);
    request.deps.context.backend.store.put(write.expiring(until)).await?;
    if let Some(message) = &mut answer.message {
        message.blocks.push(views::edit_button(id, request.language));
    }
    Ok(answer)
}

/// The draft that a button opens, while it is kept.
pub(crate) async fn find(request: &CommandRequest<'_>, id: &str) -> Result<Option<FormDraft>, Failure> {
    let kept = request.deps.context.backend.store.get(&key(request, id)).await?;
    Ok(kept.and_then(|item| item.decode().ok()))
}
