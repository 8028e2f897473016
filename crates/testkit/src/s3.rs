//! A real S3-compatible server, of the test's own.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tusou_platform::config::Blobs;

use crate::{free_port, wait_for};

/// It starts in a tenth of a second; a loaded machine takes longer.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// The bucket that is there from the start.
const BUCKET: &str = "pictures";

/// Its key. Only this server knows it.
const KEY_ID: &str = "tusou-test";
const KEY: &str = "the-key-of-a-test-that-nobody-else-has";

/// VersityGW before a folder: it checks signatures and keeps what it acknowledged. It is killed when
/// dropped, and its folder goes.
#[derive(Debug)]
pub struct S3 {
    folder: TempDir,
    port: u16,
    /// Certificate and key, where it speaks TLS.
    tls: Option<(PathBuf, PathBuf)>,
    child: Option<Child>,
}

impl S3 {
    /// Starts one on a free port of loopback, with an empty bucket. Panics with the remedy where the
    /// program is not there.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same with TLS, by a certificate for 127.0.0.1 and its key, both PEM files.
    pub async fn start_tls(certificate: &Path, key: &Path) -> Self {
        Self::start_with(Some((certificate.to_owned(), key.to_owned()))).await
    }

    async fn start_with(tls: Option<(PathBuf, PathBuf)>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tusou-test-s3-")
            .tempdir()
            .expect("a temporary folder");
        let mut server = Self {
            folder,
            port: free_port(),
            tls,
            child: None,
        };
        std::fs::create_dir_all(server.bucket()).expect("its folder can be written");
        server.start_again().await;
        server
    }

    /// The section of a configuration that keeps blobs in its bucket, under this prefix (empty for
    /// none).
    pub fn blobs(&self, prefix: &str) -> Blobs {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Blobs {
            url: format!("s3://{BUCKET}/{prefix}"),
            s3_endpoint: format!("{scheme}://127.0.0.1:{}", self.port),
            s3_timeout_ms: 5_000,
            access_key_id: KEY_ID.into(),
            secret_access_key: KEY.into(),
            ..Blobs::default()
        }
    }

    /// The bucket's folder: each object is a file of it by its key.
    pub fn bucket(&self) -> PathBuf {
        self.data().join(BUCKET)
    }

    /// SIGKILL: what it acknowledged is in its folder.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it at the same address and folder after [`S3::kill`], and waits until it answers.
    pub async fn start_again(&mut self) {
        self.kill();
        self.child = Some(self.spawn());
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(5))
            .build()
            .expect("a plain client can be made");
        let url = format!("{}/healthy", self.blobs("").s3_endpoint);
        let child = self.child.as_mut().expect("it was just started");
        let log = self.folder.path().join("log");
        wait_for(READY_LIMIT, "the S3 server to be ready", async || {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("the S3 server ended with {status} before it was ready: {log}");
            }
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn spawn(&self) -> Child {
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("its folder can be written");
        let program = program();
        let mut command = Command::new(&program);
        command
            .args(["--quiet", "--keep-alive", "--health", "/healthy"])
            .args(["--port", &format!("127.0.0.1:{}", self.port)]);
        if let Some((certificate, key)) = &self.tls {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        command
            .args(["posix", "--disable-object-lock-file"])
            .arg(self.data())
            // Its settings are these alone, whatever the test's environment has.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ROOT_ACCESS_KEY", KEY_ID)
            .env("ROOT_SECRET_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} cannot start: {error}", program.display()),
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's program, which `deploy/local/stack obtain` gets.
fn program() -> PathBuf {
    let remedy =
        "run `make test`, or `deploy/local/stack obtain` and then `eval \"$(make -s env)\"`";
    let Some(path) = std::env::var_os("TUSOU_S3_SERVER").map(PathBuf::from) else {
        panic!(
            "TUSOU_S3_SERVER is not set, which names the program of an S3-compatible server: {remedy}"
        );
    };
    assert!(path.is_file(), "{} is not there: {remedy}", path.display());
    path
}
