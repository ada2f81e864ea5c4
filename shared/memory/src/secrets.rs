//! The secrets port in memory.

use async_trait::async_trait;
use runtime::secrets::{Secrets, SecretsError};
use secrecy::SecretString;

use crate::Memory;

#[async_trait]
impl Secrets for Memory {
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError> {
        let kept = self.kept().map_err(|cause| SecretsError::Unavailable { name: name.to_owned(), cause })?;
        kept.secrets.get(name).cloned().ok_or_else(|| SecretsError::Missing(name.to_owned()))
    }

    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError> {
        let mut kept = self.kept().map_err(|cause| SecretsError::Unavailable { name: name.to_owned(), cause })?;
        kept.secrets.insert(name.to_owned(), text);
        Ok(())
    }
}
