//! BBCode as a sequence of texts and tags, each opening tag with the one that closes it.
//!
//! Tags of one name close from the inside out, whatever other tags are between: they need not be nested correctly. The
//! work is linear in the text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tags;
use super::tags::{MAX_NAME, TagRole};

#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) role: TagRole,
    pub(super) closes: bool,
    /// What follows the name: `=5`, ` size=small`.
    pub(super) rest: Range<usize>,
}

/// A tag, or a text between tags.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) at: Range<usize>,
    pub(super) tag: Option<Tag>,
    /// The other one of a pair.
    pub(super) partner: Option<usize>,
}

pub(super) fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut open: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    let mut has_code_end = true;
    let (mut plain, mut at) = (0, 0);
    while let Some(bracket) = steps::find(&text[at..], &['[']).map(|found| at + found) {
        let Some((tag, end)) = tag(text, bracket) else {
            at = bracket + 1;
            continue;
        };
        push_text(&mut tokens, plain..bracket);
        let place = tokens.len();
        let is_code = tag.role == TagRole::Code && !tag.closes;
        let partner = pair(&mut open, &tag, place);
        if let Some(partner) = partner {
            Token::partner_of(&mut tokens, partner, place);
        }
        tokens.push(Token { at: bracket..end, tag: Some(tag), partner });
        at = end;
        // Nothing in code is a tag.
        if is_code && has_code_end {
            match code_end(text, end) {
                Some(close) => {
                    push_text(&mut tokens, end..close);
                    at = close;
                }
                None => has_code_end = false,
            }
        }
        plain = at;
    }
    push_text(&mut tokens, plain..text.len());
    tokens
}

impl Token {
    fn partner_of(tokens: &mut [Self], place: usize, partner: usize) {
        if let Some(token) = tokens.get_mut(place) {
            token.partner = Some(partner);
        }
    }
}

fn push_text(tokens: &mut Vec<Token>, at: Range<usize>) {
    if !at.is_empty() {
        tokens.push(Token { at, tag: None, partner: None });
    }
}

/// The opening tag that a closing one closes. Opening ones are remembered.
fn pair(open: &mut BTreeMap<&'static str, Vec<usize>>, tag: &Tag, place: usize) -> Option<usize> {
    if !tags::closes(tag.role, tag.name) {
        return None;
    }
    let same = open.entry(tag.name).or_default();
    if tag.closes {
        return same.pop();
    }
    same.push(place);
    None
}

/// Where the code that begins at `from` ends.
fn code_end(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let bracket = at + steps::find(&text[at..], &['['])?;
        let end = text.get(bracket..bracket + "[/code]".len());
        if end.is_some_and(|end| end.eq_ignore_ascii_case("[/code]")) {
            return Some(bracket);
        }
        at = bracket + 1;
    }
}

/// The tag at a bracket, and where it ends.
fn tag(text: &str, bracket: usize) -> Option<(Tag, usize)> {
    let closes = text[bracket + 1..].starts_with('/');
    let start = bracket + 1 + usize::from(closes);
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'*';
    let length = text[start..].bytes().take(MAX_NAME + 1).take_while(is_name).count();
    steps::add(length + 1);
    let behind = start + length;
    let end = tag_end(text, behind)?;
    let (name, role) = tags::known(&text[start..behind], &text[behind..end], closes)?;
    Some((Tag { name, role, closes, rest: behind..end }, end + 1))
}

/// The bracket that ends a tag. Addresses may have pairs of brackets in them, one within none other.
fn tag_end(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    let mut within = false;
    loop {
        let found = at + steps::find(&text[at..], &[']', '[', '\n'])?;
        at = found + 1;
        match &text[found..at] {
            "]" if !within => return Some(found),
            "]" => within = false,
            "[" if !within && text[from..].starts_with('=') => within = true,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, Option<&str>)> {
        let tokens = scan(text);
        let words = |token: &Token| text[token.at.clone()].to_owned();
        assert_eq!(tokens.iter().map(words).collect::<String>(), text);
        let at = |place: usize| &text[tokens[place].at.clone()];
        tokens.iter().filter(|t| t.tag.is_some()).map(|t| (&text[t.at.clone()], t.partner.map(at))).collect()
    }

    #[test]
    fn tags_close_from_the_inside_out() {
        let tokens = scan("[b]a [b]c[/b] d[/b]");
        assert_eq!(tokens[0].partner, Some(6));
        assert_eq!(tokens[2].partner, Some(4));
        assert_eq!(
            pairs("[b][i][/b][/i]"),
            [("[b]", Some("[/b]")), ("[i]", Some("[/i]")), ("[/b]", Some("[b]")), ("[/i]", Some("[i]"))]
        );
    }

    #[test]
    fn nothing_in_code_is_a_tag() {
        assert_eq!(
            pairs("[code][b]x[/CODE][b]"),
            [("[code]", Some("[/CODE]")), ("[/CODE]", Some("[code]")), ("[b]", None)]
        );
        assert_eq!(pairs("[code][code]"), [("[code]", None), ("[code]", None)]);
    }

    #[test]
    fn an_address_may_have_brackets() {
        assert_eq!(pairs("[url=https://a/x[1]]w[/url]").len(), 2);
        assert_eq!(pairs("[url=[b]x[/b]").len(), 2);
    }
}
