//! Indexes are replaced, gone back to, lost and built anew while the crawl and searches go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tusou_contract::{Document, ImageId};
use tusou_testkit::{Chain, Gallery, Service, Shown, World, tusou, wait_until};

const LONG: Duration = Duration::from_secs(240);

/// Searches that follow each other until they are stopped.
struct Searches {
    stopped: Arc<AtomicBool>,
    task: JoinHandle<(u64, Vec<String>)>,
}

impl Searches {
    /// Each must be answered with `hits` hits.
    fn begin(url: String, hits: usize) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        let task = tokio::spawn(async move {
            let (mut asked, mut wrong) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) {
                match search(&url).await {
                    Ok(found) if found.len() == hits => {}
                    Ok(found) => wrong.push(format!("search {asked} found {}", found.len())),
                    Err(error) => wrong.push(format!("search {asked}: {error}")),
                }
                asked += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (asked, wrong)
        });
        Self { stopped, task }
    }

    /// How many there were; panics where one failed or was short.
    async fn end(self) -> u64 {
        self.stopped.store(true, Ordering::Relaxed);
        let (asked, wrong) = self.task.await.expect("searching does not panic");
        assert!(
            wrong.is_empty(),
            "{} of {asked} searches: {wrong:?}",
            wrong.len()
        );
        asked
    }
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client.build().expect("a plain client can be made")
}

/// The ids of the hits, or what the service said instead.
async fn search(url: &str) -> Result<Vec<String>, String> {
    let answer = client().get(url).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    let hits = answer["hits"].as_array().filter(|_| status.is_success());
    let hits = hits.ok_or_else(|| format!("{status}: {answer}"))?;
    Ok(hits
        .iter()
        .filter_map(|hit| hit["image_id"].as_str().map(str::to_owned))
        .collect())
}

fn query(service: &Service, k: usize) -> String {
    service.url(&format!("/v1/search?q=a+red+square&k={k}"))
}

pub(super) async fn searched(world: &World) -> String {
    let alias = &world.config.elasticsearch.alias;
    let mut behind = world.elastic().alias(alias).await.expect("it answers");
    assert_eq!(behind.len(), 1, "{behind:?}");
    behind.remove(0)
}

/// The one index that `tusou index list` shows in this state.
pub(super) async fn only(chain: &Chain, state: &str) -> Value {
    let text = chain.tusou(&["index", "list", "--json"]).await;
    let list: Vec<Value> = serde_json::from_str(&text).expect("it prints JSON");
    let mut found = list.into_iter().filter(|index| index["state"] == state);
    let index = found.next().expect("there is one");
    assert!(found.next().is_none(), "{text}");
    index
}

pub(super) fn name(index: &Value) -> String {
    index["index"].as_str().expect("it has a name").to_owned()
}

/// What one index holds, whether or not the alias points at it.
pub(super) async fn documents(world: &World, index: &str) -> Vec<Document> {
    let elastic = world.elastic();
    elastic.refresh(index).await.expect("the index is there");
    let body = json!({
        "size": 1_000, "query": {"match_all": {}}, "_source": {"exclude_vectors": false},
    });
    let mut answer = elastic.search(index, &body).await.expect("it answers");
    let Value::Array(hits) = answer["hits"]["hits"].take() else {
        panic!("a search answers with hits");
    };
    hits.into_iter()
        .map(|mut hit| serde_json::from_value(hit["_source"].take()).expect("it is a document"))
        .collect()
}

pub(super) async fn shown(world: &World, index: &str) -> BTreeMap<ImageId, Shown> {
    let documents = documents(world, index).await;
    documents
        .into_iter()
        .map(|document| (document.image_id, Shown::from(document)))
        .collect()
}

