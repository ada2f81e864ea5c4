//! What conditions evaluate to, what they cost, and where the budget ends them.

use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn deal(fields: Json) -> Change {
    let state: RecordState = serde_json::from_value(fields).unwrap();
    Change { from_stage: Some("NEW".into()), ..Change::new(ChangeKind::DealStageChanged, "deal 7", state) }
}

fn holds(condition: &str) -> Result<bool, String> {
    let change = deal(json!({
        "id": 7, "title": "Roof for ACME", "stageId": "WON", "opportunity": "150000.00", "assignedById": 6,
        "ufCrm_1": ["a", "b"], "companyId": null,
    }));
    Condition::parse(condition).and_then(|condition| condition.holds(&change)).map_err(|error| error.to_string())
}

/// Asks a condition of a record by its fields.
fn asked(condition: &str, record: Json) -> Evaluation {
    Condition::parse(condition).unwrap().evaluate(&ConditionFacts::of_record(record))
}

fn error(condition: &str, record: Json) -> String {
    asked(condition, record).holds.unwrap_err().to_string()
}

const TOO_MANY_STEPS: &str = "the condition takes more than 10,000 steps on this record; use fewer exists, all, map \
    and filter within each other, or shorter lists";
const TOO_MANY_BYTES: &str = "the condition makes more than 1 MB of texts and lists on this record; join fewer texts \
    and lists with +";

#[test]
fn a_condition_asks_the_record_its_past_and_the_change() {
    assert_eq!(holds("record.opportunity > 100000"), Ok(true));
    assert_eq!(holds("record.opportunity >= 150000.0 && record.assignedById == 6"), Ok(true));
    assert_eq!(holds("change.from_stage == 'NEW' && record.stageId in ['WON', 'LOSE']"), Ok(true));
    assert_eq!(holds("record.title.contains('ACME') && before == null"), Ok(true));
    assert_eq!(holds("'b' in record.ufCrm_1 && record.ufCrm_1.exists(x, x == 'a')"), Ok(true));
    assert_eq!(holds("has(record.ufCrm_9) && record.ufCrm_9 == 1"), Ok(false));
    assert_eq!(holds("record['stageId'] == 'LOSE'"), Ok(false));
}

#[test]
fn what_fails_on_a_record_says_why() {
    let failed = |condition: &str| holds(condition).unwrap_err();
    assert_eq!(
        failed("record.ufCrm_9 == 1"),
        "the condition fails on this record: there is no field \"ufCrm_9\"; ask has(record.field) first"
    );
    assert_eq!(
        failed("record.companyId > 5"),
        "the condition fails on this record: > does not work on null and a whole number"
    );
    assert_eq!(failed("record.title"), "the condition is neither true nor false for this record");
    assert_eq!(failed("record.id / 0 == 1"), "the condition fails on this record: division by zero");
    assert_eq!(
        failed("int(record.title) == 1"),
        "the condition fails on this record: int cannot convert \"Roof for ACME\""
    );
}

#[test]
fn what_cannot_be_read_or_is_not_there_is_refused() {
    assert_eq!(
        holds("record.opportunity >").unwrap_err(),
        "the condition cannot be read: character 21: mismatched input '<EOF>' expecting expression"
    );
    assert_eq!(
        holds("record.id == 1 &&\n  record.id = 2").unwrap_err(),
        "the condition cannot be read: line 2, character 13: mismatched input '=' expecting <EOF>"
    );
    assert!(holds(&"(".repeat(50)).unwrap_err().contains("more than 24 brackets within brackets"));
    assert!(holds(&" ".repeat(1_001)).unwrap_err().contains("longer than 1,000 characters"));
    let problem = |text: &str| {
        Condition::parse(text).unwrap().problem(&ChangeKind::DealStageChanged).map(|problem| problem.to_string())
    };
    assert_eq!(problem("record.ufCrm_1.exists(x, x == 'a') && change.fields.size() > 0"), None);
    assert_eq!(problem("type(record.title) == string"), None);
    assert!(problem("record.oportunity > 1").unwrap().contains("did you mean \"opportunity\"?"));
    assert!(problem("{'a': record.oportunity}.a > 1").unwrap().contains("did you mean \"opportunity\"?"));
    assert!(problem("deal.opportunity > 1").unwrap().contains("there are record, before and change"));
    assert!(problem("change.fielts == []").unwrap().contains("it has name"));
    assert!(
        problem("record.title.matches('A.*')").unwrap().starts_with("there is no function .matches(…) with 1 value")
    );
    assert!(
        problem("_size_(record.title, 1) == 1").unwrap().starts_with("there is no function _size_(…) with 2 values")
    );
    assert_eq!(
        Condition::parse("record.ufCrm_1 == before.ufCrm_2 || {'x': record.ufCrm_3}.x").unwrap().custom_fields(),
        ["ufCrm_1", "ufCrm_2", "ufCrm_3"]
    );
}

