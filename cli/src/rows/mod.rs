//! The only SQL of the command: counts, one statement each, all in one snapshot so that they agree.

pub(crate) mod blobs;
mod crawl;
pub(crate) mod dead;
mod held;
pub(crate) mod hosts;
mod images;
mod lists;
pub(crate) mod models;
pub(crate) mod repair;
pub(crate) mod walk;

use std::collections::BTreeSet;

use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::ImageId;

pub(crate) use images::Generation;

use crate::error::Error;

/// The database as it stands at one moment.
pub(crate) struct Snapshot(Transaction<'static, Postgres>);

impl Snapshot {
    pub(crate) async fn open(pool: &PgPool) -> Result<Self, Error> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let tx = pool
            .begin_with(begin)
            .await
            .map_err(Error::query("open a snapshot"))?;
        Ok(Self(tx))
    }

    /// Messages that the crawler still owes the broker.
    pub(crate) async fn outbox(&mut self) -> Result<u64, Error> {
        self.count("SELECT count(*) FROM outbox", "count the outbox")
            .await
    }

    async fn count(&mut self, statement: &'static str, what: &'static str) -> Result<u64, Error> {
        let counted: i64 = sqlx::query_scalar(statement)
            .fetch_one(&mut *self.0)
            .await
            .map_err(Error::query(what))?;
        Ok(unsigned(counted))
    }
}

/// Ids as columns have them.
fn digests(ids: &BTreeSet<ImageId>) -> Vec<Vec<u8>> {
    ids.iter().map(|id| id.as_bytes().to_vec()).collect()
}

fn image_ids(rows: Vec<Vec<u8>>) -> BTreeSet<ImageId> {
    let read = |row: &Vec<u8>| ImageId::from_digest(row).expect("the schema checks the length");
    rows.iter().map(read).collect()
}

/// A count is never negative.
fn unsigned(count: i64) -> u64 {
    count.unsigned_abs()
}
