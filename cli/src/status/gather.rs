//! Asking the stores.

use std::future::Future;
use std::time::Duration;

use sqlx::PgPool;
use tusou_contract::mapping::ModelField;
use tusou_platform::Config;
use tusou_platform::broker::BrokerError;
use tusou_platform::broker::management::{Management, QueueDepth};
use tusou_platform::elastic::{Elastic, ElasticError};

use super::held_up::{Bounds, causes};
use super::report::{DeadCount, ModelStatus, Pause, QueueCount, Status};
use super::services::{self, ServiceStatus};
use crate::error::Error;
use crate::rows::{Generation, Snapshot};

/// A status is not kept waiting for a store that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counting rows takes longer the more there are; beyond this Postgres hangs.
pub(super) const COUNTING: Duration = Duration::from_secs(60);

/// Messages of a dead or retry queue whose reasons are read; the others are counted only.
const LOOKED_AT: u64 = 1_000;

/// Counts everything. Where RabbitMQ or Elasticsearch does not answer, the status says so and
/// counts the rest.
///
/// # Errors
/// Where Postgres does not answer.
pub async fn gather(config: &Config, pool: &PgPool) -> Result<Status, Error> {
    let outside = outside(config).await;
    let rows = counted(config, pool, &outside.behind).await?;
    Ok(together(config, outside, rows))
}

/// Counts the rows, within a bounded time. `behind` names the indexes behind the alias.
///
/// # Errors
/// Where Postgres does not answer.
pub(super) async fn counted(
    config: &Config,
    pool: &PgPool,
    behind: &[String],
) -> Result<Status, Error> {
    let counted = tokio::time::timeout(COUNTING, count(config, pool, behind)).await;
    counted.map_err(|_| Error::Slow {
        seconds: COUNTING.as_secs(),
    })?
}

/// What can be told without Postgres, with the reason for its absence among the problems.
pub(super) async fn without_rows(config: &Config, problem: String) -> Status {
    rowless(config, outside(config).await, problem)
}

/// The same of what others have said already.
pub(super) fn rowless(config: &Config, mut outside: Outside, problem: String) -> Status {
    outside.problems.insert(0, problem);
    let nothing = Status {
        postgres_away: true,
        ..Status::default()
    };
    together(config, outside, nothing)
}

/// What others than Postgres say.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    queues: Vec<QueueCount>,
    dead: Vec<DeadCount>,
    retrying: Vec<DeadCount>,
    pauses: Vec<Pause>,
    pub(super) behind: Vec<String>,
    services: Vec<ServiceStatus>,
    problems: Vec<String>,
    pub(super) broker_answers: bool,
    pub(super) elasticsearch_answers: bool,
}

impl Outside {
    pub(super) fn queues(&self) -> &[QueueCount] {
        &self.queues
    }
}

pub(super) async fn outside(config: &Config) -> Outside {
    let mut problems = Vec::new();
    // The broker before the rows: its figures are the older ones anyway, and what it has handed
    // on meanwhile is in the snapshot.
    let (broker, behind, services) = tokio::join!(
        patient(at_broker(config), "RabbitMQ's management API"),
        patient(behind_alias(config), "Elasticsearch"),
        services::ask(config),
    );
    let (broker_answers, elasticsearch_answers) = (broker.is_ok(), behind.is_ok());
    let broker = broker.unwrap_or_else(|problem| {
        problems.push(problem);
        AtBroker::default()
    });
    let behind = behind.unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    Outside {
        queues: broker.queues,
        dead: broker.dead,
        retrying: broker.retrying,
        pauses: broker.pauses,
        behind,
        services,
        problems,
        broker_answers,
        elasticsearch_answers,
    }
}

async fn count(config: &Config, pool: &PgPool, behind: &[String]) -> Result<Status, Error> {
    let mut rows = Snapshot::open(pool).await?;
    let live = rows.generations().await?;
    let index = searched(&live, behind);
    let generation_id = index.map(|generation| generation.generation_id);
    let models = models(config, &rows.indexed_models().await?);
    Ok(Status {
        pages: rows.pages().await?,
        image_urls: rows.image_urls().await?,
        discovered: rows.discovered().await?,
        hosts: rows.hosts_due().await?,
        unparsable_urls: rows.unparsable_urls().await?,
        pictures_left: rows.pictures_left().await?,
        seeds: rows.seeds().await?,
        lists: rows.lists().await?,
        images: rows.images(generation_id, config.indexer.keep_gone).await?,
        models: rows.models(models).await?,
        sightings: rows.sightings().await?,
        outbox: rows.outbox().await?,
        rates: rows.rates(generation_id).await?,
        index: index.map(|generation| generation.index_name.clone()),
        filling: rows.filling().await?,
        pauses: rows.pauses().await?,
        ..Status::default()
    })
}