#[test]
fn brackets_in_texts_are_text() {
    let many = format!("record.title != '{}'", "((([[[{{{".repeat(20));
    assert_eq!(holds(&many), Ok(true));
}

#[test]
fn honest_conditions_cost_little() {
    let phones: Vec<_> = (0..20).map(|phone| format!("+49 30 {phone:07}")).collect();
    let contact = |number: usize| json!({"name": format!("Contact {number}"), "phones": phones});
    let record = json!({
        "title": "Roof for ACME", "opportunity": 150_000.0, "stageId": "WON",
        "contacts": (0..100).map(contact).collect::<Vec<_>>(), "ufCrm_1": (0..30).collect::<Vec<_>>(),
    });
    let cost = |condition: &str| {
        let evaluation = asked(condition, record.clone());
        (evaluation.holds.unwrap(), evaluation.steps)
    };
    assert_eq!(cost("record.opportunity > 100000"), (true, 2));
    assert_eq!(cost("record.stageId in ['WON', 'LOSE'] && record.title.contains('ACME')"), (true, 8));
    // Nobody has it: all hundred contacts with their twenty phones are looked at.
    assert_eq!(cost("record.contacts.exists(c, c.phones.exists(p, p == '+49 40 0000000'))"), (false, 4_302));
    assert_eq!(
        cost("record.contacts.exists(c, c.phones.exists(p, p.startsWith('+49') && p.endsWith('99')))"),
        (false, 8_302)
    );
    assert_eq!(cost("record.contacts.filter(c, c.phones.size() > 3).map(c, c.name).size() == 100"), (true, 805));
    assert_eq!(cost("record.ufCrm_1.exists(a, record.ufCrm_1.exists(b, a + b == 58))"), (true, 2_792));
}

#[test]
fn lists_within_lists_end_at_the_limit_of_steps() {
    let values = json!({"ufCrm_1": (0..30).collect::<Vec<_>>()});
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|level| format!("record.ufCrm_1.exists(v{level}, ")).collect();
        format!("{open}v0 < 0{}", ")".repeat(depth))
    };
    assert_eq!(asked(&nested(2), values.clone()).steps, 1_892);
    for depth in [3, 5, 10] {
        assert_eq!(error(&nested(depth), values.clone()), TOO_MANY_STEPS);
    }
    let literals = |depth: usize| {
        let open = "[0,1,2,3,4,5,6,7,8,9].exists(x,".repeat(depth);
        format!("{open}x<0{}", ")".repeat(depth))
    };
    assert_eq!(asked(&literals(3), json!({})).holds, Ok(false));
    for depth in [4, 7, 10, 22] {
        assert_eq!(error(&literals(depth), json!({})), TOO_MANY_STEPS);
    }
}

#[test]
fn texts_and_lists_that_double_end_at_the_limit_of_bytes() {
    let title = json!({"title": "x".repeat(200), "ufCrm_1": ["a", "b"]});
    let doubled = |first: &str, depth: usize| {
        let open: String = (0..depth).map(|level| format!("[v{level}+v{level}].exists(v{},", level + 1)).collect();
        format!("[{first}].exists(v0,{open}size(v{depth})<0{}", ")".repeat(depth + 1))
    };
    assert_eq!(asked(&doubled("record.title", 10), title.clone()).holds, Ok(false));
    for depth in [13, 20, 22] {
        let evaluation = asked(&doubled("record.title", depth), title.clone());
        assert_eq!(evaluation.holds.unwrap_err().to_string(), TOO_MANY_BYTES);
        // What passes the limit is not made: the last text would have had 819,200 bytes.
        assert!(evaluation.steps < MAX_STEPS && evaluation.bytes < 2 * MAX_BYTES);
    }
    assert_eq!(asked(&doubled("record.ufCrm_1", 22), title.clone()).holds.unwrap_err().to_string(), TOO_MANY_STEPS);
    // Shared, such a value is small; but a comparison looks at all of it.
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|level| format!("[[v{level},v{level}]].exists(v{},", level + 1)).collect();
        format!("[1].exists(v0,{open}v{depth}==v{depth}{}", ")".repeat(depth + 1))
    };
    assert_eq!(asked(&nested(8), title.clone()).holds, Ok(true));
    assert_eq!(error(&nested(20), title), TOO_MANY_STEPS);
}

