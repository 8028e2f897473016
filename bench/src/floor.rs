//! The floors: the same pictures through the bare libraries, in memory, in one process, with no
//! rows, queues, confirms, retries or durable writes. What a stage cannot be faster than.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tusou_contract::{ImageFormat, ImageId};
use tusou_model::{Device, Pack, Runtime, VisionModel, decode};
use tusou_platform::elastic::BulkItem;
use tusou_testkit::World;

const FETCHES: usize = 16;
const BATCH: usize = 8;
const BULK: usize = 500;

/// Every picture downloaded into memory.
pub(crate) async fn download(urls: &[String]) -> anyhow::Result<(Vec<Vec<u8>>, Duration)> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let started = Instant::now();
    let bodies = stream::iter(urls)
        .map(|url| {
            let request = client.get(url);
            async move { anyhow::Ok(request.send().await?.bytes().await?.to_vec()) }
        })
        .buffered(FETCHES)
        .try_collect()
        .await?;
    Ok((bodies, started.elapsed()))
}

/// Every picture decoded and embedded: one model session and one thread a core.
pub(crate) fn encode(
    world: &World,
    pictures: &Arc<Vec<Vec<u8>>>,
) -> anyhow::Result<(Vec<Vec<f32>>, Duration)> {
    let models = &world.config.models;
    let runtime = Runtime::load(&models.runtime)?;
    let pack = Pack::open(models.packs.first().context("`models.packs` is empty")?)?;
    let limits = decode::Limits {
        max_pixels: 100_000_000,
        max_memory: 1 << 30,
    };
    let cores = std::thread::available_parallelism()?.get();
    let mut loaded = Vec::new();
    for _ in 0..cores {
        loaded.push(VisionModel::load(&runtime, &pack, Device::Cpu, 1)?);
    }
    let started = Instant::now();
    let threads: Vec<_> = loaded
        .into_iter()
        .enumerate()
        .map(|(core, mut model)| {
            let pictures = Arc::clone(pictures);
            std::thread::spawn(move || -> anyhow::Result<Vec<Vec<f32>>> {
                let mut vectors = Vec::new();
                let share: Vec<&Vec<u8>> = pictures.iter().skip(core).step_by(cores).collect();
                for batch in share.chunks(BATCH) {
                    let mut images = Vec::new();
                    for bytes in batch {
                        images.push(decode::decode(
                            bytes,
                            ImageFormat::Jpeg,
                            &limits,
                            decode::Detail::Whole,
                        )?);
                    }
                    vectors.extend(model.embed(&images)?);
                }
                Ok(vectors)
            })
        })
        .collect();
    let mut vectors = Vec::new();
    for thread in threads {
        vectors.extend(
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a floor's thread panicked"))??,
        );
    }
    Ok((vectors, started.elapsed()))
}

/// Every document written by bulks, two at a time, into an index of the same mapping.
pub(crate) async fn bulk(
    world: &World,
    documents: &[serde_json::Value],
) -> anyhow::Result<Duration> {
    let elastic = world.elastic();
    let alias = &world.config.elasticsearch.alias;
    let mapping = elastic
        .mapping(alias)
        .await?
        .context("the chain's index is there")?;
    let of_index = mapping
        .as_object()
        .and_then(|indexes| indexes.values().next());
    let body = of_index.context("an alias has an index")?.clone();
    let index = format!("{alias}-floor");
    elastic.create_index(&index, &body).await?;
    let items: Vec<BulkItem> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| BulkItem {
            index: index.clone(),
            id: ImageId::of(&number.to_le_bytes()).to_string(),
            version: 1,
            source: Some(document.to_string().into_bytes().into()),
        })
        .collect();
    let started = Instant::now();
    stream::iter(items.chunks(BULK))
        .map(|chunk| elastic.bulk(chunk))
        .buffer_unordered(2)
        .try_collect::<Vec<_>>()
        .await?;
    let took = started.elapsed();
    elastic.delete_index(&index).await?;
    Ok(took)
}
