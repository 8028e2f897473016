//! Pictures: stored, encoded, indexed; and how fast.

use std::collections::BTreeMap;

use super::{Snapshot, unsigned};
use crate::error::Error;
use crate::status::{ImageCounts, Rates};

/// A live index.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Generation {
    pub(crate) generation_id: i64,
    pub(crate) index_name: String,
}

/// How far back rates look.
const RATE_SECONDS: f64 = 60.0;

impl Snapshot {
    /// Every live index, the newest first.
    pub(crate) async fn generations(&mut self) -> Result<Vec<Generation>, Error> {
        sqlx::query_as(
            "SELECT generation_id, index_name FROM generations WHERE state = 'live' ORDER BY generation_id DESC",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("read the registry of indexes"))
    }

    /// Counts the pictures, by what the index of `generation_id` holds.
    ///
    /// A picture counts as indexed or refused only under its present `rev`: under an older one
    /// its next write is on the way. One that the index's first model failed for has failed. One that no page shows and that was not imported is not
    /// expected in the index; nor is one that no page shows any more, unless `keep_gone`.
    pub(crate) async fn images(
        &mut self,
        generation_id: Option<i64>,
        keep_gone: bool,
    ) -> Result<ImageCounts, Error> {
        let (stored, encoded, indexed, pending, unseen): (i64, i64, i64, i64, i64) = sqlx::query_as(
            "SELECT count(*),
                    count(*) FILTER (WHERE encodings.image_id IS NOT NULL AND failure IS NULL),
                    count(*) FILTER (WHERE indexed.rev >= images.rev AND refusal IS NULL),
                    count(*) FILTER (WHERE failure IS NULL AND gave_up.image_id IS NULL
                        AND (indexed.rev IS NULL OR indexed.rev < images.rev) AND
                        (relative_path IS NOT NULL
                         OR EXISTS (SELECT FROM sightings
                                    WHERE sightings.image_id = images.image_id AND ($2 OR gone_since IS NULL)))),
                    count(*) FILTER (WHERE failure IS NULL AND gave_up.image_id IS NULL
                        AND (indexed.rev IS NULL OR indexed.rev < images.rev) AND
                        relative_path IS NULL
                        AND NOT EXISTS (SELECT FROM sightings
                                        WHERE sightings.image_id = images.image_id AND ($2 OR gone_since IS NULL)))
             FROM images
             LEFT JOIN encodings ON encodings.image_id = images.image_id
             LEFT JOIN indexed ON indexed.image_id = images.image_id AND generation_id = $1
             LEFT JOIN model_failures AS gave_up ON gave_up.image_id = images.image_id
                 AND digest = (SELECT models -> 0 ->> 'digest' FROM generations WHERE generation_id = $1)",
        )
        .bind(generation_id)
        .bind(keep_gone)
        .fetch_one(&mut *self.0)
        .await
        .map_err(Error::query("count the pictures"))?;
        let failed: Vec<(String, i64)> = sqlx::query_as(
            "SELECT why, count(*) FROM (
                 SELECT failure AS why FROM encodings WHERE failure IS NOT NULL
                 UNION ALL SELECT reason FROM model_failures JOIN encodings USING (image_id)
                 WHERE failure IS NULL
                   AND digest = (SELECT models -> 0 ->> 'digest' FROM generations WHERE generation_id = $1)) AS failed
             GROUP BY why",
        )
        .bind(generation_id)
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("count the failed pictures"))?;
        // Elasticsearch's words begin with the kind of error and a colon.
        let refused: Vec<(String, i64)> = sqlx::query_as(
            "SELECT split_part(refusal, ':', 1), count(*) FROM indexed JOIN images USING (image_id)
             WHERE generation_id = $1 AND refusal IS NOT NULL AND indexed.rev >= images.rev GROUP BY 1",
        )
        .bind(generation_id)
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("count the refused pictures"))?;
        let by_reason = |rows: Vec<(String, i64)>| -> BTreeMap<String, u64> {
            rows.into_iter()
                .map(|(reason, count)| (reason, unsigned(count)))
                .collect()
        };
        Ok(ImageCounts {
            stored: unsigned(stored),
            encoded: unsigned(encoded),
            failed: by_reason(failed),
            indexed: unsigned(indexed),
            refused: by_reason(refused),
            pending: unsigned(pending),
            unseen: unsigned(unseen),
        })
    }

    /// Sightings that are not gone.
    pub(crate) async fn sightings(&mut self) -> Result<u64, Error> {
        self.count(
            "SELECT count(*) FROM sightings WHERE gone_since IS NULL",
            "count the sightings",
        )
        .await
    }

    pub(crate) async fn rates(&mut self, generation_id: Option<i64>) -> Result<Rates, Error> {
        // By each table: how many lately, and how long ago the first was.
        let rows: Vec<(String, i64, Option<f64>)> = sqlx::query_as(
            "WITH times AS (
                 SELECT 'pages' AS what, fetched_at AS at FROM pages WHERE fetched_at IS NOT NULL
                 UNION ALL SELECT 'stored', stored_at FROM images
                 UNION ALL SELECT 'encoded', encoded_at FROM encodings WHERE failure IS NULL
                 UNION ALL SELECT 'indexed', indexed_at FROM indexed WHERE generation_id = $1 AND refusal IS NULL)
             SELECT what, count(*) FILTER (WHERE at > now() - $2 * interval '1 second'),
                    extract(epoch FROM now() - min(at))::float8
             FROM times GROUP BY what",
        )
        .bind(generation_id)
        .bind(RATE_SECONDS)
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("measure rates"))?;
        let rate = |what: &str| {
            let row = rows.iter().find(|(name, _, _)| name == what);
            row.map_or(0.0, |(_, count, first)| {
                per_second(*count, first.unwrap_or_default())
            })
        };
        Ok(Rates {
            pages_per_second: rate("pages"),
            images_stored_per_second: rate("stored"),
            images_encoded_per_second: rate("encoded"),
            images_indexed_per_second: rate("indexed"),
        })
    }
}

/// Over the last minute, or over what there is of it: a crawl that began ten seconds ago is not
/// six times slower than it is. Rounded to hundredths.
fn per_second(count: i64, first_seconds_ago: f64) -> f64 {
    let span = first_seconds_ago.clamp(1.0, RATE_SECONDS);
    (count as f64 / span * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::per_second;

    #[test]
    fn a_young_crawl_is_measured_over_its_own_time() {
        assert_eq!(per_second(600, 3_600.0), 10.0);
        assert_eq!(per_second(100, 10.0), 10.0);
        assert_eq!(per_second(5, 0.1), 5.0);
        assert_eq!(per_second(1, 60.0), 0.02);
    }
}
