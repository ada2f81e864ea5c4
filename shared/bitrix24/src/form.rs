//! PHP-style forms: `data[FIELDS][ID]=42` to a tree, and a tree back to a form.
//!
//! Bitrix24 writes its events and reads its batch commands in this notation, with PHP's rules: every scalar is text, a
//! later value of a name replaces an earlier one, `x[]` appends after the greatest number so far.
//!
//! Reading costs one pass over the body, whatever it contains. A value that cannot be read costs only itself.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest event that is read. Real ones have one or two kilobytes; the largest honest one is a chatbot's: a message
/// has up to 20,000 characters, each up to 12 bytes when percent-encoded (`%F0%9F%98%80`), and the older events carry
/// it up to three times (`MESSAGE`, `MESSAGE_ORIGINAL`, `COMMAND_PARAMS`). That is 720,000 bytes, and the rest is small.
pub const MAX_EVENT_BODY: usize = 768 * 1024;

/// The most values that are read of one form. Real events have a few dozen; PHP itself stops at 1,000.
pub const MAX_PAIRS: usize = 2_000;

/// How deep names may nest. Real events nest five deep.
const MAX_DEPTH: usize = 32;

/// PHP's integers end here, and so does appending.
const MAX_INDEX: u64 = i64::MAX as u64;

/// A value of a form: text, or named values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tree {
    /// A scalar, as it was sent.
    Text(String),
    /// Named values.
    Map(BTreeMap<String, Tree>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

/// Why a body is not a form that Bitrix24 would send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The body is over [`MAX_EVENT_BODY`].
    #[error("the body has {0} bytes; at most {MAX_EVENT_BODY} are read")]
    TooLarge(usize),
    /// The body has no `name=value`.
    #[error("the body is not a form (application/x-www-form-urlencoded)")]
    NotAForm,
    /// The body has more values than [`MAX_PAIRS`], and its reader needs all of them.
    #[error("the form has more than {MAX_PAIRS} values; send fewer")]
    TooMany,
}

/// A form as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BracketForm {
    /// What was read.
    pub tree: Tree,
    /// Values that were left out or read only in part: names without a value, bytes that are not UTF-8 (each is a
    /// replacement character now), names that are empty or nest too deep, whatever is beyond [`MAX_PAIRS`].
    pub unread: usize,
    /// Whether there were more values than [`MAX_PAIRS`].
    is_cut: bool,
}

/// Reads a form that has to be there as a whole. A broken value costs only itself; too many values cost the form.
pub fn parse(body: &[u8]) -> Result<Tree, FormError> {
    let form = read(body)?;
    if form.is_cut { Err(FormError::TooMany) } else { Ok(form.tree) }
}

/// Reads as much of a form as can be read.
pub fn read(body: &[u8]) -> Result<BracketForm, FormError> {
    check(body)?;
    let mut root = Node::default();
    let mut unread = 0;
    let mut count = 0;
    for raw in pairs(body) {
        count += 1;
        if count > MAX_PAIRS {
            unread += 1;
            continue;
        }
        let pair = FormPair::of(raw);
        let placed = path_of(&pair.name).is_some_and(|path| root.insert(&path, pair.value));
        unread += usize::from(!placed || !pair.is_whole);
    }
    if root.slots.is_empty() {
        return Err(FormError::NotAForm);
    }
    Ok(BracketForm { tree: root.into_tree(), unread, is_cut: count > MAX_PAIRS })
}

/// Whether a body can be a form of Bitrix24's at all, at the price of a look at each byte.
pub(crate) fn check(body: &[u8]) -> Result<(), FormError> {
    if body.len() > MAX_EVENT_BODY {
        return Err(FormError::TooLarge(body.len()));
    }
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    // JSON or markup, even if some text in it has the sign of a form.
    let is_other = first.is_none_or(|byte| b"{[<\"".contains(byte));
    if is_other || !body.contains(&b'=') { Err(FormError::NotAForm) } else { Ok(()) }
}

/// The values whose names begin with `first`, as path and value. Of all others nothing but the name's beginning is
/// decoded, and nothing is kept.
pub(crate) fn under<'a>(body: &'a [u8], first: &'a str) -> impl Iterator<Item = FormPair> + 'a {
    pairs(body).filter(move |raw| begins(raw, first)).map(FormPair::of)
}

