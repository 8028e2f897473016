//! Several models a picture: each has its field, one may fail alone, and one that is added later is filled
//! in while the crawl goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tusou_contract::{Document, ImageId, PackManifest};
use tusou_testkit::{Chain, Gallery, Service, World, tusou, wait_for, wait_until};

use crate::generations::{documents, name, only, other_pack, searched, shown};

const LONG: Duration = Duration::from_secs(240);

const COPY: &str = "copy_embedding";

/// The first pack once more under another name, for a field of its own.
fn copy_pack(world: &World) -> PathBuf {
    let first = &world.config.models.packs[0];
    let pack = other_pack(first, world.folder().join("copies"));
    let text = std::fs::read(pack.join("pack.json")).expect("it was written");
    let mut manifest: Value = serde_json::from_slice(&text).expect("it is JSON");
    manifest["name"] = json!("copies");
    manifest["field"] = json!(COPY);
    std::fs::write(pack.join("pack.json"), manifest.to_string()).expect("it can be written");
    pack
}

/// A pack that takes the logarithm of each channel's mean, and so makes no numbers of pictures that are
/// less than half red.
fn partly_pack(world: &World) -> PathBuf {
    let pack = world.folder().join("partly");
    let preprocess = json!({
        "size": 64, "resize_mode": "shortest", "interpolation": "bicubic",
        "mean": [0.5, 0.0, 0.0], "std": [0.5, 0.5, 0.5],
    });
    let (model, preprocess) = (onnx::log_of_means(64), preprocess.to_string().into_bytes());
    let mut manifest = json!({
        "format": 1, "name": "copies", "licence": "CC0-1.0", "dimension": 3, "field": COPY,
        "visual": {"model": "model.onnx", "preprocess": "preprocess.json", "input": "image", "output": "vector"},
        "files": {},
    });
    std::fs::create_dir_all(&pack).expect("the world's folder can be written");
    for (name, bytes) in [("model.onnx", model), ("preprocess.json", preprocess)] {
        // An image's id is the SHA-256 of its bytes, in hex, as the checksum of a file is.
        manifest["files"][name] = json!(ImageId::of(&bytes));
        std::fs::write(pack.join(name), bytes).expect("the world's folder can be written");
    }
    std::fs::write(pack.join("pack.json"), manifest.to_string()).expect("it can be written");
    pack
}

/// A pack of scores, of random weights.
pub(super) fn score_pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/packs/nsfw-like")
}

fn digest(pack: &Path) -> String {
    let text = std::fs::read(pack.join("pack.json")).expect("the pack is there");
    let pack = PackManifest::from_json(&text).expect("the pack is whole");
    pack.digest()
}

/// What `tusou status` says of a model.
async fn model(chain: &Chain, name: &str) -> Value {
    let status = chain.status().await;
    let models = status["models"].as_array().expect("a list");
    let found = models.iter().find(|model| model["model"] == name);
    found.unwrap_or_else(|| panic!("{models:?}")).clone()
}

async fn rows(world: &World, statement: &'static str) -> i64 {
    let count = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    count.expect("the database answers")
}

/// `tusou reconcile --json` with these arguments: its exit code and its report.
async fn reconcile(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["reconcile", "--json"];
    arguments.extend(more);
    let output = tusou(world, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        report.unwrap_or_else(|_| panic!("{said}")),
    )
}

fn find<'a>(documents: &'a [Document], id: &ImageId) -> &'a Document {
    let mut found = documents.iter();
    found
        .find(|document| document.image_id == *id)
        .expect("it is indexed")
}

