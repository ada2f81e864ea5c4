//! A page of a chat's messages, as a member reads it (`im.dialog.messages.get`) or a supervisor bot
//! (`imbot.v2.Chat.Message.getContext`). One names its fields with underscores, the other in camel case.

use jiff::Timestamp;
use serde_json::{Value, json};

pub use crate::bot::CHAT_PAGE as PAGE;
use crate::bot::Request;
use crate::chat::{ChatAuthor, ChatFile, ChatMessage, MAX_NAME, listed_files, short};
use crate::tolerant::whole;

/// The newest messages of a chat, which a member may read.
pub fn newest(dialog: &str) -> Request {
    page(dialog, json!({}))
}

/// The messages of a chat that follow one of them, which a member may read.
pub fn after(dialog: &str, message: u64) -> Request {
    page(dialog, json!({"FIRST_ID": message}))
}

/// The messages of a chat before one of them, which a member may read.
pub fn before(dialog: &str, message: u64) -> Request {
    page(dialog, json!({"LAST_ID": message}))
}

fn page(dialog: &str, mut params: Value) -> Request {
    params["DIALOG_ID"] = dialog.into();
    params["LIMIT"] = PAGE.into();
    Request { method: "im.dialog.messages.get", params }
}

/// Messages that follow each other in a chat, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatPage {
    pub rows: Vec<ChatRow>,
    /// Whether there are later messages, where the portal says so.
    pub has_later: Option<bool>,
}

/// A message as a page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRow {
    pub message: ChatMessage,
    pub author: ChatAuthor,
    /// When it was written, by the portal's clock.
    pub written_at: Timestamp,
    /// Whether its text was changed later.
    pub is_edited: bool,
    /// Whether it was deleted and left a notice in its place.
    pub is_deleted: bool,
}

