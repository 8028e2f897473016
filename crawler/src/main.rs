//! `tusou-crawler`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tusou_platform::service::run(
        "tusou-crawler",
        "Crawls the web for pictures",
        Some(|config| config.crawler.listen),
        tusou_crawler::run,
    )
}
