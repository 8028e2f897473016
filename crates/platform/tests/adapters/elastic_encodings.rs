//! Bulks in every encoding, read back from the real server.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::macros::datetime;
use tusou_contract::document::phash_bands;
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_contract::{Document, ImageFormat, ImageId, Rights};
use tusou_platform::config::{BulkEncoding as Wanted, Elasticsearch};
use tusou_platform::elastic::{BulkEncoding, BulkItem, BulkOutcome, Elastic, ElasticError};
use tusou_testkit::{Reply, Site, World};

const DIMENSION: usize = 512;
const VERSIONS: &str = "/_nodes?filter_path=nodes.*.version";

/// Numbers whose every bit says something: of all sizes, smallest and subnormal ones too.
fn vector(seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    (0..DIMENSION)
        .map(|position| match position % 64 {
            0 => f32::from_bits(number() % 0x0080_0000),
            _ => f32::from_bits(0x3000_0000 | (number() & 0x8EFF_FFFF)),
        })
        .collect()
}

fn document(name: &str, vector: Vec<f32>) -> Document {
    Document {
        image_id: ImageId::of(name.as_bytes()),
        image_name: name.into(),
        relative_path: format!("originals/{name}"),
        width: 640,
        height: 480,
        pixels: Some(307_200),
        aspect: Some(1.333_333_4),
        bytes: 5_000_000_000,
        format: ImageFormat::Png,
        phash: Some("00ff00ff00ff00ff".into()),
        phash_bands: phash_bands("00ff00ff00ff00ff"),
        colors: vec!["red".into()],
        nsfw: Some(0.1),
        captions: vec![
            "зимородок".into(),
            "a kingfisher, as long as it is: ".repeat(9),
        ],
        hosts: vec!["example.org".into()],
        rights: Rights {
            license: Some("https://example.org/by".into()),
            ..Rights::default()
        },
        taken_at: None,
        first_seen: datetime!(2026-11-01 12:00 UTC),
        last_seen: datetime!(2026-11-02 12:00 UTC),
        sightings: 3,
        rev: 1 << 40,
        embeddings: BTreeMap::from([(IMAGE_EMBEDDING.to_owned(), vector)]),
    }
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|number| number.to_bits()).collect()
}

async fn index(world: &World) -> (Elastic, String) {
    let elastic = world.elastic();
    let index = format!("{}-a", world.name());
    let models = [ModelField {
        field: IMAGE_EMBEDDING.into(),
        model: "test".into(),
        digest: "d".into(),
        dimension: DIMENSION,
    }];
    let mut body = index_body(&models, &IndexOptions::default());
    // Else a vector is told as it is indexed: brought to length one, and back.
    body["settings"]["index.mapping.exclude_source_vectors"] = json!(false);
    let created = elastic.create_index(&index, &body).await;
    assert!(created.expect("Elasticsearch is there"));
    (elastic, index)
}

fn item(index: &str, document: &Document, encoding: BulkEncoding) -> BulkItem {
    BulkItem {
        index: index.to_owned(),
        id: document.image_id.to_string(),
        version: document.rev,
        source: Some(encoding.document(document)),
    }
}

async fn stored(elastic: &Elastic, index: &str) -> Vec<Document> {
    elastic.refresh(index).await.expect("refreshed");
    let body = json!({
        "query": {"match_all": {}}, "sort": ["image_name"], "size": 100,
        "_source": {"exclude_vectors": false},
    });
    let answer = elastic.search(index, &body).await.expect("a search");
    let hits = answer["hits"]["hits"].as_array().expect("hits").iter();
    hits.map(|hit| serde_json::from_value(hit["_source"].clone()).expect("a document"))
        .collect()
}

