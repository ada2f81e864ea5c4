//! The body of a new page, from the parts that the settings name.

use notion::block::Block;
use records::words::CardContext;
use settings::databases::Part;
use settings::template::{Piece, Template};

/// The blocks of a page. A word that is unknown shows as that; it never stops a page.
pub fn blocks(parts: &[Part], telling: &CardContext<'_>) -> Vec<Block> {
    let fill = |text: &String| filled(text, telling);
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Heading(text) => blocks.push(Block::Heading(2, fill(text))),
            Part::Subheading(text) => blocks.push(Block::Heading(3, fill(text))),
            Part::Text(text) => blocks.push(Block::Paragraph(fill(text))),
            Part::ToDo(items) => blocks.extend(items.iter().map(|item| Block::ToDo(fill(item), Vec::new()))),
            Part::Bullets(items) => blocks.extend(items.iter().map(|item| Block::Bullet(fill(item), Vec::new()))),
            Part::Table(rows) if rows.is_empty() => {}
            Part::Table(rows) => {
                blocks.push(Block::Table(rows.iter().map(|row| row.iter().map(fill).collect()).collect()));
            }
            Part::Divider => blocks.push(Block::Divider),
        }
    }
    blocks
}

fn filled(text: &str, telling: &CardContext<'_>) -> String {
    let Ok(template) = Template::parse(text) else { return text.to_owned() };
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Word(word) => telling.plain(word),
    };
    template.pieces().iter().map(piece).collect()
}
