//! The secrets port on Secrets Manager.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use runtime::secrets::{Secrets, SecretsError};
use secrecy::{ExposeSecret, SecretString};

use crate::{Clients, ResourceNames};

/// Secrets in Secrets Manager, each under the deployment's prefix.
#[derive(Debug, Clone)]
pub struct ManagedSecrets {
    clients: Arc<Clients>,
    names: Arc<ResourceNames>,
}

impl ManagedSecrets {
    /// The secrets behind `clients`.
    pub fn new(clients: Arc<Clients>, names: Arc<ResourceNames>) -> Self {
        Self { clients, names }
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.names.secret_prefix)
    }

    /// Gives it a new text; whether there is such a secret.
    async fn replace(&self, name: &str, text: &SecretString) -> Result<bool, SecretsError> {
        let put = self.clients.get().await.secrets.put_secret_value();
        match put.secret_id(self.id(name)).secret_string(text.expose_secret()).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(PutSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(name, error)),
        }
    }
}

fn unavailable(name: &str, error: impl std::error::Error) -> SecretsError {
    SecretsError::Unavailable { name: name.to_owned(), cause: DisplayErrorContext(error).to_string() }
}

#[async_trait]
impl Secrets for ManagedSecrets {
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError> {
        let missing = || SecretsError::Missing(name.to_owned());
        match self.clients.get().await.secrets.get_secret_value().secret_id(self.id(name)).send().await {
            Ok(secret) => secret.secret_string.map(SecretString::from).ok_or_else(missing),
            Err(error)
                if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Err(missing())
            }
            Err(error) => Err(unavailable(name, error)),
        }
    }

    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError> {
        if self.replace(name, &text).await? {
            return Ok(());
        }
        let create = self.clients.get().await.secrets.create_secret();
        match create.name(self.id(name)).secret_string(text.expose_secret()).send().await {
            Ok(_) => Ok(()),
            // Another has created it meanwhile.
            Err(error) if error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) => {
                self.replace(name, &text).await.map(|_| ())
            }
            Err(error) => Err(unavailable(name, error)),
        }
    }
}