#[test]
fn work_on_long_texts_and_lists_is_counted() {
    let record = json!({"comments": "x".repeat(256_000), "list": (0..5_000).collect::<Vec<_>>()});
    assert_eq!(asked("record.comments.contains('y')", record.clone()).steps, 1_002);
    assert_eq!(asked("record.comments == record.comments", record.clone()).steps, 1_003);
    assert_eq!(asked("size(record.comments) == 1", record.clone()).steps, 1_003);
    assert_eq!(asked("record.comments < record.comments", record.clone()).steps, 1_003);
    assert_eq!(asked("record.list == record.list", record.clone()).steps, 5_003);
    assert_eq!(asked("-1 in record.list", record.clone()).steps, 5_002);
    assert_eq!(asked("record.list.size() == 5000", record.clone()).steps, 3);
    for expensive in [
        "[1,2,3,4,5,6,7,8,9,10].exists(x, record.comments.contains('y'))",
        "[1,2].exists(x, -1 in record.list)",
        "[1,2].exists(x, record.list != record.list)",
        "size(record.list + record.list) > 0",
    ] {
        assert_eq!(error(expensive, record.clone()), TOO_MANY_STEPS, "{expensive}");
    }
    let joined = "record.comments+record.comments+record.comments == ''";
    assert_eq!(error(joined, record), TOO_MANY_BYTES);
}

#[test]
fn nothing_around_it_absorbs_the_end_of_the_budget() {
    let record = json!({"list": (0..100).collect::<Vec<_>>()});
    let expensive = "record.list.exists(a, record.list.exists(b, record.list.exists(c, false)))";
    for around in [
        "EXPENSIVE || true",
        "EXPENSIVE && false",
        "true && EXPENSIVE || true",
        "!EXPENSIVE",
        "EXPENSIVE ? true : true",
        "[1, 2].exists(x, x == 2 || EXPENSIVE)",
        "[1, 2].all(x, EXPENSIVE && false)",
        "[1].map(x, EXPENSIVE).size() >= 0",
        "has({'a': EXPENSIVE}.a)",
        "EXPENSIVE in [true, false]",
        "{'a': EXPENSIVE} != {}",
    ] {
        assert_eq!(error(&around.replace("EXPENSIVE", expensive), record.clone()), TOO_MANY_STEPS, "{around}");
    }
    assert_eq!(asked(&format!("true || {expensive}"), record.clone()).holds, Ok(true));
    assert_eq!(asked(&format!("false && {expensive}"), record).holds, Ok(false));
}

/// As long and as deep as conditions may be, and longer and deeper.
fn deep_texts() -> Vec<String> {
    let filled = |unit: &str, end: &str| format!("{}{end}", unit.repeat((MAX_LENGTH - end.len()) / unit.len()));
    let mut texts: Vec<String> = ["-!", "- ", "a.", "1+", "1<", "a?b:", "a?", "a||", "a||b&&", "a==b?", "1 in ", "a,"]
        .iter()
        .map(|unit| filled(unit, "a"))
        .collect();
    let openers = [
        "(", "[", "{", "([{", "f(", "a{b:", "-(!", "f(,", "((a)", "[a b ", "{1:", "a[", "a.f(", "has(", "'", "//", "@",
        "`",
    ];
    texts.extend(openers.map(|unit| filled(unit, "")));
    for times in [20, 70, 140, 149, 300] {
        texts.push(format!("({}a).f().f()", "1+".repeat(times)));
        texts.push(format!("f({}a)", "-!".repeat(times)));
        texts.push(format!("({}a).exists(x,x)", "a+".repeat(times)));
        texts.push(format!("({}a).f()", "a?b:".repeat(times)));
        texts.push(format!("a{}", "[0]".repeat(times)));
        texts.push(format!("a{}", ".f()".repeat(times)));
        texts.push(format!("{}a{}", "f(".repeat(times), ")".repeat(times)));
    }
    for depth in [8, 11, 24] {
        texts.push(format!("{}{}{}", "[0].exists(x,".repeat(depth), "-!".repeat(60), "x") + &")".repeat(depth));
    }
    texts
}

