//! The policies of `template.yaml`, kept: what a function may not do is refused, and what it does is remembered, so that a
//! grant that nobody uses is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The whole template.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");
/// How the access key of a function begins; what follows is the name of its binary.
pub(crate) const KEY_OF: &str = "function.";

/// A function, what it does, and to what, by the name in the template.
pub type Grant = (String, String, String);

/// What every function may do, by its policies.
pub fn granted() -> BTreeSet<Grant> {
    functions().into_iter().flat_map(|(function, text)| statements(&function, &text)).collect()
}

/// The functions that may not touch the partitions in which the keys of portals' own applications lie.
pub fn kept_from_client_secrets() -> BTreeSet<String> {
    let action = "Effect: Deny\n              Action: [dynamodb:GetItem, dynamodb:Query, dynamodb:PutItem]\n              \
                  Resource: !If [HasOwnPortals, !GetAtt Portals.Arn, ";
    let condition = "\n              Condition: { \"ForAnyValue:StringLike\": { \"dynamodb:LeadingKeys\": [\"*#apps\"] } }";
    let denies = |text: &str| {
        let (_, rest) = text.split_once(action)?;
        rest.find('\n').filter(|end| rest[*end..].starts_with(condition))
    };
    functions().into_iter().filter(|(_, text)| denies(text).is_some()).map(|(function, _)| function).collect()
}

/// Whether a request of DynamoDB's is for such a partition, as its item, its key or what is listed.
fn is_for_client_secrets(body: &Value) -> bool {
    let is_such = |partition: &Value| partition["S"].as_str().is_some_and(|name| name.ends_with("#apps"));
    let single = [&body["Key"]["pk"], &body["Item"]["pk"], &body["ExpressionAttributeValues"][":partition"]];
    let several = body["TransactItems"].as_array().into_iter().flatten().map(|item| &item["Put"]["Item"]["pk"]);
    single.into_iter().chain(several).any(is_such)
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
    for statement in policies.split("- Sid: ").skip(1).filter(|statement| statement.contains("Effect: Allow")) {
        let words: Vec<&str> =
            statement.split(|c: char| " \n,[]".contains(c)).filter(|word| !word.is_empty()).collect();
        let actions = words
            .iter()
            .filter(|word| ["dynamodb:", "sqs:", "secretsmanager:", "lambda:"].iter().any(|of| word.starts_with(of)));
        let name = |word: &str| word.trim_end_matches(".Arn").trim_end_matches(".Alias").to_owned();
        let after = |pair: &[&str]| ["!GetAtt", "!Ref"].contains(&pair[0]).then(|| name(pair[1]));
        // A parameter that names another resource instead means the same: `!If [HasOwnKeyRing, !Ref KeyRing, !Ref KeyRingArn]`.
        let resources: Vec<_> = words.windows(2).filter_map(after).filter(|name| !name.ends_with("Arn")).collect();
        for action in actions {
            grants
                .extend(resources.iter().map(|resource| (function.to_owned(), (*action).to_owned(), resource.clone())));
        }
    }
    grants
}

/// How many notes this process has left.
static NOTES: AtomicUsize = AtomicUsize::new(0);

/// Keeps the policies.
pub(crate) struct Guard {
    granted: BTreeSet<Grant>,
    kept_from_client_secrets: BTreeSet<String>,
    used: Mutex<BTreeSet<Grant>>,
    refused: Mutex<BTreeSet<Grant>>,
}

impl Guard {
    pub(crate) fn new() -> Self {
        let kept_from_client_secrets = kept_from_client_secrets();
        Self { granted: granted(), kept_from_client_secrets, used: Mutex::default(), refused: Mutex::default() }
    }

    /// Whether a function may call another by its name; whoever is no function may.
    pub(crate) fn allows_call(&self, authorization: &str, called: &str) -> bool {
        let resource = format!("{}Function", pascal(called));
        caller(authorization).is_none_or(|function| self.note(function, "lambda:InvokeFunction", &resource))
    }

    /// Whether a function may do what it asks for; whoever is no function may do anything.
    pub(crate) fn allows(&self, authorization: &str, target: &str, body: &[u8]) -> bool {
        let Some(function) = caller(authorization) else { return true };
        if target.starts_with("DynamoDB")
            && self.kept_from_client_secrets.contains(function)
            && is_for_client_secrets(&serde_json::from_slice(body).unwrap_or_default())
        {
            // As a grant that there is not.
            return self.note(function, "any", "the keys of portals' own applications");
        }
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
        // Several tests of one process may leave notes, one after another at the same address.
        let number = NOTES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}.json", std::process::id());
        if std::fs::create_dir_all(&folder).is_ok()
            && let Ok(text) = serde_json::to_string(&used)
        {
            // A note that is missing shows as a grant that is not used.
            let _ = std::fs::write(folder.join(name), text);
        }
    }
}

/// The function whose credentials signed a request.
fn caller(authorization: &str) -> Option<&str> {
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split('/').next()?.strip_prefix(KEY_OF)
}

/// The policies on queues, secrets and topics themselves: kind, what it is on, and its text.
pub fn resource_policies() -> Vec<(String, String, String)> {
    let kinds = ["AWS::SQS::QueuePolicy", "AWS::SecretsManager::ResourcePolicy", "AWS::SNS::TopicPolicy"];
    let found = resources().into_iter().filter_map(|(_, kind, text)| {
        let on = text.lines().find_map(|line| {
            let line = line.trim();
            ["Queues: [", "SecretId: ", "Topics: ["].iter().find_map(|before| line.strip_prefix(before))
        })?;
        let on = on.trim_start_matches("!Ref ").trim_end_matches(']').to_owned();
        kinds.contains(&kind.as_str()).then_some((kind, on, text))
    });
    found.collect()
}

/// Every resource of the template: its name, its kind and its text.
pub fn resources() -> Vec<(String, String, String)> {
    let (_, rest) = TEMPLATE.split_once("\nResources:\n").unwrap_or_default();
    let rest = rest.split_once("\nOutputs:\n").map_or(rest, |(resources, _)| resources);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in rest.lines() {
        let name = line
            .strip_prefix("  ")
            .filter(|name| !name.starts_with([' ', '#']))
            .and_then(|name| name.strip_suffix(':'));
        match (name, found.last_mut()) {
            (Some(name), _) => found.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    let kind = |text: &str| text.lines().find_map(|line| line.strip_prefix("    Type: ").map(str::to_owned));
    found.into_iter().filter_map(|(name, text)| Some((name, kind(&text)?, text))).collect()
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
