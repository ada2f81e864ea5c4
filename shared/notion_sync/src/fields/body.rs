//! The body of a new page, from the parts that the settings name.

use notion::block::NotionBlock;
use records::words::CardContext;
use settings::databases::BodyPart;
use settings::template::{TemplatePiece, TextTemplate};

/// The blocks of a page. An unknown word shows as unknown; it never stops a page.
pub fn blocks(parts: &[BodyPart], telling: &CardContext<'_>) -> Vec<NotionBlock> {
    let fill = |text: &String| filled(text, telling);
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            BodyPart::Heading(text) => blocks.push(NotionBlock::Heading(2, fill(text))),
            BodyPart::Subheading(text) => blocks.push(NotionBlock::Heading(3, fill(text))),
            BodyPart::Text(text) => blocks.push(NotionBlock::Paragraph(fill(text))),
            BodyPart::ToDo(items) => blocks.extend(items.iter().map(|item| NotionBlock::ToDo(fill(item), Vec::new()))),
            BodyPart::Bullets(items) => {
                blocks.extend(items.iter().map(|item| NotionBlock::Bullet(fill(item), Vec::new())));
            }
            BodyPart::Table(rows) if rows.is_empty() => {}
            BodyPart::Table(rows) => {
                blocks.push(NotionBlock::Table(rows.iter().map(|row| row.iter().map(fill).collect()).collect()));
            }
            BodyPart::Divider => blocks.push(NotionBlock::Divider),
        }
    }
    blocks
}

fn filled(text: &str, telling: &CardContext<'_>) -> String {
    let Ok(template) = TextTemplate::parse(text) else { return text.to_owned() };
    let piece = |piece: &TemplatePiece| match piece {
        TemplatePiece::Text(text) => text.clone(),
        TemplatePiece::Word(word) => telling.plain(word),
    };
    template.pieces().iter().map(piece).collect()
}
