//! Connection codes: the person who runs the deployment makes one, and with it a new portal is connected by its webhooks
//! or by an application of its own. A code works once.

use std::time::Duration;

use runtime::Backend;
use runtime::store::StoreError;

use crate::one_time_secrets;

const KIND: &str = "connect";
/// How long a code is valid.
const CODE_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a code that was begun with is kept for its end.
const HELD_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A new code.
pub async fn make(backend: &Backend) -> Result<String, StoreError> {
    let code = one_time_secrets::secret();
    put_back(backend, &code).await?;
    Ok(code)
}

/// Whether a code is valid; it stays valid.
pub async fn is_valid(backend: &Backend, code: &str) -> Result<bool, StoreError> {
    Ok(one_time_secrets::hold(backend, KIND, code, CODE_TTL).await?.is_some())
}

/// Uses a code up; false if it was not valid.
pub async fn take(backend: &Backend, code: &str) -> Result<bool, StoreError> {
    Ok(one_time_secrets::take::<bool>(backend, KIND, code).await?.is_some())
}

/// Makes a code valid again that was used for nothing.
pub async fn put_back(backend: &Backend, code: &str) -> Result<(), StoreError> {
    one_time_secrets::put(backend, KIND, code, &true, CODE_TTL).await
}

/// Keeps a code for an authorization that was begun with it, and returns the name by which it is used up in the end.
pub async fn hold(backend: &Backend, code: &str) -> Result<Option<String>, StoreError> {
    one_time_secrets::hold(backend, KIND, code, HELD_TTL).await
}

/// Uses up a code that was held; false if it was used meanwhile.
pub async fn take_held(backend: &Backend, name: &str) -> Result<bool, StoreError> {
    Ok(one_time_secrets::take_held::<bool>(backend, name).await?.is_some())
}
