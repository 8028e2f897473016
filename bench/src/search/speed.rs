//! How fast the service answers, beside the bare request to Elasticsearch; and what it does when it is asked far
//! too much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tusou_contract::ImageId;
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions};
use tusou_testkit::{Service, World};

use super::load::{self, Load, closed, open, percentile};
use super::recall::index::Index;
use super::rows;
use super::vectors::sources::stamps_folder;
use super::vectors::{Rows, Vectors, captions};
use crate::dice::Dice;
use crate::documents;
use crate::report::{self, Figure};

/// Documents of the index, each with the embedding of a picture.
const DOCUMENTS: usize = 30_000;
/// Requests before anything counts.
const WARM: usize = 200;
/// Requests of each kind, in turns.
const TURNS: usize = 400;
/// Different words that are asked for.
const CAPTIONS: usize = 500;
/// What the service asks for, whatever `k` is.
const CONSIDERED: usize = 1_000;
/// Hits that are asked for.
const K: usize = 20;
/// What the article asks for.
const ARTICLE: usize = 100;
const CLIENTS: [usize; 3] = [1, 8, 64];
const CURVE_TIME: Duration = Duration::from_secs(5);
/// How often more than can be served is asked for, and how long.
const OVERLOAD: f64 = 10.0;
const OVERLOAD_TIME: Duration = Duration::from_secs(10);
/// Figures that are for looking at have a goal that any machine reaches.
const ANY: f64 = 1.0;
const SEED: u64 = 81;

/// A service with an index.
struct Ready {
    world: World,
    service: Service,
    client: reqwest::Client,
    elastic: String,
    vectors: Rows,
    /// In the order of the vectors.
    ids: Vec<ImageId>,
    by_id: Arc<[String]>,
    by_words: Arc<[String]>,
}

pub(super) async fn run(vectors: Vectors) -> anyhow::Result<Vec<Figure>> {
    let ready = Ready::of(vectors).await?;
    let mut figures = ready.beside_the_bare_request().await?;
    let mut sustainable = 0.0_f64;
    for (kind, urls) in [("by_id", &ready.by_id), ("by_words", &ready.by_words)] {
        for clients in CLIENTS {
            let load = closed(&ready.client, urls, clients, CURVE_TIME).await?;
            report::note(&format!(
                "search {kind}, {clients} clients: {:.1}/s, p50 {:.1} ms, p99 {:.1} ms, {:?}",
                load.rate(),
                load.within(0.5),
                load.within(0.99),
                load.statuses
            ));
            if kind == "by_id" {
                sustainable = sustainable.max(load.rate());
            }
            figures.push(curve(kind, clients, &load));
        }
    }
    figures.extend(ready.overload(sustainable).await?);
    let Ready { world, service, .. } = ready;
    drop(service);
    world.end().await;
    Ok(figures)
}

fn curve(kind: &str, clients: usize, load: &Load) -> Figure {
    let name = format!("search.{kind}.clients_{clients}");
    let beside = [("p50_ms", load.within(0.5)), ("p99_ms", load.within(0.99))];
    Figure::above(&name, load.rate(), "requests/s", ANY).beside(&beside)
}

impl Ready {
    async fn of(vectors: Vectors) -> anyhow::Result<Self> {
        let Vectors { model, indexed, .. } = vectors;
        let texts = captions::some(&stamps_folder()?, CAPTIONS)?;
        let mut world = World::new("bench_search").await;
        world.config.search.rate_per_second = 0;
        let numbers = (0..DOCUMENTS).flat_map(|number| indexed.row(number).to_vec());
        let rows = Rows::of(numbers.collect(), model.dimension);
        report::note(&format!("search: indexing {DOCUMENTS} documents"));
        let options = IndexOptions {
            shards: 1,
            replicas: 0,
            ..IndexOptions::default()
        };
        let index = Index::load(&world, "speed", &model, &options, &rows)
            .await?
            .name;
        let alias = &world.config.elasticsearch.alias;
        world.elastic().point_alias(alias, &index).await?;
        let ids: Vec<ImageId> = (0..DOCUMENTS as u64).map(documents::id).collect();
        rows::fill(world.pool(), &ids).await?;
        let service = Service::spawn(&world, "tusou-search").await;
        let similar = |id: &ImageId| service.url(&format!("/v1/images/{id}/similar?k={K}"));
        let mut dice = Dice::new(SEED);
        let by_id = (0..DOCUMENTS).map(|_| similar(&ids[dice.below(DOCUMENTS)]));
        let by_id: Arc<[String]> = by_id.collect();
        let asked = texts.iter().map(|text| {
            let mut url = url::Url::parse(&service.url("/v1/search"))?;
            url.query_pairs_mut()
                .append_pair("q", text)
                .append_pair("k", &K.to_string());
            Ok(url.into())
        });
        let by_words: Arc<[String]> = asked.collect::<anyhow::Result<_>>()?;
        Ok(Self {
            elastic: format!(
                "{}/{index}/_search",
                world.config.elasticsearch.url.trim_end_matches('/')
            ),
            world,
            by_id,
            by_words,
            service,
            client: load::client()?,
            vectors: rows,
            ids,
        })
    }

