//! The requests to Elasticsearch: the nearest documents of a vector, and one document by its id.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::{ImageId, Rights};
use tusou_platform::elastic::{Elastic, ElasticError};

use crate::error::SearchError;

/// A document that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The index that holds it: an alias may point at another one than a moment ago.
    pub(crate) index: String,
    /// Cosine similarity with the query, −1 to 1.
    pub(crate) cosine: f32,
    /// What an answer shows of it.
    pub(crate) document: Shown,
}

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

/// The `k` documents whose vectors in `field` are nearest to `vector` (any length, not zero), the
/// nearest first.
pub(crate) async fn nearest(
    elastic: &Elastic,
    alias: &str,
    field: &str,
    vector: &[f32],
    k: usize,
) -> Result<Vec<Found>, SearchError> {
    let answer = elastic
        .search(alias, &request(field, vector, k))
        .await
        .map_err(refused)?;
    found(answer)
}

/// The body of [`nearest`].
fn request(field: &str, vector: &[f32], k: usize) -> Value {
    json!({
        "size": k,
        "knn": {"field": field, "query_vector": vector, "k": k, "num_candidates": candidates(k)},
        "_source": SHOWN,
    })
}

/// Candidates that each shard considers. More find more of the true neighbours and take longer.
fn candidates(k: usize) -> usize {
    (k * 5).clamp(100, 1_000)
}

/// One document, whole, without its vectors; `None` where the index does not hold it.
pub(crate) async fn document(
    elastic: &Elastic,
    alias: &str,
    id: &ImageId,
) -> Result<Option<Value>, SearchError> {
    let body = json!({"size": 1, "query": {"ids": {"values": [id]}}});
    let answer = read(elastic.search(alias, &body).await.map_err(refused)?)?;
    Ok(answer.hits.hits.into_iter().next().map(|hit| hit._source))
}

/// The stored vector of one document; `None` where the index does not hold it.
pub(crate) async fn vector(
    elastic: &Elastic,
    alias: &str,
    field: &str,
    id: &ImageId,
) -> Result<Option<Vec<f32>>, SearchError> {
    // 9.2 leaves vectors out of `_source` unless it is told not to.
    let body = json!({
        "size": 1,
        "query": {"ids": {"values": [id]}},
        "_source": {"exclude_vectors": false, "includes": [field]},
    });
    let answer = read(elastic.search(alias, &body).await.map_err(refused)?)?;
    let Some(hit) = answer.hits.hits.into_iter().next() else {
        return Ok(None);
    };
    let mut fields: BTreeMap<String, Vec<f32>> =
        serde_json::from_value(hit._source).map_err(SearchError::internal)?;
    Ok(fields.remove(field))
}

/// The cosine of a score. Elasticsearch gives (1 + cosine) / 2 for `cosine` similarity.
fn cosine(score: f64) -> f32 {
    (2.0 * score - 1.0).clamp(-1.0, 1.0) as f32
}

/// The parts of an answer that are read. Elasticsearch names them so.
#[derive(Debug, Deserialize)]
struct Reply {
    timed_out: bool,
    _shards: Shards,
    hits: Hits,
}

#[derive(Debug, Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Debug, Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Debug, Deserialize)]
struct Hit {
    _index: String,
    #[serde(default)]
    _score: Option<f64>,
    _source: Value,
}

/// Reads an answer; one that lacks the documents of a shard is none.
fn read(answer: Value) -> Result<Reply, SearchError> {
    let reply: Reply = serde_json::from_value(answer).map_err(SearchError::internal)?;
    if reply.timed_out || reply._shards.failed > 0 {
        return Err(SearchError::Away {
            what: "a part of the index",
            cause: format!("{} shards failed", reply._shards.failed).into(),
        });
    }
    Ok(reply)
}

fn found(answer: Value) -> Result<Vec<Found>, SearchError> {
    read(answer)?
        .hits
        .hits
        .into_iter()
        .map(|hit| {
            Ok(Found {
                index: hit._index,
                cosine: cosine(hit._score.unwrap_or_default()),
                document: serde_json::from_value(hit._source).map_err(SearchError::internal)?,
            })
        })
        .collect()
}

fn refused(error: ElasticError) -> SearchError {
    match error {
        ElasticError::Refused { status: 404, .. } => {
            SearchError::IndexNotReady(crate::index::NOTHING_YET.into())
        }
        ElasticError::Away(_) => SearchError::Away {
            what: "the index",
            cause: error.into(),
        },
        other => SearchError::internal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_become_cosines() {
        for (score, expected) in [(1.0, 1.0), (0.5, 0.0), (0.0, -1.0), (0.75, 0.5)] {
            assert_eq!(cosine(score), expected);
        }
        // Rounding in the server may lift a score just above one.
        assert_eq!(cosine(1.000_000_1), 1.0);
    }

    #[test]
    fn the_request_is_as_recorded_and_its_candidates_are_bounded() {
        insta::assert_json_snapshot!(request("image_embedding", &[3.0, -4.0], 20));
        assert_eq!([1, 20, 50, 100].map(candidates), [100, 100, 250, 500]);
    }

    fn reply(timed_out: bool, failed: u64) -> Value {
        json!({"timed_out": timed_out, "_shards": {"failed": failed}, "hits": {"hits": [{
            "_index": "i-1", "_score": 0.9, "_source": {
                "image_id": ImageId::of(b"x"), "image_name": "x.png", "width": 3, "height": 2,
                "format": "png", "sightings": 1, "captions": ["a bird"]},
        }]}})
    }

    #[test]
    fn an_answer_without_a_shard_is_none() {
        let hits = found(reply(false, 0)).expect("whole");
        assert_eq!(hits[0].document.captions, ["a bird"]);
        assert!((hits[0].cosine - 0.8).abs() < 1e-6);
        for answer in [reply(true, 0), reply(false, 1)] {
            assert_eq!(found(answer).expect_err("partial").code(), "unavailable");
        }
    }
}
