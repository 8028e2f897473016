//! What every request shares, and the tasks that bring its parts up and watch over them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::PgPool;
use tusou_platform::backoff::Backoff;
use tusou_platform::blobs::BlobStore;
use tusou_platform::elastic::Elastic;
use tusou_platform::ops::Health;
use tusou_platform::service::ServiceContext;
use tusou_platform::{Config, Shutdown, database};

use crate::candidates::kept::Kept;
use crate::config::Settings;
use crate::error::{SearchError, StartError};
use crate::fetch::Fetcher;
use crate::gate::Gate;
use crate::index::IndexWatch;
use crate::models::Models;
use crate::pipeline::Ranked;
use crate::rows;
use crate::upload::Uploads;

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
const DATABASE_LOOK: Duration = Duration::from_secs(10);

/// The shared parts. Models and database come up in the background; until then a search is told so.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) elastic: Elastic,
    pub(crate) blobs: BlobStore,
    pub(crate) index: IndexWatch,
    pub(crate) uploads: Uploads,
    pub(crate) fetcher: Fetcher,
    /// The candidates of late searches, for their further pages.
    pub(crate) kept: Kept<Ranked>,
    /// Searches in hand.
    pub(crate) searches: Gate,
    /// Thumbnails in hand: many small reads, kept from shutting searches out.
    pub(crate) thumbnails: Gate,
    models: OnceLock<Models>,
    database: OnceLock<PgPool>,
}

impl App {
    /// Checks the settings; asks nothing yet.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let settings = Settings::of(config)?;
        if config.models.packs.is_empty() {
            return Err(StartError::NoPack);
        }
        let elastic = Elastic::new(&config.elasticsearch)?;
        Ok(Self {
            blobs: BlobStore::open(&config.blobs)?,
            index: IndexWatch::new(elastic.clone(), settings.alias.clone()),
            uploads: Uploads::new(&settings),
            fetcher: Fetcher::new(config, &settings)?,
            kept: Kept::new(settings.kept),
            searches: Gate::new(settings.concurrency, settings.timeout),
            thumbnails: Gate::new(settings.concurrency.saturating_mul(4), settings.timeout),
            models: OnceLock::new(),
            database: OnceLock::new(),
            settings,
            elastic,
        })
    }

    /// The loaded models.
    pub(crate) fn models(&self) -> Result<&Models, SearchError> {
        self.models
            .get()
            .ok_or_else(|| SearchError::Starting("the model is being loaded; try again".into()))
    }

    /// The database.
    pub(crate) fn database(&self) -> Result<&PgPool, SearchError> {
        self.database.get().ok_or_else(|| {
            SearchError::Starting("the database does not answer yet; try again".into())
        })
    }

    /// Starts the tasks that bring the parts up; they end with `shutdown`.
    pub(crate) fn bring_up(self: &Arc<Self>, context: &ServiceContext) {
        let ServiceContext {
            config,
            health,
            shutdown,
            ..
        } = context;
        for part in ["database", "index", "model"] {
            health.set(part, Err("starting".into()));
        }
        tokio::spawn(attend_database(
            Arc::clone(self),
            config.clone(),
            health.clone(),
            shutdown.clone(),
        ));
        tokio::spawn(attend_index(
            Arc::clone(self),
            config.clone(),
            health.clone(),
            shutdown.clone(),
        ));
    }
}

/// Loads the models, trying again while that fails, then watches the index with their identities.
async fn attend_index(app: Arc<App>, config: Config, health: Health, shutdown: Shutdown) {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let models = loop {
        let (packs, told) = (config.models.clone(), health.clone());
        let loading = tokio::task::spawn_blocking(move || Models::load(&packs, &told));
        let reason = match loading.await {
            Ok(Ok(models)) => break models,
            Ok(Err(error)) => tusou_platform::telemetry::chain(&error),
            Err(panic) => panic.to_string(),
        };
        tracing::error!(reason, "the model cannot be loaded");
        health.set("model", Err(reason));
        if !shutdown.sleep(backoff.next_wait()).await {
            return;
        }
    };
    let models = app.models.get_or_init(|| models);
    for identity in models.identities() {
        tracing::info!(
            model = identity.model,
            digest = identity.digest,
            "the model is loaded"
        );
    }
    health.set("model", Ok(()));
    app.index
        .watch(models.identities(), &health, &shutdown)
        .await;
}

/// Connects to the database, trying again while that fails, then looks whether it still answers.
async fn attend_database(app: Arc<App>, config: Config, health: Health, shutdown: Shutdown) {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let pool = loop {
        let connected = tokio::select! {
            connected = database::connect(&config.database) => connected,
            () = shutdown.requested() => return,
        };
        match connected {
            Ok(pool) => break pool,
            Err(error) => {
                let reason = tusou_platform::telemetry::chain(&error);
                tracing::error!(reason, "the database cannot be used");
                health.set("database", Err(reason));
            }
        }
        if !shutdown.sleep(backoff.next_wait()).await {
            return;
        }
    };
    let pool = app.database.get_or_init(|| pool);
    loop {
        let answered = rows::ping(pool).await;
        health.set("database", answered.map_err(|error| error.to_string()));
        if !shutdown.sleep(DATABASE_LOOK).await {
            return;
        }
    }
}
