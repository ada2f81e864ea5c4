//! What a language makes of a message.
#![allow(missing_docs)]

use std::borrow::Cow;

use locale::{Language, Piece, texts};

#[test]
fn a_number_takes_the_form_that_its_language_has_for_it() {
    let digest = |language: Language, count| language.text(texts::cards::Digest { title: "A", count });
    assert_eq!(digest(Language::En, 1), "A: 1 change");
    assert_eq!(digest(Language::En, 2), "A: 2 changes");
    for (count, expected) in [
        (1, "A: 1 изменение"),
        (3, "A: 3 изменения"),
        (5, "A: 5 изменений"),
        (11, "A: 11 изменений"),
        (21, "A: 21 изменение"),
        (1_002, "A: 1\u{a0}002 изменения"),
    ] {
        assert_eq!(digest(Language::Ru, count), expected);
    }
}

#[test]
fn nothing_is_added_to_a_variable() {
    let text = Language::En.text(texts::bot::Posted { channel: "עברית [b]<@U1>" });
    assert_eq!(text, "Posted to #עברית [b]<@U1>.");
}

#[test]
fn a_text_with_words_of_a_card_is_a_template() {
    assert_eq!(Language::En.text(texts::cards::DEAL_CREATED), "New deal {link}");
    assert_eq!(Language::Ru.text(texts::cards::CUSTOM_NOTIFICATION), "{type}: {title}");
}

#[test]
fn the_parts_of_a_message_are_in_the_order_of_the_language() {
    let message = texts::chat::ForwardedFrom { author: 1, channel: 2 };
    let text = |text| Piece::Text(Cow::Borrowed(text));
    let pieces = Language::En.pieces(&message);
    assert_eq!(pieces, [text("↪ Forwarded from "), Piece::Value(&1), text(", in "), Piece::Value(&2)]);
}

#[cfg(feature = "pseudo")]
#[test]
fn the_made_up_language_is_on_for_one_thread_and_only_as_long_as_it_is_asked_for() {
    let open = || Language::Ru.text(texts::cards::OPEN);
    let other = || std::thread::spawn(move || Language::Ru.text(texts::cards::OPEN)).join().ok();
    let both = locale::in_pseudo(|| (open(), other()));
    assert_eq!(both, ("[!! Óƥéñ íñ Ƀíŧříẋ24 !!]", Some("Открыть в Битрикс24")));
    assert_eq!(open(), "Открыть в Битрикс24");
}
