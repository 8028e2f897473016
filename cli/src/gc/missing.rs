//! Rows without blobs.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::PgPool;
use tusou_contract::{BlobKey, ImageId, Queue};
use tusou_platform::blobs::BlobStore;

use super::report::Missing;
use crate::error::Error;
use crate::outbox::Room;
use crate::rows::blobs::{Claim, Kind, claims, standing};
use crate::rows::repair;

/// Rows looked at in one step.
const BATCH: usize = 1_000;

/// Blobs asked for at once.
const AT_ONCE: usize = 16;

/// How rows of one kind are looked through.
pub(super) struct Look<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) blobs: &'a BlobStore,
    pub(super) kind: Kind,
    pub(super) repair: bool,
    pub(super) dry_run: bool,
    pub(super) room: Room<'a>,
}

impl Look<'_> {
    pub(super) async fn run(&self) -> Result<Missing, Error> {
        let mut missing = Missing::default();
        let mut after = None;
        loop {
            let claims = claims(self.pool, self.kind, after, BATCH).await?;
            let Some(last) = claims.last() else {
                return Ok(missing);
            };
            after = Some(last.image_id);
            let suspects = self.without_blob(claims).await?;
            if suspects.is_empty() {
                continue;
            }
            // A row that went, or an original that was dropped, between the two looks claims nothing.
            let suspects = standing(self.pool, self.kind, suspects).await?;
            let lost = self.without_blob(suspects).await?;
            let lost: BTreeSet<ImageId> = lost.into_iter().map(|claim| claim.image_id).collect();
            missing.add(lost.iter().copied());
            if self.repair && !lost.is_empty() {
                let repaired = self.repair(&lost).await?;
                missing.repaired += repaired;
                missing.beyond_repair += (lost.len() as u64).saturating_sub(repaired);
            }
        }
    }

    async fn repair(&self, lost: &BTreeSet<ImageId>) -> Result<u64, Error> {
        if self.dry_run {
            return Ok(lost.len() as u64);
        }
        self.room.wait().await?;
        match self.kind {
            Kind::Originals => {
                let again = repair::fetch_again(self.pool, lost).await?;
                Ok(again.len() as u64)
            }
            Kind::Thumbnails => repair::owe_fetched(self.pool, Queue::ImagesReencode, lost).await,
        }
    }

    async fn without_blob(&self, claims: Vec<Claim>) -> Result<Vec<Claim>, Error> {
        let asked = stream::iter(claims).map(|claim| async {
            let there = match BlobKey::try_from(claim.key.clone()) {
                Ok(key) => self.blobs.exists(&key).await?,
                Err(_) => false,
            };
            Ok::<_, Error>((!there).then_some(claim))
        });
        asked
            .buffered(AT_ONCE)
            .try_filter_map(async |claim| Ok(claim))
            .try_collect()
            .await
    }
}
