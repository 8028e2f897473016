//! Which rows claim which blobs.

use std::collections::{HashMap, HashSet};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tusou_contract::{BlobKey, ImageId};

use crate::error::Error;

/// Held by the one `tusou gc` of a system: `gc` in ASCII.
const LOCK: i64 = 0x67_63;

/// The right to collect, until the connection is dropped.
pub(crate) struct Turn {
    _connection: PoolConnection<Postgres>,
}

impl Turn {
    /// Takes the turn.
    ///
    /// # Errors
    /// [`Error::GcRuns`] where another process has it.
    pub(crate) async fn take(pool: &PgPool) -> Result<Self, Error> {
        let failed = Error::query("see whether another collection runs");
        let mut connection = pool.acquire().await.map_err(&failed)?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(&failed)?;
        if !taken {
            return Err(Error::GcRuns);
        }
        // The lock is the session's: the connection is closed with it, not given to others.
        connection.close_on_drop();
        Ok(Self {
            _connection: connection,
        })
    }
}

/// What blobs are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Originals,
    Thumbnails,
}

impl Kind {
    /// What the keys begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Originals => "originals",
            Self::Thumbnails => "thumbnails",
        }
    }
}

/// A row's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) image_id: ImageId,
    /// As the row has it; whether it is a key is for the store to say.
    pub(crate) key: String,
}

/// Those of the blobs that a row claims. An image whose original was dropped claims none. A
/// thumbnail is stored before its row, which travels by the broker: while an image has no outcome of
/// its encoding, its thumbnail is on the way.
pub(crate) async fn claimed(
    pool: &PgPool,
    kind: Kind,
    blobs: &[(ImageId, &BlobKey)],
) -> Result<HashSet<String>, Error> {
    let ids: Vec<&[u8]> = blobs.iter().map(|(id, _)| &id.as_bytes()[..]).collect();
    let keys: Vec<&str> = blobs.iter().map(|(_, key)| key.as_str()).collect();
    let statement = match kind {
        Kind::Originals => {
            "SELECT key FROM unnest($1::bytea[], $2::text[]) AS blobs (image_id, key)
             JOIN images USING (image_id) WHERE blob_key = key AND original_dropped_at IS NULL"
        }
        Kind::Thumbnails => {
            "SELECT key FROM unnest($1::bytea[], $2::text[]) AS blobs (image_id, key)
             JOIN images USING (image_id) LEFT JOIN encodings USING (image_id)
             WHERE encodings.encoded_at IS NULL OR thumbnail_key = key"
        }
    };
    let claimed: Vec<String> = sqlx::query_scalar(statement)
        .bind(&ids)
        .bind(&keys)
        .fetch_all(pool)
        .await
        .map_err(Error::query("look for the rows of blobs"))?;
    Ok(claimed.into_iter().collect())
}

/// The next claims in the order of images, at most `most`.
pub(crate) async fn claims(
    pool: &PgPool,
    kind: Kind,
    after: Option<ImageId>,
    most: usize,
) -> Result<Vec<Claim>, Error> {
    let statement = match kind {
        Kind::Originals => {
            "SELECT image_id, blob_key FROM images
             WHERE image_id > $1 AND original_dropped_at IS NULL ORDER BY image_id LIMIT $2"
        }
        Kind::Thumbnails => {
            "SELECT image_id, thumbnail_key FROM encodings
             WHERE image_id > $1 AND thumbnail_key IS NOT NULL ORDER BY image_id LIMIT $2"
        }
    };
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(statement)
        .bind(after.map_or(Vec::new(), |id| id.as_bytes().to_vec()))
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(Error::query("walk over the rows of blobs"))?;
    let claim = |(id, key): (Vec<u8>, String)| Claim {
        image_id: ImageId::from_digest(&id).expect("the schema checks the length"),
        key,
    };
    Ok(rows.into_iter().map(claim).collect())
}

/// Those of the claims that still stand.
pub(crate) async fn standing(
    pool: &PgPool,
    kind: Kind,
    claims: Vec<Claim>,
) -> Result<Vec<Claim>, Error> {
    let ids: Vec<&[u8]> = claims
        .iter()
        .map(|claim| &claim.image_id.as_bytes()[..])
        .collect();
    let statement = match kind {
        Kind::Originals => {
            "SELECT image_id, blob_key FROM images WHERE image_id = ANY($1) AND original_dropped_at IS NULL"
        }
        Kind::Thumbnails => {
            "SELECT image_id, thumbnail_key FROM encodings WHERE image_id = ANY($1) AND thumbnail_key IS NOT NULL"
        }
    };
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(statement)
        .bind(&ids)
        .fetch_all(pool)
        .await
        .map_err(Error::query("look at rows of blobs again"))?;
    let now: HashMap<Vec<u8>, String> = rows.into_iter().collect();
    let stands = |claim: &Claim| now.get(&claim.image_id.as_bytes()[..]) == Some(&claim.key);
    Ok(claims.into_iter().filter(stands).collect())
}
