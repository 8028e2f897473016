//! One running Chromium: started with nothing but its way to the proxies, watched, and ended with
//! all its processes.
//!
//! It is a child of a shell that reads from this process: where this process ends, however that
//! comes, the shell ends the browser and deletes its folder. It knows none of this process's
//! environment, which holds passwords.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Pid;
use spider::chromiumoxide::Browser as Client;
use spider::chromiumoxide::error::CdpError;
use spider::chromiumoxide::handler::HandlerConfig;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::processes;
use crate::metrics;

/// The longest that a start may take.
const START: Duration = Duration::from_secs(30);
/// Between two looks at its memory.
const LOOK: Duration = Duration::from_secs(1);
/// How long its end is waited for.
const END: Duration = Duration::from_secs(5);
/// How much of what it said of itself an error repeats, in bytes.
const SAID: usize = 1_000;
const LISTENS: &str = "DevTools listening on ";

/// `$0` is the browser's folder, the rest is the browser with its arguments. Its own processes are
/// of one group with the shell.
const SHELL: &str = r#"
"$@" </dev/null >/dev/null &
exec 2>/dev/null
read -r _
kill -KILL "$!"
wait
rm -rf -- "$0"
kill -KILL 0
"#;

/// What it runs with: no window, no traffic of its own, nothing that asks a person, and no way to
/// anything but by a proxy. A page's tab is told its own one; the browser itself has none that
/// answers, and no name server.
const FLAGS: [&str; 44] = [
    "--headless",
    "--remote-debugging-port=0",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    "--disable-field-trial-config",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-pings",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-service-autorun",
    "--noerrdialogs",
    "--block-new-web-contents",
    "--deny-permission-prompts",
    "--disable-notifications",
    "--disable-print-preview",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--password-store=basic",
    "--window-size=1366,1024",
    "--lang=en",
    // A tab that is not in front is rendered all the same.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    // One process a page, whatever it embeds.
    "--disable-site-isolation-trials",
    "--js-flags=--max-old-space-size=512",
    "--blink-settings=dnsPrefetchingEnabled=false",
    "--disable-blink-features=WebTransport",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,\
     AutofillServerCommunication,CertificateTransparencyComponentUpdater,HttpsUpgrades,\
     HttpsFirstBalancedModeAutoEnable,IsolateOrigins,site-per-process,\
     SpareRendererForSitePerProcess,BackForwardCache,PaintHolding",
];

/// The browser cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowserError {
    /// No such program, or no folder for it.
    #[error("`render.chromium` = {program:?} cannot be started")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It ended, or said nothing in time.
    #[error("`render.chromium` = {program:?} does not come up: {said}")]
    Silent {
        /// The program.
        program: PathBuf,
        /// What it said last.
        said: String,
    },
    /// It takes no commands.
    #[error("the browser takes no commands")]
    Connect(#[from] CdpError),
}

/// What it is started with.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) program: PathBuf,
    /// What scripts see as the browser's name.
    pub(super) user_agent: String,
    /// Of the proxies' certificate.
    pub(super) fingerprint: String,
    pub(super) max_memory: u64,
    /// The longest that a command is waited for.
    pub(super) patience: Duration,
}

/// A browser that was started. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) client: Client,
    /// Its processes.
    pub(super) group: Pid,
    pub(super) life: Arc<Life>,
    end: CancellationToken,
}

/// Whether it lives.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) died: CancellationToken,
    /// Pages that are being rendered.
    open: AtomicUsize,
    /// As many there were when it died.
    open_then: AtomicUsize,
}

impl Life {
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(Arc::clone(self))
    }

    /// Whether it died with one page alone: that page is what killed it, as far as can be known.
    pub(super) fn died_with_one(&self) -> bool {
        self.open_then.load(Ordering::SeqCst) == 1
    }

    fn die(&self) {
        let open = self.open.load(Ordering::SeqCst);
        self.open_then.store(open, Ordering::SeqCst);
        self.died.cancel();
    }
}

