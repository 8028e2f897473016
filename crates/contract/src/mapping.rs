//! The index's settings and mapping: strict and versioned. A change of it is a new generation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Bumped with every change of the mapping that [`index_body`] makes. An index of an older version goes on
/// being written, without the fields that its strict mapping does not know ([`since`]).
///
/// Version 2 added `pixels`, `aspect` and `phash_bands`.
pub const MAPPING_VERSION: u32 = 2;

/// The fields that came after version 1, each with the version that brought it.
const LATER_FIELDS: [(&str, u32); 3] = [("pixels", 2), ("aspect", 2), ("phash_bands", 2)];

/// The version of the mapping that brought this field of the document.
pub fn since(field: &str) -> u32 {
    let later = LATER_FIELDS.iter().find(|(name, _)| *name == field);
    later.map_or(1, |(_, version)| *version)
}

/// How long Elasticsearch remembers the version of a deleted document. A late write of an older
/// version is refused that long; none is on its way for more than a few minutes.
const REMEMBER_DELETES: &str = "30m";

/// The files that preloading reads: graphs (`vex`), and vectors quantised to bytes and half-bytes (`veq`) and to
/// bits (`veb`).
const PRELOADED: [&str; 3] = ["vex", "veq", "veb"];

/// The field of the first model, which the article's request names.
pub const IMAGE_EMBEDDING: &str = "image_embedding";

/// A model whose embeddings an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelField {
    /// The document's field: [`IMAGE_EMBEDDING`] for the first model.
    pub field: String,
    /// The model pack's name.
    pub model: String,
    /// The model pack's digest: an index of other digests is refused, even of the same dimension.
    pub digest: String,
    /// Numbers in a vector.
    pub dimension: usize,
}

/// What an index's mapping `_meta` says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexMeta {
    /// [`MAPPING_VERSION`] of the build that made it.
    pub mapping_version: u32,
    /// The models, in the order of configuration.
    pub models: Vec<ModelField>,
}

/// How Elasticsearch keeps the vectors of an index, by its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexType {
    /// A graph over vectors of one byte a number.
    Int8Hnsw,
    /// A graph over whole vectors.
    Hnsw,
    /// A graph over vectors of half a byte a number; takes an even dimension.
    Int4Hnsw,
    /// A graph over vectors of one bit a number; takes 64 dimensions or more.
    BbqHnsw,
    /// Every whole vector is compared.
    Flat,
    /// Every vector is compared, of one byte a number: the type with the least memory that finds .99 of what exact
    /// search finds, for pictures and for words (ADR 10).
    #[default]
    Int8Flat,
    /// Every vector is compared, of one bit a number; takes 64 dimensions or more.
    BbqFlat,
}

impl IndexType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::Int8Hnsw,
        Self::Hnsw,
        Self::Int4Hnsw,
        Self::BbqHnsw,
        Self::Flat,
        Self::Int8Flat,
        Self::BbqFlat,
    ];

    /// Elasticsearch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8Hnsw => "int8_hnsw",
            Self::Hnsw => "hnsw",
            Self::Int4Hnsw => "int4_hnsw",
            Self::BbqHnsw => "bbq_hnsw",
            Self::Flat => "flat",
            Self::Int8Flat => "int8_flat",
            Self::BbqFlat => "bbq_flat",
        }
    }

    /// Whether it is a graph: [`IndexOptions::m`] and [`IndexOptions::ef_construction`] shape it.
    pub fn is_graph(self) -> bool {
        matches!(
            self,
            Self::Int8Hnsw | Self::Hnsw | Self::Int4Hnsw | Self::BbqHnsw
        )
    }

    /// Whether the vectors that are compared first are not the whole ones.
    pub fn is_quantized(self) -> bool {
        !matches!(self, Self::Hnsw | Self::Flat)
    }

    /// What keeps vectors of this dimension out of such an index, if anything does.
    pub fn refuses(self, dimension: usize) -> Option<&'static str> {
        match self {
            Self::Int4Hnsw if !dimension.is_multiple_of(2) => Some("takes an even dimension"),
            Self::BbqHnsw | Self::BbqFlat if dimension < 64 => Some("takes 64 dimensions or more"),
            _ => None,
        }
    }
}

