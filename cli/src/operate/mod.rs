//! `tusou operate`: the operator's page, served until the process is ended.
//!
//! What it shows is looked at by one task, however many pages are open, and kept in memory
//! ([ADR 11](../../../docs/adr/0011-the-operators-page-is-a-mode-of-tusou.md)). What it does, it does by the commands
//! themselves.

mod act;
mod app;
mod ask;
mod assets;
mod export;
mod guard;
mod letters;
mod pace;
mod page;
mod pictures;
mod routes;
mod server;
mod words;

use tokio::net::TcpListener;
use tusou_platform::config::Config;
use tusou_platform::ops::{self, Health};
use tusou_platform::{Shutdown, telemetry};

use crate::error::Error;
use app::App;

pub use export::METRICS;

/// Serves the page until SIGTERM or SIGINT.
///
/// # Errors
/// [`Error::Listen`] where the address cannot be had.
pub(crate) async fn run(config: Config) -> Result<(), Error> {
    let metrics = telemetry::init("tusou-operate", &config.log).map_err(Error::Telemetry)?;
    let shutdown = Shutdown::on_signals();
    let address = config.operator.listen;
    let listen = |cause| Error::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let health = Health::new();
    health.set("page", Ok(()));
    tokio::spawn(ops::upkeep(
        health.clone(),
        metrics.clone(),
        shutdown.clone(),
    ));
    let app = App::new(config)?;
    tracing::info!(address = %bound, version = telemetry::build(), "the operator's page is served");
    let router = routes::router(app.clone(), ops::router(health, metrics));
    let (looked, (), (), ()) = tokio::join!(
        app.looker.run(&shutdown),
        export::keep(&app.looker, &shutdown),
        app.letters.keep(&app, &shutdown),
        server::serve(listener, router, &shutdown),
    );
    tracing::info!("the operator's page ends");
    looked
}
