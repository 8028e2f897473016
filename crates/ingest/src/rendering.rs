//! Which pages a browser renders before they are read.

use std::fmt;
use std::str::FromStr;

/// What a seed says of rendering the pages that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rendering {
    /// None of them.
    Never,
    /// Those that plainly show nothing without their scripts.
    #[default]
    Auto,
    /// All of them.
    Always,
}

impl Rendering {
    /// Every one with its name; a page of several seeds obeys the last of theirs.
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Never, "never"),
        (Self::Auto, "auto"),
        (Self::Always, "always"),
    ];

    /// Its name, as it is written in rows and commands.
    pub fn as_str(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(rendering, _)| *rendering == self);
        named.expect("every one has a name").1
    }
}

/// A word that says nothing of rendering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} says nothing of rendering; write auto, always or never")]
pub struct UnknownRendering(pub String);

impl FromStr for Rendering {
    type Err = UnknownRendering;

    fn from_str(text: &str) -> Result<Self, UnknownRendering> {
        let named = Self::NAMES.iter().find(|(_, name)| *name == text);
        named
            .map(|(rendering, _)| *rendering)
            .ok_or_else(|| UnknownRendering(text.to_owned()))
    }
}

impl fmt::Display for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
