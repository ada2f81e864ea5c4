//! The operators of values: comparisons, arithmetic, `in`, indexes and fields.

use std::cmp::Ordering;
use std::rc::Rc;

use super::budget::{Budget, EvaluationFault};
use super::value::{ListValue, MapKey, MapValue, NotAKey, SharedValue, Value};

fn unfit(operator: &str, left: &Value<'_>, right: &Value<'_>) -> EvaluationFault {
    EvaluationFault::Failed(format!("{operator} does not work on {} and {}", left.plain_type(), right.plain_type()))
}

/// Whether two values are equal; values of different types are not, but for numbers.
pub(super) fn equal<'a>(budget: &mut Budget, left: &Value<'a>, right: &Value<'a>) -> Result<bool, EvaluationFault> {
    if left.compare_numbers(right) == Some(Ordering::Equal) {
        return Ok(true);
    }
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Type(left), Value::Type(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => equal_bytes(budget, left.as_bytes(), right.as_bytes()),
        (Value::Bytes(left), Value::Bytes(right)) => equal_bytes(budget, left, right),
        (Value::List(left), Value::List(right)) => equal_lists(budget, left, right),
        (Value::Map(left), Value::Map(right)) => equal_maps(budget, left, right),
        _ => Ok(false),
    }
}

fn equal_bytes(budget: &mut Budget, left: &[u8], right: &[u8]) -> Result<bool, EvaluationFault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    budget.scan(left.len())?;
    Ok(left == right)
}

fn equal_lists<'a>(budget: &mut Budget, left: &ListValue<'a>, right: &ListValue<'a>) -> Result<bool, EvaluationFault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right.iter()) {
        budget.take(1)?;
        if !equal(budget, &left, &right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps<'a>(budget: &mut Budget, left: &MapValue<'a>, right: &MapValue<'a>) -> Result<bool, EvaluationFault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (key, value) in left.entries() {
        budget.take(1)?;
        budget.scan(key.len())?;
        let Some(other) = right.get(&key) else { return Ok(false) };
        if !equal(budget, &value, &other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `<`, `<=`, `>` and `>=`.
pub(super) fn compare<'a>(
    budget: &mut Budget,
    operator: &str,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Result<bool, EvaluationFault> {
    let order = match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => {
            budget.scan(left.len().min(right.len()))?;
            Some(left.cmp(right))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            budget.scan(left.len().min(right.len()))?;
            Some(left.cmp(right))
        }
        _ => left.compare_numbers(right),
    };
    let order = order.ok_or_else(|| unfit(operator, left, right))?;
    Ok(match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `in`: in a list, or among the keys of a map.
pub(super) fn contains<'a>(budget: &mut Budget, value: &Value<'a>, all: &Value<'a>) -> Result<bool, EvaluationFault> {
    match all {
        Value::List(list) => {
            for element in list.iter() {
                budget.take(1)?;
                if equal(budget, &element, value)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => {
            let sought = MapKey::sought(value).map_err(|NotAKey| unfit("in", value, all))?;
            find(budget, map, sought.as_ref()).map(|found| found.is_some())
        }
        _ => Err(unfit("in", value, all)),
    }
}

fn find<'a>(
    budget: &mut Budget,
    map: &MapValue<'a>,
    key: Option<&MapKey<'a>>,
) -> Result<Option<Value<'a>>, EvaluationFault> {
    let Some(key) = key else { return Ok(None) };
    budget.scan(key.len())?;
    Ok(map.get(key))
}

/// `list[place]`, `map[key]`.
pub(super) fn index<'a>(
    budget: &mut Budget,
    value: &Value<'a>,
    index: &Value<'a>,
) -> Result<Value<'a>, EvaluationFault> {
    match value {
        Value::List(list) => {
            let Ok(Some(MapKey::Number { value: place, .. })) = MapKey::sought(index) else {
                return Err(unfit("[ ]", value, index));
            };
            let found = usize::try_from(place).ok().and_then(|place| list.get(place));
            found.ok_or_else(|| {
                EvaluationFault::Failed(format!("there is no place {place} in a list of {}", list.len()))
            })
        }
        Value::Map(map) => {
            let sought = MapKey::sought(index).map_err(|NotAKey| unfit("[ ]", value, index))?;
            find(budget, map, sought.as_ref())?.ok_or_else(|| missing(index))
        }
        _ => Err(unfit("[ ]", value, index)),
    }
}

