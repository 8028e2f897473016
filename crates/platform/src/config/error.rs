//! What is wrong with a configuration, in words that name the key, the place and the remedy.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::keys;

/// A configuration that cannot be used. Every variant names where the fault stands.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}; name another with --config or TUSOU_CONFIG", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is no TOML. The line itself is not shown: it may hold a secret.
    #[error("{} line {line} is no TOML: {reason}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// Keys or values are wrong: all of them, one a line.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    let mut text = String::from("the configuration cannot be used");
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `section.key`.
    pub key: String,
    /// The offending value as TOML, cut; `None` for a secret's or where the key itself is the fault.
    pub value: Option<String>,
    /// What is wrong, and the remedy.
    pub reason: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Problem {
    /// A fault of a value. A secret's value is left out.
    pub(super) fn of(key: &str, value: &toml::Value, reason: String, origin: Origin) -> Self {
        let value = (!keys::is_secret(key, value)).then(|| keys::cut(&value.to_string()));
        Self {
            key: key.to_owned(),
            value,
            reason,
            origin,
        }
    }

    /// A fault of the key itself.
    pub(super) fn of_key(key: &str, reason: String, origin: Origin) -> Self {
        Self {
            key: key.to_owned(),
            value: None,
            reason,
            origin,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {} ({})", self.reason, self.origin)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A variable.
    Variable(String),
    /// A file named by a variable.
    Named {
        /// The variable.
        variable: String,
        /// The file that it names.
        path: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Named { variable, path } => {
                write!(f, "file {}, named by variable {variable}", path.display())
            }
        }
    }
}