/// A page that is being rendered.
#[derive(Debug)]
pub(super) struct Open(Arc<Life>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Whether a program is there that may be run.
pub(super) fn is_program(path: &Path) -> bool {
    let found = std::fs::metadata(path);
    found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

impl Running {
    /// Starts it. What is to be waited for at the very end comes with it.
    ///
    /// # Errors
    /// [`BrowserError`]
    pub(super) async fn start(terms: &Terms) -> Result<(Self, JoinHandle<()>), BrowserError> {
        let failed = |cause| BrowserError::Start {
            program: terms.program.clone(),
            cause,
        };
        let folder = tempfile::Builder::new()
            .prefix("tusou-render-")
            .tempdir()
            .map_err(failed)?;
        let mut child = command(terms, folder.path()).spawn().map_err(failed)?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let group = group.expect("a child that was not waited for has an id");
        metrics::browser_started();
        let end = CancellationToken::new();
        let life = Arc::new(Life::default());
        let (said, url) = oneshot::channel();
        let stderr = child.stderr.take().expect("it is a pipe");
        tokio::spawn(listen(stderr, said));
        let keeper = tokio::spawn(keep(child, group, folder, terms.max_memory, end.clone()));
        let ending = end.clone().drop_guard();
        let url = match timeout(START, url).await {
            Ok(Ok(Ok(url))) => url,
            Ok(Ok(Err(said))) => return Err(silent(terms, said)),
            Ok(Err(_)) | Err(_) => return Err(silent(terms, "nothing".to_owned())),
        };
        let config = HandlerConfig {
            request_timeout: terms.patience,
            ignore_https_errors: false,
            ..HandlerConfig::default()
        };
        let connected = timeout(START, Client::connect_with_config(url, config)).await;
        let (client, handler) = connected.map_err(|_| CdpError::Timeout)??;
        let lives = Arc::clone(&life);
        let ends = end.clone();
        tokio::spawn(async move {
            let ended = handler.run().await;
            tracing::debug!(?ended, "the browser's connection ended");
            lives.die();
            ends.cancel();
        });
        ending.disarm();
        let running = Self {
            client,
            group,
            life,
            end,
        };
        Ok((running, keeper))
    }
}

fn silent(terms: &Terms, said: String) -> BrowserError {
    BrowserError::Silent {
        program: terms.program.clone(),
        said,
    }
}

fn command(terms: &Terms, folder: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SHELL]).arg(folder).arg(&terms.program);
    command.args(FLAGS);
    command.arg(format!("--user-data-dir={}", folder.display()));
    command.arg(format!("--user-agent={}", terms.user_agent));
    command.arg(format!(
        "--ignore-certificate-errors-spki-list={}",
        terms.fingerprint
    ));
    // Its sandbox needs an account that is not root.
    if rustix::process::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    command
        .env_clear()
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8");
    for name in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Reads what the browser says until it ends: first where it takes commands, or why it does not.
async fn listen(stderr: impl AsyncRead + Unpin, first: oneshot::Sender<Result<String, String>>) {
    let mut lines = BufReader::new(stderr).lines();
    let (mut first, mut last) = (Some(first), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::trace!(line, "the browser says");
        if let Some(url) = line.strip_prefix(LISTENS) {
            if let Some(first) = first.take() {
                let _ = first.send(Ok(url.trim().to_owned()));
            }
        } else if first.is_some() && !line.trim().is_empty() {
            last = line.chars().take(SAID).collect();
        }
    }
    if let Some(first) = first {
        let _ = first.send(Err(last));
    }
}

/// Watches a browser's memory until its end is asked for, and sees that nothing of it is left.
async fn keep(mut child: Child, group: Pid, folder: TempDir, most: u64, end: CancellationToken) {
    // Waiting for a child would close what is left with it.
    let stdin = child.stdin.take();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            _ = child.wait() => break,
            _ = look.tick() => {}
        }
        let memory = spawn_blocking(move || processes::memory(group))
            .await
            .unwrap_or(0);
        metrics::browser_memory(memory);
        if memory > most {
            tracing::warn!(
                memory,
                most,
                "the browser is ended: it holds more than `render.max_memory_bytes`"
            );
            break;
        }
    }
    // The shell ends the browser when it reads the end.
    drop(stdin);
    if timeout(END, child.wait()).await.is_err() {
        tracing::debug!("the browser did not end by itself");
    }
    processes::kill(group);
    let _ = child.wait().await;
    metrics::browser_memory(0);
    let _ = spawn_blocking(move || folder.close()).await;
}
