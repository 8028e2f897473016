//! Lists of pictures as people publish them: txt, csv, tsv, jsonl and parquet files as streams of rows.
//!
//! Pure: a file in, rows out. Whatever the file holds, memory is bounded: a line has at most
//! [`MAX_LINE`] bytes, a header at most [`MAX_COLUMNS`] columns, and what is longer is a bad row with
//! its line number. A list can be left after any row and taken up there again ([`Position`]).

mod columns;
mod delimited;
mod error;
mod format;
mod json;
mod lines;
mod parquet;
mod row;
mod source;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use columns::ColumnNames;
pub use error::{BadRow, ListError};
pub use format::Format;
pub use row::{ListRow, MAX_KEPT};
pub use source::{Fingerprint, fingerprint};

use self::parquet::Parquet;
use columns::Columns;
use delimited::Delimited;
use json::Jsonl;
use lines::Txt;
use source::Source;

/// The longest line of a list, or row with quoted line breaks, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// The most columns of a list.
pub const MAX_COLUMNS: usize = 4_096;

/// How a list is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// By the file's name where it is not given.
    pub format: Option<Format>,
    /// A label of the WHATWG Encoding Standard (`utf-16le`, `windows-1252`, `gbk`). Without it UTF-8,
    /// or what a byte order mark says.
    pub encoding: Option<String>,
    /// In csv and tsv a `"` is a character like any other.
    pub no_quotes: bool,
    /// Columns that are named.
    pub columns: ColumnNames,
}

/// The address that stands for a list of this name.
pub fn address(name: &str) -> String {
    format!("list:{}", crate::folder::escaped(name.as_bytes()))
}

/// Where a list was left: all before it has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the decompressed, decoded text; in a parquet file rows.
    pub at: u64,
    /// Lines; in a parquet file rows.
    pub lines: u64,
}

/// A row of a list.
#[derive(Debug)]
pub struct Line {
    /// The line at which it begins, from 1; in a parquet file the row, from 1.
    pub number: u64,
    /// What it says, or why it says nothing.
    pub row: Result<ListRow, BadRow>,
}

/// A list that is being read.
pub struct List {
    path: PathBuf,
    format: Format,
    rows: Rows,
}

enum Rows {
    Txt(Txt),
    Delimited(Box<Delimited>),
    Jsonl(Jsonl),
    Parquet(Box<Parquet>),
}

impl List {
    /// Opens a list and goes to `from`.
    ///
    /// # Errors
    /// [`ListError`], with the file and the remedy.
    pub fn open(path: &Path, options: &Options, from: Position) -> Result<Self, ListError> {
        // A folder has no format to be asked for.
        source::open(path)?;
        let format = match options.format {
            Some(format) => format,
            None => Format::of(path).ok_or_else(|| ListError::UnknownFormat(path.to_owned()))?,
        };
        let rows = if format == Format::Parquet {
            Rows::Parquet(Box::new(Parquet::open(path, &options.columns, from)?))
        } else {
            let source = Source::open(path, options.encoding.as_deref())?;
            match format.delimiter() {
                Some(delimiter) => {
                    let quotes = !options.no_quotes;
                    let columns = &options.columns;
                    let rows = Delimited::open(source, delimiter, quotes, columns, from)?;
                    Rows::Delimited(Box::new(rows))
                }
                None if format == Format::Jsonl => {
                    Rows::Jsonl(Jsonl::open(source, &options.columns, from)?)
                }
                None => Rows::Txt(Txt::open(source, &options.columns, from)?),
            }
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            rows,
        })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// [`ListError`] where nothing after it can be read.
    pub fn next_row(&mut self) -> Result<Option<Line>, ListError> {
        match &mut self.rows {
            Rows::Txt(rows) => rows.next_row(),
            Rows::Delimited(rows) => rows.next_row(),
            Rows::Jsonl(rows) => rows.next_row(),
            Rows::Parquet(rows) => rows.next_row(),
        }
    }

    /// Where the list is to be taken up again after the row that came last.
    pub fn position(&self) -> Position {
        match &self.rows {
            Rows::Txt(rows) => rows.position(),
            Rows::Delimited(rows) => rows.position(),
            Rows::Jsonl(rows) => rows.position(),
            Rows::Parquet(rows) => rows.position(),
        }
    }

    /// How much of the file has been read, from 0 to 1.
    pub fn share(&self) -> f64 {
        match &self.rows {
            Rows::Txt(rows) => rows.share(),
            Rows::Delimited(rows) => rows.share(),
            Rows::Jsonl(rows) => rows.share(),
            Rows::Parquet(rows) => rows.share(),
        }
    }

    /// The format that it is read as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List")
            .field("path", &self.path)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
