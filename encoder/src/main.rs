//! `tusou-encoder`: wires the library to a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    tusou_platform::service::run(
        "tusou-encoder",
        "Turns stored pictures into embeddings",
        Some(|config| config.encoder.listen),
        |context| async move {
            tusou_encoder::run(&context.config, &context.health, &context.shutdown).await
        },
    )
}