impl fmt::Display for IndexType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No index type has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no index type; there are int8_hnsw, hnsw, int4_hnsw, bbq_hnsw, flat, int8_flat and bbq_flat"
)]
pub struct UnknownIndexType(String);

impl FromStr for IndexType {
    type Err = UnknownIndexType;

    fn from_str(name: &str) -> Result<Self, UnknownIndexType> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownIndexType(name.to_owned()))
    }
}

/// How an index is made; kept with its registration, so that a lost one is made again alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IndexOptions {
    /// How vectors are kept.
    #[serde(rename = "type")]
    pub index_type: IndexType,
    /// Primary shards.
    pub shards: u32,
    /// Replicas of each.
    pub replicas: u32,
    /// Of a graph: the neighbours of each vector.
    #[serde(default = "default_m")]
    pub m: u32,
    /// Of a graph: the candidates looked at while a vector is put into it.
    #[serde(default = "default_ef_construction")]
    pub ef_construction: u32,
    /// Of quantised vectors: how many times the wanted ones are compared again by their whole vectors; 0 for
    /// none.
    #[serde(default = "default_oversample")]
    pub oversample: f32,
    /// Whether graph and quantised vectors are read into memory as soon as the index is opened.
    #[serde(default)]
    pub preload: bool,
}

fn default_m() -> u32 {
    16
}

fn default_ef_construction() -> u32 {
    100
}

fn default_oversample() -> f32 {
    3.0
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            index_type: IndexType::default(),
            shards: 1,
            replicas: 0,
            m: default_m(),
            ef_construction: default_ef_construction(),
            oversample: default_oversample(),
            preload: true,
        }
    }
}

/// Whether Elasticsearch takes this as `oversample`: 0 for none, or 1 to 10.
pub fn is_oversample(factor: f32) -> bool {
    factor == 0.0 || (1.0..=10.0).contains(&factor)
}

/// `type int8_hnsw (m 16, ef_construction 100, oversample 3), shards 1, replicas 0, preloaded`
impl fmt::Display for IndexOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shape = Vec::new();
        if self.index_type.is_graph() {
            shape.push(format!("m {}", self.m));
            shape.push(format!("ef_construction {}", self.ef_construction));
        }
        if self.index_type.is_quantized() {
            shape.push(format!("oversample {}", self.oversample));
        }
        write!(f, "type {}", self.index_type)?;
        if !shape.is_empty() {
            write!(f, " ({})", shape.join(", "))?;
        }
        write!(f, ", shards {}, replicas {}", self.shards, self.replicas)?;
        f.write_str(if self.preload { ", preloaded" } else { "" })
    }
}

/// The body that creates an index of this build's mapping: settings, strict mapping and `_meta`.
pub fn index_body(models: &[ModelField], options: &IndexOptions) -> Value {
    index_body_of(MAPPING_VERSION, models, options)
}

