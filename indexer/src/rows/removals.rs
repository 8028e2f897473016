//! Images that were taken out on request while messages about them were under way.

use std::collections::HashSet;

use sqlx::PgPool;
use tusou_contract::ImageId;

use crate::error::Error;

/// Of images without a row, those that went with no removal: nobody knows them.
///
/// Of the others something has just been encoded, so the encoder may have stored a thumbnail after
/// their blobs were deleted: these are to be deleted once more.
pub(crate) async fn others(
    pool: &PgPool,
    mut unknown: HashSet<ImageId>,
) -> Result<HashSet<ImageId>, Error> {
    if unknown.is_empty() {
        return Ok(unknown);
    }
    let ids: Vec<&[u8]> = unknown.iter().map(|id| &id.as_bytes()[..]).collect();
    let removed: Vec<Vec<u8>> = sqlx::query_scalar(
        "UPDATE removed_images SET blobs_gone_at = NULL WHERE image_id IN (
             SELECT image_id FROM removed_images WHERE image_id = ANY($1)
             ORDER BY image_id FOR UPDATE)
         RETURNING image_id",
    )
    .bind(ids)
    .fetch_all(pool)
    .await
    .map_err(Error::database("look for removed images"))?;
    for id in removed {
        let id = ImageId::from_digest(&id).expect("the schema checks the length");
        tracing::debug!(image_id = %id, "a message about an image that was removed");
        unknown.remove(&id);
    }
    Ok(unknown)
}
