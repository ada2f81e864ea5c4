//! The page about the architecture leads to files that are there.

use std::path::Path;

#[test]
fn every_place_that_the_architecture_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let (_, table) = page.split_once("\n## Where is …\n").expect("the heading `Where is …`");
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let paths: Vec<_> = rows.map(|row| row.rsplit('`').nth(1).unwrap_or_else(|| panic!("no path: {row}"))).collect();
    assert!(paths.len() >= 20, "{paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "docs/architecture.md names {path}, which does not exist");
    }
}
