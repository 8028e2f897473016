//! Compares what became of everything with what had to become of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgPool;
use tusou_contract::{BlobKey, Document, ImageId};

use super::expected::Expected;
use super::mail::{Garbage, Post};
use super::report::Verdict;
use super::site::Site;
use crate::World;

/// Captions that a document carries at most; above it any of them are right.
const MAX_CAPTIONS: usize = tusou_contract::document::MAX_CAPTIONS;
const MAX_BLOB: u64 = 64 << 20;
/// The longest wait for one answer of the search service.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

type Sighting = (ImageId, String, String);

/// What the stores hold.
#[derive(Debug)]
struct Found {
    sightings: BTreeMap<Sighting, String>,
    images: BTreeMap<ImageId, String>,
    vectors: HashMap<ImageId, Vec<f32>>,
    failures: BTreeMap<ImageId, Option<String>>,
    thumbnails: Vec<String>,
    pages: BTreeMap<String, (String, String)>,
    files: BTreeMap<String, (String, String)>,
    outbox: Vec<(String, ImageId)>,
}

/// Judges a world at rest.
pub(super) async fn judge(
    world: &World,
    site: &Site,
    post: &Post,
    garbage: &Garbage,
    search: Option<&str>,
) -> anyhow::Result<Verdict> {
    let expected = site.expected();
    let found = Found::read(world.pool()).await?;
    let documents = world.documents().await;
    let mut verdict = Verdict {
        pictures: expected.documents.len() + expected.undecodable.len(),
        sightings: expected.sightings.len(),
        ..Verdict::default()
    };
    sightings(&expected, &found, &mut verdict);
    shown(&expected, &found, &documents, site, &mut verdict);
    undecodable(&expected, &found, site, &mut verdict);
    urls(&expected, &found, &mut verdict);
    blobs(world, &found, &mut verdict).await?;
    if let Some(search) = search {
        searchable(search, &expected, &mut verdict).await?;
    }
    queues(post, garbage, site, &found, &mut verdict).await?;
    Ok(verdict)
}

