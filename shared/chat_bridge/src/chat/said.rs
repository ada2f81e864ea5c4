//! A Slack message as a document: its own words, and what it shows of others. [`slack::carries`] decides for each part.

use locale::Language;
use locale::{Fixed, Message, Piece, texts};
use slack::attached::{Attachment, AttachmentKind, Huddle};
use slack::carries;
use slack::carries::{Carriage, CarriedPart};
use slack::event::{File, FileKind, MessageEvent};
use text::{Document, Leaf, PersonMention, Span, Style, TextBlock};

use super::blocks;
use super::blocks::{BOLD, ITALIC, flat};

/// The content of a message. People, groups and channels in it are still ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaidMessage {
    /// Its own words.
    pub own: Document,
    /// What it shows of others: forwards, and cards of apps. It must not notify anyone.
    pub shown: Document,
    /// Whether its words describe its author's action: `/me`.
    pub is_me: bool,
}

impl SaidMessage {
    /// The content of a message.
    pub fn of(message: &MessageEvent, language: Language) -> Self {
        let mut own = Document { blocks: own(message, language) };
        let shown = Document { blocks: shown(&message.attachments, language) };
        if own.is_empty() && shown.is_empty() && message.shortened {
            own = line("✂️", language.text(texts::chat::TOO_LARGE_MESSAGE));
        }
        Self { own, shown: silent(shown), is_me: message.subtype.as_deref() == Some("me_message") }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shown.is_empty()
    }

    /// All of it, below its author's name.
    pub fn by(self, author: &str) -> Document {
        let own = if self.is_me { doing(self.own, author) } else { self.own };
        let is_named = self.is_me;
        let mut all = own;
        all.blocks.extend(self.shown.blocks);
        if is_named { all } else { all.by(author) }
    }
}

/// The author's name in bold, and the action in italics.
fn doing(own: Document, author: &str) -> Document {
    let mut own = own;
    for block in &mut own.blocks {
        if let TextBlock::Paragraph(spans) | TextBlock::Quote(spans) | TextBlock::Item { spans, .. } = block {
            in_italics(spans);
        }
    }
    let mut named = Document::default().by(author);
    if let Some(TextBlock::Paragraph(head)) = named.blocks.first_mut()
        && let Some(Span { leaf: Leaf::Text(name), .. }) = head.first_mut()
    {
        name.truncate(name.trim_end_matches(':').len());
        if let Some(TextBlock::Paragraph(_)) = own.blocks.first()
            && let TextBlock::Paragraph(spans) = own.blocks.remove(0)
        {
            head.push(Span::text(" "));
            head.extend(spans);
        }
    }
    named.blocks.extend(own.blocks);
    named
}

fn in_italics(spans: &mut [Span]) {
    for span in spans {
        span.style.italic = true;
    }
}

fn own(message: &MessageEvent, language: Language) -> Vec<TextBlock> {
    if let Some(huddle) = &message.huddle {
        return huddle_line(huddle, language).blocks;
    }
    let subtype = message.subtype.as_deref().unwrap_or_default();
    let is_notice = carries::find(CarriedPart::Subtype, subtype).is_some_and(|row| row.carriage == Carriage::Named);
    if is_notice {
        return notice(message, subtype, language);
    }
    content(&message.blocks, &message.text, language)
}

/// Blocks are what people see, the text is a fallback; but a text beside blocks without words is kept.
fn content(list: &[serde_json::Value], text: &str, language: Language) -> Vec<TextBlock> {
    let (read, has_words) = blocks::read(list, language);
    if has_words {
        return read;
    }
    let mut all = Document::from_mrkdwn(text).blocks;
    all.extend(read);
    all
}

fn line(mark: &str, words: &str) -> Document {
    Document { blocks: vec![TextBlock::Paragraph(vec![Span::text(format!("{mark} ")), Span::styled(words, ITALIC)])] }
}

