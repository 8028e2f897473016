//! Two nodes of one cluster with TLS and a password, for as long as the value lives.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tusou_platform::config::Elasticsearch;
use tusou_testkit::free_port;

use crate::certificates;

/// The running cluster. `deploy/local/stack secured` keeps it: when its input ends, whatever became of the test, it
/// kills both nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    stack: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    told: Value,
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
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack");
        let mut stack = Command::new(&program)
            .arg("secured")
            .arg(folder.path())
            .args([(); 4].map(|()| free_port().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the local stack's program is part of the checkout");
        let commands = stack.stdin.take();
        let answers = stack.stdout.take().expect("it is piped");
        let mut cluster = Self {
            stack,
            commands,
            answers: BufReader::new(answers),
            told: Value::Null,
            folder,
        };
        let told = cluster.answer();
        cluster.told = serde_json::from_str(&told).unwrap_or_else(|error| {
            panic!("`deploy/local/stack secured` starts no cluster ({error}); it says why above")
        });
        cluster
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
        let commands = self.commands.as_mut().expect("it is open until the end");
        writeln!(commands, "{node}").expect("the stack listens");
        assert_eq!(self.answer(), format!("killed {node}"));
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.expect("the stack answers in UTF-8");
        line.trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.stack.wait();
    }
}