/// The same for an index of an older version, 1 to [`MAPPING_VERSION`]: one that was lost is made again as it
/// was registered.
pub fn index_body_of(version: u32, models: &[ModelField], options: &IndexOptions) -> Value {
    let meta = IndexMeta {
        mapping_version: version,
        models: models.to_vec(),
    };
    let mut properties = json!({
        "image_id": {"type": "keyword"},
        "image_name": {"type": "keyword", "ignore_above": 1024},
        "relative_path": {"type": "keyword", "ignore_above": 1024},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "pixels": {"type": "integer"},
        "aspect": {"type": "float"},
        "bytes": {"type": "long"},
        "format": {"type": "keyword"},
        "phash": {"type": "keyword"},
        "phash_bands": {"type": "keyword"},
        "colors": {"type": "keyword"},
        "nsfw": {"type": "float"},
        "captions": {"type": "text"},
        "hosts": {"type": "keyword", "ignore_above": 256},
        "rights": {"properties": {
            "license": {"type": "keyword", "ignore_above": 2048},
            "creator": {"type": "keyword", "ignore_above": 1024},
            "credit": {"type": "keyword", "ignore_above": 1024},
            "copyright": {"type": "keyword", "ignore_above": 1024},
        }},
        "taken_at": {"type": "date"},
        "first_seen": {"type": "date"},
        "last_seen": {"type": "date"},
        "sightings": {"type": "integer"},
        "rev": {"type": "long"},
    });
    if let Some(fields) = properties.as_object_mut() {
        fields.retain(|field, _| since(field) <= version);
    }
    let mut index_options = json!({"type": options.index_type});
    if options.index_type.is_graph() {
        index_options["m"] = json!(options.m);
        index_options["ef_construction"] = json!(options.ef_construction);
    }
    if options.index_type.is_quantized() {
        // int8 alone misses 4 to 10 % of the true neighbours (docs/performance.md), so the candidates are compared again by
        // their whole vectors. A 0 is said too: `bbq_hnsw` does it by itself otherwise.
        index_options["rescore_vector"] = json!({"oversample": options.oversample});
    }
    for model in models {
        // `cosine` because queries come unnormalised.
        properties[&model.field] = json!({
            "type": "dense_vector", "dims": model.dimension, "index": true, "similarity": "cosine",
            "index_options": index_options,
        });
    }
    let mut settings = json!({
        "number_of_shards": options.shards,
        "number_of_replicas": options.replicas,
        "gc_deletes": REMEMBER_DELETES,
    });
    if options.preload {
        settings["store.preload"] = json!(PRELOADED);
    }
    json!({
        "settings": settings,
        "mappings": {"dynamic": "strict", "_meta": meta, "properties": properties},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> [ModelField; 1] {
        [ModelField {
            field: IMAGE_EMBEDDING.into(),
            model: "lite".into(),
            digest: "d1".into(),
            dimension: 512,
        }]
    }

    #[test]
    fn the_index_body_is_as_recorded() {
        insta::assert_json_snapshot!(index_body(&models(), &IndexOptions::default()));
    }

    #[test]
    fn an_older_index_lacks_the_later_fields_and_nothing_else() {
        let options = IndexOptions::default();
        let [old, new] =
            [1, MAPPING_VERSION].map(|version| index_body_of(version, &models(), &options));
        assert_eq!(old["mappings"]["_meta"]["mapping_version"], 1);
        let fields = |body: &Value| body["mappings"]["properties"].as_object().cloned();
        let (old, mut new) = (
            fields(&old).expect("an object"),
            fields(&new).expect("an object"),
        );
        for (field, _) in LATER_FIELDS {
            assert!(new.remove(field).is_some(), "{field}");
        }
        assert_eq!(old, new);
    }

    #[test]
    fn options_are_told_as_far_as_they_count() {
        let told = |index_type, preload| {
            let options = IndexOptions {
                index_type,
                preload,
                ..IndexOptions::default()
            };
            options.to_string()
        };
        assert_eq!(
            told(IndexType::Int8Hnsw, true),
            "type int8_hnsw (m 16, ef_construction 100, oversample 3), shards 1, replicas 0, preloaded"
        );
        assert_eq!(
            told(IndexType::Flat, false),
            "type flat, shards 1, replicas 0"
        );
    }

    #[test]
    fn whole_vectors_are_not_rescored() {
        for index_type in IndexType::ALL {
            let options = IndexOptions {
                index_type,
                ..IndexOptions::default()
            };
            let body = index_body(&models(), &options);
            let made = &body["mappings"]["properties"][IMAGE_EMBEDDING]["index_options"];
            assert_eq!(made["type"], index_type.name());
            let rescored = made["rescore_vector"].is_object();
            let whole = matches!(index_type, IndexType::Hnsw | IndexType::Flat);
            assert_ne!(rescored, whole, "{index_type}");
            let never = IndexOptions {
                oversample: 0.0,
                ..options
            };
            let body = index_body(&models(), &never);
            let made = &body["mappings"]["properties"][IMAGE_EMBEDDING]["index_options"];
            assert_eq!(
                made["rescore_vector"]["oversample"] == 0.0,
                !whole,
                "{index_type}"
            );
            assert_eq!(index_type.name().parse(), Ok(index_type));
        }
        assert!("ivf".parse::<IndexType>().is_err());
        assert!(IndexType::BbqHnsw.refuses(4).is_some());
        assert!(IndexType::BbqHnsw.refuses(512).is_none());
    }
}