impl ChatPage {
    /// Reads either method's answer. What has no number or no time is left out.
    pub fn read(result: &Value) -> Self {
        let listed = |name: &str| result[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rows: Vec<_> =
            listed("messages").iter().filter_map(|row| ChatRow::read(row, listed("users"), listed("files"))).collect();
        rows.sort_by_key(|row| row.message.id);
        Self { rows, has_later: result["hasNextPage"].as_bool() }
    }

    /// The page as the newest one: the last [`PAGE`] rows. A page has more rows if there are unread messages.
    #[must_use]
    pub fn newest(mut self) -> Self {
        self.rows.drain(..self.rows.len().saturating_sub(PAGE));
        self
    }

    /// The page as the one that follows `message`: the first [`PAGE`] rows after it. Unread messages come beside those,
    /// and not what is between.
    #[must_use]
    pub fn following(mut self, message: u64) -> Self {
        self.rows.retain(|row| row.message.id > message);
        self.rows.truncate(PAGE);
        self
    }

    /// The page as the one before `message`: the last [`PAGE`] rows before it. Unread messages come beside those.
    #[must_use]
    pub fn preceding(mut self, message: u64) -> Self {
        self.rows.retain(|row| row.message.id < message);
        self.newest()
    }

    /// The number of its first message.
    pub fn first(&self) -> Option<u64> {
        self.rows.first().map(|row| row.message.id)
    }

    /// The number of its last message.
    pub fn last(&self) -> Option<u64> {
        self.rows.last().map(|row| row.message.id)
    }
}

impl ChatRow {
    fn read(row: &Value, users: &[Value], files: &[Value]) -> Option<Self> {
        let either = |one: &str, other: &str| if row[one].is_null() { row[other].clone() } else { row[one].clone() };
        let author = whole(&either("author_id", "authorId")).unwrap_or_default();
        let is_system = author == 0 || either("is_system", "isSystem") == true;
        let params = &row["params"];
        let answers = ["replyId", "REPLY_ID"].iter().find_map(|name| whole(&params[*name])).filter(|id| *id > 0);
        let attached = ["FILE_ID", "files", "FILES"].iter().map(|name| &params[*name]).find(|value| !value.is_null());
        let attached = listed_files(attached.cloned()).into_iter().map(|file| named(file, files)).collect();
        let message = ChatMessage::new(whole(&row["id"])?, row["text"].as_str(), answers, attached, is_system);
        Some(Self {
            message: message.written(row["date"].as_str()),
            author: ChatAuthor::in_page(author, users),
            written_at: row["date"].as_str()?.parse().ok()?,
            is_edited: is_set(&params["IS_EDITED"]),
            is_deleted: is_set(&params["IS_DELETED"]),
        })
    }
}

impl ChatAuthor {
    fn in_page(id: u64, users: &[Value]) -> Self {
        let user = users.iter().find(|user| whole(&user["id"]) == Some(id)).unwrap_or(&Value::Null);
        let picture = user["avatar"].as_str().filter(|url| url.starts_with("https://") && url.len() <= 2_000);
        Self {
            id,
            name: short(user["name"].as_str(), MAX_NAME),
            is_bot: user["bot"] == true || user["connector"] == true,
            picture: picture.map(str::to_owned),
        }
    }
}

/// A file with the name and size that the page gives it.
fn named(file: ChatFile, files: &[Value]) -> ChatFile {
    let Some(row) = files.iter().find(|row| whole(&row["id"]) == Some(file.id)).filter(|_| file.name.is_empty()) else {
        return file;
    };
    ChatFile { id: file.id, name: row["name"].as_str().unwrap_or_default().to_owned(), size: whole(&row["size"]) }
}

fn is_set(flag: &Value) -> bool {
    flag == true || ["Y", "y", "1", "true"].iter().any(|set| flag == *set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_messages_beside_a_page_are_left_out() {
        let page = |ids: &mut dyn Iterator<Item = u64>| {
            let rows: Vec<_> =
                ids.map(|id| json!({"id": id, "author_id": 1, "date": "2026-03-19T14:25:00Z", "text": "x"})).collect();
            ChatPage::read(&json!({"messages": rows}))
        };
        let ends = |page: &ChatPage| (page.rows.len(), page.first(), page.last());
        let newest = page(&mut (11..=70)).newest();
        assert_eq!(ends(&newest), (PAGE, Some(21), Some(70)));
        let following = page(&mut (10..=60).chain(95..=99)).following(10);
        assert_eq!(ends(&following), (PAGE, Some(11), Some(60)));
        let preceding = page(&mut (1..=50).chain(95..=99)).preceding(51);
        assert_eq!(ends(&preceding), (PAGE, Some(1), Some(50)));
        let last = page(&mut (96..=99)).following(95);
        assert_eq!(ends(&last), (4, Some(96), Some(99)));
    }

    #[test]
    fn both_methods_are_read() {
        let member = json!({
            "chat_id": 29,
            "messages": [
                {"id": 12, "author_id": 28, "date": "2018-01-29T16:43:38+02:00", "text": "", "params": {"FILE_ID": [540]}},
                {"id": 11, "author_id": 1, "date": "2018-01-29T16:43:12+02:00", "text": "edited", "params": {"IS_EDITED": "Y", "replyId": 10}},
                {"id": 10, "author_id": 0, "date": "2018-01-25T15:15:22+02:00", "text": "renamed the chat", "params": null},
            ],
            "users": [{"id": 1, "name": "Eugene", "bot": false, "avatar": "http://a.example/a.png"}, {"id": 28, "name": "Helper", "bot": true}],
            "files": [{"id": 540, "name": "a.jpeg", "size": 55013}],
        });
        let page = ChatPage::read(&member);
        assert_eq!((page.first(), page.last(), page.has_later), (Some(10), Some(12), None));
        let [system, edited, file] = page.rows.as_slice() else { panic!("{page:?}") };
        assert!(system.message.is_system && edited.is_edited && !file.is_edited && file.author.is_bot);
        assert_eq!((edited.message.answers, edited.author.name.as_str()), (Some(10), "Eugene"));
        assert_eq!(edited.author.picture, None, "only addresses that are safe to show");
        let jpeg = ChatFile { id: 540, name: "a.jpeg".into(), size: Some(55_013) };
        assert_eq!(file.message.files, [jpeg]);
        assert_eq!(file.written_at, "2018-01-29T14:43:38Z".parse::<Timestamp>().unwrap());

        let bot = json!({
            "messages": [
                {"id": 785, "chatId": 5, "authorId": 1, "date": "2026-03-19T14:25:00+02:00", "text": "Good afternoon!", "isSystem": false, "params": []},
                {"id": 789, "chatId": 5, "authorId": 2, "date": "2026-03-19T14:30:00+02:00", "text": "Hi!", "isSystem": true, "params": {"IS_DELETED": "Y"}},
            ],
            "users": [{"id": 1, "active": true, "name": "John Smith", "bot": false, "type": "employee"}],
            "hasPrevPage": false, "hasNextPage": true,
        });
        let page = ChatPage::read(&bot);
        assert_eq!((page.rows[0].author.name.as_str(), page.has_later), ("John Smith", Some(true)));
        assert!(page.rows[1].message.is_system && page.rows[1].is_deleted && page.rows[1].author.name.is_empty());
    }

    #[test]
    fn what_is_no_message_is_left_out() {
        for odd in [json!([]), json!({}), json!({"messages": [{"id": 1}, {"date": "x"}, 5]})] {
            assert_eq!(ChatPage::read(&odd).rows, []);
        }
    }
}
