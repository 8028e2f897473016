//! The rows behind an index that no crawl made: what the service reads of each hit.

use sqlx::PgPool;
use tusou_contract::{BlobKey, ImageFormat, ImageId};

/// Pictures that one page shows.
const PAGE: usize = 20;

/// An image, its address and its one sighting for each id; pages of twenty pictures, on one host.
pub(super) async fn fill(pool: &PgPool, ids: &[ImageId]) -> anyhow::Result<()> {
    let host: i64 = sqlx::query_scalar(
        "INSERT INTO hosts (origin) VALUES ('https://pictures.example') RETURNING host_id",
    )
    .fetch_one(pool)
    .await?;
    let pages = i32::try_from(ids.len().div_ceil(PAGE))?;
    sqlx::query(
        "INSERT INTO pages (host_id, url, depth, state, title) \
         SELECT $1, 'https://pictures.example/page/' || number, 1, 'done', 'Page ' || number \
         FROM generate_series(0, $2 - 1) AS number",
    )
    .bind(host)
    .bind(pages)
    .execute(pool)
    .await?;
    let bytes: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    let key = |id: &ImageId| BlobKey::original(id, ImageFormat::Jpeg).to_string();
    let keys: Vec<String> = ids.iter().map(key).collect();
    sqlx::query(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key) \
         SELECT id, 'jpeg', 1280, 960, 300000, key FROM unnest($1::bytea[], $2::text[]) AS new (id, key)",
    )
    .bind(&bytes)
    .bind(&keys)
    .execute(pool)
    .await?;
    sqlx::query(
        "INSERT INTO image_urls (host_id, url, state, image_id) \
         SELECT $1, 'https://pictures.example/' || encode(id, 'hex') || '.jpg', 'done', id \
         FROM unnest($2::bytea[]) AS new (id)",
    )
    .bind(host)
    .bind(&bytes)
    .execute(pool)
    .await?;
    sqlx::query(
        "INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption) \
         SELECT image_urls.image_id, pages.page_id, image_url_id, 'A picture of the harbour', 'Number ' || place \
         FROM unnest($1::bytea[]) WITH ORDINALITY AS new (id, place) \
         JOIN image_urls ON image_urls.image_id = id \
         JOIN pages ON pages.url = 'https://pictures.example/page/' || ((place - 1) / $2)",
    )
    .bind(&bytes)
    .bind(i64::try_from(PAGE)?)
    .execute(pool)
    .await?;
    sqlx::query("ANALYZE").execute(pool).await?;
    Ok(())
}
