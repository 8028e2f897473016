//! The search service: a picture or words in, the nearest pictures with their pages out.
//!
//! `pipeline` is the way of one request, readable top to bottom; every other module is a part of it.

mod access;
mod answer;
mod app;
mod candidates;
mod config;
mod error;
mod fetch;
mod find;
mod gate;
mod guess;
mod index;
mod metrics;
mod models;
mod page;
mod picture;
mod pipeline;
mod problem;
mod query;
mod requests;
mod routes;
mod rows;
mod same;
mod server;
mod token;
mod upload;

use tusou_platform::service::ServiceContext;

pub use error::StartError;
pub use metrics::METRICS;
pub use server::Server;

/// Serves until shutdown is requested, then finishes the requests in hand.
///
/// # Errors
/// [`StartError`] where a setting cannot be used or the address cannot be listened at. Stores and
/// models that are away are no error: the service says that it is not ready, and tries again.
pub async fn run(context: ServiceContext) -> Result<(), StartError> {
    Server::bind(context).await?.serve().await
}
