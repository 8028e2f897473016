//! Lists with a character between their fields: csv and tsv, as RFC 4180 and spreadsheets write them.
//!
//! `csv-core` tells records apart; that it writes into buffers of ours is what bounds a record of a
//! gigabyte.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::row::Cell;
use super::source::Source;
use super::{
    BadRow, ColumnNames, Columns, Line, ListError, ListRow, MAX_COLUMNS, MAX_LINE, Position,
};

/// Rows of fields under a header.
pub(super) struct Delimited {
    source: Source,
    reader: Reader,
    /// The fields of a record, one behind the other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
    header: Vec<String>,
    columns: Columns,
}

/// A record that was read.
enum Record {
    /// So many fields.
    Fields(usize),
    TooLong,
    End,
}

impl Delimited {
    pub(super) fn open(
        source: Source,
        delimiter: u8,
        quotes: bool,
        names: &ColumnNames,
        from: Position,
    ) -> Result<Self, ListError> {
        let path = source.path().to_owned();
        let build = || {
            let mut builder = ReaderBuilder::new();
            builder.delimiter(delimiter).quoting(quotes).build()
        };
        let mut rows = Self {
            source,
            reader: build(),
            fields: vec![0; MAX_LINE],
            ends: vec![0; MAX_COLUMNS],
            header: Vec::new(),
            columns: Columns::default(),
        };
        let (line, record) = rows.next_record()?;
        let Record::Fields(count) = record else {
            let format = if delimiter == b',' { "csv" } else { "tsv" };
            return Err(match record {
                Record::End => ListError::Empty(path),
                _ => ListError::LongHeader { path, line, format },
            });
        };
        let header: Option<Vec<String>> = (0..count)
            .map(|at| Some(rows.field(at).ok()?.trim().to_owned()))
            .collect();
        rows.header = header.ok_or_else(|| rows.source.undecodable(line))?;
        rows.columns = Columns::choose(&path, names, &rows.header)?;
        if from != Position::default() {
            rows.source.go_to(from)?;
            rows.reader = build();
        }
        Ok(rows)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Line>, ListError> {
        let (number, record) = self.next_record()?;
        let row = match record {
            Record::End => return Ok(None),
            Record::TooLong => Err(BadRow::TooLong),
            Record::Fields(found) if found != self.header.len() => Err(BadRow::Columns {
                found,
                wanted: self.header.len(),
            }),
            Record::Fields(count) => self
                .cells(count)
                .and_then(|cells| ListRow::of(&cells, &self.columns)),
        };
        Ok(Some(Line { number, row }))
    }

    pub(super) fn position(&self) -> Position {
        self.source.position()
    }

    pub(super) fn share(&self) -> f64 {
        self.source.share()
    }

    fn cells(&self, count: usize) -> Result<Vec<Cell<'_>>, BadRow> {
        let cell = |at: usize| {
            let name = Cow::Borrowed(self.header[at].as_str());
            Ok((name, Cow::Borrowed(self.field(at)?)))
        };
        (0..count).map(cell).collect()
    }

    fn field(&self, at: usize) -> Result<&str, BadRow> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        let field = &self.fields[start..self.ends[at]];
        std::str::from_utf8(field).map_err(|_| BadRow::Encoding)
    }

    /// The next record, and the line at which it begins.
    fn next_record(&mut self) -> Result<(u64, Record), ListError> {
        self.pass_blank_lines()?;
        let line = self.source.position().lines + 1;
        let (mut written, mut ended) = (0, 0);
        let mut too_long = false;
        loop {
            let text = self.source.fill()?;
            let (result, read, bytes, fields) =
                self.reader
                    .read_record(text, &mut self.fields[written..], &mut self.ends[ended..]);
            self.source.take(read);
            written += bytes;
            ended += fields;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    too_long = true;
                    // The rest of it is read over.
                    (written, ended) = (0, 0);
                }
                ReadRecordResult::Record if too_long => return Ok((line, Record::TooLong)),
                ReadRecordResult::Record => return Ok((line, Record::Fields(ended))),
                ReadRecordResult::End => return Ok((line, Record::End)),
            }
        }
    }

    /// Ends of lines before a record, one that ends the record before included, belong to none.
    fn pass_blank_lines(&mut self) -> Result<(), ListError> {
        loop {
            let text = self.source.fill()?;
            let blank = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.count();
            if blank == 0 {
                return Ok(());
            }
            self.source.take(blank);
        }
    }
}
