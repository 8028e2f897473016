//! An index of one type: loaded, asked, weighed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_platform::elastic::{BulkItem, BulkOutcome};
use tusou_testkit::World;

use crate::documents::document;
use crate::search::load::percentile;
use crate::search::vectors::Rows;

pub(super) const K: usize = 10;
const CANDIDATES: usize = 100;
const BULK: usize = 500;
const BULKS_AT_ONCE: usize = 2;
/// Merges have come to rest when nothing has changed so long.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: usize = 3;
/// Merging takes minutes at its worst.
const LIMIT: Duration = Duration::from_secs(600);

/// A loaded index.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    world: &'a World,
    client: reqwest::Client,
    url: String,
    pub(crate) name: String,
    numbers: HashMap<String, usize>,
    /// From the first bulk until all is searchable and merges have come to rest.
    pub(super) loading: Duration,
}

/// What an index takes, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) segments: u64,
    pub(super) disk: u64,
    /// What is read of every search: the graph and the vectors that are compared first.
    pub(super) resident: u64,
    /// Whole vectors, by Elasticsearch's own count.
    pub(super) whole: u64,
}

/// The answers of one set of queries.
#[derive(Debug)]
pub(super) struct Answers {
    /// For each query, the numbers of the vectors found.
    pub(super) found: Vec<Vec<usize>>,
    /// For each query, milliseconds.
    times: Vec<f64>,
}

impl Answers {
    /// The time in the middle of these and others.
    pub(super) fn p50(&self, others: &Self) -> f64 {
        percentile(&[&self.times[..], &others.times].concat(), 0.5)
    }
}

#[derive(Deserialize)]
struct Found {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
}

impl<'a> Index<'a> {
    /// Makes an index of that name and writes every vector into it, as the indexer does: whole documents, bulks of
    /// 500, two at once.
    pub(crate) async fn load(
        world: &'a World,
        name: &str,
        model: &ModelField,
        options: &IndexOptions,
        vectors: &Rows,
    ) -> anyhow::Result<Self> {
        let config = &world.config.elasticsearch;
        let (elastic, name) = (world.elastic(), format!("{}-{name}", config.alias));
        let body = index_body(std::slice::from_ref(model), options);
        elastic.create_index(&name, &body).await?;
        let encoding = elastic.bulk_encoding().await?;
        let started = Instant::now();
        let bulks = (0..vectors.count()).step_by(BULK).map(|first| {
            let (elastic, name) = (elastic.clone(), name.clone());
            let numbers = first..vectors.count().min(first + BULK);
            async move {
                let items = numbers.map(|number| {
                    let document = document(number as u64, vectors.row(number).to_vec());
                    let item = BulkItem {
                        index: name.clone(),
                        id: document.image_id.to_string(),
                        version: document.rev,
                        source: Some(encoding.document(&document)),
                    };
                    (item, number)
                });
                let (items, numbers): (Vec<_>, Vec<_>) = items.unzip();
                let outcomes = elastic.bulk(&items).await?;
                let written = outcomes.iter().all(|one| *one == BulkOutcome::Written);
                ensure!(written, "not all was written: {:?}", outcomes.first());
                Ok(items.into_iter().map(|item| item.id).zip(numbers).collect())
            }
        });
        let ids: Vec<Vec<(String, usize)>> = stream::iter(bulks)
            .buffer_unordered(BULKS_AT_ONCE)
            .try_collect()
            .await?;
        elastic.refresh(&name).await?;
        let mut index = Self {
            world,
            client: reqwest::Client::builder().no_proxy().build()?,
            url: config.url.trim_end_matches('/').to_owned(),
            name,
            numbers: ids.into_iter().flatten().collect(),
            loading: Duration::ZERO,
        };
        let settled = index.settle().await?;
        index.loading = settled - started;
        Ok(index)
    }

