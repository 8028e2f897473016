//! What a removal would take out: counted in one statement, so that the counts agree.

use serde::Serialize;
use sqlx::PgPool;

use super::named::named_host;
use super::record::{self, KeptOut};
use super::{Removed, Subject};

/// What a removal would take out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// What would go.
    pub removed: Removed,
    /// Images that stay, since they are seen elsewhere or were imported, with fewer sightings.
    pub stay: u64,
    /// Seeds that begin there.
    pub seeds: Vec<SeedThere>,
    /// Where it is kept out already: the record of that.
    pub kept_out: Option<KeptOut>,
}

/// A seed that begins at what is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct SeedThere {
    /// Its number.
    pub seed_id: i64,
    /// Its URL.
    pub url: String,
}

impl Preview {
    /// Whether anything is known that would go.
    pub fn is_known(&self) -> bool {
        self.removed != Removed::default() || self.stay > 0
    }
}

/// The counts of pages `p` and image URLs `u`, which are columns of ids, and of what other files say that
/// pages show, which is told by an expression over a sighting.
macro_rules! counts {
    ($pages:literal, $urls:literal, $named:expr) => {
        concat!(
            "WITH p AS MATERIALIZED (",
            $pages,
            "), u AS MATERIALIZED (",
            $urls,
            "), s AS MATERIALIZED (
                 SELECT image_id, page_id, image_url_id FROM sightings JOIN p USING (page_id)
                 UNION SELECT image_id, page_id, image_url_id FROM sightings JOIN u USING (image_url_id)
                 UNION SELECT image_id, page_id, image_url_id FROM sightings
                       WHERE context ->> 'page' IS NOT NULL AND ",
            $named,
            " = $1),
             touched AS (
                 SELECT image_id FROM s
                 UNION SELECT image_id FROM image_urls JOIN u USING (image_url_id) WHERE image_id IS NOT NULL),
             mine AS (SELECT image_id, count(*) AS seen FROM s GROUP BY image_id),
             fate AS MATERIALIZED (
                 SELECT bytes, relative_path IS NULL AND coalesce(mine.seen, 0) = (
                            SELECT count(*) FROM sightings WHERE sightings.image_id = images.image_id) AS goes
                 FROM touched JOIN images USING (image_id) LEFT JOIN mine USING (image_id))
             SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM u), (SELECT count(*) FROM s),
                    count(*) FILTER (WHERE goes), coalesce(sum(bytes) FILTER (WHERE goes), 0)::bigint,
                    count(*) FILTER (WHERE NOT goes)
             FROM fate"
        )
    };
}

const OF_URL: &str = counts!(
    "SELECT page_id FROM pages WHERE url = $1",
    "SELECT image_url_id FROM image_urls WHERE url = $1",
    "context ->> 'page'"
);

const OF_HOST: &str = counts!(
    "SELECT page_id FROM pages WHERE host_id IN (
         SELECT host_id FROM hosts
         WHERE regexp_replace(origin, '^https?://|:[0-9]+$', '', 'g') = $1)",
    "SELECT image_url_id FROM image_urls WHERE host_id IN (
         SELECT host_id FROM hosts
         WHERE regexp_replace(origin, '^https?://|:[0-9]+$', '', 'g') = $1)",
    named_host!()
);

/// The image itself goes, with every sighting; its URLs stay, for they may show another one.
const OF_IMAGE: &str = "SELECT 0::bigint, 0::bigint,
        (SELECT count(*) FROM sightings WHERE image_id = decode($1, 'hex')),
        count(*), coalesce(sum(bytes), 0)::bigint, 0::bigint
     FROM images WHERE image_id = decode($1, 'hex')";

/// Counts what a removal would take out, and changes nothing.
pub async fn preview(pool: &PgPool, subject: &Subject) -> Result<Preview, sqlx::Error> {
    let statement = match subject {
        Subject::Image(_) => OF_IMAGE,
        Subject::Url(_) => OF_URL,
        Subject::Host(_) => OF_HOST,
    };
    let counted: (i64, i64, i64, i64, i64, i64) = sqlx::query_as(statement)
        .bind(subject.text())
        .fetch_one(pool)
        .await?;
    let (pages, image_urls, sightings, images, bytes, stay) = counted;
    let seeds: Vec<SeedThere> = sqlx::query_as("SELECT seed_id, url FROM seeds ORDER BY seed_id")
        .fetch_all(pool)
        .await?;
    Ok(Preview {
        removed: Removed {
            pages: pages.unsigned_abs(),
            image_urls: image_urls.unsigned_abs(),
            sightings: sightings.unsigned_abs(),
            images: images.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        },
        stay: stay.unsigned_abs(),
        seeds: seeds
            .into_iter()
            .filter(|seed| subject.covers(&seed.url))
            .collect(),
        kept_out: record::of(pool, subject).await?,
    })
}
