//! PHP-style forms: `data[FIELDS][ID]=42` to a tree, and a tree back to a form.
//!
//! Bitrix24 writes its events and reads its batch commands in this notation, with PHP's rules: every scalar
//! is text, a later value of a name replaces an earlier one, `x[]` appends.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest body that is read. Real events have one or two kilobytes; bot messages up to 20,000 characters.
pub const LARGEST_BODY: usize = 512 * 1024;

/// How deep names may nest. Real events nest five deep.
const DEEPEST: usize = 32;

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
    /// The body is over [`LARGEST_BODY`].
    #[error("the body has {0} bytes; at most {LARGEST_BODY} are read")]
    TooLarge(usize),
    /// The body holds bytes that are no UTF-8, plain or percent-encoded.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body has no `name=value`.
    #[error("the body is not a form (application/x-www-form-urlencoded)")]
    NotAForm,
    /// A name nests deeper than any event does.
    #[error("a name in the form nests deeper than {DEEPEST} levels")]
    TooDeep,
}

/// Reads a form.
pub fn parse(body: &[u8]) -> Result<Tree, FormError> {
    if body.len() > LARGEST_BODY {
        return Err(FormError::TooLarge(body.len()));
    }
    let text = std::str::from_utf8(body).map_err(|_| FormError::NotUtf8)?;
    let mut root = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(FormError::NotAForm)?;
        let (name, value) = (decode(name)?, decode(value)?);
        let path = path_of(&name)?;
        insert(&mut root, &path, value);
    }
    if root.is_empty() { Err(FormError::NotAForm) } else { Ok(Tree::Map(root)) }
}

fn decode(text: &str) -> Result<String, FormError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| FormError::NotUtf8)?;
    Ok(decoded.into_owned())
}

/// `a[b][c]` is the path a, b, c. A bracket that does not close belongs to the name, as in PHP.
fn path_of(name: &str) -> Result<Vec<&str>, FormError> {
    let Some(open) = name.find('[').filter(|open| *open > 0) else {
        return if name.is_empty() { Err(FormError::NotAForm) } else { Ok(vec![name]) };
    };
    let mut path = vec![&name[..open]];
    let mut rest = &name[open..];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((part, after)) = inner.split_once(']') else { break };
        path.push(part);
        rest = after;
        if path.len() > DEEPEST {
            return Err(FormError::TooDeep);
        }
    }
    Ok(if path.len() == 1 { vec![name] } else { path })
}

fn insert(map: &mut BTreeMap<String, Tree>, path: &[&str], value: String) {
    let [name, rest @ ..] = path else { return };
    let name = if name.is_empty() { next_index(map) } else { (*name).to_owned() };
    if rest.is_empty() {
        map.insert(name, Tree::Text(value));
        return;
    }
    let place = map.entry(name).or_default();
    if let Tree::Text(_) = place {
        *place = Tree::default();
    }
    if let Tree::Map(inner) = place {
        insert(inner, rest, value);
    }
}

fn next_index(map: &BTreeMap<String, Tree>) -> String {
    let greatest = map.keys().filter_map(|key| key.parse::<u64>().ok()).max();
    greatest.map_or(0, |index| index.saturating_add(1)).to_string()
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
        assert_eq!(parse(b""), Err(FormError::NotAForm));
        assert_eq!(parse(br#"{"event":"X"}"#), Err(FormError::NotAForm));
        assert_eq!(parse(b"a=%ff"), Err(FormError::NotUtf8));
        assert_eq!(parse(b"a=\xff"), Err(FormError::NotUtf8));
        assert_eq!(parse(&vec![b'a'; LARGEST_BODY + 1]), Err(FormError::TooLarge(LARGEST_BODY + 1)));
        assert_eq!(parse(format!("a{}=1", "[b]".repeat(50)).as_bytes()), Err(FormError::TooDeep));
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
