//! Blobs of images that went with a removal.

use std::collections::BTreeSet;

use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::{BlobKey, ImageId};

/// Images whose blobs go with one transaction.
const BATCH: i64 = 200;

/// Blobs to be deleted, whose rows are locked: whoever stores one of them anew waits.
#[derive(Debug)]
pub struct BlobsToGo {
    tx: Transaction<'static, Postgres>,
    ids: Vec<Vec<u8>>,
    keys: BTreeSet<String>,
    marks: Vec<BlobKey>,
}

/// The next blobs that are to be deleted, whichever removal they went with; `None` where none is.
pub async fn next_blobs(pool: &PgPool) -> Result<Option<BlobsToGo>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let rows: Vec<(Vec<u8>, String, Option<String>)> = sqlx::query_as(
        "SELECT image_id, blob_key, thumbnail_key FROM removed_images
         WHERE blobs_gone_at IS NULL ORDER BY image_id LIMIT $1 FOR UPDATE",
    )
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    // Pictures are fetched for another model: messages about any of them may be under way.
    let refilled: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM generations WHERE state = 'building')")
            .fetch_one(&mut *tx)
            .await?;
    let (mut keys, mut marks) = (BTreeSet::new(), Vec::new());
    for (id, original, thumbnail) in &rows {
        let id = ImageId::from_digest(id).expect("the schema checks the length");
        keys.insert(original.clone());
        keys.extend(thumbnail.clone());
        // Its row, which travels by the broker, may not have come.
        keys.insert(BlobKey::thumbnail(&id).as_str().to_owned());
        if thumbnail.is_none() || refilled {
            marks.push(BlobKey::removed(&id));
        }
    }
    let ids = rows.into_iter().map(|(id, ..)| id).collect();
    Ok(Some(BlobsToGo {
        tx,
        ids,
        keys,
        marks,
    }))
}

impl BlobsToGo {
    /// Marks to be put, without bytes, before anything is deleted: for images that the encoder may
    /// still have messages about.
    pub fn marks(&self) -> &[BlobKey] {
        &self.marks
    }

    /// The keys, as rows have them; whether each is one is for the store to say.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// They are deleted: how many images that concerns.
    pub async fn gone(mut self) -> Result<u64, sqlx::Error> {
        let gone = sqlx::query(
            "UPDATE removed_images SET blobs_gone_at = clock_timestamp() WHERE image_id = ANY($1)",
        )
        .bind(&self.ids)
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        Ok(gone.rows_affected())
    }
}
