//! Panics as errors: code that panics costs the job that it worked, and nothing beside it.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// The output of `work`, or the message of its panic.
///
/// What a panic leaves half done is not seen again: a job shares only ports and caches with others, which hold no
/// invariant over two steps.
pub(crate) async fn caught<F: Future>(work: F) -> Result<F::Output, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}
