//! A made-up language for tests: English in letters that no English text has, between marks.

use crate::catalogue::{Message, Piece};

/// The message in the made-up language: `Text` becomes `[!! Ŧéxŧ !!]`.
pub(crate) fn message(english: &Message) -> Message {
    let mut pieces = vec![Piece::Text("[!! ".into())];
    pieces.extend(english.pieces.iter().map(piece));
    pieces.push(Piece::Text(" !!]".into()));
    Message { pieces, declared: english.declared.clone() }
}

fn piece(english: &Piece) -> Piece {
    let all = |pieces: &[Piece]| pieces.iter().map(piece).collect();
    match english {
        Piece::Text(text) => Piece::Text(text.chars().map(letter).collect()),
        Piece::Variable(name) => Piece::Variable(name.clone()),
        Piece::Plural { variable, variants, otherwise } => Piece::Plural {
            variable: variable.clone(),
            variants: variants.iter().map(|(key, pieces)| (key.clone(), all(pieces))).collect(),
            otherwise: (otherwise.0.clone(), all(&otherwise.1)),
        },
    }
}

fn letter(letter: char) -> char {
    const PLAIN: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const OTHER: &str = "áƀçđéƒğħíĵķłɱñóƥɋřşŧúṽŵẋýžÁɃÇĐÉƑĞĦÍĴĶŁṀÑÓƤɊŘŞŦÚṼŴẊÝŽ";
    PLAIN.find(letter).and_then(|place| OTHER.chars().nth(place)).unwrap_or(letter)
}
