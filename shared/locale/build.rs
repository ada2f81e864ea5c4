//! Turns the catalogues in `locales/` into Rust: a constant or a type for each message, a variant for each language.
//!
//! What is missing, or differs between languages, ends the build with a line for each problem.

#[path = "build/catalogue.rs"]
mod catalogue;
#[path = "build/check.rs"]
mod check;
#[path = "build/facts.rs"]
mod facts;
#[path = "build/generate.rs"]
mod generate;
#[path = "build/pseudo.rs"]
mod pseudo;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use catalogue::Language;

fn main() -> ExitCode {
    let (Some(here), Some(out)) = (env::var_os("CARGO_MANIFEST_DIR"), env::var_os("OUT_DIR")) else {
        eprintln!("cargo sets CARGO_MANIFEST_DIR and OUT_DIR for a build script");
        return ExitCode::FAILURE;
    };
    let root = PathBuf::from(here).join("../../locales");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=build.rs");
    let languages = match read(&root) {
        Ok(languages) => languages,
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let problems = check::problems(&languages);
    if !problems.is_empty() {
        for problem in problems {
            println!("cargo::error={problem}");
        }
        return ExitCode::FAILURE;
    }
    let pseudo = env::var_os("CARGO_FEATURE_PSEUDO").is_some();
    let code = generate::code(&languages, pseudo);
    match fs::write(Path::new(&out).join("catalogue.rs"), code) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the generated code cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every folder is a language; English, the source of the others, is the first.
fn read(root: &Path) -> io::Result<Vec<Language>> {
    let mut folders: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
    folders.sort_by_key(|path| (name(path) != check::SOURCE, name(path)));
    folders.iter().map(|folder| read_language(folder)).collect()
}

fn read_language(folder: &Path) -> io::Result<Language> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        files.push((name(&path), fs::read_to_string(&path)?));
    }
    Ok(Language::read(&name(folder), &files))
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
