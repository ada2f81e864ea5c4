//! The functions that a condition may call: CEL's own, except times and regular expressions.

use std::rc::Rc;

use super::budget::{Budget, EvaluationFault};
use super::value::{SharedValue, Value};

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Uint,
    Double,
    Text,
    Bool,
    Bytes,
    Dyn,
    Type,
}

/// What there is, as an error says it.
pub(super) const KNOWN: &str = "conditions have size(x), text.contains(part), text.startsWith(part), \
    text.endsWith(part), int(x), uint(x), double(x), string(x), bool(x), bytes(x), type(x), has(record.field), and \
    list.exists, all, exists_one, map and filter";

impl Function {
    /// The function of this name, called as a method or not, with this number of values in all.
    pub(super) fn named(name: &str, is_method: bool, values: usize) -> Option<Self> {
        Some(match (name, is_method, values) {
            ("size", _, 1) => Self::Size,
            ("contains", true, 2) => Self::Contains,
            ("startsWith", true, 2) => Self::StartsWith,
            ("endsWith", true, 2) => Self::EndsWith,
            ("int", false, 1) => Self::Int,
            ("uint", false, 1) => Self::Uint,
            ("double", false, 1) => Self::Double,
            ("string", false, 1) => Self::Text,
            ("bool", false, 1) => Self::Bool,
            ("bytes", false, 1) => Self::Bytes,
            ("dyn", false, 1) => Self::Dyn,
            ("type", false, 1) => Self::Type,
            _ => return None,
        })
    }

    /// Calls it; `part` is the argument of a method.
    pub(super) fn call<'a>(
        self,
        budget: &mut Budget,
        value: Value<'a>,
        part: Option<&Value<'a>>,
    ) -> Result<Value<'a>, EvaluationFault> {
        match (self, part) {
            (Self::Size, None) => size(budget, &value),
            (Self::Int, None) => int(budget, &value),
            (Self::Uint, None) => uint(budget, &value),
            (Self::Double, None) => double(budget, &value),
            (Self::Text, None) => text(budget, value),
            (Self::Bool, None) => bool(&value),
            (Self::Bytes, None) => bytes(budget, value),
            (Self::Dyn, None) => Ok(value),
            (Self::Type, None) => Ok(Value::Type(value.type_name())),
            (method, Some(part)) => method.compare(budget, &value, part),
            (method, None) => Err(method.unfit(&value)),
        }
    }

    /// One of the methods of texts that take a part.
    fn compare<'a>(
        self,
        budget: &mut Budget,
        value: &Value<'a>,
        part: &Value<'a>,
    ) -> Result<Value<'a>, EvaluationFault> {
        let (Value::Text(text), Value::Text(part)) = (value, part) else {
            return Err(EvaluationFault::Failed(format!(
                "{} does not work on {} and {}",
                self.name(),
                value.plain_type(),
                part.plain_type()
            )));
        };
        let looked_at = if self == Self::Contains { text.len() + part.len() } else { part.len().min(text.len()) };
        budget.scan(looked_at)?;
        Ok(Value::Bool(match self {
            Self::StartsWith => text.starts_with(&**part),
            Self::EndsWith => text.ends_with(&**part),
            _ => text.contains(&**part),
        }))
    }

    fn unfit(self, value: &Value<'_>) -> EvaluationFault {
        EvaluationFault::Failed(format!("{} does not work on {}", self.name(), value.plain_type()))
    }

    fn unreadable(self, value: &Value<'_>) -> EvaluationFault {
        let shown = match value {
            Value::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            value => format!("this value, {}", value.plain_type()),
        };
        EvaluationFault::Failed(format!("{} cannot convert {shown}", self.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Dyn => "dyn",
            Self::Type => "type",
        }
    }
}

fn size<'a>(budget: &mut Budget, value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    let size = match value {
        Value::Text(text) => {
            budget.scan(text.len())?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        value => return Err(Function::Size.unfit(value)),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn int<'a>(budget: &mut Budget, value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        Value::Double(number) => int_of_double(*number),
        Value::Text(text) => {
            budget.scan(text.len())?;
            text.parse().ok()
        }
        value => return Err(Function::Int.unfit(value)),
    };
    number.map(Value::Int).ok_or_else(|| Function::Int.unreadable(value))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // Within bounds; the rest after the point goes.
fn int_of_double(number: f64) -> Option<i64> {
    (number > i64::MIN as f64 && number < i64::MAX as f64).then_some(number as i64)
}

fn uint<'a>(budget: &mut Budget, value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    let number = match value {
        Value::Uint(number) => Some(*number),
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Double(number) => uint_of_double(*number),
        Value::Text(text) => {
            budget.scan(text.len())?;
            text.parse().ok()
        }
        value => return Err(Function::Uint.unfit(value)),
    };
    number.map(Value::Uint).ok_or_else(|| Function::Uint.unreadable(value))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // Within bounds.
fn uint_of_double(number: f64) -> Option<u64> {
    (number >= 0.0 && number < u64::MAX as f64).then_some(number as u64)
}

#[allow(clippy::cast_precision_loss)] // A double is what was asked for.
fn double<'a>(budget: &mut Budget, value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    let number = match value {
        Value::Double(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::Text(text) => {
            budget.scan(text.len())?;
            text.parse().ok()
        }
        value => return Err(Function::Double.unfit(value)),
    };
    number.map(Value::Double).ok_or_else(|| Function::Double.unreadable(value))
}

fn text<'a>(budget: &mut Budget, value: Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    let text = match &value {
        Value::Text(_) => return Ok(value),
        Value::Bool(bool) => bool.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bytes(bytes) => {
            budget.make_text(bytes.len())?;
            let text = std::str::from_utf8(bytes).map_err(|_| Function::Text.unreadable(&value))?;
            return Ok(Value::Text(SharedValue::Made(Rc::from(text))));
        }
        value => return Err(Function::Text.unfit(value)),
    };
    budget.make_text(text.len())?;
    Ok(Value::Text(SharedValue::Made(Rc::from(text))))
}

fn bool<'a>(value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    match value {
        Value::Bool(bool) => Ok(Value::Bool(*bool)),
        Value::Text(text) => match &**text {
            "1" | "t" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(Function::Bool.unreadable(value)),
        },
        value => Err(Function::Bool.unfit(value)),
    }
}

fn bytes<'a>(budget: &mut Budget, value: Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    match value {
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes)),
        Value::Text(SharedValue::Borrowed(text)) => Ok(Value::Bytes(SharedValue::Borrowed(text.as_bytes()))),
        Value::Text(SharedValue::Made(text)) => {
            budget.make_text(text.len())?;
            Ok(Value::Bytes(SharedValue::Made(Rc::from(text.as_bytes()))))
        }
        value => Err(Function::Bytes.unfit(&value)),
    }
}