#[tokio::test]
async fn every_encoding_arrives_bit_for_bit() {
    let world = World::new("elastic_encodings").await;
    let (elastic, index) = index(&world).await;
    for (count, encoding) in [BulkEncoding::Json, BulkEncoding::Smile]
        .into_iter()
        .enumerate()
    {
        let documents: Vec<Document> = (0..20)
            .map(|number| {
                let name = format!("{count}-{number:02}");
                document(&name, vector(number + 1))
            })
            .collect();
        let items: Vec<_> = documents
            .iter()
            .map(|one| item(&index, one, encoding))
            .collect();
        let outcomes = elastic.bulk(&items).await.expect("Elasticsearch is there");
        assert_eq!(outcomes, vec![BulkOutcome::Written; 20], "{encoding:?}");
        let stored = stored(&elastic, &index).await;
        let found = &stored[count * 20..];
        assert_eq!(found.len(), 20);
        for (found, sent) in found.iter().zip(&documents) {
            let (found_bits, sent_bits) = (
                bits(&found.embeddings[IMAGE_EMBEDDING]),
                bits(&sent.embeddings[IMAGE_EMBEDDING]),
            );
            assert_eq!(found_bits, sent_bits, "{encoding:?}");
            assert_eq!(found, sent, "{encoding:?}");
        }
        // Deletes go along in the same body, and one bad document spoils nothing.
        let mut no_number = document("bad", vector(1));
        no_number
            .embeddings
            .get_mut(IMAGE_EMBEDDING)
            .expect("there")[7] = f32::NAN;
        let mut short = document("short", vector(1));
        short
            .embeddings
            .get_mut(IMAGE_EMBEDDING)
            .expect("there")
            .pop();
        let mut gone = item(&index, &documents[0], encoding);
        gone.source = None;
        gone.version += 1;
        let items = [
            item(&index, &no_number, encoding),
            gone,
            item(&index, &short, encoding),
            item(&index, &documents[0], encoding),
            item(&index, &documents[1], encoding),
        ];
        let outcomes = elastic.bulk(&items).await.expect("Elasticsearch is there");
        assert!(
            matches!(outcomes[0], BulkOutcome::Refused { status: 400, .. }),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[1], BulkOutcome::Written);
        assert!(
            matches!(outcomes[2], BulkOutcome::Conflict { .. }),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[3], BulkOutcome::Superseded);
        assert_eq!(outcomes[4], BulkOutcome::Written);
        // For the next one to be counted from the same place.
        let mut again = item(&index, &documents[0], encoding);
        again.version += 2;
        elastic
            .bulk(&[again])
            .await
            .expect("Elasticsearch is there");
    }
    world.end().await;
}

#[tokio::test]
async fn the_encoding_is_what_the_server_takes_unless_a_setting_says_otherwise() {
    let world = World::new("elastic_encoding").await;
    // 9.2 takes no packed vectors.
    let encoding = world.elastic().bulk_encoding().await.expect("an answer");
    assert_eq!(encoding, BulkEncoding::Smile);
    for (wanted, expected) in [
        (Wanted::Json, BulkEncoding::Json),
        (Wanted::Smile, BulkEncoding::Smile),
    ] {
        let mut config = world.config.elasticsearch.clone();
        config.bulk_encoding = wanted;
        let elastic = Elastic::new(&config).expect("a client");
        assert_eq!(
            elastic.bulk_encoding().await.expect("no question"),
            expected
        );
    }
    let mixed = [BulkEncoding::Json, BulkEncoding::Smile]
        .map(|encoding| item("nowhere", &document("a", vector(1)), encoding));
    let error = world.elastic().bulk(&mixed).await.expect_err("refused");
    assert!(
        matches!(error, ElasticError::Mixed("json", "smile")),
        "{error}"
    );
    world.end().await;
}

/// No server of 9.3 can be had here: what is asked, what an answer means, and how a body is written is the same.
#[tokio::test]
async fn from_9_3_on_vectors_are_packed_and_the_version_is_asked_once() {
    let site = Site::start().await;
    let config = Elasticsearch {
        url: site.url(""),
        ..Elasticsearch::default()
    };
    let nodes = |versions: &[&str]| {
        let nodes = versions
            .iter()
            .map(|version| json!({"version": version}))
            .enumerate();
        let nodes: BTreeMap<String, Value> = nodes.map(|(n, node)| (n.to_string(), node)).collect();
        Reply::bytes("application/json", json!({"nodes": nodes}).to_string())
    };
    site.put(VERSIONS, Reply::status(503));
    let elastic = Elastic::new(&config).expect("a client");
    // Not known is not the same as old.
    assert!(matches!(
        elastic.bulk_encoding().await,
        Err(ElasticError::Away(_))
    ));
    let before = site.hits(VERSIONS);
    site.put(VERSIONS, nodes(&["9.3.1", "9.4.0"]));
    for elastic in [elastic.clone(), elastic] {
        let encoding = elastic.bulk_encoding().await.expect("an answer");
        assert_eq!(encoding, BulkEncoding::Base64);
    }
    assert_eq!(site.hits(VERSIONS), before + 1);

    // In the middle of an upgrade; and where the user may not look.
    for reply in [nodes(&["9.3.1", "9.2.4"]), Reply::status(403)] {
        site.put(VERSIONS, reply);
        let elastic = Elastic::new(&config).expect("a client");
        let encoding = elastic.bulk_encoding().await.expect("an answer");
        assert_eq!(encoding, BulkEncoding::Smile);
    }
    let sent = BulkEncoding::Base64.document(&document("a", vector(1)));
    assert!(
        sent.len()
            < BulkEncoding::Smile
                .document(&document("a", vector(1)))
                .len()
    );
}