#[tokio::test]
async fn models_that_are_added_later_are_filled_in_while_the_crawl_goes_on() {
    let gallery = Gallery::open(80, Duration::from_millis(60)).await;
    let mut chain = Chain::start(World::new("further_models").await).await;
    chain.seed(&gallery.site.url("/")).await;
    wait_until(LONG, "some pictures are encoded", async || {
        rows(&chain.world, "SELECT count(*) FROM encodings").await >= 10
    })
    .await;
    let old = searched(&chain.world).await;
    let copies = copy_pack(&chain.world);
    chain.world.config.models.packs.push(copies.clone());
    chain.encoder.terminate().await;
    chain.indexer.terminate().await;
    chain.encoder = Service::spawn(&chain.world, "tusou-encoder").await;
    chain.indexer = Service::spawn(&chain.world, "tusou-indexer").await;
    let before = model(&chain, "copies").await;
    assert_eq!(
        (&before["configured"], &before["indexed"]),
        (&json!(true), &json!(false)),
        "{before}"
    );
    assert!(before["lacking"].as_u64() >= Some(9), "{before}");
    // It failed for one of them, and is not asked for that again.
    let (failing,): (Vec<u8>,) = sqlx::query_as(
        "INSERT INTO model_failures (image_id, digest, model, reason)
         SELECT image_id, $1, 'copies', 'not_finite' FROM encodings
         WHERE failure IS NULL AND NOT EXISTS (SELECT FROM embeddings
             WHERE embeddings.image_id = encodings.image_id AND digest = $1)
         ORDER BY image_id LIMIT 1 RETURNING image_id",
    )
    .bind(digest(&copies))
    .fetch_one(chain.world.pool())
    .await
    .expect("some were encoded before");
    let failing = ImageId::from_digest(&failing).expect("it is an id");

    // Without more words the index gets what is configured.
    chain.tusou(&["index", "create"]).await;
    let building = only(&chain, "building").await;
    assert_eq!(building["models"][0]["model"], "lite", "{building}");
    assert_eq!(building["models"][1]["field"], COPY, "{building}");
    let new = name(&building);
    let said = chain.tusou(&["index", "migrate"]).await;
    assert!(said.contains("failed for 1 images"), "{said}");
    assert_eq!(searched(&chain.world).await, new);
    // Those from before have it already, though the crawl may go on.
    assert_eq!(model(&chain, "copies").await["lacking"], 0);
    chain.done().await;
    for index in [&old, &new] {
        gallery.check(&shown(&chain.world, index).await);
        chain.tusou(&["index", "verify", index]).await;
    }
    let all = documents(&chain.world, &new).await;
    for document in &all {
        let vectors = &document.embeddings;
        let copy = vectors.get(COPY).map(Vec::len);
        let wanted = (document.image_id != failing).then_some(512);
        assert_eq!(copy, wanted, "{}", document.image_id);
        assert_eq!(document.nsfw, None);
    }
    let plain = documents(&chain.world, &old).await;
    assert!(plain.iter().all(|document| document.embeddings.len() == 1));
    let (code, report) = reconcile(&chain.world, &[]).await;
    assert_eq!(
        (code, &report["differences"]),
        (Some(0), &json!(0)),
        "{report:#}"
    );
    assert_eq!(report["indexes"][1]["failed"], 1, "{report:#}");

    // Asked for it, the encoder tries the one again, and forgets that it failed.
    let (code, report) = reconcile(&chain.world, &["--model", "copies"]).await;
    assert_eq!((code, &report["lacking"]["count"]), (Some(0), &json!(0)));
    let again = ["--model", "copies", "--failed", "--repair"];
    let (code, report) = reconcile(&chain.world, &again).await;
    assert_eq!((code, &report["owed"]), (Some(0), &json!(1)), "{report:#}");
    wait_until(LONG, "the model has made it", async || {
        let all = documents(&chain.world, &new).await;
        find(&all, &failing).embeddings.contains_key(COPY)
    })
    .await;
    assert_eq!(
        rows(&chain.world, "SELECT count(*) FROM model_failures").await,
        0
    );

    a_score_is_filled_in(&mut chain, all.len()).await;
    chain.end().await;
}

/// Scores need no new index: every one has their field.
async fn a_score_is_filled_in(chain: &mut Chain, pictures: usize) {
    chain.world.config.models.packs.push(score_pack());
    chain.encoder.terminate().await;
    chain.encoder = Service::spawn(&chain.world, "tusou-encoder").await;
    let world = &chain.world;
    let (code, report) = reconcile(world, &["--model", "nsfw-like"]).await;
    assert_eq!(
        (code, &report["lacking"]["count"]),
        (Some(1), &json!(pictures)),
        "{report:#}"
    );
    let dry = ["--model", "nsfw-like", "--repair", "--dry-run"];
    let (code, report) = wait_for(LONG, "the encoder's queue to be empty", async || {
        let said = reconcile(world, &dry).await;
        (said.1["held_back"] == 0).then_some(said)
    })
    .await;
    assert_eq!(
        (code, &report["owed"]),
        (Some(1), &json!(pictures)),
        "{report:#}"
    );
    let (code, report) = reconcile(world, &["--model", "nsfw-like", "--repair"]).await;
    assert_eq!(
        (code, &report["owed"]),
        (Some(0), &json!(pictures)),
        "{report:#}"
    );
    wait_until(LONG, "every document shows its score", async || {
        let all = world.documents().await;
        all.len() == pictures
            && all.iter().all(|document| {
                document
                    .nsfw
                    .is_some_and(|nsfw| (0.0..=1.0).contains(&nsfw))
            })
    })
    .await;
    let made = model(chain, "nsfw-like").await;
    assert_eq!(
        (&made["made"], &made["lacking"]),
        (&json!(pictures), &json!(0)),
        "{made}"
    );
}

