//! Finding and reading the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use super::error::{ConfigError, Origin, Problem};
use super::keys::{self, Keys};
use super::{Config, file, validate, variables};

/// Values by `section.key`, each with the place where it was set.
pub(super) type Given = BTreeMap<String, (Value, Origin)>;

/// Environment variables by name.
pub type Variables = BTreeMap<String, OsString>;

/// Where the values of a [`Config`] came from, for logs and `tusou config check`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, if one was found.
    pub file: Option<PathBuf>,
    /// Variables that overrode a key, by name (never their values).
    pub variables: Vec<String>,
    /// Variables that begin with `TUSOU_` and name no key, by name.
    pub ignored: Vec<String>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("defaults")?,
        }
        for variable in &self.variables {
            write!(f, ", {variable}")?;
        }
        Ok(())
    }
}

/// The file to read: `explicit`, else `$TUSOU_CONFIG`, else `./tusou.toml`, else
/// `.stack/tusou.toml` in the nearest folder above the working directory or the executable, else
/// `/etc/tusou/tusou.toml`; `None` where there is none of these.
///
/// A file named by `explicit` or `$TUSOU_CONFIG` is answered whether or not it is there: that it is
/// missing is an error when it is read.
pub fn locate(explicit: Option<&Path>) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = explicit {
        return Ok(Some(path.to_owned()));
    }
    if let Some(path) = std::env::var_os("TUSOU_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(Some(path.into()));
    }
    let here = std::env::current_dir().ok();
    let executable = std::env::current_exe().ok();
    let executable = executable.and_then(|path| path.canonicalize().ok());
    let beside = here.iter().map(|folder| folder.join("tusou.toml"));
    let above = [&here, &executable].into_iter().flatten();
    let above = above
        .flat_map(|path| path.ancestors())
        .map(|folder| folder.join(".stack").join("tusou.toml"));
    let mut candidates = beside
        .chain(above)
        .chain([PathBuf::from("/etc/tusou/tusou.toml")]);
    Ok(candidates.find(|path| path.is_file()))
}

/// Reads the file that [`locate`] finds, lays the environment over it, and checks every value.
pub fn load(explicit: Option<&Path>) -> Result<(Config, Source), ConfigError> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .collect();
    load_with(locate(explicit)?.as_deref(), &variables)
}

/// Reads this file, if one is given, lays these variables over it, and checks every value.
pub fn load_with(
    path: Option<&Path>,
    variables: &Variables,
) -> Result<(Config, Source), ConfigError> {
    let known = keys::leaves(&Config::default());
    let (mut given, mut problems) = match path {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            file::read(path, &text, &known)?
        }
        None => Default::default(),
    };
    let overlay = variables::read(variables, &known);
    let source = Source {
        file: path.map(Path::to_owned),
        variables: overlay.given.values().filter_map(variable).collect(),
        ignored: overlay.ignored,
    };
    given.extend(overlay.given);
    problems.extend(overlay.problems);
    problems.extend(unfit(&given, &known));

    let bad: BTreeSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    given.retain(|key, _| !bad.contains(key));
    let mut config = assemble(&given);
    let values = keys::leaves(&config);
    for fault in validate::faults(&config) {
        if fault
            .other_key
            .iter()
            .chain([&fault.key])
            .any(|key| bad.contains(key))
        {
            continue;
        }
        let origin = given.get(&fault.key);
        let origin = origin.map_or(Origin::Default, |(_, origin)| origin.clone());
        problems.push(match values.get(&fault.key) {
            Some(value) => Problem::of(&fault.key, value, fault.reason, origin),
            None => Problem::of_key(&fault.key, fault.reason, origin),
        });
    }
    if problems.is_empty() {
        config.models.locate_packs();
        Ok((config, source))
    } else {
        problems.sort_by(|one, other| one.key.cmp(&other.key));
        Err(ConfigError::Invalid(problems))
    }
}

fn variable((_, origin): &(Value, Origin)) -> Option<String> {
    match origin {
        Origin::Variable(name) => Some(name.clone()),
        Origin::Named { variable, .. } => Some(variable.clone()),
        Origin::Default | Origin::File { .. } => None,
    }
}

/// The values that do not have their key's type, found by laying each alone over the defaults, so
/// that one fault does not hide the next.
fn unfit(given: &Given, known: &Keys) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, (value, origin)) in given {
        let alone = Given::from([(key.clone(), (value.clone(), origin.clone()))]);
        let Err(error) = serde_path_to_error::deserialize::<_, Config>(merged(&alone)) else {
            continue;
        };
        let said = || keys::cut(&error.inner().message().replace('\n', ", "));
        let wrong = match known.get(key) {
            None => continue,
            // The parser's words quote the value, and speak of a programmer's types.
            Some(Value::Integer(_)) if value.is_integer() => "is out of range".to_owned(),
            Some(Value::Integer(_)) => "is no whole number".to_owned(),
            Some(Value::String(_)) if !value.is_str() => "is no text in quotes".to_owned(),
            Some(_) if keys::is_secret(key, value) => "cannot be read".to_owned(),
            Some(_) => said(),
        };
        let reason = match known.get(key) {
            Some(default) if !keys::is_secret(key, default) => {
                let example = keys::example(key, default);
                format!("{wrong}; give one like {example}")
            }
            _ => wrong,
        };
        // The path is longer than the key where one element of a list is at fault.
        let path = error.path().to_string();
        let mut problem = Problem::of(key, value, reason, origin.clone());
        if path.starts_with(key.as_str()) {
            let element = &path[key.len()..];
            if !element.is_empty() {
                problem.reason = format!("at {element}: {}", problem.reason);
            }
        }
        problems.push(problem);
    }
    problems
}

fn merged(given: &Given) -> toml::Table {
    let mut table = keys::table(&Config::default());
    for (key, (value, _)) in given {
        if let Some((section, name)) = key.split_once('.')
            && let Some(Value::Table(section)) = table.get_mut(section)
        {
            section.insert(name.to_owned(), value.clone());
        }
    }
    table
}

fn assemble(given: &Given) -> Config {
    Config::deserialize(merged(given)).expect("each value was read alone before")
}
