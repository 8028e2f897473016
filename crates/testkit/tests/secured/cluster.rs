//! Two nodes of one cluster with TLS and a password, for as long as the value lives.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tusou_platform::config::Elasticsearch;
use tusou_testkit::Stack;

use crate::certificates;

/// The running cluster, which `deploy/local/stack secured` keeps.
#[derive(Debug)]
pub(crate) struct Cluster {
    stack: Stack,
    told: Value,
    // Last: it goes when the nodes are gone.
    folder: TempDir,
}

impl Cluster {
    /// Starts it and waits until both nodes are one cluster.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tusou-secured-")
            .tempdir()
            .expect("a folder");
        certificates::write(folder.path());
        let (stack, told) = Stack::start("secured", folder.path(), 4);
        Self {
            stack,
            told,
            folder,
        }
    }

    /// How to reach it: the node `b` first, which may be killed.
    pub(crate) fn config(&self, alias: &str) -> Elasticsearch {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Elasticsearch {
            url: text(&self.told["urls"][1]),
            further_urls: vec![text(&self.told["urls"][0])],
            ca_file: self.file("ca.pem"),
            username: text(&self.told["username"]),
            password: text(&self.told["password"]),
            alias: alias.to_owned(),
            replicas: 1,
            ..Elasticsearch::default()
        }
    }

    /// One of the files that [`certificates::write`] made.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Kills a node as a crash does, and waits for its end.
    pub(crate) fn kill(&mut self, node: &str) {
        assert_eq!(self.stack.say(node), format!("killed {node}"));
    }
}
