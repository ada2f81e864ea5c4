//! Cards, digests and notices as Slack's messages.

use locale::{Language, texts};
use slack::block::Element;
use slack::{Block, Mrkdwn, SlackMessage};

use crate::card::Card;

pub fn message(card: &Card) -> SlackMessage {
    let blocks = if card.is_compact { vec![Block::section(compact(card))] } else { blocks(card) };
    SlackMessage::new(card.notification.to_mrkdwn(), blocks)
}

fn blocks(card: &Card) -> Vec<Block> {
    let mut blocks = vec![Block::section(card.headline.to_mrkdwn())];
    blocks.extend(card.body.as_ref().map(|body| Block::section(body.to_mrkdwn())));
    if !card.facts.is_empty() {
        blocks.push(Block::fields(card.facts.iter().map(|fact| (fact.label.clone(), fact.value.to_mrkdwn()))));
    }
    let open = card.button.as_ref().and_then(|button| Element::open(&button.words, &button.url, "open_record"));
    blocks.extend(open.map(|open| Block::actions([open])));
    blocks.extend(card.footer.as_ref().map(|footer| Block::context([Mrkdwn::text(footer)])));
    blocks
}

/// A compact card: all that it says in one text.
pub fn compact(card: &Card) -> Mrkdwn {
    let mut text = card.headline.to_mrkdwn();
    if let Some(body) = &card.body {
        text = text.then(&Mrkdwn::text("\n")).then(&body.to_mrkdwn());
    }
    for (index, fact) in card.facts.iter().enumerate() {
        let label = Mrkdwn::text(&format!("{}: ", fact.label));
        text =
            text.then(&Mrkdwn::text(if index == 0 { "\n" } else { " · " })).then(&label).then(&fact.value.to_mrkdwn());
    }
    text
}

/// A digest of cards that waited: a line each.
pub fn digest(lines: &[Mrkdwn], left: usize, language: Language, title: &str) -> SlackMessage {
    let head = language.text(texts::cards::Digest { title, count: (lines.len() + left) as u64 });
    let mut blocks = vec![Block::header(&head)];
    let mut section = Mrkdwn::default();
    for line in lines {
        let line = line.clone().cut(slack::block::SECTION_TEXT - 1);
        let room = slack::block::SECTION_TEXT - 1;
        if section.as_str().encode_utf16().count() + line.as_str().encode_utf16().count() > room {
            blocks.push(Block::section(std::mem::take(&mut section)));
        }
        section = section.then(&line).then(&Mrkdwn::text("\n"));
    }
    blocks.push(Block::section(section));
    if left > 0 {
        let words = language.text(texts::cards::AndMore { count: left as u64 });
        blocks.push(Block::context([Mrkdwn::text(&words)]));
    }
    SlackMessage::new(Mrkdwn::text(&head), blocks)
}

/// A notice to operators.
pub fn notice(head: &str, lines: &[&str]) -> SlackMessage {
    let text: Vec<_> = lines.iter().map(|line| format!("• {line}")).collect();
    let mut blocks = vec![Block::section(Mrkdwn::bold(head))];
    if !text.is_empty() {
        blocks.push(Block::section(Mrkdwn::text(&text.join("\n"))));
    }
    SlackMessage::new(Mrkdwn::text(head), blocks)
}