fn huddle_line(huddle: &Huddle, language: Language) -> Document {
    if !huddle.is_over {
        return line("🎧", language.text(texts::chat::HUDDLE_STARTED));
    }
    let ended = language.text(texts::chat::HUDDLE_ENDED);
    let mut words = vec![ended.to_owned()];
    if huddle.people > 0 {
        words.push(language.text(texts::chat::PeopleTookPart { people: huddle.people as u64 }));
    }
    if huddle.seconds > 0 {
        words.push(language.text(texts::chat::Minutes { minutes: huddle.seconds.div_ceil(60) }));
    }
    line("🎧", &words.join(", "))
}

/// Slack's note about something that happened in the channel, without the name that is already above it.
fn notice(message: &MessageEvent, subtype: &str, language: Language) -> Vec<TextBlock> {
    let own = message.user.as_deref().unwrap_or_default();
    let mention = [format!("<@{own}>"), format!("<@{own}|")];
    let mut text = message.text.trim();
    if let Some(rest) = text.strip_prefix(&mention[0]) {
        text = rest.trim();
    } else if let Some(rest) = text.strip_prefix(&mention[1]) {
        text = rest.split_once('>').map_or(rest, |(_, rest)| rest).trim();
    }
    let mut blocks = Document::from_mrkdwn(text).blocks;
    if blocks.is_empty() {
        let words = match subtype {
            "channel_canvas_updated" | "tabbed_canvas_updated" => language.text(texts::chat::CANVAS_CHANGED),
            "reminder_add" => language.text(texts::chat::REMINDER_ADDED),
            "pinned_item" => language.text(texts::chat::PINNED),
            "unpinned_item" => language.text(texts::chat::UNPINNED),
            _ => language.text(texts::chat::CHANNEL_CHANGED),
        };
        blocks = Document::plain(words).blocks;
    }
    if let Some(TextBlock::Paragraph(spans)) = blocks.first_mut() {
        in_italics(spans);
        spans.insert(0, Span::text("ℹ️ "));
    }
    blocks
}

fn shown(list: &[Attachment], language: Language) -> Vec<TextBlock> {
    let blocks = |attachment: &Attachment| match attachment.kind {
        AttachmentKind::Shared => forward(attachment, language),
        AttachmentKind::Card => card(attachment, language),
        AttachmentKind::Unfurl => Vec::new(),
    };
    list.iter().flat_map(blocks).collect()
}

/// Who wrote it where, and its text, quoted.
fn forward(attachment: &Attachment, language: Language) -> Vec<TextBlock> {
    // Its head names the author and the place; the rest is read like a card.
    let inside = Attachment {
        author: String::new(),
        link: String::new(),
        footer: String::new(),
        fallback: String::new(),
        ..attachment.clone()
    };
    let mut said = card(&inside, language);
    if (Document { blocks: said.clone() }).is_empty() {
        said = Document::from_mrkdwn(&attachment.fallback).blocks;
    }
    let author = match (attachment.author.as_str(), attachment.author_id.as_str()) {
        ("", "") => Leaf::Text(language.text(texts::chat::SOMEONE).into()),
        ("", id) => Leaf::Person(PersonMention::of_slack(id, None)),
        (name, _) => Leaf::Text(name.to_owned()),
    };
    let author = Span { leaf: author, style: BOLD, link: None };
    // Direct messages have an id, too, and no name.
    let has_id = !attachment.channel_id.is_empty() && !attachment.channel_id.starts_with('D');
    let mut head = if has_id || !attachment.channel.is_empty() {
        let name = Some(attachment.channel.trim_start_matches('#').to_owned()).filter(|name| !name.is_empty());
        let leaf = Leaf::Channel { id: attachment.channel_id.clone(), name };
        let channel = Span { leaf, style: Style::default(), link: None };
        spans(language, &texts::chat::ForwardedFrom { author, channel })
    } else {
        spans(language, &texts::chat::Forwarded { author })
    };
    if !attachment.link.is_empty() {
        head.push(Span::text(" · "));
        let words = language.text(texts::chat::OPEN_IN_SLACK);
        head.push(Span::linked(Leaf::Text(words.into()), Style::default(), &attachment.link));
    }
    let mut all = vec![TextBlock::Paragraph(head)];
    let quoted = flat(said);
    if !quoted.is_empty() {
        all.push(TextBlock::Quote(quoted));
    }
    all
}

