//! Names of the code: one type for one name, and the prefixes of limits and ages (docs/style.md).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names that every crate or function has for itself.
const SHARED_NAMES: [&str; 3] = ["Client", "Deps", "Error"];

/// How limits and ages of constants began once.
const RETIRED_CONSTANTS: [&str; 6] = ["MOST", "LARGEST", "LONGEST", "KEEP", "LIVES", "FRESH"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !stem.ends_with("tests") {
            found.push(path);
        }
    }
}

/// The crates' own files, with their text up to the tests at its end.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut files = Vec::new();
    for folder in ["shared", "functions"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            sources(&entry.path().join("src"), &mut files);
        }
    }
    let text = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    };
    files.iter().map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), text(path))).collect()
}

/// The name after one of these keywords, if a line defines such an item at the top of a file.
fn defined<'a>(line: &'a str, keywords: &[&str]) -> Option<&'a str> {
    let item = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let (keyword, rest) = item.split_once(' ')?;
    let name = rest.split(|character: char| !character.is_alphanumeric() && character != '_').next()?;
    keywords.contains(&keyword).then_some(name)
}

#[test]
fn a_definition_is_found_whatever_its_visibility() {
    let types = ["struct", "enum"];
    assert_eq!(defined("pub struct Route {", &types), Some("Route"));
    assert_eq!(defined("pub(in crate::a) enum Kind<'a> {", &types), Some("Kind"));
    assert_eq!(defined("struct Row(u8);", &types), Some("Row"));
    assert_eq!(defined("    struct Inner;", &types), None);
    assert_eq!(defined("// struct Route", &types), None);
}

#[test]
fn a_type_name_exists_once() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in texts() {
        for name in text.lines().filter_map(|line| defined(line, &["struct", "enum", "trait", "type", "union"])) {
            places.entry(name.to_owned()).or_default().insert(path.clone());
        }
    }
    assert!(places.len() > 500, "only {} types were found", places.len());
    places.retain(|name, paths| paths.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    assert!(places.is_empty(), "one name for several types: {places:#?}");
}

#[test]
fn a_limit_begins_with_max_and_an_age_ends_with_ttl() {
    let mut retired = Vec::new();
    for (path, text) in texts() {
        let constants = text.lines().filter_map(|line| defined(line, &["const", "static"]));
        let is_retired = |name: &&str| RETIRED_CONSTANTS.iter().any(|word| name.split('_').any(|part| part == *word));
        retired.extend(constants.filter(is_retired).map(|name| format!("{path}: {name}")));
    }
    assert_eq!(retired, Vec::<String>::new(), "MAX_… for a limit, …_TTL for an age");
}
