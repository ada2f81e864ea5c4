//! Which crate may import which. Each test reads all files, and each function has a list of its own, so that an import
//! that the architecture forbids fails here (docs/architecture.md says why).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates of `shared/`, each below those that it may import.
const ORDER: [&str; 26] = [
    // Leaves that any crate may use, and what the provider clients share.
    "steps",
    "bidi",
    "locale",
    "wire",
    // One provider each.
    "bitrix24",
    "slack",
    "notion",
    // What everything runs on, and its engines.
    "runtime",
    "aws",
    "sqlite",
    "memory",
    // Pure: no I/O and no clock.
    "text",
    "records",
    "settings",
    "jobs",
    // A tenant and its connections.
    "tenants",
    "clients",
    "user_mapping",
    // Features.
    "crm",
    "notifications",
    "chat_bridge",
    "commands",
    "notion_sync",
    "web",
    "operations",
    // For tests, the demo and anyone's client.
    "simulators",
];

/// Crates that decide without I/O.
const PURE: [&str; 5] = ["locale", "text", "records", "settings", "jobs"];

/// What an engine may import.
const ENGINES: [&str; 3] = ["aws", "sqlite", "memory"];

/// What every function is built from: leaves, the provider crates without their calls, ports, pure crates.
const BASE: [&str; 14] = [
    "steps", "bidi", "locale", "wire", "bitrix24", "slack", "notion", "runtime", "text", "records", "settings", "jobs",
    "tenants", "clients",
];

/// What a function that acknowledges is built from: everything that reaches no provider.
const ACKNOWLEDGING: [&str; 14] = [
    "steps", "bidi", "locale", "wire", "bitrix24", "slack", "notion", "runtime", "text", "records", "settings", "jobs",
    "tenants", "web",
];

