//! The tags of BBCode that are read: in chats, comments, task descriptions and the text fields of the CRM.
//!
//! One table. The reader looks tags up in it, and the table of `docs/talking.md` is written from it.

/// A style that a tag gives to the words in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Bold,
    Italic,
    Underline,
    Strike,
}

/// What a tag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagRole {
    /// The words in it have a style.
    Style(Look),
    /// Its words are shown; what else it says is dropped.
    Words,
    /// Lines of their own.
    Paragraph,
    /// Lines of their own, in bold.
    Heading,
    /// Lines of their own below the words of its value.
    Spoiler,
    Quote,
    List,
    Item,
    Table,
    Row,
    Cell,
    Code,
    Link,
    Telephone,
    /// A picture or a film by its address.
    Picture,
    Person,
    /// A chat, a department, a project: its name is shown.
    Named,
    File,
    LineEnd,
    Rule,
    Icon,
    Moment,
}

impl TagRole {
    /// Whether it begins on a line of its own.
    pub(super) fn is_block(self) -> bool {
        use TagRole::{Heading, Item, List, Paragraph, Quote, Row, Rule, Spoiler, Table};
        matches!(self, Paragraph | Heading | Spoiler | Quote | List | Item | Table | Row | Rule)
    }

    /// Whether it has no closing tag.
    fn is_alone(self) -> bool {
        matches!(self, Self::File | Self::LineEnd | Self::Rule | Self::Icon | Self::Moment | Self::Item)
    }
}

/// What may follow a tag's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `[b]`.
    Nothing,
    /// `[list]` and `[list=1]`.
    Value,
    /// `[url=…]`, `[img size=small]`, `[disk file id=n1]`.
    Any,
}

/// A row of the table.
struct Row {
    names: &'static [&'static str],
    role: TagRole,
    takes: Takes,
    slack: &'static str,
    notion: &'static str,
}

const fn row(
    names: &'static [&'static str],
    role: TagRole,
    takes: Takes,
    slack: &'static str,
    notion: &'static str,
) -> Row {
    Row { names, role, takes, slack, notion }
}

static TABLE: [Row; 24] = [
    row(&["b", "strong"], TagRole::Style(Look::Bold), Takes::Nothing, "bold", "bold"),
    row(&["i", "em"], TagRole::Style(Look::Italic), Takes::Nothing, "italic", "italic"),
    row(&["u"], TagRole::Style(Look::Underline), Takes::Nothing, "its words; Slack has no underline", "underlined"),
    row(&["s", "del"], TagRole::Style(Look::Strike), Takes::Nothing, "struck through", "struck through"),
    row(
        &["p", "left", "center", "right", "justify", "div"],
        TagRole::Paragraph,
        Takes::Value,
        "lines of their own",
        "lines of their own",
    ),
    row(
        &["h1", "h2", "h3", "h4", "h5", "h6"],
        TagRole::Heading,
        Takes::Nothing,
        "a line of its own in bold",
        "a line of its own in bold",
    ),
    row(&["quote"], TagRole::Quote, Takes::Any, "a quote", "lines that begin with `> `"),
    row(&["spoiler", "cut"], TagRole::Spoiler, Takes::Value, "its title and its lines", "its title and its lines"),
    row(&["list", "ul", "ol"], TagRole::List, Takes::Value, "a list, with lists in it", "lines with `•` or a number"),
    row(&["*", "li"], TagRole::Item, Takes::Nothing, "a point of the list", "a line with `•` or a number"),
    row(&["table"], TagRole::Table, Takes::Any, "a line for each row", "a line for each row"),
    row(&["tr"], TagRole::Row, Takes::Any, "a line", "a line"),
    row(&["td", "th"], TagRole::Cell, Takes::Any, "its words, ` | ` between cells", "its words, ` | ` between cells"),
    row(&["code"], TagRole::Code, Takes::Value, "a block of code, or code within a line", "code"),
    row(
        &["url"],
        TagRole::Link,
        Takes::Any,
        "a link; an address that Slack does not open is shown in brackets",
        "a link; an address that Notion does not open is shown in brackets",
    ),
    row(&["call"], TagRole::Telephone, Takes::Value, "a link that dials", "its words and the number"),
    row(&["img", "video"], TagRole::Picture, Takes::Any, "the address, as a link", "the address, as a link"),
    row(&["user"], TagRole::Person, Takes::Any, "a mention of the linked person, else `@Name`", "`@Name`"),
    row(
        &["chat", "context", "dialog", "pch", "department", "project"],
        TagRole::Named,
        Takes::Any,
        "the name",
        "the name",
    ),
    row(
        &["disk", "diskfile", "document", "photo", "file"],
        TagRole::File,
        Takes::Any,
        "`📎 file`, with its name where it is known",
        "`📎 file`",
    ),
    row(&["br"], TagRole::LineEnd, Takes::Nothing, "a line end", "a line end"),
    row(&["hr"], TagRole::Rule, Takes::Nothing, "a line `———`", "a line `———`"),
    row(&["icon"], TagRole::Icon, Takes::Any, "its emoji, else `:title:`", "its emoji, else `:title:`"),
    row(&["timestamp"], TagRole::Moment, Takes::Any, "the time, in the reader's own time zone", "the time in UTC"),
];

