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
const FUNCTIONS: [(&str, &[&str]); 18] = [
    ("bitrix24-webhook", &[]),
    ("slack-webhook", &["commands"]),
    ("notion-webhook", &[]),
    ("bitrix24-events", &["user_mapping", "crm", "notifications", "chat_bridge", "notion_sync"]),
    ("bitrix24-delivery", &["user_mapping", "crm", "chat_bridge"]),
    ("slack-events", &["user_mapping", "crm", "chat_bridge", "commands"]),
    ("slack-commands", &["user_mapping", "crm", "chat_bridge", "commands"]),
    ("slack-delivery", &["user_mapping", "crm", "notifications", "chat_bridge"]),
    ("record-sync", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("tenant-jobs", &[]),
    ("notion-poll", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("portal-sweep", &["user_mapping", "crm", "chat_bridge"]),
    ("token-renewal", &[]),
    ("upkeep", &["user_mapping", "crm", "notifications", "chat_bridge"]),
    ("schedules", &["user_mapping", "crm", "notifications", "notion_sync"]),
    ("api", &["user_mapping", "crm", "notifications", "notion_sync", "web"]),
    ("install", &["user_mapping", "crm", "notifications", "chat_bridge", "web"]),
    ("admin", &["user_mapping", "crm", "notifications", "chat_bridge", "notion_sync", "web", "operations"]),
];

/// Files that import each other in a circle. Nothing may be added: put what both need into a file of its own.
const CIRCLES: [(&str, &[&str]); 5] = [
    ("clients", &["channels", "members", "workspace"]),
    ("commands", &["answers", "drafts", "misuse", "perform", "request", "spec", "typed", "views"]),
    ("sqlite", &["database", "writer"]),
    ("sqlite", &["maintenance", "schema"]),
    ("text", &["edit", "notion"]),
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

/// The names of the files of a crate as modules, and what each names of the crate: `a::b` of `use crate::a::b::C`.
fn modules(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let name = |path: &Path| {
        let path = path.strip_prefix(source).unwrap().with_extension("");
        let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.retain(|part| !["lib", "mod"].contains(&part.as_str()));
        parts.join("::")
    };
    let texts: BTreeMap<_, _> = sources(source).into_iter().map(|(path, text)| (name(&path), code(&text))).collect();
    let nearest = |mut path: Vec<String>| {
        while !path.is_empty() && !texts.contains_key(&path.join("::")) {
            path.pop();
        }
        path.join("::")
    };
    let named =
        |own: &str, text: &str| paths(own, text).into_iter().map(nearest).filter(|other| other != own).collect();
    texts.iter().map(|(own, text)| (own.clone(), named(own, text))).collect()
}

/// The paths that begin with `crate` or `super` in a file's code, from the root of the crate.
fn paths(own: &str, code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (start, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        if code[..start].ends_with(|before: char| before.is_alphanumeric() || "_:".contains(before)) {
            continue;
        }
        let (mut base, mut rest) = (Vec::new(), &code[start..]);
        if word == "super::" {
            base = own.split("::").map(str::to_owned).collect();
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
        } else {
            rest = &rest[word.len()..];
        }
        tree(&base, rest, &mut found);
    }
    found
}

/// Reads one path, or a group of them in braces, and returns what follows.
fn tree<'a>(base: &[String], text: &'a str, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut group) = text.strip_prefix('{') {
        loop {
            group = group.trim_start_matches([',', ' ', '\n']);
            if let Some(after) = group.strip_prefix('}').or(Some(group).filter(|group| group.is_empty())) {
                return after;
            }
            group = tree(base, group, found);
        }
    }
    let end = text.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(text.len());
    let path = [base, &[text[..end].to_owned()]].concat();
    match text[end..].strip_prefix("::") {
        Some(more) if end > 0 => tree(&path, more, found),
        _ => {
            found.push(path);
            // A name that a group gives it, and anything that is not a path, is left out.
            text[end..].trim_start_matches(|other: char| !",}".contains(other))
        }
    }
}

/// Each group of files that reach each other. A parent and its children are left out: they are one thing.
fn circles(modules: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<String>> {
    let is_within = |inner: &str, outer: &str| outer.is_empty() || inner.starts_with(&format!("{outer}::"));
    let reached = |from: &str| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = left.pop() {
            let named =
                modules[&module].iter().filter(|other| !is_within(other, &module) && !is_within(&module, other));
            left.extend(named.filter(|other| seen.insert((*other).clone())).cloned());
        }
        seen
    };
    let reach: BTreeMap<_, _> = modules.keys().map(|module| (module, reached(module))).collect();
    let circle = |module: &String| -> Vec<_> {
        let others = reach[module].iter().filter(|other| reach[other].contains(module));
        others.cloned().collect()
    };
    reach.keys().map(|module| circle(module)).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn files_import_each_other_in_no_circle() {
    let packages = packages();
    let mut found = BTreeSet::new();
    for (name, package) in &packages {
        let source = folder(package).join("src");
        // Simulators are as their providers are: everything there is about everything.
        if name == "simulators" || !source.exists() {
            continue;
        }
        found.extend(circles(&modules(&source)).into_iter().map(|circle| (name.clone(), circle)));
    }
    let is_known = |name: &str, circle: &[String]| {
        let mut known = CIRCLES.iter().filter(|(own, _)| *own == name);
        known.any(|(_, files)| circle.iter().all(|file| files.contains(&file.as_str())))
    };
    found.retain(|(name, circle)| !is_known(name, circle));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_is_found_and_a_parent_with_its_children_is_none() {
    assert_eq!(
        paths("a::b", "use crate::{x, y::{Z, z as other}}; super::c(); crate::d::e();"),
        [vec!["x"], vec!["y", "Z"], vec!["y", "z"], vec!["d", "e"], vec!["a", "c"]],
    );
    let module = |name: &str, named: &[&str]| (name.to_owned(), named.iter().map(|name| (*name).to_owned()).collect());
    let modules = BTreeMap::from([
        module("", &["a"]),
        module("a", &["", "a::b", "c"]),
        module("a::b", &["a"]),
        module("c", &["d"]),
        module("d", &["c"]),
    ]);
    assert_eq!(circles(&modules), BTreeSet::from([vec!["c".to_owned(), "d".to_owned()]]));
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
    built_from(package, features).intersection(ours).cloned().collect()
}

/// All packages that one of ours is built from.
fn built_from(package: &str, features: &[&str]) -> BTreeSet<String> {
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
    assert!(built_from("switchboard", &[]).contains("simulators"), "`cargo run -- demo` needs them");
    let host = built_from("switchboard", &["--no-default-features"]);
    assert!(host.contains("sqlite") && !host.contains("simulators"), "{host:?}");
    let functions = FUNCTIONS.map(|(function, _)| function);
    for package in functions.into_iter().chain(["switchboard-aws"]) {
        assert!(!built_from(package, &[]).contains("simulators"), "{package}");
    }
}

/// Their secrets could be guessed.
#[test]
fn what_runs_for_customers_draws_nothing_from_a_seed() {
    let features_of = |package: &str, arguments: &[&str]| {
        let tree = ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p} [{f}]", "--offline"];
        let output = Command::new(env!("CARGO")).args(tree).args(arguments).current_dir(root()).output().unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        let line = tree.lines().find(|line| line.starts_with("runtime ")).unwrap_or_default().to_owned();
        assert!(line.contains('['), "{package} is not built from the runtime: {tree}");
        line
    };
    assert!(features_of("simulation", &[]).contains("seeded"));
    let functions = FUNCTIONS.map(|(function, _)| function);
    for package in functions.into_iter().chain(["switchboard", "switchboard-aws"]) {
        assert!(!features_of(package, &[]).contains("seeded"), "{package}");
    }
    assert!(!features_of("switchboard", &["--no-default-features"]).contains("seeded"));
}

#[test]
fn the_command_for_aws_has_no_other_engine_and_no_server() {
    let built = built_from("switchboard-aws", &[]);
    let absent = ["sqlite", "rusqlite", "memory", "axum", "switchboard"];
    let found: Vec<_> = absent.into_iter().filter(|name| built.contains(*name)).collect();
    assert!(built.contains("aws") && found.is_empty(), "{found:?}");
}
