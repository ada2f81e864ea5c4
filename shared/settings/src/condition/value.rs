//! The values of an evaluation: borrowed from the record and the condition, or made on the way.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use cel::common::ast::LiteralValue;
use serde_json::Value as Json;

/// Borrowed, or made and shared.
#[derive(Debug)]
pub(super) enum SharedValue<'a, T: ?Sized> {
    Borrowed(&'a T),
    Made(Rc<T>),
}

impl<T: ?Sized> Clone for SharedValue<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(borrowed) => Self::Borrowed(borrowed),
            Self::Made(made) => Self::Made(Rc::clone(made)),
        }
    }
}

impl<T: ?Sized> Deref for SharedValue<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(borrowed) => borrowed,
            Self::Made(made) => made,
        }
    }
}

/// A value of a condition. Cloning one costs next to nothing.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(SharedValue<'a, str>),
    Bytes(SharedValue<'a, [u8]>),
    List(ListValue<'a>),
    Map(MapValue<'a>),
    /// A type, by its name.
    Type(&'static str),
}

/// A list: of the record, or made.
#[derive(Debug, Clone)]
pub(super) enum ListValue<'a> {
    Json(&'a [Json]),
    Made(Rc<[Value<'a>]>),
}

/// A map: of the record, or made.
#[derive(Debug, Clone)]
pub(super) enum MapValue<'a> {
    Json(&'a serde_json::Map<String, Json>),
    Made(Rc<BTreeMap<MapKey<'a>, Value<'a>>>),
}

/// A value that no map has for a key.
pub(super) struct NotAKey;

/// A key of a map. A number is the same key whether it is signed or not.
#[derive(Debug, Clone)]
pub(super) enum MapKey<'a> {
    Bool(bool),
    Number { value: i128, unsigned: bool },
    Text(SharedValue<'a, str>),
}

impl<'a> Value<'a> {
    /// Whole numbers that fit become CEL's int: a condition compares them with 5, not with 5u.
    pub(super) fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Double(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Self::Text(SharedValue::Borrowed(text)),
            Json::Array(list) => Self::List(ListValue::Json(list)),
            Json::Object(map) => Self::Map(MapValue::Json(map)),
        }
    }

    pub(super) fn of_literal(literal: &'a LiteralValue) -> Self {
        match literal {
            LiteralValue::Null => Self::Null,
            LiteralValue::Boolean(bool) => Self::Bool(*bool.inner()),
            LiteralValue::Int(number) => Self::Int(*number.inner()),
            LiteralValue::UInt(number) => Self::Uint(*number.inner()),
            LiteralValue::Double(number) => Self::Double(*number.inner()),
            LiteralValue::String(text) => Self::Text(SharedValue::Borrowed(text.inner())),
            LiteralValue::Bytes(bytes) => Self::Bytes(SharedValue::Borrowed(bytes.inner())),
        }
    }

    /// The name of its type in CEL.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Type(_) => "type",
        }
    }

    /// What people call its type.
    pub(super) fn plain_type(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) | Self::Uint(_) => "a whole number",
            Self::Double(_) => "a number with decimals",
            Self::Text(_) => "a text",
            Self::Bool(_) => "true or false",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Type(_) => "a type",
        }
    }

    /// How two numbers compare, whatever their types; `None` if one is NaN or not a number.
    #[allow(clippy::cast_precision_loss)] // CEL compares whole numbers with others as doubles.
    pub(super) fn compare_numbers(&self, other: &Self) -> Option<Ordering> {
        let whole = |number: &Self| match number {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            _ => None,
        };
        let double = |number: &Self| match number {
            Self::Int(value) => Some(*value as f64),
            Self::Uint(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        };
        match (whole(self), whole(other)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => double(self)?.partial_cmp(&double(other)?),
        }
    }
}

impl<'a> ListValue<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(list) => list.len(),
            Self::Made(list) => list.len(),
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(list) => list.get(place).map(Value::of_json),
            Self::Made(list) => list.get(place).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

impl<'a> MapValue<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Made(map) => map.len(),
        }
    }

    pub(super) fn get(&self, key: &MapKey<'a>) -> Option<Value<'a>> {
        match (self, key) {
            (Self::Json(map), MapKey::Text(name)) => map.get(&**name).map(Value::of_json),
            (Self::Json(_), _) => None,
            (Self::Made(map), key) => map.get(key).cloned(),
        }
    }

    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = (MapKey<'a>, Value<'a>)> + '_> {
        match self {
            Self::Json(map) => {
                let map: &'a serde_json::Map<String, Json> = map;
                Box::new(
                    map.iter().map(|(name, json)| (MapKey::Text(SharedValue::Borrowed(name)), Value::of_json(json))),
                )
            }
            Self::Made(map) => Box::new(map.iter().map(|(key, value)| (key.clone(), value.clone()))),
        }
    }
}

impl<'a> MapKey<'a> {
    /// The key that a map may be made with.
    pub(super) fn of(value: &Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Int(number) => Self::Number { value: (*number).into(), unsigned: false },
            Value::Uint(number) => Self::Number { value: (*number).into(), unsigned: true },
            Value::Text(text) => Self::Text(text.clone()),
            _ => return None,
        })
    }

    /// The key to look for; `None` for a number that no key equals.
    pub(super) fn sought(value: &Value<'a>) -> Result<Option<Self>, NotAKey> {
        match value {
            Value::Double(number) => Ok(whole(*number).map(|value| Self::Number { value, unsigned: value >= 0 })),
            value => Self::of(value).map(Some).ok_or(NotAKey),
        }
    }

    /// So many bytes are looked at to find it.
    pub(super) fn len(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }

    /// The value that a loop over a map sees.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It was made of such a number.
    pub(super) fn value(self) -> Value<'a> {
        match self {
            Self::Bool(bool) => Value::Bool(bool),
            Self::Number { value, unsigned: true } => Value::Uint(value as u64),
            Self::Number { value, unsigned: false } => Value::Int(value as i64),
            Self::Text(text) => Value::Text(text),
        }
    }
}

impl Ord for MapKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |key: &Self| match key {
            Self::Bool(_) => 0,
            Self::Number { .. } => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Number { value: left, .. }, Self::Number { value: right, .. }) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for MapKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for MapKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for MapKey<'_> {}

/// The whole number that a double is, if CEL takes it for one: beyond the smallest int, and below the largest uint.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // The bounds are powers of two; it is within.
pub(super) fn whole(number: f64) -> Option<i128> {
    let is_whole = number > i64::MIN as f64 && number < u64::MAX as f64 && number.fract() == 0.0;
    is_whole.then_some(number as i128)
}