    /// Waits until no merge runs and none begins: when that was.
    async fn settle(&self) -> anyhow::Result<Instant> {
        let started = Instant::now();
        let (mut before, mut since, mut looks) = (None, started, 0);
        while looks < LOOKS {
            ensure!(started.elapsed() < LIMIT, "merges do not end");
            let stats = self.stats("merge,segments").await?;
            let merges = &stats["merges"];
            let now = (merges["total"].clone(), stats["segments"]["count"].clone());
            if merges["current"] == 0 && before.as_ref() == Some(&now) {
                looks += 1;
            } else {
                (before, since, looks) = (Some(now), Instant::now(), 0);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.world.elastic().refresh(&self.name).await?;
        Ok(since)
    }

    /// Merges all into one segment: how long it took.
    pub(super) async fn merge(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.send(
            reqwest::Method::POST,
            "_forcemerge?max_num_segments=1",
            None,
        )
        .await?;
        self.world.elastic().refresh(&self.name).await?;
        let took = started.elapsed();
        self.settle().await?;
        Ok(took)
    }

    /// Asks the first so many queries one by one, with that oversampling or the mapping's.
    pub(super) async fn ask(
        &self,
        queries: &Rows,
        count: usize,
        oversample: Option<f32>,
    ) -> anyhow::Result<Answers> {
        let body = |query: &[f32]| {
            let mut knn = json!({
                "field": IMAGE_EMBEDDING, "query_vector": query, "k": K, "num_candidates": CANDIDATES,
            });
            if let Some(oversample) = oversample {
                knn["rescore_vector"] = json!({"oversample": oversample});
            }
            json!({"knn": knn, "size": K, "_source": false}).to_string()
        };
        let (mut found, mut times) = (Vec::new(), Vec::new());
        for query in queries.iter().take(count) {
            let body = body(query);
            let started = Instant::now();
            let answer = self
                .send(reqwest::Method::POST, "_search", Some(body))
                .await?;
            times.push(started.elapsed().as_secs_f64() * 1_000.0);
            let answer: Found = serde_json::from_slice(&answer)?;
            let numbers = answer.hits.hits.iter().map(|hit| {
                let number = self.numbers.get(&hit.id).copied();
                number.with_context(|| format!("{} was never written", hit.id))
            });
            found.push(numbers.collect::<anyhow::Result<_>>()?);
        }
        Ok(Answers { found, times })
    }

    /// What it takes now.
    pub(super) async fn weight(&self) -> anyhow::Result<Weight> {
        let stats = self.stats("store,segments,dense_vector").await?;
        let bytes = |part: &str| {
            let off_heap = &stats["dense_vector"]["off_heap"];
            off_heap[format!("total_{part}_size_bytes")]
                .as_u64()
                .unwrap_or(0)
        };
        let (graph, quantized, whole) = (bytes("vex"), bytes("veq") + bytes("veb"), bytes("vec"));
        let compared = if quantized > 0 { quantized } else { whole };
        Ok(Weight {
            segments: stats["segments"]["count"].as_u64().unwrap_or(0),
            disk: stats["store"]["size_in_bytes"].as_u64().unwrap_or(0),
            resident: graph + compared,
            whole,
        })
    }

    /// Takes it away.
    pub(super) async fn delete(self) -> anyhow::Result<()> {
        self.world.elastic().delete_index(&self.name).await?;
        Ok(())
    }

    async fn stats(&self, metrics: &str) -> anyhow::Result<Value> {
        let path = format!("_stats/{metrics}");
        let answer = self.send(reqwest::Method::GET, &path, None).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["_all"]["primaries"].take())
    }

    /// A bare request.
    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<bytes::Bytes> {
        let url = format!("{}/{}/{path}", self.url, self.name);
        let config = &self.world.config.elasticsearch;
        let mut request = self.client.request(method, url);
        if !config.username.is_empty() {
            request = request.basic_auth(&config.username, Some(&config.password));
        }
        if let Some(body) = body {
            let json = (reqwest::header::CONTENT_TYPE, "application/json");
            request = request.header(json.0, json.1).body(body);
        }
        let answer = request.send().await?;
        let (status, bytes) = (answer.status(), answer.bytes().await?);
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }
}
