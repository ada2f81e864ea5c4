//! Evaluates a condition over its parsed tree, within a budget.
//!
//! A step is an operation that the condition writes (an operator, a field, a function), an element that a loop, a
//! comparison or `in` visits, or 256 bytes of text. Names and constants alone cost nothing. Results are those of CEL;
//! only the end of the budget is an error that nothing around it absorbs.

use std::collections::BTreeMap;
use std::rc::Rc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr};

use super::budget::{Budget, EvaluationFault};
use super::functions::{Function, KNOWN};
use super::operators;
use super::value::{ListValue, MapKey, MapValue, Value};
use super::{ConditionFacts, TYPES};

type StepOutcome<'a> = Result<Value<'a>, EvaluationFault>;

/// An evaluation that is under way.
pub(super) struct Evaluator<'a> {
    facts: &'a ConditionFacts,
    /// What the loops around the expression bind, the innermost last.
    bound: Vec<(&'a str, Value<'a>)>,
    pub(super) budget: Budget,
}

/// What a loop is for: CEL's macros write their meaning as a loop over `@result`, which no condition can name.
enum Loop<'a> {
    /// `exists`, or `all`: it ends at the first element for which the test gives this.
    Until(bool, &'a IdedExpr),
    /// `exists_one`.
    One(&'a IdedExpr),
    /// `map` and `filter`: what is kept of the elements for which the test holds.
    Keep { test: Option<&'a IdedExpr>, kept: &'a IdedExpr },
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(facts: &'a ConditionFacts) -> Self {
        Self { facts, bound: Vec::new(), budget: Budget::default() }
    }

    pub(super) fn evaluate(&mut self, expression: &'a IdedExpr) -> StepOutcome<'a> {
        match &expression.expr {
            Expr::Literal(literal) => Ok(Value::of_literal(literal)),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(comprehension) => self.repeat(comprehension),
            Expr::Struct(_) | Expr::Unspecified => {
                Err(failed("objects written as name{field: value} are not supported"))
            }
        }
    }

    fn name(&self, name: &'a str) -> StepOutcome<'a> {
        if let Some((_, value)) = self.bound.iter().rev().find(|(bound, _)| *bound == name) {
            return Ok(value.clone());
        }
        if let Some(json) = self.facts.named(name) {
            return Ok(Value::of_json(json));
        }
        let of_type = TYPES.iter().find(|own| **own == name).map(|own| Value::Type(own));
        of_type.ok_or_else(|| failed(&format!("there is no {name:?}; there are record, before and change")))
    }

    fn select(&mut self, select: &'a SelectExpr) -> StepOutcome<'a> {
        self.budget.take(1)?;
        let value = self.evaluate(&select.operand)?;
        if select.test {
            operators::field(&mut self.budget, &value, &select.field).map(|found| Value::Bool(found.is_some()))
        } else {
            operators::present_field(&mut self.budget, &value, &select.field)
        }
    }

    fn list(&mut self, list: &'a ListExpr) -> StepOutcome<'a> {
        self.budget.make_elements(list.elements.len())?;
        let elements: Result<Vec<_>, _> = list.elements.iter().map(|element| self.evaluate(element)).collect();
        Ok(Value::List(ListValue::Made(elements?.into())))
    }

    fn map(&mut self, map: &'a MapExpr) -> StepOutcome<'a> {
        self.budget.make_elements(map.entries.len())?;
        let mut made = BTreeMap::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return Err(failed("a map is written {key: value}")) };
            let key = self.evaluate(&entry.key)?;
            let key =
                MapKey::of(&key).ok_or_else(|| failed(&format!("{} cannot be the key of a map", key.plain_type())))?;
            let value = self.evaluate(&entry.value)?;
            self.budget.scan(key.len())?;
            if made.insert(key, value).is_some() {
                return Err(failed("a map repeats a key"));
            }
        }
        Ok(Value::Map(MapValue::Made(Rc::new(made))))
    }

    fn call(&mut self, call: &'a CallExpr) -> StepOutcome<'a> {
        self.budget.take(1)?;
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_?_:_", [test, then, otherwise]) => {
                let holds = self.test(test)?;
                self.evaluate(if holds { then } else { otherwise })
            }
            ("_||_", [left, right]) => self.either(true, left, right),
            ("_&&_", [left, right]) => self.either(false, left, right),
            ("!_", [operand]) => self.test(operand).map(|holds| Value::Bool(!holds)),
            ("-_", [operand]) => operators::negate(&self.evaluate(operand)?),
            (name, [left, right]) => match symbol(name) {
                Some(symbol) => self.operate(symbol, left, right),
                None => self.function(call),
            },
            _ => self.function(call),
        }
    }

    /// What has to be true or false.
    fn test(&mut self, expression: &'a IdedExpr) -> Result<bool, EvaluationFault> {
        match self.evaluate(expression)? {
            Value::Bool(bool) => Ok(bool),
            value => Err(failed(&format!("expected true or false, found {}", value.plain_type()))),
        }
    }

    /// `||`, whose outcome a `true` on either side decides, or `&&`, which a `false` decides: whatever error there is on
    /// the other side.
    fn either(&mut self, deciding: bool, left: &'a IdedExpr, right: &'a IdedExpr) -> StepOutcome<'a> {
        let left = self.test(left);
        match left {
            Err(fault) if fault.is_final() => return Err(fault),
            Ok(left) if left == deciding => return Ok(Value::Bool(deciding)),
            _ => {}
        }
        let right = self.test(right)?;
        if right == deciding { Ok(Value::Bool(deciding)) } else { left.map(|_| Value::Bool(right)) }
    }

    fn operate(&mut self, symbol: &str, left: &'a IdedExpr, right: &'a IdedExpr) -> StepOutcome<'a> {
        let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
        let budget = &mut self.budget;
        match symbol {
            "==" => operators::equal(budget, &left, &right).map(Value::Bool),
            "!=" => operators::equal(budget, &left, &right).map(|equal| Value::Bool(!equal)),
            "<" | "<=" | ">" | ">=" => operators::compare(budget, symbol, &left, &right).map(Value::Bool),
            "in" => operators::contains(budget, &left, &right).map(Value::Bool),
            "[ ]" => operators::index(budget, &left, &right),
            _ => operators::arithmetic(budget, symbol, &left, &right),
        }
    }

    fn function(&mut self, call: &'a CallExpr) -> StepOutcome<'a> {
        let function = called(call).ok_or_else(|| failed(&unknown(call)))?;
        let mut values = call.target.as_deref().into_iter().chain(&call.args);
        let value = match values.next() {
            Some(value) => self.evaluate(value)?,
            None => return Err(failed(&unknown(call))),
        };
        let part = match values.next() {
            Some(part) => Some(self.evaluate(part)?),
            None => None,
        };
        function.call(&mut self.budget, value, part.as_ref())
    }

    fn repeat(&mut self, comprehension: &'a ComprehensionExpr) -> StepOutcome<'a> {
        self.budget.take(1)?;
        let Some(purpose) = Loop::of(comprehension) else { return Err(failed("this loop is not supported")) };
        let range = self.evaluate(&comprehension.iter_range)?;
        let elements = operators::elements(&mut self.budget, &range)?;
        let outer = self.bound.len();
        self.bound.push((&comprehension.iter_var, Value::Null));
        let outcome = match purpose {
            Loop::Until(sought, test) => self.until(sought, test, &elements),
            Loop::One(test) => self.one(test, &elements),
            Loop::Keep { test, kept } => self.keep(test, kept, &elements),
        };
        self.bound.truncate(outer);
        outcome
    }

    /// Binds the next element of a loop.
    fn next(&mut self, element: Value<'a>) -> Result<(), EvaluationFault> {
        if let Some((_, bound)) = self.bound.last_mut() {
            *bound = element;
        }
        self.budget.take(1)
    }

    /// An error is forgotten if a later element decides the outcome.
    fn until(&mut self, sought: bool, test: &'a IdedExpr, elements: &ListValue<'a>) -> StepOutcome<'a> {
        let mut pending = None;
        for element in elements.iter() {
            self.next(element)?;
            match self.test(test) {
                Ok(holds) if holds == sought => return Ok(Value::Bool(sought)),
                Ok(_) => {}
                Err(fault) if fault.is_final() => return Err(fault),
                Err(fault) => pending = Some(fault),
            }
        }
        pending.map_or(Ok(Value::Bool(!sought)), Err)
    }

    fn one(&mut self, test: &'a IdedExpr, elements: &ListValue<'a>) -> StepOutcome<'a> {
        let mut found = 0;
        for element in elements.iter() {
            self.next(element)?;
            found += usize::from(self.test(test)?);
        }
        Ok(Value::Bool(found == 1))
    }

    fn keep(&mut self, test: Option<&'a IdedExpr>, kept: &'a IdedExpr, elements: &ListValue<'a>) -> StepOutcome<'a> {
        let mut made = Vec::new();
        for element in elements.iter() {
            self.next(element)?;
            if test.map_or(Ok(true), |test| self.test(test))? {
                self.budget.make_elements(1)?;
                made.push(self.evaluate(kept)?);
            }
        }
        Ok(Value::List(ListValue::Made(made.into())))
    }
}

impl<'a> Loop<'a> {
    fn of(comprehension: &'a ComprehensionExpr) -> Option<Self> {
        let is_result = |one: &IdedExpr| matches!(&one.expr, Expr::Ident(name) if *name == comprehension.accu_var);
        let added = |step: &'a IdedExpr| match &step.expr {
            Expr::Call(call) if call.func_name == "_+_" => match call.args.as_slice() {
                [result, added] if is_result(result) => Some(&added.expr),
                _ => None,
            },
            _ => None,
        };
        let kept = |added: &'a Expr| match added {
            Expr::List(list) => list.elements.first(),
            _ => None,
        };
        let Expr::Call(step) = &comprehension.loop_step.expr else { return None };
        match (step.func_name.as_str(), step.args.as_slice()) {
            ("_||_", [result, test]) if is_result(result) => Some(Self::Until(true, test)),
            ("_&&_", [result, test]) if is_result(result) => Some(Self::Until(false, test)),
            ("_?_:_", [test, step, otherwise]) if is_result(otherwise) => match added(step)? {
                Expr::Literal(LiteralValue::Int(_)) => Some(Self::One(test)),
                list => Some(Self::Keep { test: Some(test), kept: kept(list)? }),
            },
            _ => Some(Self::Keep { test: None, kept: kept(added(&comprehension.loop_step)?)? }),
        }
    }
}

