//! What rests on purpose, and indexes that are being filled.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Snapshot, unsigned};
use crate::error::Error;
use crate::status::{Filling, Pause};

impl Snapshot {
    /// Stages and hosts that were paused, the longest paused first.
    pub(crate) async fn pauses(&mut self) -> Result<Vec<Pause>, Error> {
        // `index` is the row's word for what `tusou pause indexer` names.
        let rows: Vec<(String, String, OffsetDateTime)> = sqlx::query_as(
            "SELECT CASE stage WHEN 'index' THEN 'indexer' ELSE stage END, why, paused_at FROM pauses
             UNION ALL
             SELECT 'host ' || origin, paused_why, paused_at FROM hosts WHERE paused_at IS NOT NULL
             ORDER BY 3, 1 LIMIT 100",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("read what is paused"))?;
        Ok(rows
            .into_iter()
            .map(|(what, why, since)| Pause {
                what,
                why,
                since: since.format(&Rfc3339).ok(),
            })
            .collect())
    }

    /// Indexes that are written and not yet searched.
    pub(crate) async fn filling(&mut self) -> Result<Vec<Filling>, Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT index_name, (SELECT count(*) FROM indexed JOIN images USING (image_id)
                                 WHERE indexed.generation_id = generations.generation_id
                                   AND indexed.rev >= images.rev AND refusal IS NULL)
             FROM generations WHERE state = 'building' ORDER BY generation_id",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("look at the indexes that are being filled"))?;
        Ok(rows
            .into_iter()
            .map(|(index, indexed)| Filling {
                index,
                indexed: unsigned(indexed),
            })
            .collect())
    }
}