impl Found {
    async fn read(pool: &PgPool) -> anyhow::Result<Self> {
        let id = |bytes: Vec<u8>| ImageId::from_digest(&bytes);
        let rows: Vec<(Vec<u8>, String, String, String)> = sqlx::query_as(
            "SELECT s.image_id, pages.url, image_urls.url, s.alt FROM sightings AS s
             JOIN pages USING (page_id) JOIN image_urls USING (image_url_id)
             WHERE gone_since IS NULL",
        )
        .fetch_all(pool)
        .await?;
        let sightings = rows
            .into_iter()
            .map(|(bytes, page, url, alt)| Ok(((id(bytes)?, page, url), alt)));
        let images: Vec<(Vec<u8>, String)> =
            sqlx::query_as("SELECT image_id, blob_key FROM images")
                .fetch_all(pool)
                .await?;
        let vectors: Vec<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT image_id, vector FROM embeddings")
                .fetch_all(pool)
                .await?;
        let failures: Vec<(Vec<u8>, Option<String>)> =
            sqlx::query_as("SELECT image_id, failure FROM encodings")
                .fetch_all(pool)
                .await?;
        let thumbnails: Vec<String> = sqlx::query_scalar(
            "SELECT thumbnail_key FROM encodings WHERE thumbnail_key IS NOT NULL",
        )
        .fetch_all(pool)
        .await?;
        let outbox: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT queue, image_id FROM outbox")
            .fetch_all(pool)
            .await?;
        Ok(Self {
            sightings: sightings.collect::<anyhow::Result<_>>()?,
            images: images
                .into_iter()
                .map(|(bytes, key)| Ok((id(bytes)?, key)))
                .collect::<anyhow::Result<_>>()?,
            vectors: vectors
                .into_iter()
                .map(|(bytes, vector)| {
                    let vector = tusou_contract::message::vector_from_bytes(&vector);
                    Ok((id(bytes)?, vector.unwrap_or_default()))
                })
                .collect::<anyhow::Result<_>>()?,
            failures: failures
                .into_iter()
                .map(|(bytes, why)| Ok((id(bytes)?, why)))
                .collect::<anyhow::Result<_>>()?,
            thumbnails,
            pages: url_states(pool, "pages").await?,
            files: url_states(pool, "image_urls").await?,
            outbox: outbox
                .into_iter()
                .map(|(queue, bytes)| Ok((queue, id(bytes)?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

async fn url_states(
    pool: &PgPool,
    table: &str,
) -> anyhow::Result<BTreeMap<String, (String, String)>> {
    // The table's name is one of two.
    let statement = format!("SELECT url, state::text, coalesce(reason, '') FROM {table}");
    let rows: Vec<(String, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .fetch_all(pool)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(url, state, reason)| (url, (state, reason)))
        .collect())
}

fn sightings(expected: &Expected, found: &Found, verdict: &mut Verdict) {
    for (key, alt) in &expected.sightings {
        let (id, page, url) = key;
        match found.sightings.get(key) {
            None => verdict.lost(format!("sighting of {id} by {url} at {page}")),
            Some(other) if other != alt => verdict.unexplained(format!(
                "the sighting of {id} by {url} at {page} says `{other}`, and the page `{alt}`"
            )),
            Some(_) => {}
        }
    }
    for (id, page, url) in found.sightings.keys() {
        if !expected
            .sightings
            .contains_key(&(*id, page.clone(), url.clone()))
        {
            verdict.unexplained(format!(
                "sighting of {id} by {url} at {page}, which is not there"
            ));
        }
    }
}

/// Every document once, and what it shows.
fn shown(
    expected: &Expected,
    found: &Found,
    documents: &[Document],
    site: &Site,
    verdict: &mut Verdict,
) {
    let mut by_id: BTreeMap<ImageId, &Document> = BTreeMap::new();
    for document in documents {
        if by_id.insert(document.image_id, document).is_some() {
            verdict.doubled(format!("document {}", document.image_id));
        }
    }
    for (id, expectation) in &expected.documents {
        let Some(document) = by_id.get(id) else {
            let failure = found.failures.get(id).map(|failure| format!("{failure:?}"));
            verdict.lost(format!(
                "document {id}: {} in Postgres, encoding: {}",
                if found.images.contains_key(id) {
                    "is"
                } else {
                    "is not"
                },
                failure.as_deref().unwrap_or("none"),
            ));
            continue;
        };
        if document.sightings != expectation.sightings {
            verdict.unexplained(format!(
                "document {id} says {} sightings; there are {}",
                document.sightings, expectation.sightings
            ));
        }
        let captions: BTreeSet<String> = document.captions.iter().cloned().collect();
        let right = if expectation.captions.len() > MAX_CAPTIONS {
            captions.len() == MAX_CAPTIONS && captions.is_subset(&expectation.captions)
        } else {
            captions == expectation.captions
        };
        if !right {
            verdict.unexplained(format!(
                "document {id} says {captions:?}; its pages say {:?}",
                expectation.captions
            ));
        }
    }
    for (id, document) in &by_id {
        let vector = document.embeddings.get("image_embedding");
        let same = |one: &Vec<f32>, two: &Vec<f32>| {
            one.len() == two.len() && one.iter().zip(two).all(|(a, b)| (a - b).abs() < 1e-4)
        };
        if !vector
            .zip(found.vectors.get(id))
            .is_some_and(|(one, two)| same(one, two))
        {
            verdict.unexplained(format!("document {id} has another vector than its image"));
        }
        if expected.documents.contains_key(id) {
            continue;
        }
        if !site.was_served(id) {
            verdict.unexplained(format!("document {id} of a picture that was never served"));
        } else if document.sightings != 0 {
            verdict.unexplained(format!(
                "document {id} says {} sightings of a picture that is gone",
                document.sightings
            ));
        }
    }
}

/// Every picture that cannot be decoded has its reason, and no other has one.
fn undecodable(expected: &Expected, found: &Found, site: &Site, verdict: &mut Verdict) {
    for id in &expected.undecodable {
        match found.failures.get(id) {
            Some(Some(reason)) if reason == "truncated" || reason == "decode_failed" => {}
            other => verdict.lost(format!(
                "the reason of {id}, which cannot be decoded: {other:?}"
            )),
        }
    }
    for (id, failure) in &found.failures {
        if failure.is_some() && !site.is_broken(id) {
            verdict.unexplained(format!("{id} can be decoded; its row says {failure:?}"));
        }
    }
    for id in found.images.keys() {
        if !site.was_served(id) {
            verdict.unexplained(format!("image {id} was never served"));
        }
    }
}

/// What was given up is what had to be.
fn urls(expected: &Expected, found: &Found, verdict: &mut Verdict) {
    for url in &expected.live_pages {
        match found.pages.get(url) {
            None => verdict.lost(format!("page {url} was never found")),
            Some((state, _)) if state == "done" => {}
            Some((state, reason)) => verdict.lost(format!("page {url} is {state}: {reason}")),
        }
    }
    for (url, wanted) in &expected.pages {
        match found.pages.get(url) {
            // It may have gone before it was found; a page moved away has led to no other.
            None => {}
            Some((_, reason)) if reason == wanted => {}
            Some((state, reason)) => {
                verdict.unexplained(format!("page {url} is {state}: `{reason}`, not `{wanted}`"));
            }
        }
    }
    for url in &expected.shown {
        let wanted = expected.files.get(url).map_or("", String::as_str);
        match found.files.get(url) {
            None => verdict.lost(format!("image URL {url} was never found")),
            Some((state, reason)) if reason == wanted && (state == "done") == wanted.is_empty() => {
            }
            Some((state, reason)) => {
                verdict.unexplained(format!(
                    "image URL {url} is {state}: `{reason}`, not `{wanted}`"
                ));
            }
        }
    }
    let known =
        |url: &String| expected.live_pages.contains(url) || expected.pages.contains_key(url);
    for url in found.pages.keys().filter(|url| !known(url)) {
        verdict.unexplained(format!("page {url} is none of the site's"));
    }
    for (url, (state, reason)) in found.pages.iter().chain(&found.files) {
        if state == "due" {
            verdict.unexplained(format!("{url} is still due: `{reason}`"));
        }
    }
}

async fn blobs(world: &World, found: &Found, verdict: &mut Verdict) -> anyhow::Result<()> {
    let blobs = world.blobs();
    for (id, key) in &found.images {
        let bytes = blobs
            .get(&BlobKey::try_from(key.clone())?, MAX_BLOB)
            .await?;
        match bytes {
            None => verdict.lost(format!("blob {key}")),
            Some(bytes) if ImageId::of(&bytes) != *id => {
                verdict.lost(format!("blob {key} has other bytes"));
            }
            Some(_) => {}
        }
    }
    for key in &found.thumbnails {
        if !blobs.exists(&BlobKey::try_from(key.clone())?).await? {
            verdict.lost(format!("thumbnail {key}"));
        }
    }
    Ok(())
}

/// What must be found is found by whoever asks the search service for it.
async fn searchable(
    search: &str,
    expected: &Expected,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()?;
    for id in expected.documents.keys() {
        let answer = client.get(format!("{search}/v1/images/{id}")).send().await;
        let status = answer.map(|answer| answer.status());
        if !status.as_ref().is_ok_and(reqwest::StatusCode::is_success) {
            verdict.lost(format!("search does not know {id}: {status:?}"));
        }
    }
    Ok(())
}

async fn queues(
    post: &Post,
    garbage: &Garbage,
    site: &Site,
    found: &Found,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    for (queue, id) in &found.outbox {
        verdict.unexplained(format!("the outbox holds a message for {queue} about {id}"));
    }
    let mut parked = BTreeSet::new();
    for queue in post.queues().await? {
        let dead = queue.ends_with(".dead");
        for letter in post.dead(&queue).await? {
            parked.insert(letter.id.clone());
            if !dead {
                verdict.unexplained(format!("{queue} holds `{}` ({})", letter.id, letter.reason));
            } else if !is_explained(&queue, &letter.id, garbage, site) {
                verdict.unexplained(format!(
                    "dead letter `{}` in {queue}: {} ({})",
                    letter.id, letter.reason, letter.detail
                ));
            } else {
                verdict.dead_letters += 1;
            }
        }
    }
    for id in garbage.refusable.iter().filter(|id| !parked.contains(*id)) {
        verdict.unexplained(format!("`{id}`, which nobody can read, is no dead letter"));
    }
    Ok(())
}

/// The rules by which a dead letter is right: it was garbage (by its message id, or about a picture
/// that only garbage named), or it asked to encode a picture that cannot be decoded.
fn is_explained(queue: &str, id: &str, garbage: &Garbage, site: &Site) -> bool {
    if garbage.ids.contains(id) {
        return true;
    }
    let broken = id.parse::<ImageId>().is_ok_and(|id| site.is_broken(&id));
    let encodes = queue == "images.fetched.dead" || queue == "images.reencode.dead";
    broken && encodes
}
