//! `tusou-search`: answers from the index, as JSON and as a web page.

use std::process::ExitCode;

fn main() -> ExitCode {
    tusou_platform::service::run(
        "tusou-search",
        "Answers searches by picture and by words, as JSON and as a web page",
        None,
        |context| async {
            tusou_search::run(context)
                .await
                .map_err(anyhow::Error::from)
        },
    )
}
