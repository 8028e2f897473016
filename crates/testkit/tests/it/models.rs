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
fn copy_pack(world: &World, change: impl FnOnce(&Path, &mut Value)) -> PathBuf {
    let first = &world.config.models.packs[0];
    let pack = other_pack(first, world.folder().join("copies"));
    let text = std::fs::read(pack.join("pack.json")).expect("it was written");
    let mut manifest: Value = serde_json::from_slice(&text).expect("it is JSON");
    manifest["name"] = json!("copies");
    manifest["field"] = json!(COPY);
    change(&pack, &mut manifest);
    std::fs::write(pack.join("pack.json"), manifest.to_string()).expect("it can be written");
    pack
}

/// A pack of scores, of random weights.
fn score_pack() -> PathBuf {
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
    let copies = copy_pack(&chain.world, |_, _| ());
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
    // Pixels are divided by next to nothing: its numbers are beyond all bounds.
    let broken = copy_pack(&world, |pack, manifest| {
        let file = "visual/preprocess_cfg.json";
        let text = std::fs::read(pack.join(file)).expect("it was copied");
        let mut preprocess: Value = serde_json::from_slice(&text).expect("it is JSON");
        preprocess["std"] = json!([1e-38, 1e-38, 1e-38]);
        let text = preprocess.to_string();
        manifest["files"][file] = json!(ImageId::of(text.as_bytes()));
        std::fs::write(pack.join(file), text).expect("it can be written");
    });
    world.config.models.packs.extend([broken, score_pack()]);
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    let status = chain.done().await;
    gallery.check(&chain.shown().await);
    for document in chain.world.documents().await {
        assert!(document.nsfw.is_some(), "{}", document.image_id);
        assert!(!document.embeddings.contains_key(COPY));
    }
    let pictures = gallery.pictures.len();
    let made = |name: &str| {
        let models = status["models"].as_array().expect("a list");
        let found = models.iter().find(|model| model["model"] == name);
        let model = found.unwrap_or_else(|| panic!("{models:?}"));
        let failed = model["failed"].as_object().expect("reasons");
        let failed: u64 = failed.values().filter_map(Value::as_u64).sum();
        [&model["made"], &model["lacking"], &json!(failed)].map(Value::clone)
    };
    assert_eq!(made("lite"), [json!(pictures), json!(0), json!(0)]);
    assert_eq!(made("copies"), [json!(0), json!(0), json!(pictures)]);
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
        json!(pictures),
        "{report:#}"
    );
    chain.end().await;
}