fn pairs(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    steps::add(body.len());
    body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty())
}

fn begins(raw: &[u8], first: &str) -> bool {
    steps::add(first.len());
    let mut name = percent_decode(raw);
    first.bytes().all(|byte| name.next() == Some(byte)) && matches!(name.next(), None | Some(b'[' | b'='))
}

/// A name and its value.
pub(crate) struct FormPair {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether both were there, and were UTF-8.
    pub(crate) is_whole: bool,
}

impl FormPair {
    fn of(raw: &[u8]) -> Self {
        let equals = raw.iter().position(|byte| *byte == b'=');
        let (name, name_is_whole) = decode(&raw[..equals.unwrap_or(raw.len())]);
        let (value, value_is_whole) = decode(equals.map_or(&[], |at| &raw[at + 1..]));
        Self { name, value, is_whole: equals.is_some() && name_is_whole && value_is_whole }
    }
}

/// The text, and whether it was UTF-8.
fn decode(raw: &[u8]) -> (String, bool) {
    steps::add(raw.len());
    let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    match String::from_utf8(percent_decode(&spaced).collect()) {
        Ok(text) => (text, true),
        Err(broken) => (String::from_utf8_lossy(broken.as_bytes()).into_owned(), false),
    }
}

/// `a[b][c]` is the path a, b, c. A bracket that does not close belongs to the name, as in PHP. `None` for a name that
/// is empty or nests deeper than any of Bitrix24's.
pub(crate) fn path_of(name: &str) -> Option<Vec<&str>> {
    steps::add(name.len());
    let Some(open) = name.find('[').filter(|open| *open > 0) else {
        return (!name.is_empty()).then(|| vec![name]);
    };
    let mut path = vec![&name[..open]];
    let mut rest = &name[open..];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some(close) = steps::find(inner, &[']']) else { break };
        path.push(&inner[..close]);
        rest = &inner[close + 1..];
        if path.len() > MAX_DEPTH {
            return None;
        }
    }
    Some(if path.len() == 1 { vec![name] } else { path })
}

/// A map that is being read, with the number that `x[]` gets next.
#[derive(Default)]
struct Node {
    slots: BTreeMap<String, FormSlot>,
    next: u64,
}

enum FormSlot {
    Text(String),
    Map(Node),
}

impl Node {
    /// Whether there was a place for it: none is left behind PHP's greatest number.
    fn insert(&mut self, path: &[&str], value: String) -> bool {
        let [name, rest @ ..] = path else { return false };
        let Some(name) = self.name(name) else { return false };
        if rest.is_empty() {
            self.slots.insert(name, FormSlot::Text(value));
            return true;
        }
        let slot = self.slots.entry(name).or_insert_with(|| FormSlot::Map(Self::default()));
        if let FormSlot::Text(_) = slot {
            *slot = FormSlot::Map(Self::default());
        }
        match slot {
            FormSlot::Map(inner) => inner.insert(rest, value),
            FormSlot::Text(_) => false,
        }
    }

    /// The name to store under. Whatever is a number moves the counter, so that no key is ever looked at again for it.
    fn name(&mut self, given: &str) -> Option<String> {
        steps::add(given.len() + 1);
        let index = if given.is_empty() { Some(self.next) } else { index_of(given) };
        if index.is_some_and(|index| index > MAX_INDEX) {
            return None;
        }
        self.next = self.next.max(index.map_or(0, |index| index + 1));
        Some(if given.is_empty() { index?.to_string() } else { given.to_owned() })
    }

    fn into_tree(self) -> Tree {
        Tree::Map(self.slots.into_iter().map(|(name, slot)| (name, slot.into_tree())).collect())
    }
}

impl FormSlot {
    fn into_tree(self) -> Tree {
        match self {
            Self::Text(text) => Tree::Text(text),
            Self::Map(node) => node.into_tree(),
        }
    }
}

/// The number that a name is, by PHP's rule: as PHP would write it, so neither `05` nor `+5`.
fn index_of(name: &str) -> Option<u64> {
    let is_plain = name.len() <= 19 && name.bytes().all(|byte| byte.is_ascii_digit());
    let is_canonical = is_plain && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|index| is_canonical && *index <= MAX_INDEX)
}

