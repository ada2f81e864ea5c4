//! Imports go one way. What may import what is the design's; this fails when an arrow is drawn that it forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const WIRES: [&str; 3] = ["bitrix24", "slack", "notion"];
const FUNCTIONS: [&str; 17] = [
    "admin",
    "api",
    "install",
    "robots",
    "bitrix24-webhook",
    "bitrix24-events",
    "bitrix24-delivery",
    "slack-webhook",
    "slack-events",
    "slack-commands",
    "slack-delivery",
    "portal-sweep",
    "token-renewal",
    "upkeep",
    "notion-webhook",
    "notion-poll",
    "record-sync",
];

/// What each package may import of ours, outside its tests.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut allowed = BTreeMap::from([
        ("wire", vec![]),
        ("steps", vec![]),
        ("bidi", vec![]),
        ("locale", vec![]),
        ("bitrix24", vec!["wire"]),
        ("slack", vec!["wire"]),
        ("notion", vec!["wire"]),
        ("edge", vec!["platform"]),
        ("pages", vec!["platform"]),
        ("tenancy", vec!["pages", "platform"]),
        ("operations", [&WIRES[..], &["connect", "mirror", "platform", "records", "rules"]].concat()),
        ("mirror", [&WIRES[..], &["connect", "platform", "records", "rules"]].concat()),
        ("platform", vec![]),
        // What lies on the queues has a queue and a group.
        ("rules", [&WIRES[..], &["platform"]].concat()),
        ("connect", [&WIRES[..], &["platform", "wire"]].concat()),
        ("records", [&WIRES[..], &["connect", "platform", "rules"]].concat()),
        ("aws", vec!["platform"]),
        ("embedded", vec!["platform"]),
        ("memory", vec!["platform"]),
        // The simulators sign as Slack and Notion do.
        ("sandbox", vec!["bitrix24", "slack", "notion", "platform", "wire"]),
        ("talk", [&WIRES[..], &["connect", "platform", "rules"]].concat()),
        ("commands", vec!["bitrix24", "connect", "pages", "platform", "rules", "slack", "talk"]),
        (
            "switchboard",
            [
                &WIRES[..],
                &FUNCTIONS[..],
                &[
                    "commands",
                    "connect",
                    "edge",
                    "embedded",
                    "mirror",
                    "operations",
                    "pages",
                    "platform",
                    "records",
                    "rules",
                    "sandbox",
                    "tenancy",
                ],
            ]
            .concat(),
        ),
    ]);
    allowed.insert("switchboard-aws", vec!["admin", "aws", "connect", "platform", "rules", "slack", "switchboard"]);
    for function in FUNCTIONS {
        allowed.insert(
            function,
            [
                &WIRES[..],
                &[
                    "commands",
                    "connect",
                    "edge",
                    "mirror",
                    "operations",
                    "pages",
                    "platform",
                    "records",
                    "rules",
                    "talk",
                    "tenancy",
                    "aws",
                ],
            ]
            .concat(),
        );
    }
    allowed
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn is_test(package: &Value) -> bool {
    package["manifest_path"].as_str().unwrap().contains("/tests/") && package["name"] != "sandbox"
}

#[test]
fn no_forbidden_arrow_is_drawn() {
    let (allowed, packages) = (allowed(), packages());
    let ours: BTreeSet<_> = packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    let mut forbidden = Vec::new();
    for package in packages.iter().filter(|package| !is_test(package)) {
        let name = package["name"].as_str().unwrap();
        let may = allowed.get(name).unwrap_or_else(|| panic!("{name} is new: say here what it may import"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let imported = dependency["name"].as_str().unwrap();
            // Every crate that reads outside text or writes text for people may use these: they import nothing of ours.
            let is_leaf = ["steps", "bidi", "locale"].contains(&imported);
            let counts = dependency["kind"] != "dev" && ours.contains(imported) && !is_leaf;
            if counts && !may.contains(&imported) {
                forbidden.push(format!("{name} → {imported}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden: {forbidden:?}");
}

#[test]
fn a_handler_takes_aws_only_for_its_main() {
    for package in packages().iter().filter(|package| FUNCTIONS.contains(&package["name"].as_str().unwrap())) {
        let aws =
            package["dependencies"].as_array().unwrap().iter().find(|dependency| dependency["name"] == "aws").unwrap();
        assert_eq!(aws["optional"], true, "{}", package["name"]);
        let folder = std::path::Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("src");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let names_aws = text.contains("aws::");
            assert!(!names_aws || path.ends_with("main.rs"), "{} names AWS", path.display());
        }
    }
}

/// A client that is made elsewhere would not look where it calls.
#[test]
fn only_one_place_makes_an_http_client() {
    // The operator's own command, which posts to the address that the operator types.
    const OWN: &str = "infra/standalone/src/replay.rs";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut folders: Vec<_> = ["shared", "functions", "infra"].iter().map(|name| root.join(name)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, is_folder) = (entry.path(), entry.file_type().unwrap().is_dir());
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if is_folder && !name.ends_with("/tests") && !name.ends_with("/target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // Tests stand at the end of a file.
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let makes = [
                    "reqwest::Client::",
                    "reqwest::get",
                    "reqwest::blocking",
                    "hyper_util::client",
                    "TcpStream::connect",
                ];
                found.extend(makes.iter().filter(|word| text.contains(**word)).map(|_| name.clone()));
            }
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found, [OWN, "shared/wire/src/internet.rs"]);
}

#[test]
fn the_rules_and_the_wires_do_no_forbidden_thing() {
    let manifest = |package: &Value| package["manifest_path"].as_str().unwrap().to_owned();
    for package in packages().iter().filter(|package| package["name"] == "rules") {
        let folder = std::path::Path::new(&manifest(package)).parent().unwrap().join("src");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for word in ["Timestamp::now", "async fn", "std::fs", "std::env", "reqwest", "tokio"] {
                assert!(!text.contains(word), "{} does {word}; rules are pure", path.display());
            }
        }
    }
}

/// Everything of ours that acknowledging a request of Slack's is built from, also through other crates and their features.
#[test]
fn acknowledging_slack_reaches_no_client_of_a_provider() {
    const ALLOWED: [&str; 11] = [
        "bidi",
        "bitrix24",
        "commands",
        "edge",
        "notion",
        "platform",
        "rules",
        "slack",
        "slack-webhook",
        "steps",
        "wire",
    ];
    assert_eq!(built_into("slack-webhook", &["--no-default-features"]), ALLOWED.map(str::to_owned).into());
    let in_lambda = ALLOWED.into_iter().chain(["aws"]).map(str::to_owned).collect();
    assert_eq!(built_into("slack-webhook", &["--features", "lambda"]), in_lambda);
}

/// Our packages in the tree of one of them.
fn built_into(package: &str, features: &[&str]) -> BTreeSet<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}", "--offline"];
    let output = Command::new(env!("CARGO")).args(tree).args(features).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours: BTreeSet<_> = packages().iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| ours.contains(*name)).map(str::to_owned).collect()
}