#[tokio::test]
async fn a_model_that_fails_leaves_what_the_others_make() {
    let gallery = Gallery::open(4, Duration::ZERO).await;
    let mut world = World::new("one_model_fails").await;
    let partly = partly_pack(&world);
    world
        .config
        .models
        .packs
        .extend([partly.clone(), score_pack()]);
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    let status = chain.done().await;
    gallery.check(&chain.shown().await);
    let failed: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT image_id, reason FROM model_failures WHERE digest = $1")
            .bind(digest(&partly))
            .fetch_all(chain.world.pool())
            .await
            .expect("the database answers");
    let (pictures, failures) = (gallery.pictures.len(), failed.len());
    // The pictures are always the same: some are redder, some are not.
    assert!((1..pictures).contains(&failures), "{failed:?}");
    for document in chain.world.documents().await {
        assert!(document.nsfw.is_some(), "{}", document.image_id);
        let without = failed
            .iter()
            .any(|(id, _)| id == document.image_id.as_bytes());
        let copy = document.embeddings.contains_key(COPY);
        assert_ne!(copy, without, "{}", document.image_id);
    }
    let made = |name: &str| {
        let models = status["models"].as_array().expect("a list");
        let found = models.iter().find(|model| model["model"] == name);
        let model = found.unwrap_or_else(|| panic!("{models:?}"));
        let failed = model["failed"].as_object().expect("reasons");
        let failed: u64 = failed.values().filter_map(Value::as_u64).sum();
        [&model["made"], &model["lacking"], &json!(failed)].map(Value::clone)
    };
    assert_eq!(made("lite"), [json!(pictures), json!(0), json!(0)]);
    assert_eq!(
        made("copies"),
        [json!(pictures - failures), json!(0), json!(failures)]
    );
    assert_eq!(made("nsfw-like"), [json!(pictures), json!(0), json!(0)]);
    chain.tusou(&["index", "verify"]).await;
    let (code, report) = reconcile(&chain.world, &["--second-look", "1s"]).await;
    assert_eq!(
        (code, &report["differences"]),
        (Some(0), &json!(0)),
        "{report:#}"
    );
    assert_eq!(
        report["indexes"][0]["failed"],
        json!(failures),
        "{report:#}"
    );
    chain.end().await;
}

/// ONNX models as protocol buffers, by the numbers of `onnx.proto3`.
mod onnx {
    /// An opset with every operator that is used here.
    const OPSET: u8 = 13;
    const IR_VERSION: u8 = 8;
    const FLOAT: u8 = 1;

    /// Numbers here are below 128: a byte each.
    fn number(field: u8, value: u8) -> Vec<u8> {
        assert!(value < 0x80, "{value} takes more than a byte");
        vec![field << 3, value]
    }

    fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![field << 3 | 2];
        let mut length = value.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(value);
        out
    }

    fn node(operator: &str, from: &str, to: &str) -> Vec<u8> {
        let parts = [(1, from), (2, to), (4, operator)];
        let parts = parts.map(|(field, text)| bytes(field, text.as_bytes()));
        bytes(1, &parts.concat())
    }

    /// A tensor of f32 of any batch.
    fn tensor(field: u8, name: &str, rest: &[u8]) -> Vec<u8> {
        let batch = bytes(1, &bytes(2, b"batch"));
        let rest = rest.iter().flat_map(|&side| bytes(1, &number(1, side)));
        let shape: Vec<u8> = batch.into_iter().chain(rest).collect();
        let of = [number(1, FLOAT), bytes(2, &shape)].concat();
        let value = [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &of))];
        bytes(field, &value.concat())
    }

    /// `image`, f32 `[batch, 3, side, side]`, to the logarithms of its channels' means in `vector`, f32
    /// `[batch, 3]`: none of a number below 0.
    pub(super) fn log_of_means(side: u8) -> Vec<u8> {
        let graph = [
            node("GlobalAveragePool", "image", "means"),
            node("Flatten", "means", "flat"),
            node("Log", "flat", "vector"),
            bytes(2, b"log_of_means"),
            tensor(11, "image", &[3, side, side]),
            tensor(12, "vector", &[3]),
        ];
        let opset = bytes(8, &number(2, OPSET));
        [number(1, IR_VERSION), bytes(7, &graph.concat()), opset].concat()
    }
}
