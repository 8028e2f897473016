//! Where pictures are seen at a page by the word of another: of a sitemap, a feed or a list.

use sqlx::PgPool;

use crate::rows::sightings::Place;

/// The host of the page that a picture's context names, without its port.
macro_rules! named_host {
    () => {
        r"substring(context ->> 'page' from '^https?://(\[[^]]*\]|[^/:?#]+)')"
    };
}
pub(super) use named_host;

/// Places that name a page as the one that shows the picture, whatever file says so.
pub(super) async fn at_page(pool: &PgPool, url: &str) -> Result<Vec<Place>, sqlx::Error> {
    sqlx::query_as(
        "SELECT page_id, image_url_id FROM page_images WHERE context ->> 'page' = $1
         UNION SELECT page_id, image_url_id FROM sightings WHERE context ->> 'page' = $1",
    )
    .bind(url)
    .fetch_all(pool)
    .await
}

/// Places that name a page of a host.
pub(super) async fn at_host(pool: &PgPool, name: &str) -> Result<Vec<Place>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT page_id, image_url_id FROM page_images
         WHERE context ->> 'page' IS NOT NULL AND ",
        named_host!(),
        " = $1
         UNION SELECT page_id, image_url_id FROM sightings
         WHERE context ->> 'page' IS NOT NULL AND ",
        named_host!(),
        " = $1"
    ))
    .bind(name)
    .fetch_all(pool)
    .await
}
