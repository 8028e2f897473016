//! Lists of JSON objects, one a line.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::lines::Lines;
use super::row::Cell;
use super::source::Source;
use super::{BadRow, ColumnNames, Columns, Line, ListError, ListRow, MAX_COLUMNS, Position};
use crate::text;

/// Lines that are looked at for the names of columns.
const LOOKED_AT: usize = 100;

/// One object a line.
pub(super) struct Jsonl {
    lines: Lines,
    columns: Columns,
}

impl Jsonl {
    pub(super) fn open(
        source: Source,
        names: &ColumnNames,
        from: Position,
    ) -> Result<Self, ListError> {
        let path = source.path().to_owned();
        let mut lines = Lines::new(source);
        let mut there = BTreeSet::new();
        let mut problem = None;
        for _ in 0..LOOKED_AT {
            let Some((line, text)) = lines.next_line()? else {
                break;
            };
            match text.and_then(object) {
                Ok(None) => {}
                Ok(Some(object)) => {
                    let room = MAX_COLUMNS.saturating_sub(there.len());
                    there.extend(object.into_iter().take(room).map(|(name, _)| name));
                }
                Err(bad) => {
                    problem.get_or_insert_with(|| (line, bad.to_string()));
                }
            }
        }
        if there.is_empty() {
            let (line, problem) = problem.unwrap_or((1, "no object is there".to_owned()));
            return Err(ListError::NoObjects {
                path,
                line,
                problem,
            });
        }
        let there: Vec<String> = there.into_iter().collect();
        let columns = Columns::choose(&path, names, &there)?;
        lines.go_to(from)?;
        Ok(Self { lines, columns })
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Line>, ListError> {
        loop {
            let Some((number, line)) = self.lines.next_line()? else {
                return Ok(None);
            };
            let row = match line.and_then(object) {
                Ok(None) => continue,
                Ok(Some(object)) => ListRow::of(&cells(&object), &self.columns),
                Err(bad) => Err(bad),
            };
            return Ok(Some(Line { number, row }));
        }
    }

    pub(super) fn position(&self) -> Position {
        self.lines.source().position()
    }

    pub(super) fn share(&self) -> f64 {
        self.lines.source().share()
    }
}

/// The object of a line; `None` of a blank one.
fn object(line: &str) -> Result<Option<Map<String, Value>>, BadRow> {
    if line.is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(BadRow::Json("it is another value".to_owned())),
        Err(cause) => {
            let said = text::line(&cause.to_string(), 200).unwrap_or_default();
            Err(BadRow::Json(said))
        }
    }
}

fn cells(object: &Map<String, Value>) -> Vec<Cell<'_>> {
    object.iter().take(MAX_COLUMNS).map(cell).collect()
}

/// What is no text is kept as it is written.
fn cell<'a>((name, value): (&'a String, &'a Value)) -> Cell<'a> {
    let value = match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(other.to_string()),
    };
    (Cow::Borrowed(name), value)
}