#[test]
fn the_deepest_texts_are_read_and_evaluated_on_a_small_stack() {
    let work = || {
        for text in deep_texts() {
            if let Ok(condition) = Condition::parse(&text) {
                condition.problem(&ChangeKind::DealStageChanged);
                condition.custom_fields();
                let _ = condition.evaluate(&ConditionFacts::of_record(json!({})));
            }
        }
    };
    // Threads have 2 MB; the programs that ship need less of it than these, which are not optimized.
    std::thread::Builder::new().stack_size(1_000_000).spawn(work).unwrap().join().unwrap();
}

#[test]
fn what_nests_too_deep_says_so() {
    let refused = |text: String| Condition::parse(&text).unwrap_err().to_string();
    let deep = "the condition nests its expressions more than 150 deep; write shorter rows of operators, with && or || \
        between them";
    assert_eq!(refused(format!("{}1 > 0", "1+".repeat(200))), deep);
    assert_eq!(refused(format!("{}true", "!-".repeat(100))), deep);
    assert_eq!(refused(format!("{}a", "a?b:".repeat(200))), deep);
    // A row of && or || is not deeper than its parts, however long it is.
    let row = vec!["record.id == 1"; 55].join(" || ");
    assert_eq!(asked(&row, json!({"id": 2})).holds, Ok(false));
    let row = vec!["x==1"; 150].join("||");
    assert_eq!(asked(&format!("[2].exists(x,{row})"), json!({})).holds, Ok(false));
}

// What the `cel` crate gives for the same condition: until its evaluation could not be stopped, it was used.

