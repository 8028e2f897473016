//! The candidates of a search: what may become a hit, with what sorting and grouping need of it. They are many, so each
//! is as little as it can be, in values that Elasticsearch keeps in columns: six of a thousand documents cost about what
//! their ids cost, and ten twice that, so what is only counted is asked for apart.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::ImageId;
use tusou_contract::document::phash_bits;

use super::documents::only;
use super::reply::ask;
use crate::app::App;
use crate::candidates::facets::Traits;
use crate::candidates::{Candidate, MOST};
use crate::error::SearchError;
use crate::metrics::{Step, timed};

/// Candidates, the best first.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The indexes that they are of: an alias may point at another one than a moment ago.
    pub(crate) indexes: BTreeSet<String>,
    pub(crate) list: Vec<Candidate>,
}

/// The [`MOST`] documents whose vectors in `field` are nearest to `vector` (any length, not zero), among those
/// that all of `filters` let through, with their cosines.
pub(crate) async fn by_vector(
    app: &App,
    field: &str,
    vector: &[f32],
    filters: &[Value],
) -> Result<Candidates, SearchError> {
    let body = nearest(field, vector, filters);
    read(timed(Step::Knn, ask(app, &body)).await?, cosine)
}

/// The [`MOST`] documents whose captions say these words best, by BM25: all of two words, three of four.
pub(crate) async fn by_captions(
    app: &App,
    words: &str,
    filters: &[Value],
) -> Result<Candidates, SearchError> {
    let body = said(words, filters);
    read(timed(Step::Captions, ask(app, &body)).await?, |_| None)
}

/// Documents whose perceptual hash has a part in common with one of these, in no order; at most [`MOST`].
pub(crate) async fn by_hash(
    app: &App,
    bands: &[String],
    filters: &[Value],
) -> Result<Candidates, SearchError> {
    let mut clauses = filters.to_vec();
    clauses.push(json!({"terms": {"phash_bands": bands}}));
    let mut body = candidates();
    body["query"] = json!({"bool": {"filter": clauses}});
    read(timed(Step::Hash, ask(app, &body)).await?, |_| None)
}

/// What is counted of the documents with these ids; of one that the index no longer holds, nothing.
pub(crate) async fn traits(app: &App, ids: &[ImageId]) -> Result<Vec<Traits>, SearchError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut body = columns(&[
        "width",
        "height",
        "format",
        "colors",
        "hosts",
        "rights.license",
    ]);
    body["query"] = only(ids);
    let hits: Vec<Hit<TraitColumns>> = timed(Step::Facets, ask(app, &body)).await?;
    hits.into_iter().map(|hit| hit.fields.read()).collect()
}

/// The part of a body that says what is wanted of each candidate.
fn candidates() -> Value {
    columns(&["image_id", "width", "height", "bytes", "phash"])
}

/// The part of a body that asks for columns of at most [`MOST`] documents.
fn columns(names: &[&str]) -> Value {
    let mut columns: Vec<Value> = names.iter().map(|name| json!(name)).collect();
    columns.push(json!({"field": "first_seen", "format": "epoch_millis"}));
    json!({
        "size": MOST,
        // Columns alone: nothing of what is stored document by document is read.
        "_source": false,
        "stored_fields": "_none_",
        "docvalue_fields": columns,
        "track_total_hits": false,
    })
}

/// The body of [`by_vector`].
fn nearest(field: &str, vector: &[f32], filters: &[Value]) -> Value {
    let mut body = candidates();
    body["knn"] = json!({
        "field": field, "query_vector": vector, "k": MOST, "num_candidates": MOST,
    });
    if !filters.is_empty() {
        body["knn"]["filter"] = json!(filters);
    }
    body
}

/// The body of [`by_captions`].
fn said(words: &str, filters: &[Value]) -> Value {
    let mut body = candidates();
    body["query"] = json!({"bool": {
        "must": {"match": {"captions": {"query": words, "minimum_should_match": "2<75%"}}},
        // Scripts without spaces are split into single characters: their order is what says the word.
        "should": {"match_phrase": {"captions": {"query": words, "slop": 1, "boost": 2.0}}},
        "filter": filters,
    }});
    body
}

/// The cosine of a score. Elasticsearch gives (1 + cosine) / 2 for `cosine` similarity.
fn cosine(score: f64) -> Option<f32> {
    Some((2.0 * score - 1.0).clamp(-1.0, 1.0) as f32)
}

#[derive(Debug, Deserialize)]
struct Hit<C> {
    _index: String,
    #[serde(default)]
    _score: Option<f64>,
    fields: C,
}

