//! Asked before anything found is written: is it kept out?

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::PgConnection;
use tusou_contract::{BlobKey, ImageId};

/// The advisory lock that whoever writes what is found holds for share, and a new removal alone: no
/// write that began before the removal was known ends after it.
pub(super) const KEEP_OUT_LOCK: i64 = 0x7475_736f_7565_0001;

/// Those of the URLs that are kept out, by themselves or by their host's name. They are normalised.
///
/// The transaction holds a lock for share from here on, which a new removal waits for.
pub(crate) async fn kept_out_urls(
    tx: &mut PgConnection,
    urls: &[&str],
) -> Result<HashSet<String>, sqlx::Error> {
    if urls.is_empty() {
        return Ok(HashSet::new());
    }
    hold(tx).await?;
    let hosts: BTreeSet<&str> = urls.iter().map(|url| host_name(url)).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let rows: Vec<(bool, String)> = sqlx::query_as(
        "SELECT kind = 'host', subject FROM removals
         WHERE (kind = 'url' AND subject = ANY($1)) OR (kind = 'host' AND subject = ANY($2))",
    )
    .bind(urls)
    .bind(&hosts)
    .fetch_all(tx)
    .await?;
    let kept: HashSet<(bool, String)> = rows.into_iter().collect();
    if kept.is_empty() {
        return Ok(HashSet::new());
    }
    let is_kept = |url: &&&str| {
        kept.contains(&(false, (**url).to_owned()))
            || kept.contains(&(true, host_name(url).to_owned()))
    };
    let kept = urls.iter().filter(is_kept);
    Ok(kept.map(|url| (*url).to_owned()).collect())
}

/// Those of the images that are kept out: digests of 32 bytes.
///
/// The transaction holds a lock for share from here on, which a new removal waits for.
pub(crate) async fn kept_out_images(
    tx: &mut PgConnection,
    ids: &[&[u8]],
) -> Result<HashSet<Vec<u8>>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    hold(tx).await?;
    let kept: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT id FROM unnest($1::bytea[]) AS wanted (id)
         JOIN removals ON kind = 'image' AND subject = encode(id, 'hex')",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    Ok(kept.into_iter().collect())
}

/// Those of the images, new to the store by this transaction, that went with a removal before and may
/// come in again. Their blobs are to be put again before the transaction commits: they may have been
/// deleted after an earlier put.
pub(crate) async fn come_back(
    tx: &mut PgConnection,
    ids: &[&[u8]],
) -> Result<HashSet<Vec<u8>>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let back: Vec<Vec<u8>> = sqlx::query_scalar(
        "DELETE FROM removed_images WHERE image_id IN (
             SELECT image_id FROM removed_images WHERE image_id = ANY($1)
             ORDER BY image_id FOR UPDATE)
         RETURNING image_id",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    Ok(back.into_iter().collect())
}

/// Leaves blobs to be deleted that were put for images which are not written: they are kept out, or
/// their URL went meanwhile. One that an image's row claims is left alone.
///
/// The row is made and deleted again: whoever writes the same image at this moment has written it
/// before, or waits, and finds in [`come_back`] that its blob is to be put again.
pub(crate) async fn turn_away(
    tx: &mut PgConnection,
    images: &BTreeMap<ImageId, BlobKey>,
) -> Result<(), sqlx::Error> {
    if images.is_empty() {
        return Ok(());
    }
    let made: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
         SELECT image_id, '', 0, 0, 0, blob_key
         FROM unnest($1::bytea[], $2::text[]) AS away (image_id, blob_key)
         ORDER BY image_id ON CONFLICT (image_id) DO NOTHING RETURNING image_id",
    )
    .bind(
        images
            .keys()
            .map(|id| &id.as_bytes()[..])
            .collect::<Vec<_>>(),
    )
    .bind(images.values().map(BlobKey::as_str).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO removed_images (image_id, blob_key)
         SELECT image_id, blob_key FROM images WHERE image_id = ANY($1) ORDER BY image_id
         ON CONFLICT (image_id) DO UPDATE SET blob_key = EXCLUDED.blob_key, blobs_gone_at = NULL",
    )
    .bind(&made)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM images WHERE image_id = ANY($1)")
        .bind(&made)
        .execute(tx)
        .await?;
    Ok(())
}

/// A statement of its own: the next one's snapshot is younger than the lock.
async fn hold(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind(KEEP_OUT_LOCK)
        .execute(tx)
        .await?;
    Ok(())
}

/// The host of a normalised URL, without its port; an IPv6 address keeps its brackets.
pub(super) fn host_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn a_url_s_host_is_read_as_its_address_reads_it() {
        for text in [
            "http://example.org/",
            "https://example.org:8443/a:1/b?c=http://other.test:80/",
            "http://example.org?q",
            "http://127.0.0.2:8080/x",
            "http://[::1]/",
            "http://[2001:db8::7]:81/y",
        ] {
            let address = Address::parse(text).expect("an address");
            assert_eq!(host_name(address.as_str()), address.host_name(), "{text}");
        }
    }
}
