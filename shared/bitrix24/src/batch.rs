//! `batch`: up to 50 calls in one request.

use serde_json::{Map, Value, json};

use crate::client::CallAnswer;
use crate::error::Error;
use crate::{form, tolerant};

/// The most commands of a batch.
pub const MAX_COMMANDS: usize = 50;

/// How a call names the result of an earlier one.
const RESULT_OF: &str = "$result[";

/// Calls that go out together. A later one may use an earlier one's result: `$result[first][0][ID]`.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    commands: Vec<(String, String)>,
    halt: bool,
    /// Whether a call uses the result of another.
    is_chained: bool,
}

/// A batch takes 50 commands at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch takes at most {MAX_COMMANDS} commands")]
pub struct Full;

impl Batch {
    /// An empty batch that goes on after an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops at the first error; the calls behind it are then not made.
    #[must_use]
    pub fn halting(mut self) -> Self {
        self.halt = true;
        self
    }

    /// Adds a call under a name of its own.
    pub fn add(&mut self, name: impl Into<String>, method: &str, params: &Value) -> Result<(), Full> {
        if self.commands.len() == MAX_COMMANDS {
            return Err(Full);
        }
        self.is_chained |= params.to_string().contains(RESULT_OF);
        let query = form::build(params);
        let command = if query.is_empty() { method.to_owned() } else { format!("{method}?{query}") };
        self.commands.push((name.into(), command));
        Ok(())
    }

    /// How many calls it holds.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The same calls in batches of at most `size`, if none needs another: then nothing is lost by several requests.
    pub fn parts(&self, size: usize) -> Vec<Self> {
        if self.halt || self.is_chained || self.len() <= size {
            return vec![self.clone()];
        }
        let part = |commands: &[(String, String)]| Self { commands: commands.to_vec(), halt: false, is_chained: false };
        self.commands.chunks(size.max(1)).map(part).collect()
    }

    /// The parameters of the `batch` call.
    pub fn params(&self) -> Value {
        let commands: Map<_, _> =
            self.commands.iter().map(|(name, command)| (name.clone(), Value::from(command.clone()))).collect();
        json!({"halt": u8::from(self.halt), "cmd": commands})
    }
}

/// The answers of a batch, by name.
#[derive(Debug, Default)]
pub struct BatchAnswer {
    results: Map<String, Value>,
    errors: Map<String, Value>,
    totals: Map<String, Value>,
    nexts: Map<String, Value>,
}

impl BatchAnswer {
    pub fn read(answer: CallAnswer) -> Self {
        Self::of_result(answer.result)
    }

    /// The answers in the result of a `batch` call.
    pub fn of_result(mut result: Value) -> Self {
        let mut part = |name: &str| result.get_mut(name).map(Value::take).map(tolerant::map).unwrap_or_default();
        Self {
            results: part("result"),
            errors: part("result_error"),
            totals: part("result_total"),
            nexts: part("result_next"),
        }
    }

    /// The answers of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.results.extend(other.results);
        self.errors.extend(other.errors);
        self.totals.extend(other.totals);
        self.nexts.extend(other.nexts);
        self
    }

    /// What the named call gave; `None` if it was not made because an earlier one failed.
    pub fn take(&mut self, name: &str) -> Option<Result<Value, Error>> {
        if let Some(error) = self.errors.get(name) {
            let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
            return Some(Err(Error::Refused {
                method: name.to_owned(),
                code: text("error").to_lowercase(),
                text: text("error_description").to_owned(),
                free_at: None,
            }));
        }
        self.results.remove(name).map(Ok)
    }

    /// The names of the calls that gave something.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.results.keys().map(String::as_str)
    }

    /// Where the named list's next page starts, if there is one.
    pub fn next(&self, name: &str) -> Option<u64> {
        self.nexts.get(name).and_then(Value::as_u64)
    }

    /// How many rows the named list has in all, where the portal counted.
    pub fn total(&self, name: &str) -> Option<u64> {
        self.totals.get(name).and_then(Value::as_u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_go_out_in_the_order_in_which_they_were_added() {
        let mut batch = Batch::new();
        for n in 0..12 {
            batch.add(format!("p{n}"), "crm.item.list", &json!({"start": n})).unwrap();
        }
        let names: Vec<_> = batch.params()["cmd"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, (0..12).map(|n| format!("p{n}")).collect::<Vec<_>>());
        for n in 12..50 {
            batch.add(format!("p{n}"), "user.current", &json!({})).unwrap();
        }
        assert_eq!(batch.add("one too many", "user.current", &json!({})), Err(Full));
    }

    #[test]
    fn only_calls_that_need_no_other_are_sent_in_parts() {
        let of = |batch: Batch| batch.parts(2).iter().map(Batch::len).collect::<Vec<_>>();
        let mut batch = Batch::new();
        for n in 0..5 {
            batch.add(format!("p{n}"), "user.get", &json!({"ID": n})).unwrap();
        }
        assert_eq!(of(batch.clone()), [2, 2, 1]);
        assert_eq!(of(batch.clone().halting()), [5]);
        batch.add("chained", "user.get", &json!({"ID": ["$result[p0][0][ID]"]})).unwrap();
        assert_eq!(of(batch), [6]);
    }

    #[test]
    fn the_answers_of_parts_are_read_as_those_of_one() {
        let first = BatchAnswer::of_result(json!({"result": {"a": 1}, "result_total": {"a": 7}}));
        let second = BatchAnswer::of_result(json!({"result": [], "result_error": {"b": {"error": "NO"}}}));
        let mut both = first.and(second);
        assert_eq!((both.take("a").unwrap().unwrap(), both.total("a")), (json!(1), Some(7)));
        assert!(both.take("b").unwrap().is_err());
    }
}
