//! Documents by their ids: what an answer shows of them, and what a picture of the index is asked with.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::{ImageId, Rights};

use super::reply::ask;
use crate::app::App;
use crate::error::SearchError;
use crate::metrics::{Step, timed};

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
    /// Its vector of the field that was asked for.
    pub(crate) vector: Option<Vec<f32>>,
    /// Its perceptual hash, 16 hex digits.
    pub(crate) phash: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Hit<S> {
    _source: S,
}

/// The query for the documents with these ids.
pub(super) fn only(ids: &[ImageId]) -> Value {
    json!({"constant_score": {"filter": {"ids": {"values": ids}}}})
}

fn by_ids(ids: &[ImageId]) -> Value {
    json!({
        "size": ids.len(),
        "query": only(ids),
        "track_total_hits": false,
    })
}

/// What an answer shows of these documents; one that the index no longer holds is not in the map.
pub(crate) async fn shown(
    app: &App,
    ids: &[ImageId],
) -> Result<HashMap<ImageId, Shown>, SearchError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut body = by_ids(ids);
    body["_source"] = json!(SHOWN);
    let hits: Vec<Hit<Shown>> = timed(Step::Documents, ask(app, &body)).await?;
    Ok(hits
        .into_iter()
        .map(|hit| (hit._source.image_id, hit._source))
        .collect())
}

/// One document, whole, without its vectors; `None` where the index does not hold it.
pub(crate) async fn document(app: &App, id: &ImageId) -> Result<Option<Value>, SearchError> {
    let hits: Vec<Hit<Value>> = ask(app, &by_ids(&[*id])).await?;
    Ok(hits.into_iter().next().map(|hit| hit._source))
}

/// What a picture of the index is asked with: its vector of this field, where it has one. `None` where the index
/// does not hold it.
pub(crate) async fn asked(
    app: &App,
    field: &str,
    id: &ImageId,
) -> Result<Option<Asked>, SearchError> {
    const PHASH: &str = "phash";
    let mut body = by_ids(&[*id]);
    // 9.2 leaves vectors out of `_source` unless it is told not to.
    body["_source"] = json!({"exclude_vectors": false, "includes": [field, PHASH]});
    let hits: Vec<Hit<BTreeMap<String, Value>>> = timed(Step::Documents, ask(app, &body)).await?;
    let Some(mut hit) = hits.into_iter().next() else {
        return Ok(None);
    };
    let vector = hit._source.remove(field).map(serde_json::from_value);
    let phash = hit._source.remove(PHASH);
    Ok(Some(Asked {
        vector: vector.transpose().map_err(SearchError::internal)?,
        phash: phash.and_then(|phash| phash.as_str().map(str::to_owned)),
    }))
}
