//! The encoder's one loop: connect, take pictures, wait for what is away, and begin again.

use std::sync::Arc;
use std::time::Duration;

use tusou_platform::backoff::Backoff;
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::broker::Broker;
use tusou_platform::ops::Health;
use tusou_platform::{Config, Shutdown};

use crate::config::Settings;
use crate::engine::{Engine, Probe};
use crate::error::{EncoderError, in_words};
use crate::metrics;
use crate::models::{Models, STALLED};
use crate::picture::{Stages, Stop, is_alone};
use crate::session::Session;

/// Between two looks at the models.
const LOOK: Duration = Duration::from_secs(1);
/// The first and the longest wait for a dependency that is away.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Encodes pictures until the end is asked for.
///
/// # Errors
/// [`EncoderError`]: models, blobs or queues that can never be used, or a process that can no
/// longer work and is to be restarted. What is merely away is waited for.
pub async fn run(
    config: &Config,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), EncoderError> {
    metrics::describe();
    let settings = Settings::of(config);
    let engine = Engine::with(config, &settings).await?;
    health.set("blobs", Ok(()));
    health.set("models", Ok(()));
    engine.models.tell(health);

    let (ending, stuck) = (Shutdown::new(), engine.stuck.clone());
    tokio::spawn(end_with(shutdown.clone(), ending.clone()));
    tokio::spawn(watch(
        Arc::clone(&engine.models),
        health.clone(),
        ending.clone(),
    ));
    tokio::spawn(end_when_stuck(
        stuck.clone(),
        health.clone(),
        ending.clone(),
    ));
    let stages = Stages {
        engine,
        max_attempts: settings.max_attempts,
    };

    let mut backoff = Backoff::new(WAITS.0, WAITS.1);
    let mut connected = false;
    while !ending.is_requested() {
        let session = serve_once(config, &settings, &stages, health, &ending, &mut connected);
        match Box::pin(session).await {
            Ok(()) => break,
            // A broker that took us before and refuses us now is starting, or being mended.
            Err(Stop::Fatal(EncoderError::Broker(error))) if connected => {
                tracing::warn!(error = in_words(&error), "RabbitMQ refuses; trying again");
                metrics::wait("rabbitmq");
                health.set("rabbitmq", Err(in_words(&error)));
                ending.sleep(backoff.next_wait()).await;
            }
            Err(Stop::Fatal(error)) => return Err(error),
            // The next session waits for the pause to end.
            Err(Stop::Paused) => tracing::info!("paused: what was at hand is done or given back"),
            Err(Stop::Blobs(probe)) => {
                wait_for_blobs(&stages.engine.blobs, probe, &settings, health, &ending).await;
            }
            Err(Stop::Broker(reason)) => {
                tracing::warn!(reason, "RabbitMQ is away; trying again");
                metrics::wait("rabbitmq");
                // A connection that stood made the part well again, and the waits begin anew.
                if health.ready().is_ok() {
                    backoff.reset();
                }
                health.set("rabbitmq", Err(reason));
                ending.sleep(backoff.next_wait()).await;
            }
        }
    }
    if stuck.is_requested() {
        Err(EncoderError::Stuck)
    } else {
        Ok(())
    }
}

async fn serve_once(
    config: &Config,
    settings: &Settings,
    stages: &Stages,
    health: &Health,
    ending: &Shutdown,
    connected: &mut bool,
) -> Result<(), Stop> {
    let broker = Broker::connect(&config.amqp, "tusou-encoder").await?;
    *connected = true;
    health.set("rabbitmq", Ok(()));
    let served = Session {
        broker: &broker,
        stages,
        settings,
        health,
        ending,
    }
    .serve()
    .await;
    broker.close().await;
    served
}

/// Returns when the blobs can be read or written again, or the end is asked for. What could not be
/// encoded was given back; asking the store itself burns no deliveries. It is waited for once before
/// it is asked at all: what fails now and then stops nobody in a close loop.
async fn wait_for_blobs(
    blobs: &BlobStore,
    probe: Probe,
    settings: &Settings,
    health: &Health,
    ending: &Shutdown,
) {
    let mut backoff = Backoff::new(WAITS.0, WAITS.1);
    health.set(
        "blobs",
        Err("a blob could not be read or written".to_owned()),
    );
    while ending.sleep(backoff.next_wait()).await {
        let tried = match &probe {
            Probe::Read(key) => blobs.get(key, settings.max_image_bytes).await.map(|_| ()),
            Probe::Write(key, bytes) => blobs.put(key, bytes.clone()).await,
        };
        let error = match tried {
            Ok(()) | Err(BlobError::TooLarge { .. }) => break,
            // The picture is tried again, a few times.
            Err(error) if is_alone(blobs, &error).await => break,
            Err(error) => error,
        };
        let reason = in_words(&error);
        tracing::warn!(reason, "the blobs are away; trying again");
        metrics::wait("blobs");
        health.set("blobs", Err(reason));
    }
    if !ending.is_requested() {
        health.set("blobs", Ok(()));
    }
}

/// Says that the encoder is not well while pictures wait and no model run ends.
async fn watch(models: Arc<Models>, health: Health, ending: Shutdown) {
    while ending.sleep(LOOK).await {
        health.set("models", models.check_progress(STALLED));
    }
}

async fn end_with(shutdown: Shutdown, ending: Shutdown) {
    shutdown.requested().await;
    ending.request();
}

async fn end_when_stuck(stuck: Shutdown, health: Health, ending: Shutdown) {
    stuck.requested().await;
    health.fail(EncoderError::Stuck.to_string());
    ending.request();
}
