//! What `template.yaml` grants, read from its text, and notes of what was used, so that a grant that nothing uses is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context;

/// The whole template.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");

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
    let condition =
        "\n              Condition: { \"ForAnyValue:StringLike\": { \"dynamodb:LeadingKeys\": [\"*#apps\"] } }";
    let denies = |text: &str| {
        let (_, rest) = text.split_once(action)?;
        rest.find('\n').filter(|end| rest[*end..].starts_with(condition))
    };
    functions().into_iter().filter(|(_, text)| denies(text).is_some()).map(|(function, _)| function).collect()
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
    crate::root().join("target/grants")
}

/// Leaves a note of what was used, for the test that looks for what never is.
pub(crate) fn note(used: &BTreeSet<Grant>) -> anyhow::Result<()> {
    std::fs::create_dir_all(notes())?;
    std::fs::write(notes().join(format!("{}.json", std::process::id())), serde_json::to_string(used)?)?;
    Ok(())
}

/// The name in the template of the function with this binary.
pub(crate) fn function(binary: &str) -> anyhow::Result<String> {
    let (before, _) = TEMPLATE
        .split_once(&format!("Binary: {binary} }}"))
        .with_context(|| format!("the template has no function with the binary {binary}"))?;
    let name = before
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')));
    Ok(name.context("every resource has a name")?.to_owned())
}

/// The binary of the function with this name in the template.
pub(crate) fn binary(function: &str) -> anyhow::Result<String> {
    let (_, own) = TEMPLATE
        .split_once(&format!("\n  {function}:\n"))
        .with_context(|| format!("the template has no {function}"))?;
    let (_, rest) = own.split_once("Binary: ").context("every function has a binary")?;
    Ok(rest.split(' ').next().unwrap_or_default().to_owned())
}

/// `slack-delivery-dead` → `SlackDeliveryDead`.
pub(crate) fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}
