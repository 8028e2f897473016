//! All sightings of a picture, the oldest first, a page at a time: one picture may have 100,000.

use sqlx::PgPool;
use tusou_contract::ImageId;

use super::{away, sighting};
use crate::answer::Sighting;
use crate::candidates::cursor::CursorError;
use crate::error::SearchError;
use crate::token::{self, Kind};

/// Sightings are counted as far as this.
const COUNTED: i64 = 10_000;

/// The moments that a place may have, in microseconds since 1970: the years 69 to 9000, all of which Postgres
/// knows. A cursor that somebody made up may say any other.
const MOMENTS: std::ops::RangeInclusive<i64> = -60_000_000_000_000_000..=220_000_000_000_000_000;

/// A sighting's place among all of its picture, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Microseconds since 1970 (UTC), as Postgres keeps them.
    first_seen: i64,
    page_id: i64,
    image_url_id: i64,
}

/// A page of sightings.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) sightings: Vec<Sighting>,
    /// How many pages show the picture still, and how many did once; each counted as far as 10,000.
    pub(crate) live: u32,
    pub(crate) gone: u32,
    /// After which sighting the next page begins, where there is one.
    pub(crate) next: Option<Place>,
}

impl Place {
    /// As a token for `cursor`. It belongs to this picture alone.
    pub(crate) fn encode(self, id: &ImageId) -> String {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&id.as_bytes()[..4]);
        bytes[4..12].copy_from_slice(&self.first_seen.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.page_id.to_be_bytes());
        bytes[20..].copy_from_slice(&self.image_url_id.to_be_bytes());
        token::seal(Kind::Sightings, &bytes)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// A problem with `cursor`: it is none of this service's, or of another picture.
    pub(crate) fn decode(id: &ImageId, text: &str) -> Result<Self, SearchError> {
        let bytes: [u8; 28] = token::open(Kind::Sightings, text).ok_or(CursorError::Invalid)?;
        if bytes[..4] != id.as_bytes()[..4] {
            return Err(SearchError::parameter(
                "foreign_cursor",
                "cursor",
                "`cursor` was made for another picture; leave it out for the first page",
            ));
        }
        let number = |from: usize| {
            i64::from_be_bytes(bytes[from..from + 8].try_into().expect("eight bytes"))
        };
        Ok(Self {
            first_seen: number(4).clamp(*MOMENTS.start(), *MOMENTS.end()),
            page_id: number(12),
            image_url_id: number(20),
        })
    }
}

/// The `limit` sightings of an image after that place. Live ones and gone ones lie apart in the index that serves
/// this, each in order: a page is the merged begin of both, however many there are.
pub(crate) async fn page(
    pool: &PgPool,
    id: &ImageId,
    after: Option<Place>,
    limit: i64,
) -> Result<Page, SearchError> {
    let after = after.unwrap_or(Place {
        first_seen: *MOMENTS.start(),
        page_id: 0,
        image_url_id: 0,
    });
    let seen = "SELECT image_id, page_id, image_url_id, alt, title, caption, nearby, context, rights AS told, \
                       first_seen, last_seen, gone_since FROM sightings WHERE image_id = $1";
    let order = "first_seen, page_id, image_url_id";
    let after_it = "timestamptz 'epoch' + $2 * interval '1 microsecond', $3, $4";
    // Postgres makes `IS NULL` of `(… IS NOT NULL) = false`, and of that the index knows nothing: all live ones
    // would be sorted for each page. A comparison that it leaves alone is asked of the index.
    let is_gone = "(gone_since IS NOT NULL)";
    let live = format!(
        "{seen} AND {is_gone} < true AND ({is_gone}, {order}) > (false, {after_it}) \
         ORDER BY {is_gone}, {order} LIMIT $5"
    );
    let gone = format!(
        "{seen} AND {is_gone} = true AND ({order}) > ({after_it}) ORDER BY {order} LIMIT $5"
    );
    let query = format!(
        "SELECT seen.*, (extract(epoch FROM seen.first_seen) * 1000000)::bigint AS at, \
                COALESCE(context ->> 'page', pages.url) AS page_url, \
                shown.title AS page_title, shown.lang AS page_lang, \
                image_urls.url AS image_url, images.rights || seen.told AS rights \
         FROM ( \
             (SELECT * FROM ({live}) AS live) UNION ALL (SELECT * FROM ({gone}) AS gone) \
             ORDER BY {order} LIMIT $5 \
         ) AS seen \
         JOIN pages USING (page_id) \
         LEFT JOIN pages AS shown ON shown.url = COALESCE(context ->> 'page', pages.url) \
         JOIN image_urls USING (image_url_id) \
         JOIN images ON images.image_id = seen.image_id \
         ORDER BY seen.first_seen, seen.page_id, seen.image_url_id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(id.as_bytes().as_slice())
        .bind(after.first_seen)
        .bind(after.page_id)
        .bind(after.image_url_id)
        .bind(limit + 1)
        .fetch_all(pool)
        .await
        .map_err(away)?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = match rows.get(most.wrapping_sub(1)) {
        Some(last) if rows.len() > most => Some(place(last).map_err(SearchError::internal)?),
        _ => None,
    };
    let sightings: Result<Vec<Sighting>, sqlx::Error> =
        rows.iter().take(most).map(sighting).collect();
    let (live, gone) = count(pool, id).await?;
    Ok(Page {
        sightings: sightings.map_err(SearchError::internal)?,
        live,
        gone,
        next,
    })
}

fn place(row: &sqlx::postgres::PgRow) -> Result<Place, sqlx::Error> {
    use sqlx::Row as _;
    Ok(Place {
        first_seen: row.try_get("at")?,
        page_id: row.try_get("page_id")?,
        image_url_id: row.try_get("image_url_id")?,
    })
}

async fn count(pool: &PgPool, id: &ImageId) -> Result<(u32, u32), SearchError> {
    let (live, gone): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM (SELECT FROM sightings WHERE image_id = $1 \
                     AND (gone_since IS NOT NULL) < true LIMIT $2) AS live), \
                (SELECT count(*) FROM (SELECT FROM sightings WHERE image_id = $1 \
                     AND (gone_since IS NOT NULL) = true LIMIT $2) AS gone)",
    )
    .bind(id.as_bytes().as_slice())
    .bind(COUNTED)
    .fetch_one(pool)
    .await
    .map_err(away)?;
    let short = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Ok((short(live), short(gone)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_comes_back_for_its_picture_alone(first_seen in MOMENTS, page_id: i64, image_url_id: i64) {
            let place = Place { first_seen, page_id, image_url_id };
            let (id, other) = (ImageId::of(b"a"), ImageId::of(b"b"));
            let text = place.encode(&id);
            prop_assert_eq!(Place::decode(&id, &text).expect("its own"), place);
            prop_assert_eq!(Place::decode(&other, &text).expect_err("foreign").code(), "foreign_cursor");
            prop_assert_eq!(Place::decode(&id, &text[1..]).expect_err("cut").code(), "invalid_cursor");
        }
    }
}