#[tokio::test]
async fn an_index_is_replaced_while_the_crawl_and_searches_go_on() {
    const HITS: usize = 30;
    let gallery = Gallery::open(120, Duration::from_millis(60)).await;
    let chain = Chain::start(World::new("generations").await).await;
    let service = Service::spawn(&chain.world, "tusou-search").await;
    chain.seed(&gallery.site.url("/")).await;
    let url = query(&service, HITS);
    wait_until(LONG, "enough is found", async || {
        search(&url).await.is_ok_and(|hits| hits.len() == HITS)
    })
    .await;
    let searches = Searches::begin(url, HITS);
    let old = searched(&chain.world).await;

    // Nothing is made, sent or moved by a dry run.
    chain
        .tusou(&["index", "create", "--type", "hnsw", "--dry-run"])
        .await;
    chain.tusou(&["index", "create", "--type", "hnsw"]).await;
    let building = only(&chain, "building").await;
    assert_eq!(building["settings"]["type"], "hnsw");
    let new = name(&building);
    chain.tusou(&["index", "migrate", "--dry-run"]).await;
    assert_eq!(searched(&chain.world).await, old);
    let said = chain.tusou(&["index", "migrate"]).await;
    assert!(said.contains(&new), "{said}");
    assert_eq!(searched(&chain.world).await, new);
    let mapping = chain.world.elastic().mapping(&new).await;
    let mapping = mapping.expect("it answers").expect("it is there");
    let field = &mapping[&new]["mappings"]["properties"]["image_embedding"];
    assert_eq!(field["index_options"]["type"], "hnsw");

    // Both are written to the crawl's end, so either can be searched.
    chain.done().await;
    for index in [&old, &new] {
        gallery.check(&shown(&chain.world, index).await);
        chain.tusou(&["index", "verify", index]).await;
    }
    chain.tusou(&["index", "rollback"]).await;
    assert_eq!(searched(&chain.world).await, old);
    let refused = tusou(&chain.world, &["index", "drop", &old]).await;
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("tusou index migrate"), "{words}");
    let none = tusou(&chain.world, &["index", "rollback"]).await;
    assert!(!none.status.success(), "nothing is older");
    chain.tusou(&["index", "drop", &new, "--dry-run"]).await;
    chain.tusou(&["index", "migrate", &new]).await;
    chain.tusou(&["index", "drop", &old]).await;
    let gone = chain.world.elastic().mapping(&old).await;
    assert_eq!(gone.expect("it answers"), None);

    // What changes goes to the one that is left.
    gallery
        .site
        .html("/", "<img src=/own/0.jpg alt=\"only this\">");
    let root = gallery.site.url("/");
    chain.tusou(&["recrawl", &root]).await;
    let first = ImageId::of(&tusou_testkit::pictures::jpeg(1));
    wait_until(LONG, "the change is shown", async || {
        let shown = shown(&chain.world, &new).await;
        shown[&first].captions.contains("only this")
    })
    .await;
    assert!(searches.end().await > 0);
    drop(service);
    chain.end().await;
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_by_one_command_without_encoding() {
    let gallery = Gallery::open(20, Duration::ZERO).await;
    let chain = Chain::start(World::new("rebuild").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let index = searched(&chain.world).await;
    let encoded = chain.encoder.metric("encoder_images_total").await;
    assert!(encoded >= 21.0, "{encoded}");

    let elastic = chain.world.elastic();
    assert!(elastic.delete_index(&index).await.expect("it answers"));
    let missing = tusou(&chain.world, &["index", "verify", &index]).await;
    assert!(!missing.status.success());
    let words = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(words.contains("tusou index rebuild"), "{words}");
    chain.tusou(&["index", "rebuild"]).await;
    assert_eq!(searched(&chain.world).await, index);
    gallery.check(&chain.shown().await);
    assert_eq!(
        chain.encoder.metric("encoder_images_total").await,
        encoded,
        "nothing is encoded again"
    );
    // A second time there is nothing to do.
    let said = chain.tusou(&["index", "rebuild"]).await;
    assert!(said.contains(" 0 sent"), "{said}");

    // Documents that somebody took out are found to be missing and brought back.
    let taken = gallery.pictures.keys().next().expect("it has pictures");
    let server = chain.world.config.elasticsearch.url.trim_end_matches('/');
    let answer = client()
        .delete(format!("{server}/{index}/_doc/{taken}"))
        .send()
        .await
        .expect("it answers");
    assert!(answer.status().is_success(), "{answer:?}");
    let broken = tusou(&chain.world, &["index", "verify"]).await;
    assert!(!broken.status.success());
    chain.tusou(&["index", "rebuild"]).await;
    gallery.check(&chain.shown().await);
    chain.end().await;
}

/// The same model as another pack: one of its files has other bytes and the same meaning.
pub(super) fn other_pack(from: &Path, to: PathBuf) -> PathBuf {
    for folder in ["visual", "textual"] {
        std::fs::create_dir_all(to.join(folder)).expect("the world's folder can be written");
    }
    let manifest = std::fs::read(from.join("pack.json")).expect("the pack is whole");
    let mut manifest: Value = serde_json::from_slice(&manifest).expect("it is JSON");
    let files = manifest["files"].as_object().expect("it names its files");
    for file in files.keys() {
        std::fs::copy(from.join(file), to.join(file)).expect("the file is there");
    }
    let changed = "visual/preprocess_cfg.json";
    let mut text = std::fs::read(to.join(changed)).expect("it was copied");
    text.extend_from_slice(b"\n \n");
    std::fs::write(to.join(changed), &text).expect("the world's folder can be written");
    // An image's id is the SHA-256 of its bytes, in hex, as the checksum of a file is.
    manifest["files"][changed] = json!(ImageId::of(&text));
    manifest["name"] = json!("other");
    let text = manifest.to_string();
    std::fs::write(to.join("pack.json"), text).expect("the world's folder can be written");
    to
}

#[tokio::test]
async fn a_new_model_is_encoded_beside_the_old_one_and_then_searched() {
    const HITS: usize = 10;
    let gallery = Gallery::open(16, Duration::ZERO).await;
    let mut chain = Chain::start(World::new("new_model").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let old = searched(&chain.world).await;

    let first = chain.world.config.models.packs[0].clone();
    let pack = other_pack(&first, chain.world.folder().join("other"));
    let folder = pack
        .to_str()
        .expect("a temporary folder is UTF-8")
        .to_owned();
    let early = tusou(&chain.world, &["index", "create", "--packs", &folder]).await;
    let words = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        !early.status.success() && words.contains("models.packs"),
        "nothing would encode for it: {words}"
    );
    chain.world.config.models.packs.push(pack);
    chain.encoder.terminate().await;
    chain.indexer.terminate().await;
    chain.encoder = Service::spawn(&chain.world, "tusou-encoder").await;
    chain.indexer = Service::spawn(&chain.world, "tusou-indexer").await;
    let service = Service::spawn(&chain.world, "tusou-search").await;
    let url = query(&service, HITS);
    let before = search(&url).await.expect("it answers");
    let searches = Searches::begin(url.clone(), HITS);

    chain.tusou(&["index", "create", "--packs", &folder]).await;
    let building = only(&chain, "building").await;
    assert_eq!(building["models"][0]["model"], "other");
    assert_eq!(building["models"][0]["field"], "image_embedding");
    let new = name(&building);
    chain.tusou(&["index", "migrate"]).await;
    assert_eq!(searched(&chain.world).await, new);
    assert!(chain.encoder.metric("encoder_images_total").await >= 17.0);
    gallery.check(&shown(&chain.world, &new).await);

    // Searches are answered by the new one's model, also when the old index is gone.
    chain.tusou(&["index", "drop", &old]).await;
    let after = search(&url).await.expect("it answers");
    assert!(searches.end().await > 0);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(after), sorted(before), "it is the same model");
    let vectors = documents(&chain.world, &new).await;
    let stored: i64 = sqlx::query_scalar("SELECT count(DISTINCT digest) FROM embeddings")
        .fetch_one(chain.world.pool())
        .await
        .expect("the database answers");
    assert_eq!((vectors.len(), stored), (17, 2));
    drop(service);
    chain.end().await;
}