/// The models in use, then others of written indexes. Where no pack can be read here, the indexes alone
/// tell: packs lie where the services run.
fn models(config: &Config, indexed: &[ModelField]) -> Vec<ModelStatus> {
    let (models, scores) = tusou_projection::packs(&config.models.packs).unwrap_or_default();
    let vector = |model: &ModelField, configured| ModelStatus {
        model: model.model.clone(),
        digest: model.digest.clone(),
        field: model.field.clone(),
        configured,
        indexed: indexed.iter().any(|known| known.digest == model.digest),
        ..ModelStatus::default()
    };
    let mut told: Vec<ModelStatus> = models.iter().map(|model| vector(model, true)).collect();
    told.extend(scores.into_iter().map(|score| ModelStatus {
        model: score.model,
        digest: score.digest,
        field: score.field,
        scores: true,
        configured: true,
        indexed: true,
        ..ModelStatus::default()
    }));
    for model in indexed {
        if !told.iter().any(|known| known.digest == model.digest) {
            told.push(vector(model, false));
        }
    }
    told
}

/// A status of both.
pub(super) fn together(config: &Config, outside: Outside, rows: Status) -> Status {
    let mut status = Status {
        queues: outside.queues,
        dead: outside.dead,
        retrying: outside.retrying,
        services: outside.services,
        problems: outside.problems,
        pauses: rows.pauses.iter().cloned().chain(outside.pauses).collect(),
        ..rows
    };
    let encoder = status.services.iter().find(|one| one.name == "encoder");
    let about = encoder
        .map(|encoder| encoder.about.clone())
        .unwrap_or_default();
    for model in &mut status.models {
        model.device = about.get(&model.model).cloned();
    }
    let held = causes(&status, Bounds::of(config));
    status.held_up = held.iter().map(ToString::to_string).collect();
    status.conclude()
}

/// The live index that the alias points at; the newest where it points at none.
pub(super) fn searched<'a>(live: &'a [Generation], behind: &[String]) -> Option<&'a Generation> {
    live.iter()
        .find(|generation| behind.contains(&generation.index_name))
        .or(live.first())
}

/// What the broker holds.
#[derive(Default)]
struct AtBroker {
    queues: Vec<QueueCount>,
    dead: Vec<DeadCount>,
    retrying: Vec<DeadCount>,
    pauses: Vec<Pause>,
}

async fn at_broker(config: &Config) -> Result<AtBroker, BrokerError> {
    let management = Management::new(config)?;
    let mut at = AtBroker::default();
    for depth in management.queues().await? {
        let QueueDepth {
            name,
            ready,
            unacknowledged,
            consumers,
            ..
        } = depth;
        at.queues.push(QueueCount {
            name,
            ready,
            unacknowledged,
            consumers,
        });
    }
    for queue in at.queues.iter().filter(|queue| queue.ready > 0) {
        let counts = match queue {
            queue if queue.is_dead() => &mut at.dead,
            queue if queue.is_retry() => &mut at.retrying,
            _ => continue,
        };
        counts.extend(by_reason(&management, queue).await?);
    }
    for flag in management.flags().await? {
        at.pauses.push(Pause {
            what: flag.name.trim_start_matches("paused.").to_owned(),
            why: flag.why,
            since: Some(flag.since),
        });
    }
    Ok(at)
}

/// Why messages are in a dead or retry queue.
async fn by_reason(
    management: &Management,
    queue: &QueueCount,
) -> Result<Vec<DeadCount>, BrokerError> {
    let reasons = management.reasons(&queue.name, LOOKED_AT).await?;
    let looked_at: u64 = reasons.values().sum();
    // Those of a retry queue may have gone back to work meanwhile.
    let unseen = match queue.is_dead() {
        true => queue.ready.saturating_sub(looked_at),
        false => 0,
    };
    let unseen = (unseen > 0).then(|| ("not_looked_at".to_owned(), unseen));
    Ok(reasons
        .into_iter()
        .chain(unseen)
        .map(|(reason, count)| DeadCount {
            queue: queue.name.clone(),
            reason,
            count,
        })
        .collect())
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
