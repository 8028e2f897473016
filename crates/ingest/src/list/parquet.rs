//! Lists in Apache Parquet: row group by row group, the wanted columns alone.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::row::{Cell, MAX_KEPT};
use super::{
    BadRow, ColumnNames, Columns, Line, ListError, ListRow, MAX_COLUMNS, MAX_LINE, Position, source,
};
use crate::text;

/// What a parquet file begins and ends with.
const MAGIC: usize = 4;

/// The rows of a parquet file.
pub(super) struct Parquet {
    path: PathBuf,
    rows: RowIter<'static>,
    columns: Columns,
    read: u64,
    total: u64,
}

impl Parquet {
    pub(super) fn open(
        path: &Path,
        names: &ColumnNames,
        from: Position,
    ) -> Result<Self, ListError> {
        let no_parquet = |problem: String| ListError::NoParquet {
            path: path.to_owned(),
            problem,
        };
        let (file, bytes) = source::open(path)?;
        if bytes == 0 {
            return Err(ListError::Empty(path.to_owned()));
        }
        if bytes < 3 * MAGIC as u64 {
            return Err(no_parquet("it is too short for one".to_owned()));
        }
        let whole = guarded(|| SerializedFileReader::new(file)).map_err(no_parquet)?;
        let schema = whole.metadata().file_metadata().schema();
        let fields = schema.get_fields();
        if fields.len() > MAX_COLUMNS {
            let problem = format!("it has more than {MAX_COLUMNS} columns");
            return Err(no_parquet(problem));
        }
        // A column of lists or records is none that a row could keep.
        let plain = fields.iter().filter(|field| field.is_primitive());
        let there: Vec<String> = plain.map(|field| field.name().to_owned()).collect();
        let columns = Columns::choose(path, names, &there)?;
        let wanted = projection(schema, &columns);
        let wanted = wanted.map_err(|cause| no_parquet(words(&cause)))?;
        let (group, before, total) = place(whole.metadata(), from.at);
        drop(whole);

        let (file, _) = source::open(path)?;
        let options = ReadOptionsBuilder::new()
            .with_predicate(Box::new(move |_, at| at >= group))
            .build();
        let rows = guarded(|| {
            let reader = SerializedFileReader::new_with_options(file, options)?;
            RowIter::from_file_into(Box::new(reader)).project(Some(wanted))
        });
        let mut parquet = Self {
            path: path.to_owned(),
            rows: rows.map_err(no_parquet)?,
            columns,
            read: before,
            total,
        };
        while parquet.read < from.at && parquet.next_fields()?.is_some() {}
        Ok(parquet)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Line>, ListError> {
        let Some(fields) = self.next_fields()? else {
            return Ok(None);
        };
        let row =
            cells(&fields, &self.columns.url).and_then(|cells| ListRow::of(&cells, &self.columns));
        Ok(Some(Line {
            number: self.read,
            row,
        }))
    }

    fn next_fields(&mut self) -> Result<Option<Vec<(String, Field)>>, ListError> {
        match guarded(|| self.rows.next().transpose()) {
            Ok(row) => {
                self.read += u64::from(row.is_some());
                Ok(row.map(Row::into_columns))
            }
            Err(problem) => Err(ListError::Damaged {
                path: self.path.clone(),
                row: self.read,
                problem,
            }),
        }
    }

    pub(super) fn position(&self) -> Position {
        Position {
            at: self.read,
            lines: self.read,
        }
    }

    pub(super) fn share(&self) -> f64 {
        self.read as f64 / self.total.max(1) as f64
    }
}

/// The row group that holds the row, how many rows come before the group, and how many there are.
fn place(metadata: &ParquetMetaData, row: u64) -> (usize, u64, u64) {
    let counts = metadata.row_groups().iter();
    let counts = counts.map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
    let (mut group, mut before, mut total) = (0, 0, 0);
    for count in counts {
        total += count;
        if total <= row {
            group += 1;
            before = total;
        }
    }
    (group, before, total)
}

/// The columns that are used and the first of the others.
fn projection(schema: &Type, columns: &Columns) -> Result<Type, ParquetError> {
    let mut room = MAX_KEPT;
    let mut is_wanted = |name: &str| {
        let used = columns.uses(name);
        let further = !used && room > 0;
        room -= usize::from(further);
        used || further
    };
    let fields = schema.get_fields().iter();
    let wanted = fields.filter(|field| field.is_primitive() && is_wanted(field.name()));
    Type::group_type_builder(schema.name())
        .with_fields(wanted.map(Arc::clone).collect())
        .build()
}

/// What is no text is kept as it is shown. A URL that is no UTF-8 makes the row a bad one.
fn cells<'a>(fields: &'a [(String, Field)], url: &str) -> Result<Vec<Cell<'a>>, BadRow> {
    let mut cells = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        let value = match field {
            Field::Null => continue,
            Field::Str(text) if text.len() > MAX_LINE => return Err(BadRow::TooLong),
            Field::Str(text) => Cow::Borrowed(text.as_str()),
            Field::Bytes(bytes) if bytes.len() > MAX_LINE => return Err(BadRow::TooLong),
            Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) if name == url => return Err(BadRow::Encoding),
                Err(_) => continue,
            },
            other => Cow::Owned(other.to_string()),
        };
        cells.push((Cow::Borrowed(name.as_str()), value));
    }
    Ok(cells)
}

/// The reader is known to panic on damaged files: that is the file's failure.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(cause)) => Err(words(&cause)),
        Err(_) => Err("its reader panicked".to_owned()),
    }
}

fn words(cause: &ParquetError) -> String {
    text::line(&cause.to_string(), 200).unwrap_or_default()
}
