//! Each function may do what it does, and no more: no wildcard, nothing that no journey uses.
//!
//! While the other tests run, the emulated AWS refuses what a policy does not grant. The last test here looks at what they
//! used; `scripts/check` runs it after them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use cloud::policy::{Grant, granted, notes};

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// Grants that no journey uses here, and why they are needed: function, action, resource (empty for any), reason.
const UNSEEN: [(&str, &str, &str, &str); 23] = [
    ("", "secretsmanager:GetSecretValue", "OAuthApps", "a token that has ended is renewed by whoever meets it"),
    ("", "dynamodb:PutItem", "Portals", "the renewed token; a side in trouble; a portal that moved"),
    ("slack-events", "dynamodb:DeleteItem", "Portals", "the trouble of a side that works again"),
    ("robots", "secretsmanager:GetSecretValue", "KeyRing", "tokens are opened where a robot reads the portal"),
    ("robots", "sqs:SendMessage", "RecordSync", "a robot that begins a sync"),
    ("admin", "sqs:ChangeMessageVisibility", "", "each queue's letters are looked at as the journeys do with one"),
    ("admin", "sqs:DeleteMessage", "", "the same"),
    ("admin", "sqs:SendMessage", "", "the same"),
    ("bitrix24-delivery", "sqs:SendMessage", "Bitrix24Delivery", "a letter that the console moved back: runner.rs"),
    ("slack-commands", "sqs:SendMessage", "SlackCommands", "the same"),
    ("slack-events", "sqs:SendMessage", "SlackEvents", "the same"),
    ("bitrix24-events", "sqs:SendMessage", "Bitrix24EventsDead", "a job that cannot be done: runner.rs"),
    ("slack-commands", "sqs:SendMessage", "SlackCommandsDead", "the same"),
    ("slack-events", "sqs:SendMessage", "SlackEventsDead", "the same"),
    ("slack-events", "sqs:ChangeMessageVisibility", "SlackEvents", "a job that is tried again: runner.rs"),
    ("slack-events", "dynamodb:GetItem", "Ledger", "how long an event that failed before has waited"),
    ("bitrix24-events", "dynamodb:DeleteItem", "Ledger", "who leaves with \"delete data\" leaves no line"),
    ("bitrix24-delivery", "dynamodb:DeleteItem", "Links", "a bot that was deleted on the portal is forgotten"),
    ("bitrix24-delivery", "dynamodb:Query", "Links", "accounts of a person who has several"),
    ("slack-delivery", "dynamodb:DeleteItem", "Links", "a person who is found is none of the unmapped any more"),
    ("install", "dynamodb:Query", "Links", "bridges, where the bot is looked after"),
    ("notion-poll", "", "", "operators are told of a database that closes; a page that is gone is unlinked"),
    ("upkeep", "dynamodb:PutItem", "Ledger", "operators are told of silence"),
];

#[test]
fn no_policy_has_a_wildcard() {
    let policies: Vec<&str> = TEMPLATE.lines().filter(|line| line.trim_start().starts_with("Action:")).collect();
    assert!(policies.len() > 50, "the policies are found");
    for line in TEMPLATE.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("Action:") || line.starts_with("Resource:")
    }) {
        assert!(!line.contains('*'), "{line}");
    }
    // Policies by name would bring grants that are not seen here.
    let own = TEMPLATE.matches("      Policies:\n        - Statement:\n").count();
    assert!(!TEMPLATE.contains("ManagedPolic") && own == TEMPLATE.matches(" Policies:").count());
    let functions: BTreeSet<String> = granted().into_iter().map(|(function, ..)| function).collect();
    assert_eq!(functions.len(), TEMPLATE.matches("Type: AWS::Serverless::Function").count());
}

/// What the journeys through the handlers, and those through the binaries, have used.
fn used() -> BTreeSet<Grant> {
    let mut used = BTreeSet::new();
    for note in std::fs::read_dir(notes()).unwrap() {
        let text = std::fs::read_to_string(note.unwrap().path()).unwrap();
        used.extend(serde_json::from_str::<BTreeSet<Grant>>(&text).unwrap());
    }
    used
}

fn told(grants: &BTreeSet<Grant>) -> String {
    grants.iter().map(|(function, action, resource)| format!("{function}: {action} on {resource}\n")).collect()
}

#[test]
#[ignore = "looks at what other tests have used; scripts/check runs it after them"]
fn no_grant_is_unused() {
    let is_unseen = |grant: &Grant| {
        UNSEEN.iter().any(|(function, action, resource, _)| {
            [(function, &grant.0), (action, &grant.1), (resource, &grant.2)]
                .iter()
                .all(|(own, given)| own.is_empty() || **own == given.as_str())
        })
    };
    let used = used();
    let unused = granted().into_iter().filter(|grant| !used.contains(grant) && !is_unseen(grant)).collect();
    assert_eq!(told(&unused), "", "take these out of template.yaml, or write the journey that needs them");
}

#[test]
#[ignore = "looks at what other tests have used; scripts/check runs it after them"]
fn nothing_is_done_that_is_not_granted() {
    let (granted, used) = (granted(), used());
    let missing = used.into_iter().filter(|grant| !granted.contains(grant)).collect();
    assert_eq!(told(&missing), "", "a journey does this, and template.yaml does not grant it");
}
