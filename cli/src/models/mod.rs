//! `tusou models`: which models there are, and getting, adding and checking them.

pub(crate) mod args;

mod add;
mod catalogue;
mod check;
mod error;
mod fetch;
mod hub;
mod list;
mod lite;
mod progress;
mod pypi;
mod staging;
#[cfg(test)]
mod tests;
mod wheel;

use std::io::Write;
use std::path::Path;

use tusou_model::pack::{MANIFEST, Manifest};
use tusou_platform::Config;

use args::Command;
pub use error::ModelsError;

/// Runs one of the commands.
pub(crate) async fn run(
    config: &Config,
    command: &Command,
    out: &mut dyn Write,
) -> Result<(), ModelsError> {
    match command {
        Command::List(list) => list::run(&config.models, list, out),
        Command::Fetch(fetch) => fetch::run(&config.models, fetch, out).await,
        Command::Add(add) => add::run(&config.models, add, out),
        Command::Check(check) => check::run(&config.models, check, out),
    }
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), ModelsError> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(ModelsError::Output)
}

/// Writes a pack's manifest, with what is for people beside what is for programs.
fn write_manifest(
    folder: &Path,
    manifest: &Manifest,
    notes: &[(&str, &str)],
) -> Result<(), ModelsError> {
    let mut value = serde_json::to_value(manifest).expect("a manifest has plain values");
    let object = value.as_object_mut().expect("a manifest is an object");
    for (key, text) in notes {
        object.insert((*key).to_owned(), (*text).into());
    }
    // Whole or not at all: a folder with a manifest is a pack.
    let (part, path) = (folder.join(".pack.json.part"), folder.join(MANIFEST));
    std::fs::write(&part, format!("{value:#}\n"))
        .and_then(|()| std::fs::rename(&part, &path))
        .map_err(ModelsError::folder("write", &path))
}

/// A licence in a few words: terms of several clauses lie beside the model.
fn licence(text: &str) -> String {
    match text.contains("; ") {
        true => "its own terms (LICENSE and pack.json in the folder)".to_owned(),
        false => crate::format::one_line(text, 60),
    }
}

/// Whether a pack may be called so.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    !name.is_empty() && name.chars().all(plain)
}
