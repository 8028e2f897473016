//! Texts line by line, and lists that are no more than that.

use super::source::Source;
use super::{BadRow, ColumnNames, Line, ListError, ListRow, MAX_LINE, Position};

/// A line's number, and the line without its end.
pub(super) type Numbered<'a> = (u64, Result<&'a str, BadRow>);

/// Lines of bounded length.
pub(super) struct Lines {
    source: Source,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            line: Vec::new(),
        }
    }

    /// The next line; `None` at the end of the text.
    pub(super) fn next_line(&mut self) -> Result<Option<Numbered<'_>>, ListError> {
        let number = self.source.position().lines + 1;
        self.line.clear();
        let (mut begun, mut too_long) = (false, false);
        loop {
            let text = self.source.fill()?;
            if text.is_empty() {
                if !begun {
                    return Ok(None);
                }
                break;
            }
            begun = true;
            let end = memchr::memchr(b'\n', text);
            let part = &text[..end.unwrap_or(text.len())];
            if self.line.len() + part.len() > MAX_LINE {
                too_long = true;
            } else if !too_long {
                self.line.extend_from_slice(part);
            }
            let taken = end.map_or(text.len(), |end| end + 1);
            self.source.take(taken);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Some((number, Err(BadRow::TooLong))));
        }
        let line = std::str::from_utf8(&self.line).map_err(|_| BadRow::Encoding);
        Ok(Some((number, line.map(str::trim))))
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn go_to(&mut self, to: Position) -> Result<(), ListError> {
        self.source.go_to(to)
    }
}

/// One URL a line.
pub(super) struct Txt {
    lines: Lines,
}

impl Txt {
    pub(super) fn open(
        source: Source,
        names: &ColumnNames,
        from: Position,
    ) -> Result<Self, ListError> {
        if !names.is_empty() {
            return Err(ListError::NoColumns(source.path().to_owned()));
        }
        let mut lines = Lines::new(source);
        lines.go_to(from)?;
        Ok(Self { lines })
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Line>, ListError> {
        loop {
            let Some((number, line)) = self.lines.next_line()? else {
                return Ok(None);
            };
            if line
                .as_ref()
                .is_ok_and(|line| line.is_empty() || line.starts_with('#'))
            {
                continue;
            }
            let row = line.and_then(ListRow::of_url);
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
