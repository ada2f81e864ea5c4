//! The document: blocks of spans. A span is a piece of text, or a reference to a person, a moment or an emoji, with its
//! style.

use bidi::without_overrides;

use super::address;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Its blocks, each on lines of its own.
    pub blocks: Vec<TextBlock>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextBlock {
    /// Text, with its line ends.
    Paragraph(Vec<Span>),
    /// What somebody else said.
    Quote(Vec<Span>),
    /// Code; nothing in it means anything.
    Code(String),
    /// A point of a list.
    Item {
        /// How deep it is in lists within lists.
        depth: usize,
        /// Its number; none for a bullet.
        number: Option<u32>,
        /// What it says.
        spans: Vec<Span>,
    },
}

/// How a span looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Style {
    pub bold: bool,
    pub italic: bool,
    /// Struck through.
    pub strike: bool,
    /// Underlined; Slack has no such style.
    pub underline: bool,
    pub code: bool,
}

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub leaf: Leaf,
    /// How it looks.
    pub style: Style,
    /// Where it leads.
    pub link: Option<String>,
}

/// What a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    Text(String),
    Person(PersonMention),
    /// A mention of everyone, under the name that it had: `channel`, `here`, `all`.
    Everyone(String),
    /// A channel or a chat, by its name.
    Channel {
        /// Its id where it came from.
        id: String,
        /// Its name, if it came with one.
        name: Option<String>,
    },
    /// A group of people, by its handle.
    Group {
        /// Its id where it came from.
        id: String,
        /// Its handle, if it came with one.
        name: Option<String>,
    },
    /// A moment, in Unix seconds, and the words for who cannot show it.
    Moment {
        at: i64,
        words: String,
    },
    /// An emoji by its Slack name, with its character if it has one.
    Emoji {
        /// The name, without colons.
        name: String,
        character: Option<String>,
    },
}

/// A person, by what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonMention {
    /// Their id in Slack.
    pub slack: Option<String>,
    /// Their number on the portal.
    pub bitrix24: Option<u64>,
    pub name: Option<String>,
}

impl Span {
    /// A piece of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::styled(text, Style::default())
    }

    /// A piece of text with a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { leaf: Leaf::Text(text.into()), style, link: None }
    }

    /// Something with a style.
    pub(super) fn leaf(leaf: Leaf, style: Style) -> Self {
        Self { leaf, style, link: None }
    }

    /// Something that leads somewhere, if that is somewhere to lead to.
    pub fn linked(leaf: Leaf, style: Style, url: &str) -> Self {
        Self { leaf, style, link: address::is_safe(url).then(|| url.trim().to_owned()) }
    }

    /// About how many bytes writing it takes, for [`steps`].
    pub(super) fn size(&self) -> usize {
        let words = match &self.leaf {
            Leaf::Text(text) | Leaf::Everyone(text) | Leaf::Moment { words: text, .. } => text.len(),
            Leaf::Person(person) => person.name.as_ref().map_or(0, String::len),
            Leaf::Channel { id, name } | Leaf::Group { id, name } => id.len() + name.as_ref().map_or(0, String::len),
            Leaf::Emoji { name, .. } => name.len(),
        };
        1 + words + self.link.as_ref().map_or(0, String::len)
    }

    /// What people see of it.
    pub fn visible(&self) -> String {
        match &self.leaf {
            Leaf::Text(text) => text.clone(),
            Leaf::Person(person) => person.visible(),
            Leaf::Everyone(name) => format!("@{name}"),
            // An id says nothing to people, so none is ever shown.
            Leaf::Channel { name, .. } => name.as_ref().map_or_else(|| "a channel".into(), |name| format!("#{name}")),
            Leaf::Group { name, .. } => {
                name.as_ref().map_or_else(|| "a user group".into(), |name| format!("@{}", name.trim_start_matches('@')))
            }
            Leaf::Moment { words, .. } => words.clone(),
            Leaf::Emoji { name, character } => character.clone().unwrap_or_else(|| format!(":{name}:")),
        }
    }
}

impl PersonMention {
    /// Somebody of Slack.
    pub fn of_slack(id: &str, name: Option<&str>) -> Self {
        Self { slack: Some(id.to_owned()), bitrix24: None, name: name.map(str::to_owned) }
    }

    /// Somebody of the portal.
    pub fn of_bitrix24(id: u64, name: &str) -> Self {
        Self { slack: None, bitrix24: Some(id), name: Some(name.to_owned()).filter(|name| !name.is_empty()) }
    }

    /// `@Ann Lee`. An id of Slack's says nothing to people, so none is ever shown.
    pub fn visible(&self) -> String {
        let number = || self.bitrix24.map(|id| format!("user {id}"));
        let name = self.name.as_deref().map(|name| name.trim_start_matches('@').to_owned());
        format!("@{}", name.or_else(number).unwrap_or_else(|| "someone".into()))
    }
}