/// Tags of which only the words are carried.
static WORDS: Row = row(
    &["put", "send", "size", "color", "font", "background", "bgcolor", "highlight", "sub", "sup"],
    TagRole::Words,
    Takes::Any,
    "its words",
    "its words",
);

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(std::iter::once(&WORDS))
}

/// The longest name of a tag: `department`, `background`.
pub(super) const MAX_NAME: usize = 10;

/// A tag's name and what it does, if `written` is one with `rest` behind the name.
pub(super) fn known(written: &str, rest: &str, closes: bool) -> Option<(&'static str, TagRole)> {
    let (name, row) = rows().find_map(|row| {
        let name = row.names.iter().find(|name| name.eq_ignore_ascii_case(written))?;
        Some((*name, row))
    })?;
    let fits = match row.takes {
        _ if rest.is_empty() => true,
        Takes::Nothing => false,
        Takes::Value => rest.starts_with('=') && !closes,
        Takes::Any => rest.starts_with(['=', ' ']) && !closes,
    };
    // What needs a value to mean anything is text without one; so is `[file]`, which people type.
    let says_something = closes || !rest.is_empty() || !matches!(name, "disk" | "document" | "photo" | "file" | "user");
    (fits && says_something).then_some((name, row.role))
}

/// Whether a tag of this name is closed by another.
pub(super) fn closes(role: TagRole, name: &str) -> bool {
    !role.is_alone() || matches!(name, "diskfile" | "li" | "*")
}

/// The table of the documentation, in Markdown.
pub fn documentation() -> String {
    let mut table = String::from("| in Bitrix24 | in Slack | in Notion |\n|---|---|---|\n");
    for row in rows() {
        let names: Vec<String> = row.names.iter().map(|name| format!("`[{name}]`")).collect();
        let (slack, notion) = (row.slack.replace('|', "\\|"), row.notion.replace('|', "\\|"));
        table.extend(["| ", &names.join(" "), " | ", &slack, " | ", &notion, " |\n"]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_and_stand_once() {
        let names: Vec<_> = rows().flat_map(|row| row.names).collect();
        let once: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(once.len(), names.len());
        assert_eq!(names.iter().map(|name| name.len()).max(), Some(MAX_NAME));
    }

    #[test]
    fn words_in_brackets_are_no_tags() {
        for (name, rest) in [("s", ". 12"), ("p", " 5"), ("disk", ""), ("file", ""), ("i", "=3"), ("x", ""), ("bb", "")]
        {
            assert_eq!(known(name, rest, false), None, "{name}{rest}");
        }
        assert_eq!(known("DISK", " FILE ID=n77", false), Some(("disk", TagRole::File)));
        assert_eq!(known("List", "=1", false), Some(("list", TagRole::List)));
    }
}
