//! What pages are put together from: messages, tables, empty states, questions before something is removed, times.
//!
//! Their look is in `assets/style.css`.

use jiff::Timestamp;
use locale::{Language, texts};
use maud::{Markup, Render, html};

/// What a message is about; its colour and how urgently a screen reader says it follow from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something worked, or everything is in order.
    Done,
    /// Something works but needs a look.
    Warning,
    /// Something was refused or is broken.
    Problem,
}

/// A message that is set off from the page.
pub fn message(tone: Tone, text: impl Render) -> Markup {
    html! {
        @match tone {
            Tone::Done => p.done role="status" { (text) },
            Tone::Warning => p.notice role="status" { (text) },
            Tone::Problem => p.problem role="alert" { (text) },
        }
    }
}

/// What is shown where there is nothing yet; it says how something gets there, if a reader can do that.
pub fn empty(text: impl Render) -> Markup {
    html! { p.hint.empty { (text) } }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    title: &'a str,
    is_number: bool,
}

impl<'a> Column<'a> {
    /// A column of texts.
    pub fn text(title: &'a str) -> Self {
        Self { title, is_number: false }
    }

    /// A column of numbers, which are aligned with each other.
    pub fn number(title: &'a str) -> Self {
        Self { title, is_number: true }
    }

    /// A column without a title, as of buttons and links.
    pub fn untitled() -> Self {
        Self::text("")
    }

    fn class(&self) -> Option<&'static str> {
        self.is_number.then_some("number")
    }

    fn label(&self) -> Option<&'a str> {
        (!self.title.is_empty()).then_some(self.title)
    }
}

/// A table. Screen readers say the caption; on a phone, each cell is shown below the other with its column's title.
pub fn table<const N: usize>(
    caption: &str,
    columns: [Column<'_>; N],
    rows: impl IntoIterator<Item = [Markup; N]>,
) -> Markup {
    html! {
        table {
            caption.unseen { (caption) }
            thead {
                tr {
                    @for column in &columns {
                        @match column.label() {
                            Some(title) => th scope="col" class=[column.class()] { (title) },
                            None => td {},
                        }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (column, cell) in columns.iter().zip(row) {
                            td class=[column.class()] data-label=[column.label()] { (cell) }
                        }
                    }
                }
            }
        }
    }
}

/// A part of the page that scrolls sideways, also by the keyboard: for a table with many columns.
pub fn wide(label: &str, content: &Markup) -> Markup {
    html! { div.wide tabindex="0" role="region" aria-label=(label) { (content) } }
}

/// A form that asks before it removes something.
#[derive(Debug, Clone, Copy)]
pub struct Confirm<'a> {
    /// Where the form is sent.
    pub action: &'a str,
    /// The session's own token.
    pub token: &'a str,
    /// What else the form carries.
    pub fields: &'a [(&'a str, &'a str)],
    /// What will be gone.
    pub question: &'a str,
    /// The words on the button that does it.
    pub button: &'a str,
}

impl Confirm<'_> {
    /// Behind a button in its place on the page: a second one asks.
    pub fn in_place(&self, name: &str) -> Markup {
        html! {
            details.confirm {
                summary aria-label=(name) { (self.button) }
                (self.form(&html! {}))
            }
        }
    }

    /// On a page of its own, with a link `back`.
    pub fn on_page(&self, language: Language, back: &str) -> Markup {
        self.form(&html! { " " a href=(back) { (language.text(texts::pages::CANCEL)) } })
    }

    fn form(&self, beside: &Markup) -> Markup {
        html! {
            form method="post" action=(self.action) {
                input type="hidden" name="token" value=(self.token);
                @for (name, value) in self.fields { input type="hidden" name=(name) value=(value); }
                p { (self.question) }
                button.main { (self.button) } (beside)
            }
        }
    }
}

/// A moment to the second, in UTC.
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(machine_readable(at)) { (absolute(at)) } }
}

/// How long ago a moment was; the moment itself is its title.
pub fn ago(language: Language, now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(machine_readable(at)) title=(absolute(at)) { (age(language, millis(at, now))) } }
}

/// How long something took, as `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
pub fn duration(language: Language, millis: i64) -> String {
    let millis = u64::try_from(millis).unwrap_or_default();
    match millis {
        ..10_000 => language.text(texts::pages::Milliseconds { count: millis }),
        10_000..120_000 => language.text(texts::pages::Seconds { count: millis / 1_000 }),
        120_000..7_200_000 => language.text(texts::pages::Minutes { count: millis / 60_000 }),
        7_200_000..172_800_000 => language.text(texts::pages::Hours { count: millis / 3_600_000 }),
        _ => language.text(texts::pages::Days { count: millis / 86_400_000 }),
    }
}