impl TextBlock {
    /// Its spans; none for code.
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::Paragraph(spans) | Self::Quote(spans) | Self::Item { spans, .. } => spans,
            Self::Code(_) => &[],
        }
    }

    pub(super) fn spans_mut(&mut self) -> Option<&mut Vec<Span>> {
        match self {
            Self::Paragraph(spans) | Self::Quote(spans) | Self::Item { spans, .. } => Some(spans),
            Self::Code(_) => None,
        }
    }

    /// What people see of it.
    pub fn visible(&self) -> String {
        match self {
            Self::Code(code) => code.clone(),
            block => block.spans().iter().map(Span::visible).collect(),
        }
    }
}

impl Document {
    /// Someone's text as it is, without any markup.
    pub fn plain(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self { blocks: vec![TextBlock::Paragraph(vec![Span::text(without_overrides(text))])] }
    }

    /// What people see of it: its words without its looks.
    pub fn visible(&self) -> String {
        self.blocks.iter().map(TextBlock::visible).collect::<Vec<_>>().join("\n")
    }

    /// Whether people see nothing of it.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(|block| block.visible().trim().is_empty())
    }

    pub fn people(&self) -> impl Iterator<Item = &PersonMention> {
        self.blocks.iter().flat_map(TextBlock::spans).filter_map(|span| match &span.leaf {
            Leaf::Person(person) => Some(person),
            _ => None,
        })
    }

    /// The same, with what `know` knows of the people it mentions.
    #[must_use]
    pub fn with_people(mut self, mut know: impl FnMut(&mut PersonMention)) -> Self {
        for span in self.blocks.iter_mut().filter_map(TextBlock::spans_mut).flatten() {
            if let Leaf::Person(person) = &mut span.leaf {
                know(person);
                person.name = person.name.take().map(|name| without_overrides(&name).into_owned());
            }
        }
        self
    }

    /// What it stands for: people, groups, channels, moments, beside its texts.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.blocks.iter().flat_map(TextBlock::spans).map(|span| &span.leaf)
    }

    /// The same, after `change` has seen each of [`Document::leaves`]. Names that it gives turn no text around them.
    #[must_use]
    pub fn with_leaves(mut self, mut change: impl FnMut(&mut Leaf)) -> Self {
        for span in self.blocks.iter_mut().filter_map(TextBlock::spans_mut).flatten() {
            change(&mut span.leaf);
            if let Leaf::Person(PersonMention { name, .. }) | Leaf::Channel { name, .. } | Leaf::Group { name, .. } =
                &mut span.leaf
            {
                *name = name.take().map(|name| without_overrides(&name).into_owned());
            }
        }
        self
    }

    /// The same, below the name of who wrote it.
    #[must_use]
    pub fn by(mut self, name: &str) -> Self {
        let bold = Style { bold: true, ..Style::default() };
        let mut head = vec![Span::styled(format!("{}:", without_overrides(name).trim()), bold)];
        match self.blocks.first_mut() {
            Some(TextBlock::Paragraph(spans)) => {
                head.push(Span::text(" "));
                head.append(spans);
                *spans = head;
            }
            _ => self.blocks.insert(0, TextBlock::Paragraph(head)),
        }
        self
    }

    /// The same with our own paragraph below, set off from what was written.
    #[must_use]
    pub fn then(mut self, words: &str) -> Self {
        let italic = Style { italic: true, ..Style::default() };
        self.blocks.push(TextBlock::Paragraph(vec![Span::styled(words, italic)]));
        self
    }

    /// Joins texts of one look and drops empty ones, so that equal documents are equal.
    #[must_use]
    pub(super) fn tidy(mut self) -> Self {
        for spans in self.blocks.iter_mut().filter_map(TextBlock::spans_mut) {
            let mut tidy: Vec<Span> = Vec::with_capacity(spans.len());
            for span in spans.drain(..) {
                steps::add(span.size());
                if let (Some(last), Leaf::Text(text)) = (tidy.last_mut(), &span.leaf)
                    && last.style == span.style
                    && last.link == span.link
                    && let Leaf::Text(before) = &mut last.leaf
                {
                    before.push_str(text);
                } else if !matches!(&span.leaf, Leaf::Text(text) if text.is_empty()) {
                    tidy.push(span);
                }
            }
            *spans = tidy;
        }
        self.blocks.retain(|block| !matches!(block, TextBlock::Paragraph(spans) if spans.is_empty()));
        self
    }
}

/// Lines with a quote's mark before each.
pub(super) fn quoted(text: &str, mark: &str) -> String {
    text.split('\n').map(|line| format!("{mark}{line}")).collect::<Vec<_>>().join("\n")
}

/// A list's item as a line: neither side's markup has lists everywhere.
pub(super) fn item(depth: usize, number: Option<u32>, text: &str) -> String {
    let mark = number.map_or_else(|| "•".to_owned(), |number| format!("{number}."));
    format!("{}{mark} {text}", "    ".repeat(depth))
}
