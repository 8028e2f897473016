//! `tusou-bench-spider URL…`: spider's own crawl loop over a site, one `Website` a host, all at
//! once, everything in memory. Prints what it did as JSON.

use std::time::Instant;

use spider::website::Website;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

const AGENT: &str = "tusou-bench-spider";
/// Pages of a host that may wait for their reader: more than it has, so that none is dropped.
const CAPACITY: usize = 1 << 16;

#[tokio::main]
async fn main() {
    let started = Instant::now();
    let mut hosts = JoinSet::new();
    for url in std::env::args().skip(1) {
        hosts.spawn(host(url));
    }
    let (mut pages, mut bytes) = (0, 0);
    for (of_host, bytes_of_host) in hosts.join_all().await {
        pages += of_host;
        bytes += bytes_of_host;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"pages\": {pages}, \"bytes\": {bytes}, \"seconds\": {seconds:.4}}}");
}

/// Pages with an answer, and their bytes.
async fn host(url: String) -> (u64, u64) {
    let mut site = Website::new(&url);
    site.with_respect_robots_txt(true)
        .with_delay(0)
        .with_limit(u32::MAX)
        .with_user_agent(Some(AGENT));
    let mut read = site.subscribe(CAPACITY);
    let reader = tokio::spawn(async move {
        let (mut pages, mut bytes) = (0, 0);
        loop {
            match read.recv().await {
                Ok(page) => {
                    let size = page.get_html_bytes_u8().len() as u64;
                    pages += u64::from(size > 0);
                    bytes += size;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return (pages, bytes),
            }
        }
    });
    site.crawl().await;
    site.unsubscribe();
    drop(site);
    reader.await.expect("the reader does not panic")
}
