//! The table of commands in `docs/talking.md`.

use std::fmt::Write as _;

/// The table as Markdown.
pub fn table() -> String {
    crate::ALL.iter().fold("| command | does |\n|---|---|\n".to_owned(), |mut table, spec| {
        let (typed, does) = spec.documentation;
        let _ = writeln!(table, "| {typed} | {does} |");
        table
    })
}
