//! How much of what exact search finds each type of index finds, for pictures and for words; and what it costs.
//!
//! `TUSOU_BENCH_SWEEP=1` tries every oversampling and merges each index into one segment besides. `TUSOU_BENCH_TYPES=hnsw,int8_hnsw`
//! measures these alone, `TUSOU_BENCH_M=24` and `TUSOU_BENCH_EF=200` build other graphs.

mod exact;
pub(super) mod index;

use tokio::task::block_in_place;
use tusou_contract::mapping::{IndexOptions, IndexType};
use tusou_testkit::World;

use crate::report::{self, Figure};
use crate::search::vectors::{QUERIES, Vectors};
use exact::Exact;
use index::{Answers, Index, K, Weight};

/// From the largest to the smallest.
const TYPES: [IndexType; 7] = [
    IndexType::Flat,
    IndexType::Hnsw,
    IndexType::Int8Flat,
    IndexType::Int8Hnsw,
    IndexType::Int4Hnsw,
    IndexType::BbqFlat,
    IndexType::BbqHnsw,
];
/// Queries of each kind that read into memory what is not there yet.
const FIRST: usize = 50;
const OVERSAMPLES: [f32; 5] = [0.0, 2.0, 3.0, 5.0, 10.0];
const GOAL: f64 = 0.99;
const MB: f64 = 1e6;

/// What was found by pictures and by words, and how fast.
#[derive(Debug, Clone, Copy)]
struct Recall {
    pictures: f64,
    words: f64,
    /// Milliseconds.
    p50: f64,
}

/// What the command's variables ask for.
#[derive(Debug, Clone)]
struct Setting {
    types: Vec<IndexType>,
    sweep: bool,
    options: IndexOptions,
}

impl Setting {
    fn of_environment() -> anyhow::Result<Self> {
        let mut options = IndexOptions::default();
        let said = |name: &str| std::env::var(name).ok();
        if let Some(m) = said("TUSOU_BENCH_M") {
            options.m = m.parse()?;
        }
        if let Some(ef_construction) = said("TUSOU_BENCH_EF") {
            options.ef_construction = ef_construction.parse()?;
        }
        let types = match said("TUSOU_BENCH_TYPES") {
            Some(names) => names.split(',').map(str::parse).collect::<Result<_, _>>()?,
            None => TYPES.to_vec(),
        };
        Ok(Self {
            types,
            sweep: said("TUSOU_BENCH_SWEEP").is_some(),
            options,
        })
    }
}

/// Recall of each type, as it is made where nothing else is said, and of the default one by its plain name.
pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let setting = Setting::of_environment()?;
    let vectors = block_in_place(Vectors::obtain)?;
    report::note("search: exact search");
    let pictures = block_in_place(|| Exact::search(&vectors.indexed, &vectors.pictures, K))?;
    let words = block_in_place(|| Exact::search(&vectors.indexed, &vectors.words, K))?;
    let world = World::new("bench_recall").await;
    let bench = Bench {
        vectors: &vectors,
        pictures,
        words,
    };
    let mut figures = Vec::new();
    for index_type in &setting.types {
        figures.extend(Box::pin(bench.measure(&world, *index_type, &setting)).await?);
    }
    world.end().await;
    Ok(figures)
}

struct Bench<'a> {
    vectors: &'a Vectors,
    pictures: Exact<'a>,
    words: Exact<'a>,
}

impl Bench<'_> {
    async fn measure(
        &self,
        world: &World,
        index_type: IndexType,
        setting: &Setting,
    ) -> anyhow::Result<Vec<Figure>> {
        let Vectors { model, indexed, .. } = self.vectors;
        let options = IndexOptions {
            index_type,
            shards: 1,
            replicas: 0,
            ..setting.options
        };
        let index = Index::load(world, index_type.name(), model, &options, indexed).await?;
        let weight = index.weight().await?;
        index.ask(&self.vectors.pictures, FIRST, None).await?;
        index.ask(&self.vectors.words, FIRST, None).await?;
        let recall = self.ask(&index, None).await?;
        say(index_type.name(), "the mapping's", recall, weight);
        report::note(&format!(
            "    loaded in {:.1} s",
            index.loading.as_secs_f64()
        ));
        if setting.sweep {
            self.sweep(&index, index_type).await?;
        }
        let loading = index.loading.as_secs_f64();
        index.delete().await?;
        let beside = [
            ("p50_ms", recall.p50),
            ("segments", weight.segments as f64),
            ("disk_mb", weight.disk as f64 / MB),
            ("resident_mb", weight.resident as f64 / MB),
            ("load_seconds", loading),
        ];
        let figure =
            |name: String, recall| Figure::above(&name, recall, "recall@10", GOAL).beside(&beside);
        let (plain_pictures, plain_words) = ("search.recall_image", "search.recall_text");
        let mut figures = vec![
            figure(format!("{plain_pictures}.{index_type}"), recall.pictures),
            figure(format!("{plain_words}.{index_type}"), recall.words),
        ];
        if index_type == IndexType::default() {
            figures.push(figure(plain_pictures.to_owned(), recall.pictures));
            figures.push(figure(plain_words.to_owned(), recall.words));
        }
        Ok(figures)
    }

    /// Every oversampling, as the load left the index and in one segment.
    async fn sweep(&self, index: &Index<'_>, index_type: IndexType) -> anyhow::Result<()> {
        let whole = !index_type.is_quantized();
        for merged in [false, true] {
            if merged {
                let took = index.merge().await?;
                report::note(&format!("    merged in {:.1} s", took.as_secs_f64()));
            }
            let weight = index.weight().await?;
            let oversamples = OVERSAMPLES.into_iter().map(Some);
            let oversamples = oversamples.filter(|_| !whole).chain(whole.then_some(None));
            for oversample in oversamples {
                let recall = self.ask(index, oversample).await?;
                let said = oversample.map_or("none".to_owned(), |times| times.to_string());
                say(index_type.name(), &said, recall, weight);
            }
        }
        Ok(())
    }

    async fn ask(&self, index: &Index<'_>, oversample: Option<f32>) -> anyhow::Result<Recall> {
        let pictures = index
            .ask(&self.vectors.pictures, QUERIES, oversample)
            .await?;
        let words = index.ask(&self.vectors.words, QUERIES, oversample).await?;
        Ok(Recall {
            pictures: of(&self.pictures, &pictures),
            words: of(&self.words, &words),
            p50: pictures.p50(&words),
        })
    }
}

fn of(exact: &Exact<'_>, answers: &Answers) -> f64 {
    let recalls = answers.found.iter().enumerate();
    let sum: f64 = recalls
        .map(|(query, found)| exact.recall(query, found))
        .sum();
    sum / answers.found.len() as f64
}

fn say(name: &str, oversample: &str, recall: Recall, weight: Weight) {
    let Recall {
        pictures,
        words,
        p50,
    } = recall;
    report::note(&format!(
        "{name:<10} oversample {oversample:<13} pictures {pictures:.4} words {words:.4} p50 {p50:.2} ms, {} segments, \
         disk {:.1} MB, resident {:.1} MB, whole vectors {:.1} MB",
        weight.segments,
        weight.disk as f64 / MB,
        weight.resident as f64 / MB,
        weight.whole as f64 / MB,
    ));
}