    /// Ours, the bare request with what the service asks for, and the article's, in turns.
    async fn beside_the_bare_request(&self) -> anyhow::Result<Vec<Figure>> {
        let mut dice = Dice::new(SEED + 1);
        let mut times = [const { Vec::new() }; 3];
        for turn in 0..WARM + TURNS {
            let number = dice.below(DOCUMENTS);
            let ours = self
                .service
                .url(&format!("/v1/images/{}/similar?k={K}", self.ids[number]));
            let bare = |k: usize, candidates: usize| {
                let vector = self.vectors.row(number);
                json!({
                    "size": k, "_source": false,
                    "knn": {"field": IMAGE_EMBEDDING, "query_vector": vector, "k": k, "num_candidates": candidates},
                })
                .to_string()
            };
            let bodies = [bare(CONSIDERED, CONSIDERED), bare(K, ARTICLE)];
            // Each is the first as often as another.
            for place in 0..3 {
                let which = (turn + place) % 3;
                let started = Instant::now();
                let hits = match which {
                    0 => self.send(self.client.get(&ours)).await?["hits"].take(),
                    _ => self.bare(&bodies[which - 1]).await?["hits"]["hits"].take(),
                };
                let took = started.elapsed().as_secs_f64() * 1_000.0;
                let found = hits.as_array().map_or(0, Vec::len);
                ensure!(found > 0, "nothing is found: {which}");
                if turn >= WARM {
                    times[which].push(took);
                }
            }
        }
        let [ours, bare, article] = times.each_ref().map(|times| percentile(times, 0.5));
        let [ours_99, bare_99, article_99] = times.each_ref().map(|times| percentile(times, 0.99));
        report::note(&format!(
            "search by id: ours p50 {ours:.2} p99 {ours_99:.2} ms; bare k {CONSIDERED} {bare:.2} {bare_99:.2}; \
             the article's k {K} of {ARTICLE} {article:.2} {article_99:.2}"
        ));
        report::note(&format!("search by id: {}", self.steps().await));
        let beside = [("p99_ms", ours_99), ("bare_p99_ms", bare_99)];
        Ok(vec![
            Figure::growth("search.p50_vs_bare", ours, bare, "ms", 1.5).beside(&beside),
            // Fifty times the hits, sorted, counted and paged: for looking at.
            Figure::growth("search.p50_vs_article", ours, article, "ms", 10.0)
                .beside(&[("article_p99_ms", article_99)]),
        ])
    }

    /// Where the service's time goes, by its own metrics.
    async fn steps(&self) -> String {
        let mut steps = Vec::new();
        for (step, metric, labels) in [
            ("nearest", "search_index_seconds", r#"{request="nearest"}"#),
            (
                "documents",
                "search_index_seconds",
                r#"{request="documents"}"#,
            ),
            ("rows", "search_rows_seconds", ""),
        ] {
            let sum = self.service.metric(&format!("{metric}_sum{labels}")).await;
            let count = self
                .service
                .metric(&format!("{metric}_count{labels}"))
                .await;
            let mean = sum / count.max(1.0) * 1_000.0;
            steps.push(format!("{step} {mean:.2} ms"));
        }
        steps.join(", ")
    }

    /// Ten times what can be served.
    async fn overload(&self, sustainable: f64) -> anyhow::Result<Vec<Figure>> {
        let rate = sustainable * OVERLOAD;
        let load = open(&self.client, &self.by_id, rate, OVERLOAD_TIME).await?;
        let count = |status: u16| load.statuses.get(&status).copied().unwrap_or(0);
        let sent: usize = load.statuses.values().sum();
        report::note(&format!(
            "search overload: {rate:.0}/s asked, {:.1}/s served of {sustainable:.1}/s, p50 {:.0} ms, p99 {:.0} ms, {:?}",
            load.rate(),
            load.within(0.5),
            load.within(0.99),
            load.statuses
        ));
        let broken = sent - count(200) - count(503);
        let beside = [
            ("asked_per_second", sent as f64 / load.seconds),
            ("p50_ms", load.within(0.5)),
            ("p99_ms", load.within(0.99)),
            ("turned_away", count(503) as f64),
        ];
        Ok(vec![
            Figure::rate(
                "search.overload",
                load.rate(),
                sustainable,
                "requests/s",
                0.8,
            )
            .beside(&beside),
            Figure::below(
                "search.overload_neither_200_nor_503",
                broken as f64,
                "requests",
                0.0,
            ),
        ])
    }

    async fn bare(&self, body: &str) -> anyhow::Result<Value> {
        let config = &self.world.config.elasticsearch;
        let json = (reqwest::header::CONTENT_TYPE, "application/json");
        let mut request = self.client.post(&self.elastic).header(json.0, json.1);
        if !config.username.is_empty() {
            request = request.basic_auth(&config.username, Some(&config.password));
        }
        self.send(request.body(body.to_owned())).await
    }

    /// The answer, read to its end; the time of parsing it is in both.
    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await?;
        let (status, bytes) = (answer.status(), answer.bytes().await?);
        ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(serde_json::from_slice(&bytes)?)
    }
}