/// A card of an app.
fn card(attachment: &Attachment, language: Language) -> Vec<TextBlock> {
    let plain = Style::default();
    let mut all = Document::from_mrkdwn(&attachment.pretext).blocks;
    if !attachment.author.is_empty() {
        all.push(TextBlock::Paragraph(vec![Span::text(attachment.author.clone())]));
    }
    let target = if attachment.title_link.is_empty() { &attachment.link } else { &attachment.title_link };
    if !attachment.title.is_empty() {
        let leaf =
            |span: Span| Span { style: BOLD, link: Span::linked(Leaf::Text(String::new()), BOLD, target).link, ..span };
        let title = flat(Document::from_mrkdwn(&attachment.title).blocks);
        all.push(TextBlock::Paragraph(title.into_iter().map(leaf).collect()));
    }
    let (read, has_words) = blocks::read(&attachment.blocks, language);
    if !has_words {
        all.extend(Document::from_mrkdwn(&attachment.text).blocks);
        all.extend(attachment.fields.iter().map(|(title, value)| field(title, value)));
    }
    all.extend(read);
    if !attachment.image.is_empty() {
        let words = language.text(texts::chat::A_PICTURE);
        let picture = Span::linked(Leaf::Text(words.into()), plain, &attachment.image);
        all.push(TextBlock::Paragraph(vec![Span::text("🖼 "), picture]));
    }
    all.extend(blocks::buttons(attachment.buttons.iter().map(|(words, link)| (words.as_str(), link.as_str()))));
    all.extend(attachment.files.iter().flat_map(|file| file_line(file, language).blocks));
    all.extend(shown(&attachment.attachments, language));
    if (Document { blocks: all.clone() }).is_empty() {
        all = Document::from_mrkdwn(&attachment.fallback).blocks;
    }
    if all.is_empty() && !attachment.link.is_empty() {
        all.push(TextBlock::Paragraph(vec![Span::linked(
            Leaf::Text(attachment.link.clone()),
            plain,
            &attachment.link,
        )]));
    }
    if !attachment.footer.is_empty() {
        let footer = flat(Document::from_mrkdwn(&attachment.footer).blocks);
        all.push(TextBlock::Paragraph(footer.into_iter().map(|span| Span { style: ITALIC, ..span }).collect()));
    }
    all
}

fn field(title: &str, value: &str) -> TextBlock {
    let mut spans = Vec::new();
    if !title.is_empty() {
        let title = flat(Document::from_mrkdwn(title).blocks).into_iter();
        spans.extend(title.map(|span| Span { style: BOLD, ..span }));
        match spans.last_mut() {
            Some(Span { leaf: Leaf::Text(text), .. }) => text.push_str(": "),
            _ => spans.push(Span::styled(": ", BOLD)),
        }
    }
    spans.extend(flat(Document::from_mrkdwn(value).blocks));
    TextBlock::Paragraph(spans)
}

/// The same with mentions of everyone as plain words.
fn silent(document: Document) -> Document {
    document.with_leaves(|leaf| {
        if let Leaf::Everyone(name) = leaf {
            *leaf = Leaf::Text(format!("@{name}"));
        }
    })
}

/// What a chat shows instead of a file that is not copied: what it is, and where. `None` for a file that is copied.
pub fn instead_of_copy(file: &File, language: Language) -> Option<Document> {
    match file.kind {
        FileKind::Hosted | FileKind::Clip => None,
        FileKind::Snippet if file.content.is_empty() => None,
        _ => Some(file_line(file, language)),
    }
}

