//! Formats of lists, told by the file's name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a list is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One URL a line; blank lines and those that begin with `#` say nothing.
    Txt,
    /// RFC 4180, with a header.
    Csv,
    /// The same with tabs between.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Every format, with the endings of its files.
    const ALL: [(Self, &'static [&'static str]); 5] = [
        (Self::Txt, &["txt", "text", "urls"]),
        (Self::Csv, &["csv"]),
        (Self::Tsv, &["tsv", "tab"]),
        (Self::Jsonl, &["jsonl", "ndjson"]),
        (Self::Parquet, &["parquet", "pq"]),
    ];

    /// By the file's name: `photos.tsv`, `photos.tsv000` and `photos.tsv.gz` are tab-separated.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let (_, ending) = name.rsplit_once('.')?;
        // Parts of one table are numbered: tsv000, tsv001.
        let ending = ending.trim_end_matches(|digit: char| digit.is_ascii_digit());
        let named = Self::ALL.iter().find(|(_, names)| names.contains(&ending));
        named.map(|(format, _)| *format)
    }

    /// The name that `--format` takes.
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(format, _)| *format == self);
        named.expect("every format has a name").1[0]
    }

    /// What stands between two fields.
    pub(super) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Txt | Self::Jsonl | Self::Parquet => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of lists; write txt, csv, tsv, jsonl or parquet")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let named = Self::ALL.iter().find(|(_, names)| names[0] == text);
        named
            .map(|(format, _)| *format)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_the_name() {
        for (name, format) in [
            ("/x/urls.txt", Some(Format::Txt)),
            ("a.CSV", Some(Format::Csv)),
            ("a.csv.gz", Some(Format::Csv)),
            ("photos.tsv000", Some(Format::Tsv)),
            ("photos.tsv017.gz", Some(Format::Tsv)),
            ("a.ndjson", Some(Format::Jsonl)),
            ("part-00000-x.snappy.parquet", Some(Format::Parquet)),
            ("a.xlsx", None),
            ("photos", None),
            ("000", None),
            (".gz", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
        assert_eq!("tsv".parse(), Ok(Format::Tsv));
        assert!("xml".parse::<Format>().is_err());
    }
}
