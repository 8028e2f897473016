//! The rows that a removal locks before it takes any out.

use sqlx::PgConnection;

/// Locks pages that go, with their seeds, and those that only name such pages.
pub(super) async fn lock_pages(
    tx: &mut PgConnection,
    pages: &[i64],
    naming: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT FROM seeds WHERE seed_id IN (SELECT seed_id FROM seed_pages WHERE page_id = ANY($1))
         ORDER BY seed_id FOR NO KEY UPDATE",
    )
    .bind(pages)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "SELECT FROM pages WHERE page_id = ANY($1) OR page_id = ANY($2) ORDER BY url FOR UPDATE",
    )
    .bind(pages)
    .bind(naming)
    .execute(tx)
    .await?;
    Ok(())
}

/// Locks image URLs that go and those of images that may go, so that no page sees one of these
/// meanwhile, then the images.
pub(super) async fn lock_images(
    tx: &mut PgConnection,
    image_urls: &[i64],
    images: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT FROM image_urls WHERE image_url_id = ANY($1) OR image_id = ANY($2)
         ORDER BY url FOR UPDATE",
    )
    .bind(image_urls)
    .bind(images)
    .execute(&mut *tx)
    .await?;
    sqlx::query("SELECT FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR UPDATE")
        .bind(images)
        .execute(tx)
        .await?;
    Ok(())
}
