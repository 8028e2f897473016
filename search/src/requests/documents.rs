//! Documents by their ids: what an answer shows of them, and what a picture of the index is asked with.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::{ImageId, Rights};
use tusou_platform::elastic::Elastic;

use super::reply::ask;
use crate::error::SearchError;

/// The fields of a document that an answer shows. The contract's whole `Document` is not read
/// here, so that an index with more fields than this build knows can still be searched.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    /// Also the `_id`.
    pub(crate) image_id: ImageId,
    /// The file name.
    pub(crate) image_name: String,
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// The original's format.
    pub(crate) format: String,
    /// How often it is seen.
    pub(crate) sightings: u32,
    /// What pages say of it.
    #[serde(default)]
    pub(crate) captions: Vec<String>,
    /// Rights found with it.
    #[serde(default)]
    pub(crate) rights: Rights,
}

const SHOWN: [&str; 8] = [
    "image_id",
    "image_name",
    "width",
    "height",
    "format",
    "sightings",
    "captions",
    "rights",
];

/// A picture of the index as it is asked with.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Its vectors, by their fields.
    pub(crate) vectors: BTreeMap<String, Vec<f32>>,
    /// Its perceptual hash, 16 hex digits.
    pub(crate) phash: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Hit<S> {
    _source: S,
}

fn by_ids(ids: &[ImageId]) -> Value {
    json!({
        "size": ids.len(),
        "query": {"constant_score": {"filter": {"ids": {"values": ids}}}},
        "track_total_hits": false,
    })
}

/// What an answer shows of these documents; one that the index no longer holds is not in the map.
pub(crate) async fn shown(
    elastic: &Elastic,
    alias: &str,
    ids: &[ImageId],
    within: Duration,
) -> Result<HashMap<ImageId, Shown>, SearchError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut body = by_ids(ids);
    body["_source"] = json!(SHOWN);
    let hits: Vec<Hit<Shown>> = ask(elastic, alias, &body, within).await?;
    Ok(hits
        .into_iter()
        .map(|hit| (hit._source.image_id, hit._source))
        .collect())
}

/// One document, whole, without its vectors; `None` where the index does not hold it.
pub(crate) async fn document(
    elastic: &Elastic,
    alias: &str,
    id: &ImageId,
    within: Duration,
) -> Result<Option<Value>, SearchError> {
    let hits: Vec<Hit<Value>> = ask(elastic, alias, &by_ids(&[*id]), within).await?;
    Ok(hits.into_iter().next().map(|hit| hit._source))
}

/// What a picture of the index is asked with: its vectors of these fields, as far as it has them. `None` where
/// the index does not hold it.
pub(crate) async fn asked(
    elastic: &Elastic,
    alias: &str,
    fields: &[&str],
    id: &ImageId,
    within: Duration,
) -> Result<Option<Asked>, SearchError> {
    const PHASH: &str = "phash";
    let mut wanted = fields.to_vec();
    wanted.push(PHASH);
    let mut body = by_ids(&[*id]);
    // 9.2 leaves vectors out of `_source` unless it is told not to.
    body["_source"] = json!({"exclude_vectors": false, "includes": wanted});
    let hits: Vec<Hit<BTreeMap<String, Value>>> = ask(elastic, alias, &body, within).await?;
    let Some(mut hit) = hits.into_iter().next() else {
        return Ok(None);
    };
    let mut vectors = BTreeMap::new();
    for field in fields {
        if let Some(vector) = hit._source.remove(*field) {
            let vector = serde_json::from_value(vector).map_err(SearchError::internal)?;
            vectors.insert((*field).to_owned(), vector);
        }
    }
    let phash = hit._source.remove(PHASH);
    let phash = phash.and_then(|phash| phash.as_str().map(str::to_owned));
    Ok(Some(Asked { vectors, phash }))
}
