//! The recipes name every source file that they touch: the example of each is named in no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names and files in the section *The walk* of a recipe.
fn walk(recipe: &str) -> (Vec<String>, BTreeSet<String>) {
    let page = std::fs::read_to_string(root().join("docs/recipes").join(recipe)).unwrap();
    let (_, section) = page.split_once("\n## The walk\n\n").unwrap_or_else(|| panic!("{recipe} has no walk"));
    let section = section.split("\n## ").next().unwrap();
    let (files, words): (Vec<_>, Vec<_>) = section.lines().partition(|line| line.starts_with("- "));
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    (quoted(&words.join("\n")), files.into_iter().flat_map(quoted).collect())
}

/// The source files of the product, without the simulators and files of tests.
fn sources() -> Vec<PathBuf> {
    let mut folders = ["shared", "functions", "infra"].map(|folder| root().join(folder)).to_vec();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if ["simulators", "target", "node_modules", "tests", "pseudo"].contains(&name) || name.ends_with("_tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources
}

/// The code of a file, without its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

#[test]
fn the_example_of_each_recipe_is_named_in_its_files_alone() {
    let sources: Vec<_> = sources().into_iter().map(|path| (code(&path), path)).collect();
    assert!(sources.len() > 200, "{}", sources.len());
    for (recipe, most) in [("card-field.md", 3), ("change-kind.md", 3), ("command.md", 2), ("language.md", 0)] {
        let (names, files) = walk(recipe);
        assert!(names.len() >= 2 && files.len() <= most, "{recipe}: {names:?}, {files:?}");
        let found = sources.iter().filter(|(code, _)| names.iter().any(|name| code.contains(name)));
        let found = found.map(|(_, path)| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        assert_eq!(found.collect::<BTreeSet<_>>(), files, "{recipe} and the files with {names:?}");
    }
}
