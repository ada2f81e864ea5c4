//! The policies of `template.yaml`, kept: what a function may not do is refused, and what it does is remembered, so that a
//! grant that nobody uses is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The whole template.
pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");
/// How the access key of a function begins; what follows is the name of its binary.
pub(crate) const KEY_OF: &str = "function.";

/// A function, what it does, and to what, by the name in the template.
pub type Grant = (String, String, String);

/// What every function may do, by its policies.
pub fn granted() -> BTreeSet<Grant> {
    functions().into_iter().flat_map(|(function, text)| statements(&function, &text)).collect()
}

/// The policies of each function, by its binary.
fn functions() -> BTreeMap<String, String> {
    let mut functions = BTreeMap::new();
    for part in TEMPLATE.split("BuildProperties: { Binary: ").skip(1) {
        let Some((name, rest)) = part.split_once(" }") else { continue };
        let policies = rest.split_once("      Policies:\n").map_or("", |(_, policies)| policies);
        // What follows the policies of a function is less indented, or its events.
        let own: Vec<_> = policies.lines().take_while(|line| line.starts_with("        ")).collect();
        functions.insert(name.to_owned(), own.join("\n"));
    }
    functions
}

fn statements(function: &str, policies: &str) -> Vec<Grant> {
    let mut grants = Vec::new();
    for statement in policies.split("- Sid: ").skip(1) {
        let words: Vec<&str> =
            statement.split(|c: char| " \n,[]".contains(c)).filter(|word| !word.is_empty()).collect();
        let actions =
            words.iter().filter(|word| ["dynamodb:", "sqs:", "secretsmanager:"].iter().any(|of| word.starts_with(of)));
        let after =
            |pair: &[&str]| ["!GetAtt", "!Ref"].contains(&pair[0]).then(|| pair[1].trim_end_matches(".Arn").to_owned());
        let resources: Vec<_> = words.windows(2).filter_map(after).collect();
        for action in actions {
            grants
                .extend(resources.iter().map(|resource| (function.to_owned(), (*action).to_owned(), resource.clone())));
        }
    }
    grants
}

/// Keeps the policies.
pub(crate) struct Guard {
    granted: BTreeSet<Grant>,
    used: Mutex<BTreeSet<Grant>>,
    refused: Mutex<BTreeSet<Grant>>,
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self { granted: granted(), used: Mutex::default(), refused: Mutex::default() }
    }

    /// Whether a function may do what it asks for; whoever is no function may do anything.
    pub(crate) fn allows(&self, authorization: &str, target: &str, body: &[u8]) -> bool {
        let key =
            authorization.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        let Some(function) = key.strip_prefix(KEY_OF) else { return true };
        let asked = asked(target, body);
        asked.into_iter().all(|(action, resource)| self.note(function, &action, &resource))
    }

    /// Notes something that a function does, or that is done in its name; whether it may.
    pub(crate) fn note(&self, function: &str, action: &str, resource: &str) -> bool {
        let grant = (function.to_owned(), action.to_owned(), resource.to_owned());
        let may = self.granted.contains(&grant);
        let list = if may { &self.used } else { &self.refused };
        list.lock().unwrap_or_else(PoisonError::into_inner).insert(grant);
        may
    }

    /// What was refused.
    pub(crate) fn refused(&self) -> BTreeSet<Grant> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Guard {
    /// What was used is kept beside what is built, for the test that looks for what never was.
    fn drop(&mut self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let folder = notes();
        let name = format!("{}-{:p}.json", std::process::id(), self);
        if std::fs::create_dir_all(&folder).is_ok()
            && let Ok(text) = serde_json::to_string(&used)
        {
            // A note that is missing shows as a grant that is not used.
            let _ = std::fs::write(folder.join(name), text);
        }
    }
}

/// Where it is noted what was used.
pub fn notes() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/grants")
}

/// What a request asks for: actions and resources, by their names in the template.
fn asked(target: &str, body: &[u8]) -> Vec<(String, String)> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or(("", target));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match service {
        service if service.starts_with("DynamoDB") => {
            let puts = body["TransactItems"].as_array().into_iter().flatten();
            let puts: Vec<_> = puts
                .flat_map(|item| item.as_object().into_iter().flatten())
                .map(|(verb, item)| (format!("dynamodb:{verb}Item"), table(&text(&item["TableName"]))))
                .collect();
            if puts.is_empty() {
                vec![(format!("dynamodb:{operation}"), table(&text(&body["TableName"])))]
            } else {
                puts
            }
        }
        "AmazonSQS" => {
            // A batch needs the right of the single call.
            let action = operation.trim_end_matches("Batch");
            vec![(format!("sqs:{action}"), queue(&text(&body["QueueUrl"])))]
        }
        _ => vec![(format!("secretsmanager:{operation}"), secret(&text(&body["SecretId"])))],
    }
}

fn table(name: &str) -> String {
    pascal(name.trim_start_matches("switchboard-"))
}

fn queue(url: &str) -> String {
    let name = url.rsplit('/').next().unwrap_or_default();
    pascal(name.trim_start_matches("switchboard-").trim_end_matches(".fifo"))
}

fn secret(id: &str) -> String {
    match id.rsplit('/').next().unwrap_or_default() {
        "key-ring" => "KeyRing",
        "oauth-apps" => "OAuthApps",
        "slack-signing-secrets" => "SlackSigning",
        other => other,
    }
    .to_owned()
}

/// `slack-delivery-dead` → `SlackDeliveryDead`.
pub(crate) fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}
