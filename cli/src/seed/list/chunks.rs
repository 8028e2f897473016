//! Rows of a list, many at a time, read on a thread of their own while those before are written.

use std::path::Path;

use tokio::sync::mpsc;
use tusou_ingest::list::{List, ListError, ListRow, Options, Position};

use crate::format::one_line;

/// Rows that are written in one transaction.
const ROWS: usize = 1_000;
/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// A row that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Bad {
    /// Where it begins.
    pub(super) line: u64,
    /// A short word.
    pub(super) reason: &'static str,
    /// What is wrong with it.
    pub(super) said: String,
}

/// Rows that follow each other, and where the list is with them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<ListRow>,
    pub(super) bad: Vec<Bad>,
    pub(super) position: Position,
    pub(super) share: f64,
}

impl Chunk {
    pub(super) fn count(&self) -> u64 {
        (self.rows.len() + self.bad.len()) as u64
    }
}

/// A list as chunks.
pub(super) struct Chunks {
    chunks: mpsc::Receiver<Result<Chunk, ListError>>,
}

impl Chunks {
    pub(super) fn of(path: &Path, options: Options, from: Position) -> Self {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            // Whoever reads has ended where nobody takes it.
            let _ = read(&path, &options, from, &sender);
        });
        Self { chunks }
    }

    /// The next chunk; an error is the last one.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, ListError>> {
        self.chunks.recv().await
    }
}

type Sender = mpsc::Sender<Result<Chunk, ListError>>;

fn read(
    path: &Path,
    options: &Options,
    from: Position,
    sender: &Sender,
) -> Result<(), mpsc::error::SendError<Result<Chunk, ListError>>> {
    let mut list = match List::open(path, options, from) {
        Ok(list) => list,
        Err(cause) => return sender.blocking_send(Err(cause)),
    };
    loop {
        let mut chunk = Chunk::default();
        let ended = loop {
            if chunk.count() as usize == ROWS {
                break None;
            }
            match list.next_row() {
                Ok(None) => break Some(Ok(())),
                Err(cause) => break Some(Err(cause)),
                Ok(Some(line)) => match line.row {
                    Ok(row) => chunk.rows.push(row),
                    Err(bad) => chunk.bad.push(Bad {
                        line: line.number,
                        reason: bad.reason(),
                        said: one_line(&bad.to_string(), 300),
                    }),
                },
            }
            chunk.position = list.position();
        };
        chunk.share = list.share();
        if chunk.count() > 0 {
            sender.blocking_send(Ok(chunk))?;
        }
        match ended {
            None => {}
            Some(Ok(())) => return Ok(()),
            Some(Err(cause)) => return sender.blocking_send(Err(cause)),
        }
    }
}
