//! `tusou-indexer`: wires the library to a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    tusou_platform::service::run(
        "tusou-indexer",
        "Stores embeddings and writes every changed image's document to Elasticsearch",
        Some(|config| config.indexer.listen),
        |context| async move {
            tusou_indexer::run(&context.config, &context.health, &context.shutdown).await
        },
    )
}
