//! Conditions of routes, in CEL, over the record, its previous state and the change.
//!
//! `record` and `before` hold the portal's fields by their names, `change` holds `name`, `from_stage` and
//! `fields`. `before` is null where nothing is known of it. CEL has no loops but those over lists, and a condition
//! is short: it always ends.

use cel::common::ast::{Expr, LiteralValue};
use cel::objects::{Key, Map};
use cel::{Context, Env, IdedExpr, Program, Value};
use std::collections::HashMap;
use std::sync::Arc;

use crate::change::{Change, ChangeKind};
use crate::record::State;
use crate::words;

/// The longest condition.
const LONGEST: usize = 1_000;
/// The most brackets within brackets.
const DEEPEST: usize = 24;

/// A condition, ready to be asked.
pub struct Condition(Program);

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Condition(…)")
    }
}

/// A text that is no condition, or asks for something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConditionError(String);

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > LONGEST {
            return Err(ConditionError(format!("the condition is longer than {LONGEST} characters")));
        }
        if depth(text) > DEEPEST {
            return Err(ConditionError(format!("the condition has more than {DEEPEST} brackets within brackets")));
        }
        let program = Program::compile(text).map_err(|error| {
            let first = error.to_string().lines().next().unwrap_or_default().trim().to_owned();
            ConditionError(format!("the condition cannot be read: {first}"))
        })?;
        Ok(Self(program))
    }

    /// What it asks for that changes of this kind do not have.
    pub fn problem(&self, kind: &ChangeKind) -> Option<String> {
        for path in self.paths() {
            let (root, rest) = path.split_once('.').unwrap_or((&path, ""));
            match root {
                "record" | "before" if rest.is_empty() || words::is_field(kind, rest) => {}
                "record" | "before" => return words::problem(kind, &format!("record.{rest}")),
                "change" if ["", "name", "from_stage", "fields"].contains(&rest) => {}
                "change" => return Some(format!("a change has no {rest:?}; it has name, from_stage and fields")),
                other => {
                    return Some(format!("there is no {other:?} in a condition; there are record, before and change"));
                }
            }
        }
        None
    }

    /// The custom fields that it asks for: they have to be read.
    pub fn custom_fields(&self) -> Vec<String> {
        let fields = self.paths().into_iter().filter_map(|path| {
            let (root, field) = path.split_once('.')?;
            (root == "record" || root == "before").then(|| field.split('.').next().unwrap_or_default().to_owned())
        });
        fields.filter(|field| words::is_custom_field(field)).collect()
    }

    /// Whether it holds for a change; an error says what was missing in the record.
    pub fn holds(&self, change: &Change) -> Result<bool, ConditionError> {
        let state =
            |state: Option<&State>| state.map_or(Value::Null, |state| value(&serde_json::Value::Object(state.facts())));
        let about = serde_json::json!({
            "name": change.kind.name(), "from_stage": change.from_stage, "fields": change.fields,
        });
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        context.add_variable_from_value("record", state(Some(&change.state)));
        context.add_variable_from_value("before", state(change.before.as_ref()));
        context.add_variable_from_value("change", value(&about));
        match self.0.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(ConditionError("the condition is neither true nor false for this record".into())),
            Err(error) => Err(ConditionError(format!("the condition fails on this record: {error}"))),
        }
    }

    /// Every name that it reads, with the fields behind it: `record.ufCrm_1`, `change.name`.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        walk(self.0.expression(), &mut Vec::new(), &mut paths);
        paths
    }
}

fn depth(text: &str) -> usize {
    let mut deepest = 0;
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Collects what an expression reads. `bound` are the names that a macro such as `exists` binds within it.
fn walk(expression: &IdedExpr, bound: &mut Vec<String>, paths: &mut Vec<String>) {
    if let Some(path) = path(&expression.expr) {
        let root = path.split('.').next().unwrap_or_default();
        if !bound.iter().any(|name| name == root) {
            paths.push(path);
        }
        return;
    }
    match &expression.expr {
        Expr::Select(select) => walk(&select.operand, bound, paths),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| walk(target, bound, paths));
            call.args.iter().for_each(|argument| walk(argument, bound, paths));
        }
        Expr::List(list) => list.elements.iter().for_each(|element| walk(element, bound, paths)),
        Expr::Comprehension(loops) => {
            walk(&loops.iter_range, bound, paths);
            let before = bound.len();
            bound.extend([loops.iter_var.clone(), loops.accu_var.clone()]);
            bound.extend(loops.iter_var2.clone());
            for part in [&loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result] {
                walk(part, bound, paths);
            }
            bound.truncate(before);
        }
        _ => {}
    }
}

/// `record.companyId` out of the expression that reads it; also `record["companyId"]`.
fn path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand.expr)?, select.field)),
        Expr::Call(call) if call.func_name == "_[_]" && call.args.len() == 2 => match &call.args[1].expr {
            Expr::Literal(LiteralValue::String(field)) => {
                Some(format!("{}.{}", path(&call.args[0].expr)?, field.inner()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whole numbers that fit become CEL's int: a condition compares them with 5, not with 5u.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(list) => Value::List(Arc::new(list.iter().map(value).collect())),
        serde_json::Value::Object(map) => {
            let map: HashMap<Key, Value> =
                map.iter().map(|(name, one)| (Key::String(Arc::new(name.clone())), value(one))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn deal(fields: serde_json::Value) -> Change {
        let state: State = serde_json::from_value(fields).unwrap();
        Change { from_stage: Some("NEW".into()), ..Change::new(ChangeKind::DealStageChanged, "deal 7", state) }
    }

    fn holds(condition: &str) -> Result<bool, String> {
        let change = deal(json!({
            "id": 7, "title": "Roof for ACME", "stageId": "WON", "opportunity": "150000.00", "assignedById": 6,
            "ufCrm_1": ["a", "b"], "companyId": null,
        }));
        Condition::parse(condition).and_then(|condition| condition.holds(&change)).map_err(|error| error.to_string())
    }

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
        assert!(holds("record.ufCrm_9 == 1").unwrap_err().contains("ufCrm_9"));
        assert!(holds("record.companyId > 5").unwrap_err().contains("fails on this record"));
        assert!(holds("record.title").unwrap_err().contains("neither true nor false"));
    }

    #[test]
    fn what_cannot_be_read_or_is_not_there_is_refused() {
        assert!(holds("record.opportunity >").unwrap_err().contains("cannot be read"));
        assert!(holds(&"(".repeat(50)).unwrap_err().contains("brackets within brackets"));
        let problem = |text: &str| Condition::parse(text).unwrap().problem(&ChangeKind::DealStageChanged);
        assert_eq!(problem("record.ufCrm_1.exists(x, x == 'a') && change.fields.size() > 0"), None);
        assert!(problem("record.oportunity > 1").unwrap().contains("did you mean \"opportunity\"?"));
        assert!(problem("deal.opportunity > 1").unwrap().contains("there are record, before and change"));
        assert!(problem("change.fielts == []").unwrap().contains("it has name"));
        assert_eq!(
            Condition::parse("record.ufCrm_1 == before.ufCrm_2").unwrap().custom_fields(),
            ["ufCrm_1", "ufCrm_2"]
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[a-z0-9.()\\[\\]'\"&|!<>=+ ]{0,60}") {
            let _ = Condition::parse(&text).map(|condition| (condition.custom_fields(), condition.holds(&deal(json!({"id": 7})))));
        }
    }
}
