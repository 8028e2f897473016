//! Why a list, or a row of it, is not taken.

use std::io;
use std::path::PathBuf;

use super::{MAX_COLUMNS, MAX_LINE};
use crate::address::AddressError;

/// How many of a list's columns an error names.
const NAMED: usize = 40;

/// A list that cannot be read, or not to its end. The messages name the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be opened.
    #[error("cannot read {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Reading stopped.
    #[error("cannot read {} on after line {line}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The last line that was read.
        line: u64,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Its name says nothing of its format.
    #[error("{}: the name does not tell the format; give --format txt, csv, tsv, jsonl or parquet", .0.display())]
    UnknownFormat(PathBuf),
    /// It is a folder, a device or the like.
    #[error("{} is no file; `tusou import` takes a folder of pictures", .0.display())]
    NoFile(PathBuf),
    /// Nothing is in it.
    #[error("{} is empty; see that it was written or downloaded whole", .0.display())]
    Empty(PathBuf),
    /// It is compressed by something else than gzip.
    #[error("{} is compressed by {by}, which is not read; decompress it first ({by} and gzip again, or plain)", path.display())]
    Compressed {
        /// Which.
        path: PathBuf,
        /// `zstd`, `xz`, `bzip2` or `zip`
        by: &'static str,
    },
    /// The compressed data end before their end, or are damaged.
    #[error("{} is cut short or damaged after line {line}: what came before is taken; download it again, then repeat the command with --again", path.display())]
    CutShort {
        /// Which.
        path: PathBuf,
        /// The last line that was read.
        line: u64,
        /// What was found.
        #[source]
        cause: io::Error,
    },
    /// There is no such encoding.
    #[error("{label:?} is no encoding that is known; give one like utf-16le, windows-1252 or gbk")]
    NoEncoding {
        /// What was asked for.
        label: String,
    },
    /// The text is not of the encoding.
    #[error("{}, line {line}: this is no {encoding} text; give --encoding, as in --encoding utf-16le or windows-1252", path.display())]
    Undecodable {
        /// Which.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What it was read as.
        encoding: &'static str,
    },
    /// The header is longer than it may be.
    #[error("{}, line {line}: the header has more than {MAX_COLUMNS} columns or {MAX_LINE} bytes; see that the format is {format} (--format), and that lines end where rows do", path.display())]
    LongHeader {
        /// Which.
        path: PathBuf,
        /// The header's line.
        line: u64,
        /// What it was read as.
        format: &'static str,
    },
    /// A column that was asked for is not there.
    #[error("{} has no column {wanted:?}; it has {}", path.display(), named(columns))]
    NoColumn {
        /// Which.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// None of its columns is one of URLs by its name.
    #[error("{} has no column that is called url or the like; say with --url-column which of these it is: {}", path.display(), named(columns))]
    NoUrlColumn {
        /// Which.
        path: PathBuf,
        /// What there is.
        columns: Vec<String>,
    },
    /// Named columns in a format that has none.
    #[error("{} is read as txt, which has no columns; give --format where it has some", .0.display())]
    NoColumns(PathBuf),
    /// It is no list of JSON objects.
    #[error("{}, line {line}: {problem}; jsonl has one object a line (`jq -c '.[]'` makes it of an array)", path.display())]
    NoObjects {
        /// Which.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What it holds instead.
        problem: String,
    },
    /// It is no parquet file, or none that is whole.
    #[error("{} is no whole parquet file ({problem}); its end holds what is needed to read it: download it again", path.display())]
    NoParquet {
        /// Which.
        path: PathBuf,
        /// The reader's words.
        problem: String,
    },
    /// A parquet file cannot be read on.
    #[error("{} cannot be read on after row {row} ({problem}): what came before is taken; download it again, then repeat the command with --again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The last row that was read.
        row: u64,
        /// The reader's words.
        problem: String,
    },
}

fn named(columns: &[String]) -> String {
    let shown: Vec<String> = columns
        .iter()
        .take(NAMED)
        .filter_map(|name| crate::text::line(name, 60))
        .collect();
    let more = columns.len().saturating_sub(NAMED);
    let mut text = shown.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    if text.is_empty() {
        text.push_str("none");
    }
    text
}

/// A row that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// Its field for the URL is empty.
    #[error("it has no URL")]
    NoUrl,
    /// Its URL cannot be fetched.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It has other columns than the header.
    #[error("it has {found} columns where the header has {wanted}")]
    Columns {
        /// Its own.
        found: usize,
        /// The header's.
        wanted: usize,
    },
    /// It is longer than [`MAX_LINE`] or has more columns than [`MAX_COLUMNS`].
    #[error(
        "it is longer than {MAX_LINE} bytes or {MAX_COLUMNS} columns; where quotation marks are \
         no more than characters, give --no-quotes"
    )]
    TooLong,
    /// It is no UTF-8.
    #[error("it is no UTF-8; give --encoding, as in --encoding windows-1252")]
    Encoding,
    /// It is no JSON object.
    #[error("it is no JSON object: {0}")]
    Json(String),
}

impl BadRow {
    /// The error as one stable word, for counts.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoUrl => "no_url",
            Self::Address(cause) => cause.reason(),
            Self::Columns { .. } => "columns",
            Self::TooLong => "line_too_long",
            Self::Encoding => "encoding",
            Self::Json(_) => "json",
        }
    }
}
