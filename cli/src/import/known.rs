//! Files that were imported before, one after the other in the order of their addresses.

use std::collections::VecDeque;

use sqlx::PgPool;
use tusou_ingest::lists::{KnownFile, known_files};

use crate::error::Error;

/// Rows read at once.
const ROWS: i64 = 1_000;

/// The known files of a folder that are still to come.
pub(super) struct Known<'a> {
    pool: &'a PgPool,
    folder: &'a str,
    read: VecDeque<KnownFile>,
    last: Option<String>,
    ended: bool,
}

impl<'a> Known<'a> {
    /// All files of the folder of this address.
    pub(super) fn new(pool: &'a PgPool, folder: &'a str) -> Self {
        Self {
            pool,
            folder,
            read: VecDeque::new(),
            last: None,
            ended: false,
        }
    }

    pub(super) async fn peek(&mut self) -> Result<Option<&KnownFile>, Error> {
        if self.read.is_empty() && !self.ended {
            let rows = known_files(self.pool, self.folder, self.last.as_deref(), ROWS)
                .await
                .map_err(Error::query("read which files of a folder are known"))?;
            self.last = rows.last().map(|row| row.url.clone());
            self.ended = rows.is_empty();
            self.read = rows.into();
        }
        Ok(self.read.front())
    }

    pub(super) async fn next(&mut self) -> Result<Option<KnownFile>, Error> {
        self.peek().await?;
        Ok(self.read.pop_front())
    }

    /// The next one, if it comes before this address.
    pub(super) async fn next_before(&mut self, url: &str) -> Result<Option<KnownFile>, Error> {
        let comes = self.peek().await?.is_some_and(|known| *known.url < *url);
        Ok(if comes { self.read.pop_front() } else { None })
    }

    /// The next one, if it has this address.
    pub(super) async fn next_at(&mut self, url: &str) -> Result<Option<KnownFile>, Error> {
        let is_it = self.peek().await?.is_some_and(|known| known.url == url);
        Ok(if is_it { self.read.pop_front() } else { None })
    }
}
