//! Commands in a made-up language with foreign letters: whatever people then read in English letters does not come from
//! the catalogues.

use journeys::{Stage, World};
use locale::{assert_from_the_catalogues, in_pseudo};
use serde_json::{Value, json};
use simulators::portal::DEAL;
use text::Document;

use crate::cast::Cast;

/// What people called so themselves: a word of a title, a currency, a person, a channel.
const NAMES: [&str; 4] = ["CRM", "EUR", "nobody", "general"];

/// Runs a story in the made-up language, on one thread.
fn in_the_language(story: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    in_pseudo(|| runtime.block_on(story()));
}

/// Fails if a text has English words. E-mails, addresses, commands and codes are not words.
#[track_caller]
fn assert_text(text: &str) {
    let is_word = |word: &&str| !word.contains(['@', '/', '_']) && !word.contains(|c: char| c.is_ascii_digit());
    let words = text.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ");
    let own = NAMES.iter().fold(words, |words, name| words.replace(name, ""));
    assert_from_the_catalogues(&own);
}

#[track_caller]
fn assert_markup(markup: &str) {
    assert_text(&Document::from_mrkdwn(markup).visible());
}

/// The same for all that a message, a form or the home tab shows.
#[track_caller]
fn assert_shown(shown: &Value) {
    match shown {
        Value::Object(fields) => {
            match (fields.get("type").and_then(Value::as_str), fields.get("text").and_then(Value::as_str)) {
                (Some("plain_text"), Some(text)) => assert_text(text),
                (_, Some(text)) => assert_markup(text),
                (_, None) => {}
            }
            fields.values().for_each(assert_shown);
        }
        Value::Array(all) => all.iter().for_each(assert_shown),
        _ => {}
    }
}

async fn start() -> Cast {
    Cast::of(World::start_on(Stage::Memory).await)
}

fn deal(cast: &Cast) -> u64 {
    let deal = json!({"title": "Крыша", "opportunity": 1500, "currencyId": "EUR", "observers": [6]});
    cast.world.sandbox.portal.add_item(DEAL, deal)
}

/// Everything that these people alone were shown.
#[track_caller]
fn assert_whispers(cast: &Cast) {
    for user in [&cast.ann, &cast.admin, &cast.stranger] {
        let whispers = cast.world.sandbox.slack.whispers(user);
        whispers.iter().for_each(assert_shown);
    }
}

#[test]
fn what_commands_answer_comes_from_the_catalogues() {
    in_the_language(async || {
        let cast = start().await;
        let portal = &cast.world.sandbox.portal;
        let id = deal(&cast).to_string();
        let chat = portal.add_chat("Поддержка", &[1, 6]);
        cast.world.settle().await;
        for (user, command, text) in [
            (&cast.ann, "/b24-lead", "АКМЕ | о крыше, +49 30 1234567"),
            (&cast.ann, "/b24-lead", "help"),
            (&cast.ann, "/b24-lead", "| только"),
            (&cast.ann, "/b24-task", "Позвонить | | | завтра"),
            (&cast.ann, "/b24-task", "Позвонить | о крыше | Вера"),
            (&cast.ann, "/b24-task", "Позвонить | о крыше | | никогда"),
            (&cast.ann, "/b24-deal", ""),
            (&cast.ann, "/b24-deal", &id),
            (&cast.ann, "/b24-deal", "999999"),
            (&cast.ann, "/b24-deal", "нет таких слов"),
            (&cast.ann, "/b24-status", ""),
            (&cast.ann, "/b24-status", "лишнее"),
            (&cast.ann, "/b24-nonsense", ""),
            (&cast.ann, "/b24-me", ""),
            (&cast.ann, "/b24-me", "allow"),
            (&cast.ann, "/b24-me", "off"),
            (&cast.stranger, "/b24-lead", "АКМЕ"),
            (&cast.stranger, "/b24-me", "user9@example.com"),
            (&cast.stranger, "/b24-me", "000000x"),
            (&cast.ann, "/b24-bridge", ""),
            (&cast.ann, "/b24-bridge", "off"),
            (&cast.admin, "/b24-bridge", "продажи"),
            (&cast.admin, "/b24-bridge", "off"),
            (&cast.admin, "/b24-bridge", &chat),
        ] {
            cast.answer(user, command, text).await;
        }
        portal.invite_bots(&chat);
        let note = portal.notes(9).pop().unwrap();
        let is_code = |word: &&str| word.len() == 8 && word.chars().all(|c| c.is_ascii_alphanumeric());
        let code = note.split_whitespace().find(is_code).unwrap();
        cast.answer(&cast.stranger, "/b24-me", code).await;
        // A code may have the letters of a word.
        portal.notes(9).iter().for_each(|note| assert_text(&note.replace(code, "")));
        let before = cast.world.channel("general").len();
        for text in [chat.as_str(), "off"] {
            cast.answer(&cast.admin, "/b24-bridge", text).await;
        }
        let posted = cast.world.channel("general");
        assert_eq!(posted.len(), before + 2, "{posted:?}");
        posted[before..].iter().for_each(|text| assert_markup(text));
        assert_whispers(&cast);
    });
}

#[test]
fn what_buttons_and_forms_show_comes_from_the_catalogues() {
    in_the_language(async || {
        let cast = start().await;
        let (slack, portal) = (&cast.world.sandbox.slack, &cast.world.sandbox.portal);
        let id = deal(&cast);
        cast.world.settle().await;
        cast.presses(&cast.ann, "deal_stage", &format!("{id} PREPARATION")).await;
        cast.presses(&cast.ann, "deal_take", &id.to_string()).await;
        cast.presses(&cast.ann, "deal_comment", &id.to_string()).await;
        assert_shown(&slack.dialog(&cast.ann).unwrap());
        slack.submit(&cast.ann, &[("comment", "звонили")]).await;
        cast.world.settle().await;
        let timeline = portal.timeline("deal", id);
        assert_eq!(timeline.len(), 2, "{timeline:?}");
        for comment in &timeline {
            assert_text(comment);
        }
        for (command, field) in [("/b24-lead", "company"), ("/b24-task", "name")] {
            slack.command(&cast.ann, &cast.channel, command, "").await;
            cast.world.none_left_to_work_now().await;
            assert_shown(&slack.dialog(&cast.ann).unwrap());
            let problems = slack.submit(&cast.ann, &[(field, " ")]).await;
            let problem = problems.body["errors"][field].as_str().unwrap();
            assert_text(problem);
        }
        cast.presses(&cast.ann, "share_answer", "status").await;
        cast.world.settle().await;
        assert_whispers(&cast);
        for user in [&cast.ann, &cast.stranger] {
            slack.open_home(user);
            cast.world.settle().await;
            assert_shown(&slack.home(user).unwrap());
        }
    });
}