/// A file as a line: its name with its link, and its details.
fn file_line(file: &File, language: Language) -> Document {
    match &file.kind {
        FileKind::Hosted | FileKind::Clip => named(file, "📎", &file.permalink, ""),
        FileKind::Snippet => {
            let mut line = named(file, "📎", &file.permalink, if file.content.is_empty() { "" } else { ":" });
            if !file.content.is_empty() {
                line.blocks.push(TextBlock::Code(file.content.clone()));
            }
            line
        }
        FileKind::External { service, link } => {
            let to = if text::is_safe_link(link) { link } else { &file.permalink };
            let place = match service.as_str() {
                "" => language.text(texts::chat::IN_ANOTHER_CLOUD).to_owned(),
                service => language.text(texts::chat::InCloud { service }),
            };
            named(file, "📎", to, &format!(" {place}"))
        }
        FileKind::Canvas => called(file, "📝", language.text(texts::chat::A_CANVAS)),
        FileKind::List => called(file, "📋", language.text(texts::chat::A_LIST)),
        FileKind::Post => called(file, "📝", language.text(texts::chat::A_POST)),
        FileKind::Tombstone => missing(file, "", language.text(texts::chat::FILE_GONE)),
        FileKind::Hidden => missing(file, "", language.text(texts::chat::FILE_HIDDEN)),
        FileKind::Denied => missing(file, &file.permalink, language.text(texts::chat::FILE_DENIED)),
    }
}

/// A file that opens only in Slack, with its kind.
fn called(file: &File, mark: &str, what: &str) -> Document {
    named(file, mark, &file.permalink, &format!(" {what}"))
}

/// A file that cannot be read, with the reason.
fn missing(file: &File, link: &str, why: &str) -> Document {
    named(file, "📎", link, &format!(": {why}"))
}

fn named(file: &File, mark: &str, link: &str, behind: &str) -> Document {
    let name = Span::linked(Leaf::Text(file.name.clone()), Style::default(), link);
    let mut spans = vec![Span::text(format!("{mark} ")), name];
    if !behind.is_empty() {
        spans.push(Span::text(behind));
    }
    Document { blocks: vec![TextBlock::Paragraph(spans)] }
}

/// A line that says why a file was not copied, and where it is.
pub fn not_copied(file: &File, why: Fixed, language: Language) -> Document {
    let (size, why) = (readable(file.size, language), language.text(why));
    let mut spans = vec![Span::text(format!("📎 {}{size}: {why}", file.name))];
    if !file.permalink.is_empty() && !file.gone {
        spans.push(Span::text(" "));
        let words = language.text(texts::chat::OPEN_IN_SLACK);
        spans.push(Span::linked(Leaf::Text(words.into()), Style::default(), &file.permalink));
    }
    Document { blocks: vec![TextBlock::Paragraph(spans)] }
}

/// A line that says that a file was deleted, if its copy cannot be deleted.
pub fn taken_back(file: &str, language: Language) -> Document {
    let words = language.text(texts::chat::FILE_REMOVED);
    Document { blocks: vec![TextBlock::Paragraph(vec![Span::text(format!("📎 {file}: {words}"))])] }
}

/// The line above the new text of a message that the chat never had.
pub fn edit_of_older(language: Language) -> Document {
    line("✏️", language.text(texts::chat::OLDER_MESSAGE_EDITED))
}

/// The line above a message that is copied after newer ones: when it was written.
pub fn written_then(time: &str, language: Language) -> Document {
    line("🕓", &language.text(texts::chat::WrittenThen { time }))
}

/// The text beside a file's copy: who shared it, and its transcript.
pub fn with_copy(file: &File, author: &str) -> Document {
    let named = Document::default().by(author);
    if file.kind == FileKind::Clip && !file.content.is_empty() { named.then(&file.content) } else { named }
}

/// A size in brackets after a name; empty if the size is unknown.
fn readable(bytes: u64, language: Language) -> String {
    let size = match bytes {
        0 => return String::new(),
        1..1_048_576 => language.text(texts::chat::Kilobytes { size: bytes.div_ceil(1024) }),
        _ => language.text(texts::chat::Megabytes { size: bytes.div_ceil(1024 * 1024) }),
    };
    format!(" ({size})")
}

/// A message of the catalogue whose variables are parts of a document.
fn spans<M: Message<Value = Span>>(language: Language, message: &M) -> Vec<Span> {
    let span = |piece: Piece<'_, Span>| match piece {
        Piece::Text(text) => Span::text(text.into_owned()),
        Piece::Value(span) => span.clone(),
    };
    language.pieces(message).into_iter().map(span).collect()
}

#[cfg(test)]
mod tests;
