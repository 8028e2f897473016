//! Traces, as they go along with rows: from a page to the pictures that it shows, and from a picture to its messages.
//! Without a followed page nothing here asks Postgres for anything.

use sqlx::PgConnection;
use tusou_contract::ImageId;
use tusou_platform::trace::TraceParent;

/// The pictures of these pages that are due are followed from here, but for those that another page leads to.
pub(super) async fn follow_pictures(
    tx: &mut PgConnection,
    pages: &[(i64, &TraceParent)],
) -> Result<(), sqlx::Error> {
    if pages.is_empty() {
        return Ok(());
    }
    let (ids, traces) = columns(pages.iter().copied());
    sqlx::query(
        "UPDATE image_urls SET trace = read.trace
         FROM unnest($1::bigint[], $2::text[]) AS read (page_id, trace) JOIN page_images USING (page_id)
         WHERE image_urls.image_url_id = page_images.image_url_id
           AND image_urls.state = 'due' AND image_urls.trace IS NULL",
    )
    .bind(ids)
    .bind(traces)
    .execute(tx)
    .await?;
    Ok(())
}

/// The messages that are owed of these pictures are followed from here.
pub(super) async fn follow_messages(
    tx: &mut PgConnection,
    images: &[(ImageId, &TraceParent)],
) -> Result<(), sqlx::Error> {
    if images.is_empty() {
        return Ok(());
    }
    let ids = images
        .iter()
        .map(|(id, trace)| (id.as_bytes().to_vec(), *trace));
    let (ids, traces) = columns(ids);
    sqlx::query(
        "UPDATE outbox SET trace = fetched.trace FROM unnest($1::bytea[], $2::text[]) AS fetched (image_id, trace)
         WHERE outbox.image_id = fetched.image_id AND outbox.trace IS NULL",
    )
    .bind(ids)
    .bind(traces)
    .execute(tx)
    .await?;
    Ok(())
}

/// These image URLs are at the end of their traces: when they are fetched again it is for another page's sake.
pub(super) async fn leave(tx: &mut PgConnection, image_urls: &[i64]) -> Result<(), sqlx::Error> {
    if image_urls.is_empty() {
        return Ok(());
    }
    sqlx::query("UPDATE image_urls SET trace = NULL WHERE image_url_id = ANY($1)")
        .bind(image_urls)
        .execute(tx)
        .await?;
    Ok(())
}

fn columns<'t, K>(rows: impl Iterator<Item = (K, &'t TraceParent)>) -> (Vec<K>, Vec<String>) {
    rows.map(|(key, trace)| (key, trace.to_string())).unzip()
}
