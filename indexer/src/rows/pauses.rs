//! Whether the indexer is to rest.

use sqlx::PgPool;

use crate::error::Error;

/// Why the stage `index` is paused, where it is: an empty text where nobody said why.
pub(crate) async fn index(pool: &PgPool) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT why FROM pauses WHERE stage = 'index'")
        .fetch_optional(pool)
        .await
        .map_err(Error::database("look whether the indexer is paused"))
}
