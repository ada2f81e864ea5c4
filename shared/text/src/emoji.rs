//! Emoji: Slack names them, Bitrix24 uses the characters. Also reactions, where both sides have them.

/// The character of Slack's name for an emoji, unless it is a custom one.
pub(super) fn character(name: &str) -> Option<String> {
    let (base, tone) = name.split_once("::skin-tone-").map_or((name, None), |(base, tone)| (base, Some(tone)));
    let emoji = match base {
        // Slack's names that others do not have.
        "slightly_smiling_face" | "simple_smile" => emojis::get("🙂"),
        "thinking_face" => emojis::get("🤔"),
        "hugging_face" => emojis::get("🤗"),
        "white_check_mark" => emojis::get("✅"),
        "face_with_rolling_eyes" => emojis::get("🙄"),
        _ => emojis::get_by_shortcode(base),
    }?;
    let toned = tone.and_then(|tone| {
        use emojis::SkinTone;
        let tone = match tone {
            "2" => SkinTone::Light,
            "3" => SkinTone::MediumLight,
            "4" => SkinTone::Medium,
            "5" => SkinTone::MediumDark,
            "6" => SkinTone::Dark,
            _ => return None,
        };
        emoji.with_skin_tone(tone)
    });
    Some(toned.unwrap_or(emoji).as_str().to_owned())
}

/// The character of a `unicode` field: code points in hexadecimal, joined by `-`.
pub(super) fn from_code_points(code_points: &str) -> Option<String> {
    let points = code_points.split('-').map(|point| u32::from_str_radix(point, 16).ok().and_then(char::from_u32));
    points.collect::<Option<String>>().filter(|text| !text.is_empty())
}

/// The longest code of an emoji in hexadecimal: a flag of a region has 28 bytes.
const MAX_HEX: usize = 128;

/// The characters that a portal keeps as `:f09f918d:`, their bytes in hexadecimal, and how long the code is. Text of
/// everyday characters is never kept so: `10:20:30` is a time.
pub(super) fn hex(text: &str) -> Option<(String, usize)> {
    let digits = text.get(1..)?.bytes().take(MAX_HEX).take_while(u8::is_ascii_hexdigit).count();
    steps::add(digits + 1);
    if digits < 4 || digits % 2 == 1 || text.as_bytes().get(digits + 1) != Some(&b':') {
        return None;
    }
    let bytes = (1..=digits).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    let characters = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
    let is_emoji = characters.chars().all(|c| !c.is_ascii() && !c.is_control() && c != '\u{200b}');
    let turns = bidi::without_overrides(&characters).len() != characters.len();
    (is_emoji && !turns).then_some((characters, digits + 2))
}

/// The character that a portal's smile has by its title: `smile`, `:smile:`, `Wink`.
pub(super) fn of_title(title: &str) -> Option<String> {
    character(&title.to_ascii_lowercase().replace([' ', '-'], "_"))
}

/// Bitrix24's reactions and the emoji in Slack that say the same, the first of each being the one we set.
const REACTIONS: [(&str, &[&str]); 7] = [
    ("like", &["+1", "thumbsup", "heart", "ok_hand", "white_check_mark", "clap", "raised_hands", "fire"]),
    ("laugh", &["joy", "laughing", "rolling_on_the_floor_laughing", "smile", "grinning"]),
    ("wonder", &["open_mouth", "astonished", "hushed", "eyes"]),
    ("cry", &["cry", "sob", "disappointed"]),
    ("angry", &["rage", "angry", "-1", "thumbsdown"]),
    ("facepalm", &["face_palm", "facepalm", "man-facepalming", "woman-facepalming"]),
    ("kiss", &["kissing_heart", "kiss", "heart_eyes"]),
];

/// What Bitrix24 has for a reaction in Slack.
pub fn reaction_from_slack(name: &str) -> Option<&'static str> {
    let base = name.split("::").next().unwrap_or_default();
    REACTIONS.iter().find(|(_, emoji)| emoji.contains(&base)).map(|(reaction, _)| *reaction)
}

/// What Slack has for a reaction in Bitrix24.
pub fn reaction_to_slack(reaction: &str) -> Option<&'static str> {
    let reaction = reaction.to_ascii_lowercase();
    REACTIONS.iter().find(|(known, _)| *known == reaction).and_then(|(_, emoji)| emoji.first().copied())
}