fn library_value(json: &Json) -> cel::Value {
    match json {
        Json::Null => cel::Value::Null,
        Json::Bool(bool) => cel::Value::Bool(*bool),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => cel::Value::String(Arc::new(text.clone())),
        Json::Array(list) => cel::Value::List(Arc::new(list.iter().map(library_value).collect())),
        Json::Object(map) => {
            let map = map.iter().map(|(name, one)| (Key::String(Arc::new(name.clone())), library_value(one))).collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What the library gives; `None` for what fails.
fn library_result(condition: &str, facts: &ConditionFacts) -> Option<cel::Value> {
    let mut context = Context::with_env(STANDARD.clone());
    for name in ["record", "before", "change"] {
        context.add_variable_from_value(name, library_value(facts.named(name).unwrap()));
    }
    Program::compile(condition).unwrap().execute(&context).ok()
}

/// `None` for what fails, or is neither true nor false.
fn library_holds(condition: &str, facts: &ConditionFacts) -> Option<bool> {
    match library_result(condition, facts) {
        Some(cel::Value::Bool(bool)) => Some(bool),
        _ => None,
    }
}

/// Whether it is the same value, and of the same type.
fn is_same(ours: &Value<'_>, library: &cel::Value) -> bool {
    match (ours, library) {
        (Value::Null, cel::Value::Null) => true,
        (Value::Bool(ours), cel::Value::Bool(library)) => ours == library,
        (Value::Int(ours), cel::Value::Int(library)) => ours == library,
        (Value::Uint(ours), cel::Value::UInt(library)) => ours == library,
        (Value::Double(ours), cel::Value::Float(library)) => ours.to_bits() == library.to_bits(),
        (Value::Text(ours), cel::Value::String(library)) => **ours == ***library,
        (Value::Type(ours), cel::Value::String(library)) => *ours == library.as_str(),
        (Value::Bytes(ours), cel::Value::Bytes(library)) => **ours == ***library,
        (Value::List(ours), cel::Value::List(library)) => {
            ours.len() == library.len() && ours.iter().zip(library.iter()).all(|(ours, one)| is_same(&ours, one))
        }
        (Value::Map(ours), cel::Value::Map(library)) => {
            ours.len() == library.map.len()
                && library.map.iter().all(|(key, one)| {
                    let key = match key {
                        Key::Int(number) => value::MapKey::Number { value: (*number).into(), unsigned: false },
                        Key::Uint(number) => value::MapKey::Number { value: (*number).into(), unsigned: true },
                        Key::Bool(bool) => value::MapKey::Bool(*bool),
                        Key::String(text) => value::MapKey::Text(value::SharedValue::Made(text.as_str().into())),
                    };
                    ours.get(&key).is_some_and(|ours| is_same(&ours, one))
                })
        }
        _ => false,
    }
}

fn facts() -> ConditionFacts {
    ConditionFacts {
        record: json!({
            "id": 7, "title": "Roof for ACME", "opportunity": 1.5, "companyId": null, "isNew": true, "empty": [],
            "tags": ["a", "b", "ACME"], "numbers": [1, 2, 7, 1.5], "mixed": [1, "a", null, [1], {"one": 1}, true],
            "one": {"one": 1}, "nested": [{"one": "a", "list": [1, 2]}, {"one": 2, "list": []}], "long": 9_007_199_254_740_993_i64,
            "large": 18_446_744_073_709_551_615_u64, "numeral": "17", "flag": "true",
        }),
        before: json!(null),
        change: json!({"name": "deal.updated", "from_stage": "NEW", "fields": ["title", "a"]}),
    }
}

#[test]
fn it_gives_what_the_library_gives_on_every_corner_of_the_language() {
    for condition in include_str!("corners.cel").lines() {
        let ours = Condition::parse(condition).map(|parsed| parsed.evaluate(&facts()).holds.ok());
        assert_eq!(ours, Ok(library_holds(condition, &facts())), "{condition}");
    }
}

/// Intended differences from the library. The check of settings refuses such conditions, and always did.
#[test]
fn where_it_differs_from_the_library() {
    let ours = |condition: &str| asked(condition, json!({"id": 7})).holds.ok();
    let library = |condition: &str| library_holds(condition, &ConditionFacts::of_record(json!({"id": 7})));
    // Optional values: they are made by functions that no check of settings lets through.
    let optional = "optional.of(1).value() == 1";
    assert_eq!((ours(optional), library(optional)), (None, Some(true)));
    // Names from the root, past what loops bind.
    let rooted = "[1].exists(record, .record.id == 7)";
    assert_eq!((ours(rooted), library(rooted)), (None, Some(true)));
    for refused in [optional, rooted] {
        assert!(Condition::parse(refused).unwrap().problem(&ChangeKind::DealStageChanged).is_some(), "{refused}");
    }
    // The reader that its `Program` uses takes a sign before another sign for an error.
    assert!(Program::compile("-!true").is_err() && Condition::parse("-!true").is_ok());
}

/// What a part of a random condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Number,
    Text,
    Ints,
    Texts,
    Map,
}

/// Random conditions out of random choices: mostly of types that fit, that many have an outcome; sometimes not.
struct Writer {
    choices: Vec<u8>,
    next: usize,
    bound: Vec<(String, Kind)>,
}

impl Writer {
    fn condition(choices: Vec<u8>) -> String {
        let mut writer = Self { choices, next: 0, bound: Vec::new() };
        writer.part(Kind::Bool, 5)
    }

    fn choose(&mut self, of: usize) -> usize {
        let choice = self.choices.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        usize::from(choice) % of
    }

    fn one(&mut self, of: &[&str]) -> String {
        of[self.choose(of.len())].to_owned()
    }

    fn part(&mut self, kind: Kind, depth: usize) -> String {
        use Kind as K;
        let kind = match self.choose(24) {
            23 => [K::Bool, K::Int, K::Number, K::Text, K::Ints, K::Texts, K::Map][self.choose(7)],
            _ => kind,
        };
        if self.choose(6) == 5 {
            let fitting = self.bound.iter().rev().find(|(_, own)| *own == kind).map(|(name, _)| name.clone());
            if let Some(name) = fitting {
                return name;
            }
        }
        if depth == 0 {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        match kind {
            K::Bool => self.bool(depth),
            K::Int => self.int(depth),
            K::Number => self.number(depth),
            K::Text => self.text(depth),
            K::Ints => self.list(K::Ints, K::Int, depth),
            K::Texts => self.list(K::Texts, K::Text, depth),
            K::Map => self.map(depth),
        }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        self.one(match kind {
            Kind::Bool => &["true", "false", "record.isNew", "bool(record.flag)", "record.none", "before == null"],
            Kind::Int => &["1", "0", "2", "-3", "7", "record.id", "2u", "9223372036854775807", "int(record.numeral)"],
            Kind::Number => &["1.5", "0.0", "record.opportunity", "-2.0", "record.large", "1.0", "record.companyId"],
            Kind::Text => {
                &["'a'", "record.title", "'ACME'", "''", "change.name", "record.numeral", "'ä'", "record.none"]
            }
            Kind::Ints => &["[1, 2]", "[]", "[7, 2, 2]", "record.numbers", "record.empty", "[1, 'a']", "[1u, 2.0]"],
            Kind::Texts => &["record.tags", "['a']", "['a', 'b', 'a']", "change.fields", "record.mixed", "[]"],
            Kind::Map => &["{'one': 1}", "record.one", "{1: 'a'}", "{}", "{true: 1u}", "record"],
        })
    }

    fn two(&mut self, left: Kind, operators: &[&str], right: Kind, depth: usize) -> String {
        let (left, operator, right) = (self.part(left, depth), self.one(operators), self.part(right, depth));
        format!("({left} {operator} {right})")
    }

    fn choice(&mut self, kind: Kind, depth: usize) -> String {
        let (test, then, otherwise) = (self.part(Kind::Bool, depth), self.part(kind, depth), self.part(kind, depth));
        format!("({test} ? {then} : {otherwise})")
    }

    fn looped(&mut self, list: Kind, element: Kind, name: &str, body: Kind, depth: usize) -> String {
        let list = self.part(list, depth);
        let variable = self.one(&["x", "y", "z"]);
        self.bound.push((variable.clone(), element));
        let body = self.part(body, depth);
        self.bound.pop();
        format!("{list}.{name}({variable}, {body})")
    }

    fn bool(&mut self, depth: usize) -> String {
        use Kind as K;
        let compare = ["==", "!=", "<", "<=", ">", ">="];
        let test = ["exists", "all", "exists_one", "exists", "all"];
        match self.choose(16) {
            0 => self.leaf(K::Bool),
            1 => self.two(K::Int, &compare, K::Int, depth),
            2 => self.two(K::Number, &compare, K::Int, depth),
            3 => self.two(K::Text, &compare, K::Text, depth),
            4 | 5 => self.two(K::Bool, &["&&", "||"], K::Bool, depth),
            6 => format!("!({})", self.part(K::Bool, depth)),
            7 => self.two(K::Int, &["in"], K::Ints, depth),
            8 => self.two(K::Text, &["in"], K::Texts, depth),
            9 => {
                let (text, part) = (self.part(K::Text, depth), self.part(K::Text, depth));
                format!("{text}.{}({part})", self.one(&["contains", "startsWith", "endsWith"]))
            }
            10 | 11 => {
                let name = self.one(&test);
                self.looped(K::Ints, K::Int, &name, K::Bool, depth)
            }
            12 => {
                let name = self.one(&test);
                self.looped(K::Texts, K::Text, &name, K::Bool, depth)
            }
            13 => format!("has({}.one)", self.part(K::Map, depth)),
            14 => self.choice(K::Bool, depth),
            _ => self.two(K::Ints, &["==", "!="], K::Ints, depth),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        use Kind as K;
        match self.choose(8) {
            0 | 1 => self.leaf(K::Int),
            2 | 3 => self.two(K::Int, &["+", "-", "*", "/", "%"], K::Int, depth),
            4 => format!("size({})", self.part(K::Text, depth)),
            5 => format!("{}.size()", self.part(K::Ints, depth)),
            6 => format!("{}[{}]", self.part(K::Ints, depth), self.one(&["0", "1", "0u", "1.0", "2"])),
            _ => format!("-({})", self.part(K::Int, depth)),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        match self.choose(4) {
            0 => self.leaf(Kind::Number),
            1 => self.two(Kind::Number, &["+", "-", "*", "/"], Kind::Number, depth),
            2 => format!("double({})", self.part(Kind::Int, depth)),
            _ => format!("-({})", self.part(Kind::Number, depth)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.choose(6) {
            0 | 1 => self.leaf(Kind::Text),
            2 => self.two(Kind::Text, &["+"], Kind::Text, depth),
            3 => format!("string({})", self.part(Kind::Int, depth)),
            4 => format!("{}[{}]", self.part(Kind::Texts, depth), self.one(&["0", "1"])),
            _ => self.choice(Kind::Text, depth),
        }
    }

    fn list(&mut self, kind: Kind, element: Kind, depth: usize) -> String {
        match self.choose(7) {
            0 | 1 => self.leaf(kind),
            2 => self.two(kind, &["+"], kind, depth),
            3 => format!("[{}, {}]", self.part(element, depth), self.part(element, depth)),
            4 => self.looped(kind, element, "filter", Kind::Bool, depth),
            5 => self.looped(Kind::Ints, Kind::Int, "map", element, depth),
            _ => self.looped(Kind::Texts, Kind::Text, "map", element, depth),
        }
    }

    fn map(&mut self, depth: usize) -> String {
        match self.choose(4) {
            0 => self.leaf(Kind::Map),
            1 => format!("{{'one': {}}}", self.part(Kind::Int, depth)),
            2 => format!("{{{}: {}}}", self.part(Kind::Text, depth), self.part(Kind::Texts, depth)),
            _ => format!("[{}, {{}}][0]", self.part(Kind::Map, depth)),
        }
    }
}

fn conditions() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<u8>(), 4..120).prop_map(Writer::condition)
}

/// The tree without its numbers of nodes, which the two readers count in different order.
fn shape(expression: &IdedExpr) -> String {
    let written = format!("{expression:?}");
    let parts = written.split("id: ").map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts.collect::<Vec<_>>().join("id: ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn random_conditions_give_what_the_library_gives(condition in conditions()) {
        let Ok(parsed) = Condition::parse(&condition) else { return Ok(()) };
        let facts = facts();
        let mut evaluator = Evaluator::new(&facts);
        let ours = evaluator.evaluate(&parsed.0);
        prop_assert!(evaluator.budget.steps <= MAX_STEPS && evaluator.budget.bytes <= MAX_BYTES, "{condition}");
        match (ours, library_result(&condition, &facts)) {
            (Ok(ours), Some(library)) => prop_assert!(is_same(&ours, &library), "{condition}: {ours:?}, {library:?}"),
            (ours, library) => prop_assert!(ours.is_err() && library.is_none(), "{condition}: {ours:?}, {library:?}"),
        }
    }

    #[test]
    fn what_the_grammar_of_cel_reads_is_read_the_same(
        tokens in proptest::collection::vec(proptest::sample::select(vec![
            "a", "b.c", "1", "-1", "2u", "1.5", "'s'", "true", "null", "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in",
            "&&", "||", "&&", "||", "?", ":", "!", "(", ")", "[", "]", "{", "}", ",", ".d", ".f(a)", ".exists(x, x)", "has(a.b)",
        ]), 1..14),
    ) {
        let text = tokens.join(" ");
        // The same number: one reader takes the minus before it for a part of it, the other for an operator.
        prop_assume!(!text.contains("! -1") && !text.contains("- -1"));
        if let Ok(program) = Program::compile(&text) {
            let ours = Condition::parse(&text);
            prop_assert!(ours.is_ok(), "{text}: {ours:?}");
            prop_assert_eq!(shape(&ours.unwrap().0), shape(program.expression()), "{}", text);
        }
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[a-z0-9.()\\[\\]{}'\"&|!<>=+?:,`\\\\/ \nä-]{0,80}") {
        let facts = ConditionFacts::of_record(json!({"id": 7}));
        let _ = Condition::parse(&text).map(|condition| {
            let problem = condition.problem(&ChangeKind::DealStageChanged);
            (problem, condition.custom_fields(), condition.evaluate(&facts))
        });
    }

    /// Whatever a condition is and asks of, it ends within its budget; and twice the same is twice the same.
    #[test]
    fn every_evaluation_ends_within_its_budget(parts in proptest::collection::vec(conditions(), 1..4), size in 0..3_000usize) {
        let nested = parts.iter().rev().fold("x == y".to_owned(), |inner, part| {
            format!("(record.list + [{part}]).exists(x, record.list.map(y, {inner}).size() < 0)")
        });
        prop_assume!(nested.chars().count() <= MAX_LENGTH);
        let Ok(condition) = Condition::parse(&nested) else { return Ok(()) };
        let facts = ConditionFacts::of_record(json!({"list": (0..size).collect::<Vec<_>>(), "title": "x".repeat(size * 100), "one": {"one": 1}}));
        let evaluation = condition.evaluate(&facts);
        prop_assert_eq!(&evaluation, &condition.evaluate(&facts));
        if !matches!(&evaluation.holds, Err(error) if [TOO_MANY_STEPS, TOO_MANY_BYTES].contains(&error.to_string().as_str())) {
            prop_assert!(evaluation.steps <= MAX_STEPS && evaluation.bytes <= MAX_BYTES);
        }
    }
}
