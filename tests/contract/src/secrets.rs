//! What the secrets promise.

use runtime::secrets::{SecretsError, add_line};
use secrecy::{ExposeSecret, SecretString};

use crate::Engine;

pub async fn a_secret_is_given_back_and_can_be_replaced(engine: &Engine) {
    for text in ["one", "two\n\"three\""] {
        engine.backend.secrets.put("thing", text.to_owned().into()).await.unwrap();
        assert_eq!(engine.backend.secrets.get("thing").await.unwrap().expose_secret(), text);
    }
}

pub async fn of_texts_put_at_once_one_stays_whole(engine: &Engine) {
    let text = |n: usize| n.to_string().repeat(n * 100);
    let puts = (1..9).map(|n| engine.backend.secrets.put("contended", text(n).into()));
    for put in futures::future::join_all(puts).await {
        put.unwrap();
    }
    let kept = engine.backend.secrets.get("contended").await.unwrap();
    assert!((1..9).any(|n| kept.expose_secret() == text(n)), "{}", kept.expose_secret().len());
}

pub async fn lines_added_at_once_are_all_there_once(engine: &Engine) {
    let secrets = engine.backend.secrets.as_ref();
    let lines: Vec<SecretString> = (0..9).map(|n| format!("line {}", n % 8).into()).collect();
    let added = lines.iter().map(|line| add_line(secrets, "lines", line));
    for done in futures::future::join_all(added).await {
        done.unwrap();
    }
    let kept = secrets.get("lines").await.unwrap();
    let mut kept: Vec<_> = kept.expose_secret().lines().collect();
    kept.sort_unstable();
    assert_eq!(kept, (0..8).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

pub async fn a_missing_secret_is_named(engine: &Engine) {
    let error = engine.backend.secrets.get("nothing").await.unwrap_err();
    assert_eq!(error, SecretsError::Missing("nothing".into()));
}
