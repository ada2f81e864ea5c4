//! Conditions of routes, in CEL, over the record, its previous state and the change.
//!
//! `record` and `before` hold the portal's fields by their names, `change` holds `name`, `from_stage` and `fields`.
//! `before` is null if the previous state is unknown. The `cel` crate parses a condition; it is evaluated here, because
//! that crate cannot stop an evaluation: nested lists make one of 250 characters take seconds, or all memory.

mod budget;
mod evaluate;
mod functions;
mod operators;
mod reading;
#[cfg(test)]
mod tests;
mod value;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use locale::{Localized, texts};
use serde_json::Value as Json;

pub use budget::{MAX_BYTES, MAX_STEPS};
pub use reading::MAX_LENGTH;

use evaluate::Evaluator;
use records::change::{Change, ChangeKind};
use records::record::RecordState;
use records::words;
use value::Value;

/// CEL's names of types: `type(record.title) == string`.
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// A condition, ready to be evaluated.
pub struct Condition(IdedExpr);

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Condition(…)")
    }
}

/// Why a text is not a condition, or has no result for a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConditionError(Localized);

impl ConditionError {
    /// What is wrong. What went wrong with a record is in English: it is for the event log.
    pub fn text(self) -> Localized {
        self.0
    }
}

/// The facts that a condition is evaluated on.
#[derive(Debug, Clone)]
pub struct ConditionFacts {
    record: Json,
    before: Json,
    change: Json,
}

impl ConditionFacts {
    /// Of a change.
    pub fn of(change: &Change) -> Self {
        let state = |state: Option<&RecordState>| state.map_or(Json::Null, |state| Json::Object(state.facts()));
        let about = serde_json::json!({
            "name": change.kind.name(), "from_stage": change.from_stage, "fields": change.fields,
        });
        Self { record: state(Some(&change.state)), before: state(change.before.as_ref()), change: about }
    }

    /// Of a record by its fields, without a past or a change.
    pub fn of_record(record: Json) -> Self {
        Self { record, before: Json::Null, change: Json::Null }
    }

    fn named(&self, name: &str) -> Option<&Json> {
        match name {
            "record" => Some(&self.record),
            "before" => Some(&self.before),
            "change" => Some(&self.change),
            _ => None,
        }
    }
}

/// The result of evaluating a condition, and its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether it holds; or what was missing in the record, or that it cost too much.
    pub holds: Result<bool, ConditionError>,
    /// Steps taken, at most [`MAX_STEPS`] for one that has an outcome.
    pub steps: u64,
    /// Bytes of the values made, at most [`MAX_BYTES`] for one that has an outcome.
    pub bytes: u64,
}

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        reading::read(text).map(Self).map_err(ConditionError)
    }

    /// What it uses that changes of this kind do not have.
    pub fn problem(&self, kind: &ChangeKind) -> Option<Localized> {
        let parts = ConditionParts::of(&self.0);
        parts.paths.iter().find_map(|path| path_problem(kind, path)).or(parts.unknown.map(Localized::data))
    }

    /// The custom fields that it uses: they have to be read.
    pub fn custom_fields(&self) -> Vec<String> {
        let fields = ConditionParts::of(&self.0).paths.into_iter().filter_map(|path| {
            let (root, field) = path.split_once('.')?;
            (root == "record" || root == "before").then(|| field.split('.').next().unwrap_or_default().to_owned())
        });
        fields.filter(|field| words::is_custom_field(field)).collect()
    }

    /// Whether it holds for a change; an error says what was missing in the record, or that it cost too much.
    pub fn holds(&self, change: &Change) -> Result<bool, ConditionError> {
        self.evaluate(&ConditionFacts::of(change)).holds
    }

    /// The same of facts, with what it cost.
    pub fn evaluate(&self, facts: &ConditionFacts) -> Evaluation {
        let mut evaluator = Evaluator::new(facts);
        let holds = match evaluator.evaluate(&self.0) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(ConditionError(texts::settings::NEITHER_TRUE_NOR_FALSE.into())),
            Err(fault) => Err(ConditionError(Localized::data(fault))),
        };
        Evaluation { holds, steps: evaluator.budget.steps, bytes: evaluator.budget.bytes }
    }
}

fn path_problem(kind: &ChangeKind, path: &str) -> Option<Localized> {
    let (root, rest) = path.split_once('.').unwrap_or((path, ""));
    match root {
        "record" | "before" if rest.is_empty() || words::is_field(kind, rest) => None,
        "record" | "before" => words::problem(kind, &format!("record.{rest}")),
        "change" if ["", "name", "from_stage", "fields"].contains(&rest) => None,
        "change" => Some(Localized::of(|_| texts::settings::ChangeHasNo { field: rest })),
        other if TYPES.contains(&other) && rest.is_empty() => None,
        other => Some(Localized::of(|_| texts::settings::NoSuchRoot { name: other })),
    }
}

/// What a condition reads and calls.
#[derive(Default)]
struct ConditionParts<'a> {
    /// Every name that it reads, with the fields behind it: `record.ufCrm_1`, `change.name`.
    paths: Vec<String>,
    /// What is wrong with the first call of an unknown function.
    unknown: Option<String>,
    /// The names that the loops around the expression bind.
    bound: Vec<&'a str>,
}

impl<'a> ConditionParts<'a> {
    fn of(expression: &'a IdedExpr) -> Self {
        let mut parts = Self::default();
        parts.walk(expression);
        parts
    }

    fn walk(&mut self, expression: &'a IdedExpr) {
        if let Some(path) = path(&expression.expr) {
            let root = path.split('.').next().unwrap_or_default();
            if !self.bound.contains(&root) {
                self.paths.push(path);
            }
            return;
        }
        match &expression.expr {
            Expr::Select(select) => self.walk(&select.operand),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(loops) => {
                self.walk(&loops.iter_range);
                let outer = self.bound.len();
                self.bound.extend([loops.iter_var.as_str(), loops.accu_var.as_str()]);
                self.walk(&loops.loop_step);
                self.bound.truncate(outer);
            }
            Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn call(&mut self, call: &'a CallExpr) {
        call.target.iter().for_each(|target| self.walk(target));
        call.args.iter().for_each(|argument| self.walk(argument));
        if self.unknown.is_none() && !evaluate::is_operator(call) && evaluate::called(call).is_none() {
            self.unknown = Some(evaluate::unknown(call));
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key);
                self.walk(&entry.value);
            }
            EntryExpr::StructField(field) => self.walk(&field.value),
        }
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
