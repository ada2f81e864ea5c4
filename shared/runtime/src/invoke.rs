//! The port to another function: a call with a text, whose answer is waited for.

use async_trait::async_trait;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the function {function} did not answer: {cause}")]
pub struct InvokeError {
    /// Which function.
    pub function: String,
    /// What happened.
    pub cause: String,
}

/// Calls one other function. Without an answer, the call may still have had its effect.
#[async_trait]
pub trait Invoke: Send + Sync + 'static {
    /// Calls it with a JSON text and returns its answer, which is JSON too.
    async fn invoke(&self, request: String) -> Result<String, InvokeError>;
}
