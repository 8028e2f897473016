//! elasticsearch-py's `parallel_bulk`, as `bench/peers/indexer/install` gets it.

use std::path::PathBuf;

use tokio::process::Command;
use tusou_platform::config::Elasticsearch;
use tusou_testkit::World;

use super::client::documents;
use super::{AT_ONCE, BULK, Run};
use crate::peer::{self, root};

/// The documents as files, and the program that writes them.
#[derive(Debug)]
pub(super) struct ParallelBulk {
    documents: PathBuf,
    vectors: PathBuf,
    server: Elasticsearch,
}

impl ParallelBulk {
    /// Writes the documents' files.
    pub(super) fn prepare(world: &World) -> anyhow::Result<Self> {
        let folder = world.folder();
        let (mut lines, mut numbers) = (Vec::new(), Vec::new());
        for mut document in documents() {
            for vector in std::mem::take(&mut document.embeddings).into_values() {
                numbers.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            }
            serde_json::to_writer(&mut lines, &document)?;
            lines.push(b'\n');
        }
        let (documents, vectors) = (folder.join("documents.ndjson"), folder.join("vectors.f32"));
        std::fs::write(&documents, lines)?;
        std::fs::write(&vectors, numbers)?;
        Ok(Self {
            documents,
            vectors,
            server: world.config.elasticsearch.clone(),
        })
    }

    /// Writes all documents into the index.
    pub(super) async fn run(&self, index: &str) -> anyhow::Result<Run> {
        let mut command = Command::new(root().join(".stack/peers/indexer/bin/python"));
        command.arg(root().join("bench/peers/indexer/parallel_bulk_peer.py"));
        command.args([&self.server.url, index]);
        command.args([&self.documents, &self.vectors]);
        command.args(["--threads", &AT_ONCE.to_string()]);
        command.args(["--chunk", &BULK.to_string()]);
        if !self.server.username.is_empty() {
            command.env("ES_USER", &self.server.username);
            command.env("ES_PASSWORD", &self.server.password);
        }
        peer::report(&mut command, "bench/peers/indexer/install").await
    }
}
