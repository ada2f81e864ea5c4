//! Everything that a message in Slack can carry, and what happens to each in a bridged chat.
//!
//! This is the only table: the reader follows it, and the table in `docs/talking.md` is made from it. What Slack adds
//! later has no row: a block is read for its words, a subtype for its text, and anything else is named in a line.

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CarriedPart {
    /// A message's subtype.
    Subtype,
    Block,
    Attachment,
    File,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// Its content arrives.
    Carried,
    /// A line says that it is there, and where.
    Named,
    /// It is left out on purpose.
    Left,
}

/// A row: things that are treated the same way.
#[derive(Debug, PartialEq, Eq)]
pub struct CarriedRow {
    pub part: CarriedPart,
    /// Slack's names of them.
    pub names: &'static [&'static str],
    /// What people call them.
    pub what: &'static str,
    /// What becomes of them.
    pub carriage: Carriage,
    /// How, or why not.
    pub how: &'static str,
}

const fn row(
    part: CarriedPart,
    names: &'static [&'static str],
    what: &'static str,
    carriage: Carriage,
    how: &'static str,
) -> CarriedRow {
    CarriedRow { part, names, what, carriage, how }
}

pub const ROWS: &[CarriedRow] = {
    use Carriage::{Carried, Left, Named};
    use CarriedPart::{Attachment, Block, File, Subtype};
    &[
        row(Subtype, &[""], "a message", Carried, "its text, blocks, attachments and files, below its author's name"),
        row(Subtype, &["file_share"], "a message with files", Carried, "the same; each file by its kind (below)"),
        row(Subtype, &["me_message"], "`/me` and its words", Carried, "the words in italics behind the name"),
        row(
            Subtype,
            &["thread_broadcast", "reply_broadcast"],
            "a reply that is also sent to the channel",
            Carried,
            "once, as a reply",
        ),
        row(Subtype, &["bot_message"], "a message of another app", Carried, "only with `chats.bots`"),
        row(Subtype, &["file_comment", "file_mention"], "a comment on a file (older workspaces)", Carried, "its text"),
        row(
            Subtype,
            &["huddle_thread", "sh_room_created", "sh_room_shared"],
            "a huddle",
            Named,
            "🎧 that it started; when it is over, that it ended, with how many people",
        ),
        row(Subtype, &["reminder_add"], "a reminder that somebody set", Named, "as Slack says it"),
        row(Subtype, &["pinned_item", "unpinned_item"], "something that was pinned", Named, "as Slack says it"),
        row(
            Subtype,
            &[
                "channel_topic",
                "channel_purpose",
                "channel_name",
                "channel_archive",
                "channel_unarchive",
                "channel_convert_to_private",
                "channel_convert_to_public",
                "group_topic",
                "group_purpose",
                "group_name",
                "group_archive",
                "group_unarchive",
            ],
            "the channel's topic, description, name, end",
            Named,
            "as Slack says it",
        ),
        row(
            Subtype,
            &["channel_canvas_updated", "tabbed_canvas_updated"],
            "a change of the channel's canvas",
            Named,
            "who changed it",
        ),
        row(
            Subtype,
            &["channel_join", "channel_leave", "group_join", "group_leave", "bot_add", "bot_remove"],
            "who came and went",
            Left,
            "each side has its own people",
        ),
        row(
            Subtype,
            &["channel_posting_permissions", "bot_enable", "bot_disable"],
            "a change of rights",
            Left,
            "it is about Slack's own rights",
        ),
        row(Subtype, &["message_replied"], "the count of a thread's replies", Left, "the reply comes by itself"),
        row(Subtype, &["tombstone"], "what is left of a deleted message", Left, "the copy is deleted"),
        row(
            Block,
            &["rich_text"],
            "what people type and paste",
            Carried,
            "styles, links, lists, quotes, code, emoji, people, groups, channels",
        ),
        row(Block, &["section"], "text, fields, a picture or a button beside it", Carried, "as lines"),
        row(Block, &["header"], "a heading", Carried, "in bold"),
        row(Block, &["context"], "small print", Carried, "as a line"),
        row(Block, &["markdown"], "Markdown of an app", Carried, "its text as it was written"),
        row(Block, &["table", "data_table"], "a table", Carried, "a line for each row, a bar between its cells"),
        row(Block, &["data_visualization"], "a chart", Carried, "its title, and a line for each series"),
        row(
            Block,
            &["card", "carousel", "container", "alert", "plan", "task_card"],
            "cards and boxes of apps",
            Carried,
            "their words, a line each",
        ),
        row(Block, &["image"], "a picture in a message of an app", Named, "🖼 its title, with its link"),
        row(Block, &["video"], "a video in a message of an app", Named, "🎬 its title, with its link"),
        row(Block, &["call"], "a call of another app", Named, "📞 its name, people and link"),
        row(
            Block,
            &["actions", "context_actions", "input"],
            "buttons and fields to fill in",
            Named,
            "their words; a button that is a link keeps it",
        ),
        row(Block, &["file"], "the place of a file of another service", Left, "the file itself is among the files"),
        row(Block, &["divider"], "a rule", Left, "it has no words"),
        row(
            Attachment,
            &["is_share", "is_msg_unfurl"],
            "a forwarded or shared message",
            Carried,
            "a line with its author and channel, its text quoted, its files named with links; forwards within it, too",
        ),
        row(
            Attachment,
            &["card"],
            "a card of an app",
            Carried,
            "its words above, author, title with link, text, fields, picture's link, buttons, footer; else its fallback",
        ),
        row(
            Attachment,
            &["unfurl"],
            "the preview of a link that the message itself shows",
            Left,
            "the link is there, and Bitrix24 makes its own preview",
        ),
        row(File, &["hosted"], "a file", Carried, "copied, up to the largest size; else a line that says why"),
        row(
            File,
            &["slack_audio", "slack_video"],
            "a voice or video message",
            Carried,
            "copied; with the beginning of its transcript where Slack has one",
        ),
        row(File, &["snippet"], "a snippet", Carried, "a small one as code below its name; else copied like a file"),
        row(File, &["email"], "an e-mail sent to the channel", Carried, "copied like a file"),
        row(
            File,
            &["external", "remote"],
            "a file in another cloud",
            Named,
            "its name, its own link, and the cloud: “in Google Drive”",
        ),
        row(
            File,
            &["canvas", "list", "post"],
            "a canvas, a list, a post",
            Named,
            "its name and its link in Slack, which opens for who may see it",
        ),
        row(File, &["tombstone"], "a deleted file", Named, "that it is not there any more"),
        row(File, &["hidden_by_limit"], "a file hidden by the limit of Slack's plan", Named, "that Slack hides it"),
        row(File, &["access_denied"], "a file that the app may not see", Named, "that Slack does not show it"),
    ]
};