fn missing(key: &Value<'_>) -> EvaluationFault {
    match key {
        Value::Text(name) => no_field(name),
        key => EvaluationFault::Failed(format!("the map has no such key, {}", key.plain_type())),
    }
}

fn no_field(name: &str) -> EvaluationFault {
    let shown: String = name.chars().take(60).collect();
    EvaluationFault::Failed(format!("there is no field {shown:?}; ask has(record.field) first"))
}

/// `map.field`: what it holds, if it holds it.
pub(super) fn field<'a>(
    budget: &mut Budget,
    value: &Value<'a>,
    name: &'a str,
) -> Result<Option<Value<'a>>, EvaluationFault> {
    match value {
        Value::Map(map) => find(budget, map, Some(&MapKey::Text(SharedValue::Borrowed(name)))),
        value => Err(EvaluationFault::Failed(format!("{} has no field {name:?}", value.plain_type()))),
    }
}

/// `map.field`, which has to be there.
pub(super) fn present_field<'a>(
    budget: &mut Budget,
    value: &Value<'a>,
    name: &'a str,
) -> Result<Value<'a>, EvaluationFault> {
    field(budget, value, name)?.ok_or_else(|| no_field(name))
}

/// `-x`.
pub(super) fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(too_large),
        Value::Double(number) => Ok(Value::Double(-number)),
        value => Err(EvaluationFault::Failed(format!("- does not work on {}", value.plain_type()))),
    }
}

fn too_large() -> EvaluationFault {
    EvaluationFault::Failed("the result is too large for a whole number".into())
}

/// `+`, `-`, `*`, `/`, `%`. Both sides are of one type: `1 + 1.0` is an error, as in CEL.
pub(super) fn arithmetic<'a>(
    budget: &mut Budget,
    operator: &str,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Result<Value<'a>, EvaluationFault> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => ints(operator, *left, *right).map(Value::Int),
        (Value::Uint(left), Value::Uint(right)) => uints(operator, *left, *right).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => {
            doubles(operator, *a, *b).map(Value::Double).ok_or_else(|| unfit(operator, left, right))
        }
        _ if operator == "+" => join(budget, left, right),
        _ => Err(unfit(operator, left, right)),
    }
}

/// Arithmetic of one type of whole numbers.
macro_rules! whole_numbers {
    ($name:ident, $number:ty) => {
        fn $name(operator: &str, left: $number, right: $number) -> Result<$number, EvaluationFault> {
            if right == 0 && matches!(operator, "/" | "%") {
                return Err(EvaluationFault::Failed("division by zero".into()));
            }
            let outcome = match operator {
                "+" => left.checked_add(right),
                "-" => left.checked_sub(right),
                "*" => left.checked_mul(right),
                "/" => left.checked_div(right),
                _ => left.checked_rem(right),
            };
            outcome.ok_or_else(too_large)
        }
    };
}

whole_numbers!(ints, i64);
whole_numbers!(uints, u64);

fn doubles(operator: &str, left: f64, right: f64) -> Option<f64> {
    Some(match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        _ => return None,
    })
}

/// `+` of texts, bytes and lists.
fn join<'a>(budget: &mut Budget, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, EvaluationFault> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            budget.make_text(left.len() + right.len())?;
            Ok(Value::Text(SharedValue::Made(Rc::from([&**left, &**right].concat()))))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            budget.make_text(left.len() + right.len())?;
            Ok(Value::Bytes(SharedValue::Made(Rc::from([&**left, &**right].concat()))))
        }
        (Value::List(list), more) => {
            let more = elements(budget, more)
                .map_err(|fault| if fault.is_final() { fault } else { unfit("+", left, right) })?;
            budget.make_elements(list.len() + more.len())?;
            Ok(Value::List(ListValue::Made(list.iter().chain(more.iter()).collect())))
        }
        _ => Err(unfit("+", left, right)),
    }
}

/// What a loop goes over: the elements of a list, the keys of a map.
pub(super) fn elements<'a>(budget: &mut Budget, value: &Value<'a>) -> Result<ListValue<'a>, EvaluationFault> {
    match value {
        Value::List(list) => Ok(list.clone()),
        Value::Map(map) => {
            budget.make_elements(map.len())?;
            Ok(ListValue::Made(map.entries().map(|(key, _)| key.value()).collect()))
        }
        value => {
            Err(EvaluationFault::Failed(format!("exists, all, map and filter need a list, not {}", value.plain_type())))
        }
    }
}
