//! What commands do at the terminal: progress, files, who the operator is, completions.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use runtime::private_files;

/// The operator's name for the audit.
pub fn operator() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "unknown user".into());
    format!("{user} (command line)")
}

/// A new file that only its owner may read.
pub fn new_file(path: &Path) -> anyhow::Result<File> {
    private_files::create(path).with_context(|| format!("cannot create the file {}", path.display()))
}

/// Shows a spinner while something is done.
pub async fn spinning<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let spinner = progress(0, what);
    let done = work.await;
    spinner.finish_and_clear();
    done
}

/// A bar up to `most`, a spinner if that is 0; hidden in pipes.
pub fn progress(most: u64, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = if most == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(most) };
    let template = if most == 0 { "{spinner} {msg} {elapsed}" } else { "{msg} [{bar:30}] {pos}/{len} {elapsed}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The script with which a shell completes the commands of a program.
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command, name: &str) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, command, name, &mut text);
    String::from_utf8(text).unwrap_or_default()
}