/// Each a list: a column may hold several values, or none.
#[derive(Debug, Deserialize)]
struct Columns {
    image_id: [ImageId; 1],
    width: [u32; 1],
    height: [u32; 1],
    bytes: [u64; 1],
    first_seen: [String; 1],
    #[serde(default)]
    phash: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct TraitColumns {
    width: [u32; 1],
    height: [u32; 1],
    format: [String; 1],
    first_seen: [String; 1],
    #[serde(default)]
    colors: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(rename = "rights.license", default)]
    license: Vec<String>,
}

fn read(
    hits: Vec<Hit<Columns>>,
    cosine: impl Fn(f64) -> Option<f32>,
) -> Result<Candidates, SearchError> {
    let mut read = Candidates::default();
    for hit in hits {
        let cosine = cosine(hit._score.unwrap_or_default());
        read.list.push(hit.fields.read(cosine)?);
        if !read.indexes.contains(&hit._index) {
            read.indexes.insert(hit._index);
        }
    }
    Ok(read)
}

impl Columns {
    fn read(self, cosine: Option<f32>) -> Result<Candidate, SearchError> {
        Ok(Candidate {
            image_id: self.image_id[0],
            cosine,
            // Whoever puts candidates in order says it.
            relevance: 0.0,
            width: self.width[0],
            height: self.height[0],
            bytes: self.bytes[0],
            first_seen_ms: milliseconds(&self.first_seen)?,
            phash: self.phash.first().and_then(|hash| phash_bits(hash)),
        })
    }
}

impl TraitColumns {
    fn read(self) -> Result<Traits, SearchError> {
        let [format] = self.format;
        Ok(Traits {
            width: self.width[0],
            height: self.height[0],
            format,
            colors: self.colors,
            hosts: self.hosts,
            license: self.license.into_iter().next(),
            first_seen_ms: milliseconds(&self.first_seen)?,
        })
    }
}

fn milliseconds([text]: &[String; 1]) -> Result<i64, SearchError> {
    text.parse().map_err(SearchError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_become_cosines() {
        for (score, expected) in [(1.0, 1.0), (0.5, 0.0), (0.0, -1.0), (0.75, 0.5)] {
            assert_eq!(cosine(score), Some(expected));
        }
        // Rounding in the server may lift a score just above one.
        assert_eq!(cosine(1.000_000_1), Some(1.0));
    }

    #[test]
    fn the_requests_are_as_recorded() {
        let filter = [json!({"term": {"format": "png"}})];
        insta::assert_json_snapshot!(
            "by_vector",
            nearest("image_embedding", &[3.0, -4.0], &filter)
        );
        insta::assert_json_snapshot!("by_captions", said("red bird", &[]));
    }

    #[test]
    fn a_hit_is_read_whole_and_with_the_least() {
        let hits = json!([
            {"_index": "i-1", "_score": 0.9, "fields": {
                "image_id": [ImageId::of(b"x")], "width": [3], "height": [2], "bytes": [9],
                "first_seen": ["1790000000000"], "phash": ["00000000000000ff"]}},
            {"_index": "i-1", "_score": 0.8, "fields": {
                "image_id": [ImageId::of(b"y")], "width": [3], "height": [2], "bytes": [9],
                "first_seen": ["-1"]}},
        ]);
        let hits = serde_json::from_value(hits).expect("hits");
        let Candidates { indexes, list } = read(hits, cosine).expect("whole");
        assert_eq!(indexes.into_iter().collect::<Vec<_>>(), ["i-1"]);
        assert!((list[0].cosine.expect("of a vector") - 0.8).abs() < 1e-6);
        assert_eq!(list[0].phash, Some(255));
        assert_eq!((list[1].first_seen_ms, list[1].phash), (-1, None));
    }

    #[test]
    fn traits_are_read_whole_and_with_the_least() {
        let least = json!({"width": [3], "height": [2], "format": ["png"], "first_seen": ["7"]});
        let mut whole = least.clone();
        whole["colors"] = json!(["red", "blue"]);
        whole["hosts"] = json!(["a.example"]);
        whole["rights.license"] = json!(["https://l.example/by"]);
        let read = |columns| {
            let columns: TraitColumns = serde_json::from_value(columns).expect("columns");
            columns.read().expect("whole")
        };
        let plain = Traits {
            width: 3,
            height: 2,
            format: "png".into(),
            colors: Vec::new(),
            hosts: Vec::new(),
            license: None,
            first_seen_ms: 7,
        };
        assert_eq!(read(least), plain);
        let told = Traits {
            colors: vec!["red".into(), "blue".into()],
            hosts: vec!["a.example".into()],
            license: Some("https://l.example/by".into()),
            ..plain
        };
        assert_eq!(read(whole), told);
    }
}
