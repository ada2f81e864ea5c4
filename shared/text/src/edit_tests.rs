//! Edits of shown text, applied to BBCode.

use proptest::prelude::*;

use super::*;

/// BBCode as people, editors and attackers leave it.
pub(in super::super) fn source() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zж👍 ]{1,8}",
        2 => Just("\n".to_owned()),
        6 => prop::sample::select(vec![
            "[b]", "[/b]", "[i]", "[/i]", "[p]", "[/p]", "[list]", "[list=1]", "[*]", "[/list]", "[table]", "[tr]", "[td]", "[/td]",
            "[/tr]", "[/table]", "[quote]", "[/quote]", "[code]", "[/code]", "[url=https://a.example/x]", "[/url]", "[url]",
            "[user=5]Ann Lee[/user]", "[user=5]", "[/user]", "[disk=5]", "[DISK FILE ID=n77]", ":f09f918d:", "[h1]", "[/h1]", "[center]", "[/center]",
            "[br]", "[img]https://a.example/p.png[/img]", "[spoiler=More]", "[/spoiler]", "[\u{200b}b]", "[", "]", "[0]", ">", "> ", "• ", "1. ",
            "\r\n", "[url=/crm/deal/details/5/]deal[/url]", "[call=112]", "[/call]", "[size=10]", "[/size]", "[hr]", "[icon=x title=smile]", "https://a.example/x_y.",
            "\u{202e}", " | ", "[timestamp=1763726400]", ":", "\u{200b}",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

#[test]
fn blocks_are_shown_on_lines_of_their_own() {
    for (bbcode, seen) in [
        ("plain\nlines\n\nstay", "plain\nlines\n\nstay"),
        ("[p]one[/p][p]two[/p]", "one\ntwo"),
        ("[p]one[/p]\n[p]two[/p]", "one\ntwo"),
        ("[p]\none\n[/p]\n[p]\ntwo\n[/p]", "one\ntwo"),
        ("[p]one[/p]\n[p][/p]\n[p]two[/p]", "one\n\ntwo"),
        ("[p]one[/p][p][/p][p]two[/p]", "one\n\ntwo"),
        ("[p]one[/p]\n\n[p]two[/p]", "one\n\ntwo"),
        ("a\n[list]\n[*]one\n[*]two\n[/list]\nb", "a\n• one\n• two\nb"),
        ("a[list][*]one[*]two[/list]b", "a\n• one\n• two\nb"),
        ("[list=1][*]one[*]two[/list]", "1. one\n2. two"),
        ("[list][*]one[list=1][*]in[*]side[/list][*]two[/list]", "• one\n    1. in\n    2. side\n• two"),
        ("[list]\n[*] one\n[list]\n[*] in\n[/list]\n[*][p]two[/p]\n[/list]", "• one\n    • in\n• two"),
        ("[list][*]one[/*][*]two[/*][/list]", "• one\n• two"),
        ("[table][tr][th]a[/th][th]b[/th][/tr][tr][td]1[/td][td][/td][/tr][/table]x", "a | b\n1 | \nx"),
        ("[table]\n[tr]\n[td]a[/td]\n[td]b\nc[/td]\n[/tr]\n[/table]\nx", "a | b c\nx"),
        ("[quote]said\ntwice[/quote]\nanswer", "> said\n> twice\nanswer"),
        ("a [quote]b[quote]c[/quote][/quote]d", "a \n> b\n> > c\nd"),
        ("see [code]x[0][/code] there", "see x[0] there"),
        ("see\n[code]\n[b]x[/b]\ny\n[/code]\nthere", "see\n[b]x[/b]\ny\nthere"),
        ("[h1]Head[/h1]text", "Head\ntext"),
        ("[center]mid[/center][left]left[/left]", "mid\nleft"),
        ("one[br]two", "one\ntwo"),
        ("[b]bold [b]inner[/b] still[/b]", "bold inner still"),
        ("[b]a [i]b[/b] c[/i] [u]d", "a b c d"),
        ("[url=https://a.example]words[/url] [url]https://b.example[/url]", "words https://b.example"),
        ("[url=/crm/deal/details/5/]deal[/url]", "deal (/crm/deal/details/5/)"),
        ("[url=javascript:alert(1)]x[/url]", "x"),
        ("[url=https://a.example]never closed", "never closed"),
        (
            "[user=5]Ann Lee[/user] [user=all]all[/user] [chat=5]Sales[/chat] [department=3]HR[/department] [project=4]X[/project]",
            "@Ann Lee @all Sales HR X",
        ),
        ("see [DISK FILE ID=n77] [disk=5] [diskfile]n7[/diskfile]", "see 📎 file 📎 file 📎 file"),
        ("nice :f09f918d: :e29da4efb88f: 10:20:30 :abcd: :f09f91:", "nice 👍 ❤️ 10:20:30 :abcd: :f09f91:"),
        (
            "[icon=https://a/b size=20 title=smile] [icon title=\"wink\" size=5] [icon=x title=Party Corgi]",
            "😄 😉 :Party Corgi:",
        ),
        ("[spoiler=More]hidden[/spoiler]x", "More\nhidden\nx"),
        (
            "[img size=small]https://a.example/p.png [/img] [video type=x]https://a.example/v[/video]",
            "https://a.example/p.png https://a.example/v",
        ),
        ("a[0] [x] [p. 5] [1] [\u{200b}b]", "a[0] [x] [p. 5] [1] [b]"),
        ("[size=5][color=red][font=Arial]x[/font][/color][/size] [put=/a]b[/put]", "x b"),
        ("a[hr]b", "a\n———\nb"),
        ("[/b][/list]x[/p]", "x"),
        ("", ""),
    ] {
        assert_eq!(shown(bbcode), seen, "{bbcode:?}");
    }
}

fn edited(now: &str, wanted: &str, expected: &str) {
    assert_eq!(edit_bbcode(now, wanted).as_deref(), Ok(expected), "{now:?} → {wanted:?}");
}

#[test]
fn an_edit_changes_the_words_alone() {
    edited("[b]Total[/b]: 5 pcs", "Total: 6 pcs", "[b]Total[/b]: 6 pcs");
    edited("[b]Total[/b]: 5", "Sum: 5", "[b]Sum[/b]: 5");
    edited("[b]Total[/b]: 5", "Totals: 5", "[b]Total[/b]s: 5");
    edited(
        "see [url=https://a.example/x]the offer[/url] now",
        "see the new offer now",
        "see [url=https://a.example/x]the new offer[/url] now",
    );
    edited("hi [user=5]Ann Lee[/user], ok", "hi @Ann Lee, fine", "hi [user=5]Ann Lee[/user], fine");
    edited("hi [user=5]Ann Lee[/user], ok", "hi ok", "hi ok");
    edited("[p]one[/p]\n[p]two[/p]", "one\nnew\ntwo", "[p]one[/p]\nnew\n[p]two[/p]");
    edited("[p]one[/p]\n[p]two[/p]\n[p]three[/p]", "one\nthree", "[p]one[/p]\n[p]three[/p]");
    edited("[p]one[/p]\n[p]two[/p]", "one two", "[p]one two[/p]");
    edited("[table][tr][td]a[/td][td]b[/td][/tr][/table]", "a | c", "[table][tr][td]a[/td][td]c[/td][/tr][/table]");
    edited("[table][tr][td]a[/td][td][/td][/tr][/table]", "a | c", "[table][tr][td]a[/td][td]c[/td][/tr][/table]");
    edited("[table][tr][td]a[/td][/tr][tr][td]b[/td][/tr][/table]", "a", "[table][tr][td]a[/td][/tr][/table]");
    edited("[quote]said[/quote]answer", "> asked\nanswer", "[quote]asked[/quote]answer");
    edited("[quote]said[/quote]answer", "> said\n> twice\nanswer", "[quote]said\ntwice[/quote]answer");
    edited("[code]x = 1[/code]", "x = 2", "[code]x = 2[/code]");
    edited("see [DISK FILE ID=n77] and", "look: see 📎 file and", "look: see [DISK FILE ID=n77] and");
    edited("a :f09f918d: b", "a 👍 c", "a :f09f918d: c");
    edited("[b]gone[/b] stays", "stays", "stays");
    edited("one\r\ntwo\r\nthree", "one\n2\nthree", "one\r\n2\r\nthree");
}

#[test]
fn points_of_lists_come_and_go() {
    let list = "before\n[list]\n[*]one\n[*]two\n[/list]\nafter";
    edited(list, "before\n• one\n• 2\nafter", "before\n[list]\n[*]one\n[*]2\n[/list]\nafter");
    edited(list, "before\n• one\n• new\n• two\nafter", "before\n[list]\n[*]one\n[*]new\n[*]two\n[/list]\nafter");
    edited(list, "before\n• two\nafter", "before\n[list]\n[*]two\n[/list]\nafter");
    edited("[list][*]one[*]two[/list]", "• one\n• two\n• three", "[list][*]one[*]two[*]three[/list]");
    edited("[list=1][*]one[*]two[/list]", "1. one\n2. new\n3. two", "[list=1][*]one[*]new[*]two[/list]");
    edited("[list=1][*]one[*]two[*]three[/list]", "1. one\n2. three", "[list=1][*]one[*]three[/list]");
}

#[test]
fn what_would_be_lost_is_refused() {
    for (now, wanted) in [
        ("[table][tr][td]a[/td][td]b[/td][/tr][/table]", "a b"),
        ("[table][tr][td]a[/td][td]b[/td][/tr][/table]", "a | b\nc | d"),
        ("hi [user=5]Ann Lee[/user]", "hi @Anna Lee"),
        ("see [DISK FILE ID=n77]", "see"),
        ("see [DISK FILE ID=n77] x", "see 📎 offer x"),
        ("see [disk=5]", ""),
        ("[url=/crm/deal/details/5/]deal[/url]", "deal (/crm/deal/details/6/)"),
    ] {
        let loss = edit_bbcode(now, wanted).unwrap_err();
        assert!(loss.to_string().ends_with("; change it in Bitrix24"), "{loss}");
    }
    assert_eq!(
        edit_bbcode("[table][tr][td]a[/td][td]b[/td][/tr][/table]", "ab").unwrap_err().to_string(),
        "the edit goes across the cells of a table; change it in Bitrix24"
    );
}

#[test]
fn typed_brackets_make_no_tags() {
    for typed in
        ["[b]x[/b]", "[send=/boom]press[/send]", "[user=all]x[/user]", "[", "[[b]", "a[0]", "[*]", "[/b]", ":f09f918d:"]
    {
        for now in ["", "old", "[b]old[/b]", "[list][*]old[/list]", "[code]old[/code]"] {
            let wanted = shown(now).replace("old", typed);
            let Ok(edited) = edit_bbcode(now, &wanted) else { continue };
            assert_eq!(shown(&edited), normalised(&wanted), "{now:?} {typed:?} {edited:?}");
        }
    }
    edited("x", "x [b]y[/b]", "x [\u{200b}b]y[\u{200b}/b]");
    edited("[ b]x", "[b]x", "[\u{200b}b]x");
    edited("", "one\n[two]", "one\n[\u{200b}two]");
    // What nobody edited remains, also where it could be written in another way.
    edited("[[b]\u{200b}\n[p]one[/p]", "[\u{200b}\ntwo", "[[b]\u{200b}\n[p]two[/p]");
    edited(":f0[b]9f918d:[/b] one", ":f09f918d: two", ":f0[b]9f918d:[/b] two");
}

/// The work of an edit, for each byte.
#[test]
fn work_grows_with_the_text_and_no_faster() {
    for shape in [
        "[b]a[/b] ",
        "[list][*]a",
        "[table][tr][td]a[/td]",
        "a ",
        "[url=https://a]x[/url] ",
        "[call=1]",
        "[quote]",
        "[url=a]",
        "[p]a\n[/p]",
        "[user=1]",
        "[img]",
        "[icon x",
        ":f0",
        "[",
        "[/b]",
        "[*]",
        "[td]",
    ] {
        let cost = |bytes: usize| {
            let text = shape.repeat(bytes / shape.len());
            let wanted = format!("x{}y", shown(&text));
            steps::of(|| (edit_bbcode(&text, &wanted).ok(), rich_text(&text))).1
        };
        let (once, twice) = (cost(10_000), cost(20_000));
        assert!(once > 0 && twice * 10 <= once * 23 && twice <= 400 * 20_000, "{shape}: {once}, then {twice}");
    }
}

proptest! {
    #[test]
    fn nothing_wanted_changes_nothing(now in source()) {
        prop_assert_eq!(edit_bbcode(&now, &shown(&now)), Ok(now));
    }

    #[test]
    fn an_edit_reads_as_wanted_or_is_refused(now in source(), wanted in source()) {
        if let Ok(edited) = edit_bbcode(&now, &wanted)
            && wanted != shown(&now)
        {
            // Tags may hide from the reader that what they left as it was can be written in another way.
            prop_assert_eq!(normalised(&shown(&edited)), normalised(&wanted), "{:?}", edited);
        }
    }

    #[test]
    fn plain_lines_are_always_edited(now in "[a-z \n.:>•1]{0,40}", wanted in "\\PC{0,40}") {
        let edited = edit_bbcode(&now, &wanted).unwrap();
        prop_assert_eq!(shown(&edited), normalised(&wanted));
    }

    #[test]
    fn what_is_not_edited_stays_to_the_last_character(before in source(), after in source(), old in "[a-z]{3,9}", new in "[a-z]{3,9}") {
        // A paragraph of its own between others, closed and plain.
        let text = |words: &str| format!("{before}\n[p]0{words}0[/p]\n{after}");
        let (now, wanted) = (text(&old), text(&new));
        let seen = shown(&now);
        prop_assume!(seen.matches(&format!("0{old}0")).count() == 1 && !before.contains("[code]"));
        let edit = seen.replace(&format!("0{old}0"), &format!("0{new}0"));
        if let Ok(edited) = edit_bbcode(&now, &edit) {
            prop_assert_eq!(edited, wanted);
        }
    }

    #[test]
    fn nothing_makes_it_fall(now in "\\PC{0,60}", wanted in "\\PC{0,60}") {
        let _ = edit_bbcode(&now, &wanted);
        let _ = rich_text(&now);
    }
}