/// How people write an operator of two values; no function that they name is called as the parser calls these.
fn symbol(name: &str) -> Option<&'static str> {
    Some(match name {
        "_==_" => "==",
        "_!=_" => "!=",
        "_<_" => "<",
        "_<=_" => "<=",
        "_>_" => ">",
        "_>=_" => ">=",
        "_+_" => "+",
        "_-_" => "-",
        "_*_" => "*",
        "_/_" => "/",
        "_%_" => "%",
        "@in" => "in",
        "_[_]" => "[ ]",
        _ => return None,
    })
}

/// Whether it calls an operator, rather than a function.
pub(super) fn is_operator(call: &CallExpr) -> bool {
    symbol(&call.func_name).is_some() || ["_?_:_", "_||_", "_&&_", "!_", "-_"].contains(&call.func_name.as_str())
}

/// The function that is called, if there is one.
pub(super) fn called(call: &CallExpr) -> Option<Function> {
    let values = usize::from(call.target.is_some()) + call.args.len();
    Function::named(&call.func_name, call.target.is_some(), values)
}

/// What is wrong with a call of a function that does not exist.
pub(super) fn unknown(call: &CallExpr) -> String {
    let dot = if call.target.is_some() { "." } else { "" };
    let values = if call.args.len() == 1 { "1 value".to_owned() } else { format!("{} values", call.args.len()) };
    format!("there is no function {dot}{}(…) with {values} in brackets; {KNOWN}", call.func_name)
}

fn failed(why: &str) -> EvaluationFault {
    EvaluationFault::Failed(why.to_owned())
}
