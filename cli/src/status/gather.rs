//! Asking the stores.

use std::future::Future;
use std::time::Duration;

use sqlx::PgPool;
use tusou_platform::Config;
use tusou_platform::broker::BrokerError;
use tusou_platform::broker::management::{Management, QueueDepth};
use tusou_platform::elastic::{Elastic, ElasticError};

use super::report::{DeadCount, QueueCount, Status};
use crate::error::Error;
use crate::rows::{Generation, Snapshot};

/// A status is not kept waiting for a store that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages of a dead queue whose reasons are read; the others are counted only.
const LOOKED_AT: u64 = 1_000;

/// Counts everything. Where RabbitMQ or Elasticsearch does not answer, the status says so and
/// counts the rest.
///
/// # Errors
/// Where Postgres does not answer.
pub async fn gather(config: &Config, pool: &PgPool) -> Result<Status, Error> {
    let mut problems = Vec::new();
    // The broker first: its figures are the older ones anyway, and what it has handed on
    // meanwhile is in the snapshot.
    let (queues, behind) = tokio::join!(
        patient(queues(config), "RabbitMQ's management API"),
        patient(behind_alias(config), "Elasticsearch"),
    );
    let queues = queues.unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let dead = patient(dead(config, &queues), "RabbitMQ's management API").await;
    let dead = dead.unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let behind = behind.unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let mut rows = Snapshot::open(pool).await?;
    let live = rows.generations().await?;
    let index = searched(&live, &behind);
    let generation_id = index.map(|generation| generation.generation_id);
    let status = Status {
        pages: rows.pages().await?,
        image_urls: rows.image_urls().await?,
        unparsable_urls: rows.unparsable_urls().await?,
        seeds: rows.seeds().await?,
        images: rows.images(generation_id).await?,
        sightings: rows.sightings().await?,
        outbox: rows.outbox().await?,
        rates: rows.rates(generation_id).await?,
        queues,
        dead,
        index: index.map(|generation| generation.index_name.clone()),
        problems,
        ..Status::default()
    };
    Ok(status.conclude())
}

/// The live index that the alias points at; the newest where it points at none.
fn searched<'a>(live: &'a [Generation], behind: &[String]) -> Option<&'a Generation> {
    live.iter()
        .find(|generation| behind.contains(&generation.index_name))
        .or(live.first())
}

async fn queues(config: &Config) -> Result<Vec<QueueCount>, BrokerError> {
    let queues = Management::new(config)?.queues().await?;
    let count = |QueueDepth {
                     name,
                     ready,
                     unacknowledged,
                 }| QueueCount {
        name,
        ready,
        unacknowledged,
    };
    Ok(queues.into_iter().map(count).collect())
}

/// Why messages are dead, by queue and reason.
async fn dead(config: &Config, queues: &[QueueCount]) -> Result<Vec<DeadCount>, BrokerError> {
    let management = Management::new(config)?;
    let mut counts = Vec::new();
    for queue in queues
        .iter()
        .filter(|queue| queue.is_dead() && queue.ready > 0)
    {
        let reasons = management.reasons(&queue.name, LOOKED_AT).await?;
        let looked_at: u64 = reasons.values().sum();
        let unseen = queue.ready.saturating_sub(looked_at);
        let reasons = reasons
            .into_iter()
            .chain((unseen > 0).then(|| ("not_looked_at".into(), unseen)));
        counts.extend(reasons.map(|(reason, count)| DeadCount {
            queue: queue.name.clone(),
            reason,
            count,
        }));
    }
    Ok(counts)
}

async fn behind_alias(config: &Config) -> Result<Vec<String>, ElasticError> {
    Elastic::new(&config.elasticsearch)?
        .alias(&config.elasticsearch.alias)
        .await
}

/// The answer, or in words why there is none.
async fn patient<T, E: std::fmt::Display>(
    asked: impl Future<Output = Result<T, E>>,
    whom: &str,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "{whom} does not answer within {} s",
            PATIENCE.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_chooses_among_the_live_indexes() {
        let generation = |generation_id, name: &str| Generation {
            generation_id,
            index_name: name.into(),
        };
        let live = [generation(2, "b"), generation(1, "a")];
        let chosen = |behind: &[&str]| {
            let behind: Vec<String> = behind.iter().map(|&name| name.to_owned()).collect();
            searched(&live, &behind).map(|generation| generation.generation_id)
        };
        assert_eq!(chosen(&["a"]), Some(1));
        assert_eq!(chosen(&[]), Some(2));
        assert_eq!(chosen(&["foreign"]), Some(2));
        assert_eq!(searched(&[], &["a".into()]), None);
    }
}