/// Each function with what it is built from besides [`BASE`], also through other crates; webhooks besides
/// [`ACKNOWLEDGING`].
const FUNCTIONS: [(&str, &[&str]); 17] = [
    ("bitrix24-webhook", &[]),
    ("slack-webhook", &["commands"]),
    ("notion-webhook", &[]),
    ("bitrix24-events", &["user_mapping", "crm", "notifications", "chat_bridge", "notion_sync"]),
    ("bitrix24-delivery", &["user_mapping", "chat_bridge"]),
    ("slack-events", &["user_mapping", "crm", "chat_bridge", "commands"]),
    ("slack-commands", &["user_mapping", "crm", "chat_bridge", "commands"]),
    ("slack-delivery", &["user_mapping", "notifications", "chat_bridge"]),
    ("record-sync", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("notion-poll", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("portal-sweep", &["user_mapping", "crm", "notifications"]),
    ("token-renewal", &[]),
    ("upkeep", &["user_mapping", "crm", "notifications", "chat_bridge"]),
    ("robots", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("api", &["user_mapping", "crm", "notifications", "notion_sync", "web"]),
    ("install", &["user_mapping", "crm", "notifications", "chat_bridge", "web"]),
    ("admin", &["user_mapping", "crm", "notifications", "chat_bridge", "notion_sync", "web", "operations"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Our packages: name and description by cargo.
fn packages() -> BTreeMap<String, Value> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

fn folder(package: &Value) -> PathBuf {
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// The names of what a package imports outside its tests.
fn imports(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

/// All Rust files below a folder, with their text up to the tests at the end of a file. Files of tests are left out.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut found, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_of_tests = name == "tests" || name.ends_with("_tests") || name == "target";
            if is_of_tests {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {}", folder.display());
    found
}

/// A text without its comments, which may say anything.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_shared_crate_imports_only_what_stands_above_it() {
    let packages = packages();
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut forbidden = Vec::new();
    for (name, package) in &packages {
        let folder = folder(package);
        let is_shared = folder.parent().unwrap().ends_with("shared");
        if !is_shared {
            continue;
        }
        let own = place(name).unwrap_or_else(|| panic!("{name} is new: give it a place in ORDER"));
        for imported in imports(package).into_iter().filter(|imported| packages.contains_key(imported)) {
            let is_above = place(&imported).is_some_and(|place| place < own);
            let is_an_engine = ENGINES.contains(&imported.as_str());
            if !is_above || is_an_engine {
                forbidden.push(format!("{name} → {imported}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden: {forbidden:?}");
}

#[test]
fn an_engine_imports_the_ports_alone() {
    let packages = packages();
    for engine in ENGINES {
        let ours = imports(&packages[engine]).into_iter().filter(|imported| packages.contains_key(imported));
        assert_eq!(ours.collect::<Vec<_>>(), ["runtime"], "{engine}");
    }
}

#[test]
fn each_function_is_built_from_its_own_list() {
    let names: BTreeSet<_> = packages().into_keys().collect();
    let folders = std::fs::read_dir(root().join("functions")).unwrap().flatten();
    let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(FUNCTIONS.map(|(name, _)| name.to_owned()).into_iter().collect::<BTreeSet<_>>(), folders);
    for (function, own) in FUNCTIONS {
        let base = if function.ends_with("-webhook") { ACKNOWLEDGING } else { BASE };
        let allowed: BTreeSet<_> = base.iter().chain(own).chain([&function]).copied().collect();
        for (features, besides) in [(["--no-default-features"].as_slice(), None), (&[], Some("aws"))] {
            let built = built_into(function, features, &names);
            let more: Vec<_> = built
                .iter()
                .filter(|name| !allowed.contains(name.as_str()) && Some(name.as_str()) != besides)
                .collect();
            assert!(more.is_empty(), "{function} {features:?} reaches {more:?}");
            let unused: Vec<_> = own.iter().filter(|name| !built.contains(**name)).collect();
            assert!(unused.is_empty(), "{function} does not need {unused:?}: take it from its list");
        }
    }
}

/// Our packages in the tree of one of them.
fn built_into(package: &str, features: &[&str], ours: &BTreeSet<String>) -> BTreeSet<String> {
    tree(package, features).intersection(ours).cloned().collect()
}

/// All packages that one of ours is built from.
fn tree(package: &str, features: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}", "--offline"];
    let output = Command::new(env!("CARGO")).args(tree).args(features).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_function_takes_aws_only_for_its_main() {
    let packages = packages();
    for (function, _) in FUNCTIONS {
        let dependencies = packages[function]["dependencies"].as_array().unwrap();
        let aws = dependencies.iter().find(|dependency| dependency["name"] == "aws").unwrap();
        assert_eq!(aws["optional"], true, "{function}");
        for (path, text) in sources(&folder(&packages[function]).join("src")) {
            assert!(!text.contains("aws::") || path.ends_with("main.rs"), "{} names AWS", path.display());
        }
    }
}

#[test]
fn the_runtime_names_no_provider() {
    for (path, text) in sources(&root().join("shared/runtime/src")) {
        let text = text.to_lowercase();
        for provider in ["bitrix", "slack", "notion"] {
            assert!(!text.contains(provider), "{} names {provider}", path.display());
        }
    }
}

#[test]
fn pure_crates_have_no_clock_and_no_io() {
    for name in PURE {
        for (path, text) in sources(&root().join("shared").join(name).join("src")) {
            for word in
                ["Timestamp::now", "Zoned::now", "async fn", "std::fs", "std::env", "std::net", "reqwest", "tokio"]
            {
                assert!(!code(&text).contains(word), "{} does {word}", path.display());
            }
        }
    }
}

/// A client that is made elsewhere would not check where it calls.
#[test]
fn only_one_place_makes_an_http_client() {
    // The operator's own command, which posts to the address that the operator types.
    const OWN: &str = "infra/standalone/src/replay.rs";
    const MAKES: [&str; 5] =
        ["reqwest::Client::", "reqwest::get", "reqwest::blocking", "hyper_util::client", "TcpStream::connect"];
    let root = root();
    let all = ["shared", "functions", "infra"].into_iter().flat_map(|name| sources(&root.join(name)));
    // Simulators are providers: they call whom a test names.
    let mut found: Vec<_> = all
        .filter(|(path, _)| !path.starts_with(root.join("shared/simulators")))
        .filter(|(_, text)| MAKES.iter().any(|word| text.contains(word)))
        .map(|(path, _)| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, [OWN, "shared/wire/src/internet.rs"]);
}

#[test]
fn what_runs_for_customers_has_no_simulators() {
    assert!(tree("switchboard", &[]).contains("simulators"), "`cargo run -- demo` needs them");
    let host = tree("switchboard", &["--no-default-features"]);
    assert!(host.contains("sqlite") && !host.contains("simulators"), "{host:?}");
    let functions = FUNCTIONS.map(|(function, _)| function);
    for package in functions.into_iter().chain(["switchboard-aws"]) {
        assert!(!tree(package, &[]).contains("simulators"), "{package}");
    }
}

#[test]
fn the_command_for_aws_has_no_other_engine_and_no_server() {
    let built = tree("switchboard-aws", &[]);
    let absent = ["sqlite", "rusqlite", "memory", "axum", "switchboard"];
    let found: Vec<_> = absent.into_iter().filter(|name| built.contains(*name)).collect();
    assert!(built.contains("aws") && found.is_empty(), "{found:?}");
}
