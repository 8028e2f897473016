//! Reading the TOML file: known keys with their lines, and a fault for everything else.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, Problem};
use super::keys::{Keys, suggestion};
use super::load::Given;

/// The known keys that the file sets, and the faults of the others.
pub(super) fn read(
    path: &Path,
    text: &str,
    known: &Keys,
) -> Result<(Given, Vec<Problem>), ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().replace('\n', ", "),
    };
    let places = DeTable::parse(text).map_err(syntax)?;
    let values: toml::Table = text.parse().map_err(syntax)?;
    let sections: BTreeSet<&str> = known.keys().filter_map(|key| section(key)).collect();

    let mut given = Given::new();
    let mut problems = Vec::new();
    for (name, body) in places.get_ref() {
        let origin = |start| Origin::File {
            path: path.to_owned(),
            line: line_of(text, start),
        };
        let section = name.get_ref().as_ref();
        if !sections.contains(section) {
            let hint = suggestion(section, sections.iter().copied());
            let reason = format!("there is no such section; {hint}");
            problems.push(Problem::of_key(section, reason, origin(name.span().start)));
            continue;
        }
        let DeValue::Table(body) = body.get_ref() else {
            let reason = format!("this is a section; write [{section}] and its keys below it");
            problems.push(Problem::of_key(section, reason, origin(name.span().start)));
            continue;
        };
        for key in body.keys() {
            let full = format!("{section}.{}", key.get_ref());
            let origin = origin(key.span().start);
            let value = values
                .get(section)
                .and_then(|values| values.get(key.get_ref().as_ref()));
            match value {
                Some(value) if known.contains_key(&full) => {
                    given.insert(full, (Value::clone(value), origin));
                }
                _ => {
                    let hint = suggestion(&full, known.keys().map(String::as_str));
                    let reason = format!("there is no such key; {hint}");
                    problems.push(Problem::of_key(&full, reason, origin));
                }
            }
        }
    }
    Ok((given, problems))
}

fn section(key: &str) -> Option<&str> {
    key.split_once('.').map(|(section, _)| section)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}
