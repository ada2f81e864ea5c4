//! Each function may do what it does, and no more: no wildcard, nothing that no journey uses.
//!
//! While the other tests run, the emulated AWS refuses what a policy does not grant. The last tests here look at what they
//! used; `scripts/check` runs them after the others.

use std::collections::BTreeSet;

use cloud::policy::{Grant, TEMPLATE, granted, kept_from_client_secrets, notes, resource_policies, resources};

/// Grants that no journey uses here, and why they are needed: function, action, resource (empty for any), reason.
const UNSEEN: [(&str, &str, &str, &str); 21] = [
    ("", "lambda:InvokeFunction", "TokenRenewalFunction", "a token that has ended is renewed for whoever meets it"),
    ("", "dynamodb:PutItem", "Portals", "a side in trouble, and one that works again; a portal that moved"),
    ("schedules", "secretsmanager:GetSecretValue", "KeyRing", "tokens are opened where a schedule reads the portal"),
    ("schedules", "sqs:SendMessage", "RecordSync", "a schedule that begins a sync"),
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
    ("slack-webhook", "dynamodb:GetItem", "Links", "whether somebody who is chosen in a form is linked to nobody"),
    ("slack-events", "dynamodb:GetItem", "Ledger", "how long an event that failed before has waited"),
    ("bitrix24-delivery", "dynamodb:Query", "Links", "accounts of a person who has several"),
    ("install", "dynamodb:Query", "Links", "bridges, where the bot is looked after"),
    ("notion-poll", "", "", "operators are told of a database that closes; a page that is gone is unlinked"),
    ("upkeep", "dynamodb:PutItem", "Ledger", "operators are told of silence"),
    (
        "tenant-jobs",
        "sqs:SendMessage",
        "",
        "a deletion that takes longer than a slice; a job that cannot be done: runner.rs",
    ),
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

/// The functions that may do this.
fn who_may(action: &str, resource: &str) -> BTreeSet<String> {
    let hits = granted().into_iter().filter(|(_, may, on)| may == action && (resource.is_empty() || on == resource));
    hits.map(|(function, ..)| function).collect()
}

fn named(functions: &[&str]) -> BTreeSet<String> {
    functions.iter().map(|function| (*function).to_owned()).collect()
}

#[test]
fn one_function_deletes_and_none_reads_whole_tables() {
    assert_eq!(who_may("dynamodb:DeleteItem", ""), named(&["tenant-jobs"]));
    // No other action deletes, or reads across partitions.
    let all: BTreeSet<_> =
        granted().into_iter().filter(|grant| grant.1.starts_with("dynamodb:")).map(|grant| grant.1).collect();
    let known = ["DeleteItem", "GetItem", "PutItem", "Query"].map(|action| format!("dynamodb:{action}"));
    assert_eq!(all, BTreeSet::from(known));
}

#[test]
fn client_secrets_are_for_four_and_the_ring_is_for_those_that_open_tokens() {
    let keyed = named(&["admin", "install", "token-renewal", "upkeep"]);
    assert_eq!(who_may("secretsmanager:GetSecretValue", "OAuthApps"), keyed);
    let signing = named(&["admin", "install", "slack-webhook"]);
    assert_eq!(who_may("secretsmanager:GetSecretValue", "SlackSigning"), signing);
    assert_eq!(who_may("secretsmanager:PutSecretValue", ""), named(&["install"]));
    // Whoever opens tokens and may not read the keys of the application has them renewed, and nobody else calls anybody.
    let openers = who_may("secretsmanager:GetSecretValue", "KeyRing");
    let callers = who_may("lambda:InvokeFunction", "");
    let without: BTreeSet<_> =
        openers.difference(&keyed).filter(|function| *function != "notion-webhook").cloned().collect();
    assert_eq!(callers, without);
    assert_eq!(callers, who_may("lambda:InvokeFunction", "TokenRenewalFunction"));
    let told = |function: &str| {
        let (_, own) = TEMPLATE.split_once(&format!("Binary: {function} }}")).unwrap();
        own.split_once("Policies:").unwrap().0.contains("TOKEN_RENEWAL_FUNCTION: !Ref TokenRenewalFunction\n")
    };
    assert!(callers.iter().all(|function| told(function)));
    // Nor do they read the keys of a portal's own application, which lie sealed in the table.
    assert_eq!(kept_from_client_secrets(), callers);
    // Nothing but a direct call reaches it.
    let (_, _, own) = resources().into_iter().find(|(name, ..)| name == "TokenRenewalFunction").unwrap();
    assert!(!own.contains("Events:"), "{own}");
}

#[test]
fn queues_secrets_and_topics_refuse_plain_transport() {
    let of = |kind: &str| -> BTreeSet<String> {
        resources().into_iter().filter(|(_, own, _)| own == kind).map(|(name, ..)| name).collect()
    };
    let all: BTreeSet<_> =
        ["AWS::SQS::Queue", "AWS::SecretsManager::Secret", "AWS::SNS::Topic"].into_iter().flat_map(of).collect();
    assert!(all.len() >= 16, "{all:?}");
    let policies = resource_policies();
    let guarded: BTreeSet<_> = policies.iter().map(|(_, on, _)| on.clone()).collect();
    assert_eq!(guarded, all);
    for (kind, on, text) in policies {
        let action = match kind.as_str() {
            "AWS::SQS::QueuePolicy" => "sqs:*",
            "AWS::SNS::TopicPolicy" => "sns:Publish",
            _ => "secretsmanager:*",
        };
        let resource = if kind == "AWS::SQS::QueuePolicy" { format!("!GetAtt {on}.Arn") } else { format!("!Ref {on}") };
        let denial = format!(
            "Effect: Deny, Principal: \"*\", Action: \"{action}\", Resource: {resource}, Condition: {{ Bool: {{ \"aws:SecureTransport\": \"false\" }} }} }}"
        );
        assert_eq!(text.matches(&denial).count(), 1, "{on}: {text}");
        let allowed = usize::from(kind == "AWS::SNS::TopicPolicy");
        assert_eq!(text.matches("Effect: Allow").count(), allowed, "{on} lets somebody in: {text}");
    }
}

#[test]
fn pages_and_programs_are_throttled_more_tightly_than_webhooks() {
    let default = |parameter: &str| -> u32 {
        let (_, rest) = TEMPLATE.split_once(&format!("\n  {parameter}:\n")).unwrap();
        rest.split_once("Default: ").unwrap().1.lines().next().unwrap().parse().unwrap()
    };
    let webhooks = default("WebhookRateLimit");
    for parameter in ["SignInRateLimit", "InstallRateLimit", "ApiRateLimit"] {
        assert!(default(parameter) * 5 <= webhooks && default(parameter) > 0, "{parameter}");
    }
    // Each throttled route is one that there is, by the name that it has there.
    let (_, settings) = TEMPLATE.split_once("      RouteSettings:\n").unwrap();
    let settings: Vec<_> = settings.lines().take_while(|line| line.starts_with("        ")).collect();
    let throttled: BTreeSet<_> = settings
        .iter()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'))
        .map(|(route, _)| route)
        .collect();
    let expected = ["/admin/sign-in", "/admin/sign-in/{proxy+}", "/install", "/install/{proxy+}", "/api/v1/{proxy+}"];
    let routes = expected.map(|path| format!("ANY {path}"));
    let routes: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
    assert_eq!(throttled, routes);
    for path in expected {
        let is_there = [format!("Method: ANY, Path: {path} }}"), format!("Method: ANY, Path: \"{path}\" }}")];
        assert_eq!(is_there.iter().filter(|route| TEMPLATE.contains(*route)).count(), 1, "{path}");
    }
    // What outsiders send has the common throttle.
    assert!(!settings.iter().any(|line| line.contains("/webhooks")), "{settings:?}");
    assert!(TEMPLATE.contains("        ThrottlingRateLimit: !Ref WebhookRateLimit\n"));
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
