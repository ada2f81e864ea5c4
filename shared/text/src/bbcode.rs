//! Bitrix24's markup: BBCode, and in chats `>>` before a quoted line, a block between lines of dashes for a longer
//! quote.
//!
//! No way to escape a bracket is documented, so one that would begin a tag gets a zero-width character beside it.

use super::address;
use super::document::{Document, Leaf, PersonMention, Span, Style, TextBlock, item, quoted};
use super::layout::{APART, Layout, LayoutPiece, PieceKind, PieceShape, Surroundings, is_dashes};

impl Document {
    /// Reads a chat message.
    pub fn from_bbcode(text: &str) -> Self {
        Self::from_bbcode_in(text, Surroundings { chat: true, ..Surroundings::default() })
    }

    /// Reads BBCode with what is known beside it.
    pub fn from_bbcode_in(text: &str, around: Surroundings<'_>) -> Self {
        let layout = Layout::of(text, around);
        let mut builder = Builder { layout: &layout, blocks: Vec::new(), shape: None, held: false };
        for piece in &layout.pieces {
            builder.add(piece);
        }
        let mut document = Self { blocks: builder.blocks }.tidy();
        for spans in document.blocks.iter_mut().filter_map(TextBlock::spans_mut) {
            link_addresses(spans);
        }
        document
    }

