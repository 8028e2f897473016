//! The indexer's own writer, driven as the service drives it: batches of changed images, several at once.

use std::sync::Arc;

use anyhow::ensure;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use time::OffsetDateTime;
use tusou_contract::Document;
use tusou_contract::mapping::MAPPING_VERSION;
use tusou_indexer::{Job, Most, Writer};
use tusou_platform::elastic::Elastic;
use tusou_platform::{Config, Shutdown};
use tusou_projection::{Generation, Outcome, State};

use super::Run;
use super::client::measured;

pub(super) async fn write(
    config: &Config,
    index: &str,
    documents: Vec<Document>,
) -> anyhow::Result<Run> {
    let elastic = Elastic::new(&config.elasticsearch)?;
    elastic.ping().await?;
    let most = Most {
        in_flight: config.indexer.bulks_in_flight,
        documents: config.indexer.bulk_documents,
        bytes: config.indexer.bulk_bytes,
    };
    let writer = Writer::new(elastic, most, &Shutdown::new());
    let generation = Arc::new(Generation {
        generation_id: 1,
        index: index.to_owned(),
        mapping_version: MAPPING_VERSION,
        models: Vec::new(),
        state: State::Live,
        options: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        backfilled_to: None,
        verified_at: None,
        keep_gone: true,
    });
    let batches: Vec<Arc<[Document]>> = documents
        .chunks(config.indexer.bulk_documents)
        .map(Arc::from)
        .collect();
    measured(async {
        let (mut batches, mut writing) = (batches.into_iter(), FuturesUnordered::new());
        let mut written = 0;
        loop {
            while writing.len() < writer.batches_at_once() {
                let Some(batch) = batches.next() else {
                    break;
                };
                let generation = Arc::clone(&generation);
                writing.push(writer.write(move |encoding| {
                    let job = |document| Job::of(&generation, document, encoding);
                    batch.iter().map(job).collect()
                }));
            }
            let Some(done) = writing.next().await else {
                return Ok(written);
            };
            let done = done?;
            ensure!(done.conflicts.is_empty(), "{:?}", done.conflicts);
            for holding in &done.holdings {
                ensure!(holding.outcome == Outcome::Held, "{holding:?}");
            }
            written += done.holdings.len();
        }
    })
    .await
}
