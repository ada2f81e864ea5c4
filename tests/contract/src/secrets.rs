//! What the secrets promise.

use platform::secrets::SecretsError;
use secrecy::ExposeSecret;

use crate::Engine;

pub async fn a_secret_is_given_back_and_can_be_replaced(engine: &Engine) {
    for text in ["one", "two\n\"three\""] {
        engine.ports.secrets.put("thing", text.to_owned().into()).await.unwrap();
        assert_eq!(engine.ports.secrets.get("thing").await.unwrap().expose_secret(), text);
    }
}

pub async fn a_missing_secret_is_named(engine: &Engine) {
    let error = engine.ports.secrets.get("nothing").await.unwrap_err();
    assert_eq!(error, SecretsError::Missing("nothing".into()));
}