    /// Writes a chat message. Everyone is mentioned only if that is allowed.
    pub fn to_bbcode(&self, may_mention_everyone: bool) -> String {
        let blocks = self.blocks.iter().map(|block| match block {
            TextBlock::Code(code) => format!("[code]{}[/code]", code.replace("[/", &format!("[{APART}/"))),
            TextBlock::Paragraph(spans) => guarded(&line(spans, may_mention_everyone)),
            TextBlock::Quote(spans) => quoted(&line(spans, may_mention_everyone), ">>"),
            TextBlock::Item { depth, number, spans } => item(*depth, *number, &line(spans, may_mention_everyone)),
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

/// Makes blocks of pieces.
struct Builder<'l> {
    layout: &'l Layout<'l>,
    blocks: Vec<TextBlock>,
    /// The shape of the last block.
    shape: Option<usize>,
    /// A line end between blocks, which is one only if both are text.
    held: bool,
}

impl Builder<'_> {
    fn add(&mut self, piece: &LayoutPiece<'_>) {
        match piece.kind {
            // A second one is an empty line.
            PieceKind::Break | PieceKind::End => {
                if self.held {
                    self.text(piece, "");
                }
                self.held = true;
            }
            PieceKind::QuoteMark if self.layout.shapes[piece.shape] == PieceShape::Quote => self.quote_mark(piece),
            PieceKind::Mark if matches!(self.layout.shapes[piece.shape], PieceShape::Item { .. }) => self.begin(piece),
            PieceKind::Address if self.opens(piece) => {}
            _ => self.text(piece, &piece.text),
        }
    }

    /// Whether an address need not be shown, for its link opens.
    fn opens(&self, piece: &LayoutPiece<'_>) -> bool {
        piece.link.is_some_and(|link| address::is_safe(&self.layout.links[link]))
    }

    /// The mark of the outermost quote is the block's; those of quotes within it are text.
    fn quote_mark(&mut self, piece: &LayoutPiece<'_>) {
        let inner = piece.text.strip_prefix("> ").unwrap_or_default();
        self.text(piece, inner);
    }

    fn begin(&mut self, piece: &LayoutPiece<'_>) {
        self.end_line();
        self.held = false;
        self.shape = Some(piece.shape);
        self.blocks.push(match self.layout.shapes[piece.shape] {
            PieceShape::Text => TextBlock::Paragraph(Vec::new()),
            PieceShape::Quote => TextBlock::Quote(Vec::new()),
            PieceShape::Code => TextBlock::Code(String::new()),
            PieceShape::Item { depth, number } => TextBlock::Item { depth, number, spans: Vec::new() },
        });
    }

    /// A text before another block does not end its line as well.
    fn end_line(&mut self) {
        if !self.held
            && let Some(spans) = self.blocks.last_mut().and_then(TextBlock::spans_mut)
            && let Some(Span { leaf: Leaf::Text(text), .. }) = spans.last_mut()
            && text.ends_with('\n')
        {
            text.pop();
        }
    }

    fn text(&mut self, piece: &LayoutPiece<'_>, text: &str) {
        let is_new = self.shape != Some(piece.shape);
        if is_new && matches!(self.layout.shapes[piece.shape], PieceShape::Item { .. }) {
            // What goes on behind a list in a point is not a new point.
            self.end_line();
            self.held = false;
            self.shape = Some(piece.shape);
            self.blocks.push(TextBlock::Paragraph(Vec::new()));
        } else if is_new {
            self.begin(piece);
        }
        let line_end = if std::mem::take(&mut self.held) { "\n" } else { "" };
        let style = if matches!(self.blocks.last(), Some(TextBlock::Code(_))) { Style::default() } else { piece.style };
        let link = piece.link.map(|link| self.layout.links[link].clone()).filter(|link| address::is_safe(link));
        steps::add(text.len() + link.as_ref().map_or(0, String::len));
        match self.blocks.last_mut() {
            Some(TextBlock::Code(code)) => code.extend([line_end, text]),
            Some(TextBlock::Paragraph(spans) | TextBlock::Quote(spans) | TextBlock::Item { spans, .. }) => {
                if !line_end.is_empty() {
                    spans.push(Span::text(line_end));
                }
                let leaf = piece.leaf.clone().unwrap_or_else(|| Leaf::Text(text.to_owned()));
                spans.push(Span { leaf, style, link });
            }
            None => {}
        }
    }
}

/// Addresses that somebody typed become links.
fn link_addresses(spans: &mut Vec<Span>) {
    let mut linked = Vec::with_capacity(spans.len());
    for span in spans.drain(..) {
        let found = match &span.leaf {
            Leaf::Text(text) if span.link.is_none() && !span.style.code => address::find(text),
            _ => Vec::new(),
        };
        let Leaf::Text(text) = &span.leaf else {
            linked.push(span);
            continue;
        };
        if found.is_empty() {
            linked.push(span);
            continue;
        }
        let mut at = 0;
        for (range, url) in found {
            if at < range.start {
                linked.push(Span::styled(&text[at..range.start], span.style));
            }
            linked.push(Span { link: Some(url), ..Span::styled(&text[range.clone()], span.style) });
            at = range.end;
        }
        if at < text.len() {
            linked.push(Span::styled(&text[at..], span.style));
        }
    }
    *spans = linked;
}

fn line(spans: &[Span], may_mention_everyone: bool) -> String {
    spans.iter().map(|span| written(span, may_mention_everyone)).collect()
}

fn written(span: &Span, may_mention_everyone: bool) -> String {
    steps::add(span.size());
    let inner = match &span.leaf {
        Leaf::Person(PersonMention { bitrix24: Some(id), name, .. }) => {
            let name =
                name.as_deref().map_or_else(|| format!("user {id}"), |name| name.trim_start_matches('@').to_owned());
            format!("[user={id}]{}[/user]", apart(&name))
        }
        Leaf::Everyone(name) if may_mention_everyone => format!("[user=all]{}[/user]", apart(name)),
        Leaf::Moment { at, .. } if *at > 0 => format!("[timestamp={at} format=LONG_DATE_FORMAT]"),
        _ => {
            let text = apart(&span.visible());
            match &span.link {
                Some(url) => format!("[url={}]{text}[/url]", url.replace('[', "%5B").replace(']', "%5D")),
                None => text,
            }
        }
    };
    let Style { bold, italic, strike, underline, code } = span.style;
    let mut text = inner;
    // Within a line Bitrix24 has no code; italics set it off.
    for (on, tag) in [(italic || code, "i"), (strike, "s"), (underline, "u"), (bold, "b")] {
        if on {
            text = format!("[{tag}]{text}[/{tag}]");
        }
    }
    text
}

/// Text whose brackets begin no tags.
fn apart(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        written.push(c);
        if c == '[' {
            written.push(APART);
        }
    }
    written
}

/// Lines that would begin a quote begin none.
fn guarded(text: &str) -> String {
    let guard = |line: &str| {
        if line.starts_with(">>") || is_dashes(line) { format!("{APART}{line}") } else { line.to_owned() }
    };
    text.split('\n').map(guard).collect::<Vec<_>>().join("\n")
}