/// The milliseconds from one moment to another; none if the other is earlier.
pub fn millis(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX).max(0)
}

fn age(language: Language, millis: i64) -> String {
    if millis < 1_000 {
        return language.text(texts::pages::JUST_NOW).to_owned();
    }
    let duration = match u64::try_from(millis / 1_000) {
        Ok(count @ ..10) => language.text(texts::pages::Seconds { count }),
        _ => duration(language, millis),
    };
    language.text(texts::pages::Ago { duration })
}

fn absolute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn machine_readable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn text(words: &str) -> Markup {
        html! { (words) }
    }

    #[test]
    fn a_message_says_what_it_is_about_to_eyes_and_ears() {
        let all = [Tone::Done, Tone::Warning, Tone::Problem].map(|tone| message(tone, "A <b>").into_string());
        assert_eq!(
            all,
            [
                r#"<p class="done" role="status">A &lt;b&gt;</p>"#,
                r#"<p class="notice" role="status">A &lt;b&gt;</p>"#,
                r#"<p class="problem" role="alert">A &lt;b&gt;</p>"#,
            ]
        );
    }

    #[test]
    fn an_empty_state_is_faint() {
        assert_eq!(empty("None yet.").into_string(), r#"<p class="hint empty">None yet.</p>"#);
    }

    #[test]
    fn a_table_has_a_caption_and_each_cell_its_columns_title() {
        let columns = [Column::text("Queue"), Column::number("Waiting"), Column::untitled()];
        let table = table("Queues", columns, [[text("slack-events"), text("7"), text("Open")]]);
        assert_eq!(
            table.into_string(),
            concat!(
                r#"<table><caption class="unseen">Queues</caption><thead><tr><th scope="col">Queue</th>"#,
                r#"<th scope="col" class="number">Waiting</th><td></td></tr></thead><tbody><tr>"#,
                r#"<td data-label="Queue">slack-events</td><td class="number" data-label="Waiting">7</td>"#,
                "<td>Open</td></tr></tbody></table>",
            )
        );
    }

    #[test]
    fn what_is_wide_scrolls_by_the_keyboard_too() {
        let wide = wide("Values", &text("…")).into_string();
        assert_eq!(wide, r#"<div class="wide" tabindex="0" role="region" aria-label="Values">…</div>"#);
    }

    #[test]
    fn what_removes_asks_first() {
        let confirm = Confirm {
            action: "/admin/keys/revoke",
            token: "t",
            fields: &[("id", "k1")],
            question: "Programs with this key are refused.",
            button: "Revoke",
        };
        let form = concat!(
            r#"<form method="post" action="/admin/keys/revoke"><input type="hidden" name="token" value="t">"#,
            r#"<input type="hidden" name="id" value="k1"><p>Programs with this key are refused.</p>"#,
            r#"<button class="main">Revoke</button>"#,
        );
        assert_eq!(
            confirm.in_place("Revoke Web shop").into_string(),
            format!(
                r#"<details class="confirm"><summary aria-label="Revoke Web shop">Revoke</summary>{form}</form></details>"#
            )
        );
        assert_eq!(
            confirm.on_page(Language::En, "/admin/keys").into_string(),
            format!(r#"{form} <a href="/admin/keys">Cancel</a></form>"#)
        );
    }

    #[test]
    fn a_time_can_be_read_by_people_and_by_programs() {
        let absolute = r#"<time datetime="2026-11-27T04:20:00Z">2026-11-27 04:20:00 UTC</time>"#;
        assert_eq!(moment(at(1_795_753_200)).into_string(), absolute);
        let ago = |language, seconds: i64| ago(language, at(1_795_753_200 + seconds), at(1_795_753_200)).into_string();
        let time = |words: &str| {
            format!(r#"<time datetime="2026-11-27T04:20:00Z" title="2026-11-27 04:20:00 UTC">{words}</time>"#)
        };
        for (seconds, words) in [
            (-5, "just now"),
            (0, "just now"),
            (1, "1 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
            (172_800, "2 d ago"),
        ] {
            assert_eq!(ago(Language::En, seconds), time(words));
        }
        assert_eq!(ago(Language::Ru, 180), time("3 мин назад"));
    }

    #[test]
    fn a_duration_has_the_unit_that_fits_it() {
        let all = [0, 9_999, 10_000, 119_999, 120_000, 7_200_000, 172_800_000];
        assert_eq!(
            all.map(|millis| duration(Language::En, millis)),
            ["0 ms", "9,999 ms", "10 s", "119 s", "2 min", "2 h", "2 d"]
        );
        assert_eq!(millis(at(2), at(5)), 3_000);
        assert_eq!(millis(at(5), at(2)), 0);
    }
}
