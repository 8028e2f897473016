//! The floor of a picture: a bare reqwest loop that stores the same bytes as durably, with no
//! rows, no rules and no page.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

/// Fetches every URL, `concurrency` at once, and keeps each distinct content as a file by its
/// SHA-256.
pub(crate) async fn download(
    urls: &[String],
    folder: &Path,
    concurrency: usize,
) -> anyhow::Result<Duration> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let store = Arc::new(Store {
        folder: folder.to_owned(),
        begun: Mutex::default(),
    });
    let started = Instant::now();
    stream::iter(urls.to_vec())
        .map(|url| {
            let (client, store) = (client.clone(), Arc::clone(&store));
            // A task for each, so that the loop has every core.
            let fetch = tokio::spawn(async move {
                let answer = client.get(url).send().await?.error_for_status()?;
                let bytes = answer.bytes().await?;
                tokio::task::spawn_blocking(move || store.keep(&bytes)).await?
            });
            async move { fetch.await? }
        })
        .buffer_unordered(concurrency)
        .try_collect::<()>()
        .await?;
    Ok(started.elapsed())
}

struct Store {
    folder: std::path::PathBuf,
    begun: Mutex<HashSet<[u8; 32]>>,
}

impl Store {
    /// Durable when it returns, unless another call has the same bytes under way.
    fn keep(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let mut begun = self.begun.lock().expect("no holder of this lock panics");
        if !begun.insert(digest) {
            return Ok(());
        }
        drop(begun);
        let path = self.folder.join(format!("{}.jpg", hex::encode(digest)));
        let unfinished = path.with_extension("part");
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(unfinished, path)?;
        Ok(())
    }
}
