//! Who watches the calls of a client.

use std::fmt::{Debug, Display};
use std::time::Duration;

/// Observes each call of a client.
pub trait Observer: Debug + Send + Sync {
    /// A call ended: what was asked (without credentials), what came of it, and how long it took.
    fn called(&self, method: &str, asked: &dyn Display, answer: Result<&dyn Display, &dyn Display>, took: Duration);
}

impl dyn Observer {
    /// Says so of an answer of any type.
    pub fn saw<T: Display, E: Display>(
        &self,
        method: &str,
        asked: &dyn Display,
        answer: Result<&T, &E>,
        took: Duration,
    ) {
        let answer: Result<&dyn Display, &dyn Display> = match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error),
        };
        self.called(method, asked, answer, took);
    }
}
