//! Comments of which no event arrived: looked for on tasks with recent activity, in the chat of the new card or among
//! the comments of the old one.

use bitrix24::tolerant::whole;
use bitrix24::{Batch, Subject, SubjectAction, Task};
use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::HintOrigin;
use runtime::claims;
use runtime::store::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Sweep;
use super::answers::{FirstAnswer, in_filter};
use super::hints::MissedChange;

/// How much of the earlier time is searched again.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// Tasks on a page, and so in a request; messages of a chat on a page.
const PAGE: usize = 50;
/// The most older pages of a chat that are read.
const MAX_OLDER: usize = 10;

#[derive(Debug, Default, Serialize, Deserialize)]
struct CommentsProgress {
    complete_until: Option<Timestamp>,
}

/// From where on the comments are swept.
pub(super) struct CommentsPart {
    version: Option<Version>,
    since: Timestamp,
}

impl CommentsPart {
    /// What its first page is read with.
    pub(super) fn first(&self) -> (&'static str, Value) {
        (LIST, tasks_page(ACTIVITY, self.since, 0))
    }
}

/// The list of tasks, and the fields that say when something happened on one: at all, or to it.
const LIST: &str = "tasks.task.list";
const ACTIVITY: &str = "ACTIVITY_DATE";
const CHANGE: &str = "CHANGED_DATE";

fn tasks_page(field: &str, since: Timestamp, after: u64) -> Value {
    json!({
        "filter": {format!(">={field}"): in_filter(since), ">ID": after}, "order": {"ID": "ASC"},
        "select": ["ID", "CHAT_ID", ACTIVITY, CHANGE], "start": -1,
    })
}

impl Sweep<'_> {
    /// How far the comments are.
    pub(super) async fn comments_part(&self) -> Result<CommentsPart, Failure> {
        let (progress, version) = match self.crm.sweeps.recall::<CommentsProgress>(self.tenant(), "comments").await? {
            Some((progress, version)) => (progress, Some(version)),
            None => (CommentsProgress::default(), None),
        };
        Ok(CommentsPart { version, since: self.since(progress.complete_until, OVERLAP) })
    }

    /// Sweeps the comments.
    pub(super) async fn comments(&mut self, part: CommentsPart, mut first: Option<FirstAnswer>) -> Result<(), Failure> {
        let tenant = self.tenant().clone();
        let (since, until) = (part.since, self.until());
        let mut after = 0;
        loop {
            let tasks = self.tasks_with_activity(since, after, first.take()).await?;
            let Some(last) = tasks.last() else { break };
            after = last.id;
            let page_was_full = tasks.len() == PAGE;
            self.stay().await?;
            self.comments_on(&tasks, since, until).await?;
            if !page_was_full {
                break;
            }
        }
        let progress = CommentsProgress { complete_until: Some(until) };
        self.crm.sweeps.remember(&tenant, "comments", &progress, part.version).await?;
        Ok(())
    }

    /// A page of tasks on which something happened. A portal that does not filter by activity filters by change.
    async fn tasks_with_activity(
        &self,
        since: Timestamp,
        after: u64,
        first: Option<FirstAnswer>,
    ) -> Result<Vec<Task>, Failure> {
        let listed = match first {
            Some(first) => first.result,
            None => self.client.call(LIST, &tasks_page(ACTIVITY, since, after)).await.map(|answer| answer.result),
        };
        let result = match listed {
            Err(failure) if failure.code() == "error_core" || failure.code() == "100" => {
                self.client.call(LIST, &tasks_page(CHANGE, since, after)).await?.result
            }
            listed => listed?,
        };
        let rows = result["tasks"].as_array().cloned().unwrap_or_default();
        Ok(rows.into_iter().filter_map(|row| Task::read(row).ok()).collect())
    }

    async fn comments_on(&mut self, tasks: &[Task], since: Timestamp, until: Timestamp) -> Result<(), Failure> {
        let mut batch = Batch::new();
        for task in tasks {
            let (method, params) = match task.chat_id {
                Some(chat) => ("im.dialog.messages.get", json!({"DIALOG_ID": format!("chat{chat}"), "LIMIT": PAGE})),
                None => ("task.commentitem.getlist", json!({"TASKID": task.id, "ORDER": {"ID": "DESC"}})),
            };
            // A page of 50 fits.
            let _ = batch.add(task.id.to_string(), method, &params);
        }
        let (mut answers, _) = self.client.batch(&batch).await?;
        for task in tasks {
            // A chat that the webhook's user is not in cannot be read; its events may still arrive.
            let Some(Ok(mut result)) = answers.take(&task.id.to_string()) else { continue };
            let rows = match task.chat_id {
                Some(chat) => self.with_older(chat, &result["messages"].take(), since).await?,
                None => result.as_array().cloned().unwrap_or_default(),
            };
            self.send_missed_comments(task, &rows, since, until).await?;
        }
        Ok(())
    }

    /// The messages of a chat back to `since`: the newest come first, 50 a page.
    async fn with_older(&self, chat: u64, newest: &Value, since: Timestamp) -> Result<Vec<Value>, Failure> {
        let mut rows = newest.as_array().cloned().unwrap_or_default();
        for _ in 0..MAX_OLDER {
            let oldest = rows.iter().filter_map(|row| whole(&row["id"]).zip(moment(&row["date"]))).min();
            let Some((id, _)) = oldest.filter(|(_, at)| *at >= since && rows.len().is_multiple_of(PAGE)) else { break };
            let params = json!({"DIALOG_ID": format!("chat{chat}"), "LAST_ID": id, "LIMIT": PAGE});
            let answer = self.client.call("im.dialog.messages.get", &params).await?;
            let older = answer.result["messages"].as_array().cloned().unwrap_or_default();
            if older.is_empty() {
                break;
            }
            rows.extend(older);
        }
        Ok(rows)
    }

    async fn send_missed_comments(
        &mut self,
        task: &Task,
        rows: &[Value],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<(), Failure> {
        let in_chat = task.chat_id.is_some();
        let names = if in_chat { ["id", "date", "author_id"] } else { ["ID", "POST_DATE", "AUTHOR_ID"] };
        let mut found = Vec::new();
        for row in rows {
            let [id, date, author] = names.map(|name| &row[name]);
            let (Some(id), Some(at)) = (whole(id), moment(date)) else { continue };
            if whole(author).unwrap_or_default() == 0 || at < since || at > until {
                continue;
            }
            self.swept += 1;
            let identity = format!("comment#{}#{}{id}", task.id, if in_chat { "m" } else { "c" });
            if claims::find(self.crm.backend.store.as_ref(), self.tenant(), &identity).await?.is_some() {
                continue;
            }
            let (comment, message) = if in_chat { (None, Some(id)) } else { (Some(id), None) };
            found.push(MissedChange {
                subject: Subject::TaskComment { task: task.id, comment, message, action: SubjectAction::Add },
                at: Some(at),
                once: format!("sweep#{identity}"),
                origin: HintOrigin::Sweep,
                event: "sweep".into(),
            });
        }
        // Oldest first, as they were written.
        found.sort_by_key(|one| one.at);
        self.send(found).await
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
