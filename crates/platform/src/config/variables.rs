//! Variables that set keys: `TUSOU_<SECTION>_<KEY>`, and `<that>_FILE` for what a file holds.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::Value;

use super::error::{Origin, Problem};
use super::keys::{self, Keys};
use super::load::{Given, Variables};

/// The most bytes of a value that stands in a file.
const LARGEST: u64 = 64 * 1024;

/// What the variables set, their faults, and the names that set nothing.
pub(super) struct Overlay {
    pub(super) given: Given,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: Vec<String>,
}

/// Reads every variable that names a known key.
pub(super) fn read(variables: &Variables, known: &Keys) -> Overlay {
    let mut given = Given::new();
    let mut problems = Vec::new();
    let mut used = vec!["TUSOU_CONFIG".to_owned()];
    for (key, default) in known {
        let name = keys::variable(key);
        let in_file = format!("{name}_FILE");
        let direct = variables.get(&name);
        let named = variables.get(&in_file);
        used.extend([name.clone(), in_file.clone()]);
        let (text, origin) = match (direct, named) {
            (None, None) => continue,
            (Some(_), Some(_)) => {
                let reason = format!("both {name} and {in_file} set it; keep one");
                problems.push(Problem::of_key(key, reason, Origin::Variable(in_file)));
                continue;
            }
            (Some(text), None) => (Ok(text.to_str().map(str::to_owned)), Origin::Variable(name)),
            (None, Some(path)) => from_file(in_file, path),
        };
        let value = match text {
            Ok(Some(text)) => value(key, &text, default),
            Ok(None) => Err((None, "is not UTF-8; write it in UTF-8".to_owned())),
            Err(error) => Err((None, format!("cannot be read: {error}"))),
        };
        match value {
            Ok(value) => {
                given.insert(key.clone(), (value, origin));
            }
            Err((Some(text), reason)) => {
                problems.push(Problem::of(key, &Value::String(text), reason, origin));
            }
            Err((None, reason)) => problems.push(Problem::of_key(key, reason, origin)),
        }
    }
    let ignored = variables
        .keys()
        .filter(|name| name.starts_with("TUSOU_") && !used.contains(name))
        .cloned()
        .collect();
    Overlay {
        given,
        problems,
        ignored,
    }
}

fn from_file(variable: String, path: &OsStr) -> (io::Result<Option<String>>, Origin) {
    let path = PathBuf::from(path);
    let text = read_bounded(&path).map(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let cut = text.strip_suffix('\n').unwrap_or(&text);
        Some(cut.strip_suffix('\r').unwrap_or(cut).to_owned())
    });
    (text, Origin::Named { variable, path })
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("more than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// The text as a value of the default's type; otherwise the text and what is wrong with it.
fn value(key: &str, text: &str, default: &Value) -> Result<Value, (Option<String>, String)> {
    let trimmed = text.trim();
    let wrong = |wanted: &str| {
        let example = keys::example(key, default);
        let reason = format!("is no {wanted}; give one like {example}");
        (Some(text.to_owned()), reason)
    };
    match default {
        Value::Integer(_) => {
            let number = trimmed.replace('_', "").parse().map(Value::Integer);
            number.map_err(|_| wrong("whole number"))
        }
        Value::Float(_) => {
            let number = trimmed.parse().map(Value::Float);
            number.map_err(|_| wrong("number"))
        }
        Value::Boolean(_) => {
            let truth = trimmed.parse().map(Value::Boolean);
            truth.map_err(|_| wrong("`true` or `false`"))
        }
        Value::Array(_) => {
            // A file that a variable names may have one on each line.
            let items = trimmed.split([',', '\n']).map(str::trim);
            let items = items.filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => {
            Ok(Value::String(text.to_owned()))
        }
    }
}