impl Tree {
    /// The named value, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            Self::Text(_) => None,
        }
    }

    /// The value at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |tree, name| tree.get(name))
    }

    /// The text at a path. Bitrix24 writes `undefined` where it has nothing to say, and so does this.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path)? {
            Self::Text(text) if text != "undefined" => Some(text),
            _ => None,
        }
    }

    /// The whole number at a path.
    pub fn number<N: std::str::FromStr>(&self, path: &[&str]) -> Option<N> {
        self.text(path)?.trim().parse().ok()
    }
}

/// Writes a JSON object as PHP's `http_build_query` does: `true` is 1, `false` 0, nulls and empty containers
/// are dropped.
pub fn build(value: &Value) -> String {
    let mut form = String::new();
    if let Value::Object(map) = value {
        for (name, value) in map {
            append(&mut form, &encode(name), value);
        }
    }
    form
}

fn append(form: &mut String, name: &str, value: &Value) {
    let scalar = match value {
        Value::Null => return,
        Value::Object(map) => {
            for (key, value) in map {
                append(form, &format!("{name}%5B{}%5D", encode(key)), value);
            }
            return;
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                append(form, &format!("{name}%5B{index}%5D"), value);
            }
            return;
        }
        Value::Bool(yes) => if *yes { "1" } else { "0" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => encode(text),
    };
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(name);
    form.push('=');
    form.push_str(&scalar);
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn tree(body: &str) -> Value {
        serde_json::to_value(parse(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn names_in_brackets_become_a_tree_encoded_or_not() {
        let expected = json!({"event": "X", "data": {"FIELDS": {"ID": "42"}}});
        assert_eq!(tree("event=X&data[FIELDS][ID]=42"), expected);
        assert_eq!(tree("event=X&data%5BFIELDS%5D%5BID%5D=42"), expected);
    }

    #[test]
    fn a_later_value_replaces_an_earlier_one_whatever_its_shape() {
        assert_eq!(tree("a=1&a=2"), json!({"a": "2"}));
        assert_eq!(tree("a=undefined&a[ID]=2"), json!({"a": {"ID": "2"}}));
        assert_eq!(tree("a[ID]=2&a=undefined"), json!({"a": "undefined"}));
        assert_eq!(tree("a[]=x&a[]=y"), json!({"a": {"0": "x", "1": "y"}}));
    }

    #[test]
    fn odd_brackets_stay_in_the_name() {
        assert_eq!(tree("a[b=1&[c]=2&d]=3"), json!({"a[b": "1", "[c]": "2", "d]": "3"}));
    }

    #[test]
    fn undefined_is_nothing() {
        let tree = parse(b"data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=7").unwrap();
        assert_eq!(tree.text(&["data", "FIELDS_BEFORE"]), None);
        assert_eq!(tree.number::<u64>(&["data", "FIELDS_AFTER", "ID"]), Some(7));
        assert_eq!(tree.number::<u64>(&["data", "FIELDS_BEFORE", "ID"]), None);
    }

    #[test]
    fn what_is_no_form_says_why() {
        for body in [&b""[..], br#"{"event":"X"}"#, br#"{"event":"a=b"}"#, b"<html a=1>", b"&&&", b"flag", b"=1&=2"] {
            assert_eq!(parse(body), Err(FormError::NotAForm), "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(parse(&vec![b'a'; MAX_EVENT_BODY + 1]), Err(FormError::TooLarge(MAX_EVENT_BODY + 1)));
    }

    #[test]
    fn what_cannot_be_read_costs_only_itself() {
        let deep = format!("x{}=1", "[b]".repeat(50));
        for (broken, kept) in [
            ("flag", json!({"a": "1", "flag": "", "c": "2"})),
            ("b=%ff", json!({"a": "1", "b": "\u{fffd}", "c": "2"})),
            ("b%ff=1", json!({"a": "1", "b\u{fffd}": "1", "c": "2"})),
            ("=1", json!({"a": "1", "c": "2"})),
            (&deep, json!({"a": "1", "c": "2"})),
        ] {
            let form = read(format!("a=1&{broken}&c=2").as_bytes()).unwrap();
            assert_eq!((serde_json::to_value(form.tree).unwrap(), form.unread), (kept, 1), "{broken}");
        }
        let raw = read(b"a=1&b=\xff\xfe&c=%zz&d=%").unwrap();
        assert_eq!(
            serde_json::to_value(raw.tree).unwrap(),
            json!({"a": "1", "b": "\u{fffd}\u{fffd}", "c": "%zz", "d": "%"})
        );
        assert_eq!(raw.unread, 1);
    }

    #[test]
    fn a_list_goes_on_behind_its_greatest_number_as_in_php() {
        assert_eq!(tree("a[5]=x&a[]=y&a[2]=z&a[]=w"), json!({"a": {"5": "x", "6": "y", "2": "z", "7": "w"}}));
        assert_eq!(tree("a[05]=x&a[+7]=y&a[-3]=v&a[]=z"), json!({"a": {"05": "x", " 7": "y", "-3": "v", "0": "z"}}));
        assert_eq!(tree("a[b][]=1&a[c][]=2&a[b][]=3"), json!({"a": {"b": {"0": "1", "1": "3"}, "c": {"0": "2"}}}));
        // A map that was replaced begins again.
        assert_eq!(tree("a[]=1&a[]=2&a=x&a[]=3"), json!({"a": {"0": "3"}}));
        let last = read(b"a[9223372036854775807]=x&a[]=y&a[9223372036854775808]=z").unwrap();
        let kept = json!({"a": {"9223372036854775807": "x", "9223372036854775808": "z"}});
        assert_eq!(
            (serde_json::to_value(last.tree).unwrap(), last.unread),
            (kept, 1),
            "there is no number behind the last"
        );
    }

    #[test]
    fn values_beyond_the_limit_are_left_out_and_counted() {
        let body = "a[]=1&".repeat(MAX_PAIRS + 7);
        let form = read(body.as_bytes()).unwrap();
        assert_eq!(form.unread, 7);
        assert!(form.tree.at(&["a", "1999"]).is_some() && form.tree.at(&["a", "2000"]).is_none());
        assert_eq!(parse(body.as_bytes()), Err(FormError::TooMany), "who needs all of them is told");
        assert!(parse("a[]=1&".repeat(MAX_PAIRS).as_bytes()).is_ok());
    }

    #[test]
    fn work_grows_with_the_body_and_no_faster() {
        let deep = format!("a{}=1&", "[b]".repeat(31));
        let too_deep = format!("a{}=1&", "[b]".repeat(400));
        let shapes = [
            "a[]=1&",
            "a[",
            "a[b",
            "a[0][1][2][3]=1&",
            "a=&",
            "&",
            "%",
            "%ff",
            "a=%ff&",
            "=",
            "a[]=",
            "flag&",
            "auth[a]=1&",
            "auth%5Bmember_id%5D=1&",
            "a[99999999999]=1&",
            "a]]]]",
            "+",
            &deep,
            &too_deep,
        ];
        for shape in shapes {
            for lead in ["x=1&", "x=1&a"] {
                let body = |bytes: usize| [lead, &shape.repeat(bytes / shape.len())].concat();
                let cost = |bytes: usize| {
                    steps::of(|| (read(body(bytes).as_bytes()).is_ok(), under(body(bytes).as_bytes(), "auth").count()))
                        .1
                };
                let (once, twice, most) = (cost(20_000), cost(40_000), cost(MAX_EVENT_BODY - 10));
                assert!(once > 0 && twice * 10 <= once * 22, "{shape:.20}: {once} steps, then {twice}");
                assert!(most <= 8 * MAX_EVENT_BODY as u64, "{shape:.20}: {most} steps at the limit");
            }
        }
    }

    fn any_tree() -> impl Strategy<Value = Value> {
        let scalar = "\\PC{0,8}".prop_map(Value::String);
        let nested = scalar.prop_recursive(4, 24, 4, |inner| {
            prop::collection::btree_map("[A-Za-zА-я _0-9&=%+]{1,6}", inner, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[A-Za-z_]{1,6}", nested, 1..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_built_parses_back(value in any_tree()) {
            let parsed = parse(build(&value).as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_value(parsed).unwrap(), value);
        }

        #[test]
        fn any_bytes_give_a_tree_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&body);
        }

        #[test]
        fn any_text_of_form_letters_gives_a_tree_or_an_error(body in "[a-c=&\\[\\]%+0-9]{0,80}") {
            let _ = parse(body.as_bytes());
        }
    }
}
