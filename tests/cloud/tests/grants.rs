//! Each function may do what it does, and no more: no wildcard, nothing that no journey uses.
//!
//! While the other tests run, the emulated AWS refuses what a policy does not grant. The last test here looks at what they
//! used; `scripts/check` runs it after them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use cloud::policy::{Grant, granted, notes};

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// Grants that no journey can use here, and why they are needed.
const UNSEEN: [(&str, &str, &str); 0] = [];

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

#[test]
#[ignore = "looks at what the other tests of this package have used; scripts/check runs it after them"]
fn no_grant_is_unused() {
    let mut used: BTreeSet<Grant> = BTreeSet::new();
    for note in std::fs::read_dir(notes()).unwrap() {
        let text = std::fs::read_to_string(note.unwrap().path()).unwrap();
        used.extend(serde_json::from_str::<BTreeSet<Grant>>(&text).unwrap());
    }
    let unseen =
        UNSEEN.map(|(function, action, resource)| (function.to_owned(), action.to_owned(), resource.to_owned()));
    let unused: Vec<_> =
        granted().into_iter().filter(|grant| !used.contains(grant) && !unseen.contains(grant)).collect();
    let lines: Vec<_> =
        unused.iter().map(|(function, action, resource)| format!("{function}: {action} on {resource}")).collect();
    assert!(
        unused.is_empty(),
        "take these out of template.yaml, or write the journey that needs them:\n{}",
        lines.join("\n")
    );
}