/// The row of something by Slack's name of it, if it has one.
pub fn find(part: CarriedPart, name: &str) -> Option<&'static CarriedRow> {
    ROWS.iter().find(|row| row.part == part && row.names.contains(&name))
}

/// The reason for which a message of this subtype is left out, if it is. A subtype that has no row is carried.
pub fn left_out(subtype: &str) -> Option<&'static CarriedRow> {
    find(CarriedPart::Subtype, subtype).filter(|row| row.carriage == Carriage::Left)
}

/// The table as `docs/talking.md` shows it.
pub fn as_markdown() -> String {
    let mut lines = vec!["| a message has | Slack's name | in the chat |".to_owned(), "|---|---|---|".to_owned()];
    for row in ROWS {
        let names = row.names.iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`"));
        let becomes = match row.carriage {
            Carriage::Carried => format!("carried: {}", row.how),
            Carriage::Named => format!("named in a line: {}", row.how),
            Carriage::Left => format!("left out: {}", row.how),
        };
        let names = names.collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "no subtype" } else { names.as_str() };
        lines.push(format!("| {} | {names} | {becomes} |", row.what));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- what a message carries: made of shared/slack/src/carries.rs -->\n";
    const END: &str = "\n<!-- end -->";

    /// `UPDATE_DOCS=1` writes the table into the page.
    #[test]
    fn the_page_shows_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/talking.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (shown, after) = rest.split_once(END).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", as_markdown())).unwrap();
        } else {
            assert_eq!(shown, as_markdown(), "run this test with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn no_name_stands_in_two_rows() {
        let all: Vec<_> = ROWS.iter().flat_map(|row| row.names.iter().map(|name| (row.part, *name))).collect();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), once.len());
    }

    #[test]
    fn only_what_nobody_wrote_is_left_out() {
        assert!(left_out("channel_join").is_some() && left_out("message_replied").is_some());
        for carried in ["", "file_share", "me_message", "huddle_thread", "channel_topic", "something_new"] {
            assert_eq!(left_out(carried), None, "{carried}");
        }
    }
}
