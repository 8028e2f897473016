//! The real services as processes.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tusou_platform::Config;

use crate::{World, free_port, wait_for};

/// A service loads its models before it is ready.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// A service ends within 30 s of SIGTERM; beyond that the test fails.
const END_LIMIT: Duration = Duration::from_secs(40);
/// Lines of the log that a failure shows.
const LOG_LINES: usize = 60;

/// A running service. It is killed when dropped; a test that fails shows the end of its log.
#[derive(Debug)]
pub struct Service {
    name: String,
    listen: SocketAddr,
    config_file: PathBuf,
    log_file: PathBuf,
    /// Variables that it has besides the test's own.
    environment: Vec<(String, String)>,
    child: Child,
    client: reqwest::Client,
}

impl Service {
    /// Starts a binary of the workspace with the world's configuration as it stands now, and waits
    /// until it is ready. A second one of the same name gets a port of its own.
    pub async fn spawn(world: &World, name: &str) -> Self {
        Self::spawn_in(world, name, &[]).await
    }

    /// As [`Service::spawn`], with these environment variables besides the test's own.
    pub async fn spawn_in(world: &World, name: &str, environment: &[(&str, &str)]) -> Self {
        let mut service = Self::start(world, name, environment);
        service.wait_ready().await;
        service
    }

    /// Starts a binary and does not wait: for tests where what it needs is away.
    pub async fn spawn_unready(world: &World, name: &str) -> Self {
        Self::start(world, name, &[])
    }

    fn start(world: &World, name: &str, environment: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut config = world.config.clone();
        let listen = listen_of(&mut config, name);
        if world.is_taken(*listen) {
            listen.set_port(free_port());
        }
        let listen = *listen;
        world.take(listen);
        let file = |ending: &str| world.folder().join(format!("{name}-{number}.{ending}"));
        let (config_file, log_file) = (file("toml"), file("log"));
        let text = toml::to_string(&config).expect("a configuration is TOML");
        std::fs::write(&config_file, text).expect("the world's folder can be written");
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let child = start(name, &config_file, &log_file, &environment);
        Self {
            name: name.to_owned(),
            listen,
            config_file,
            log_file,
            environment,
            child,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()
                .expect("a plain client can be made"),
        }
    }

    /// Where it serves metrics and health, and search its API: `http://127.0.0.1:port` + `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/healthz/ready` says so; panics when it ends instead.
    pub async fn wait_ready(&mut self) {
        let what = format!("{} to be ready", self.name);
        let (url, client) = (self.url("/healthz/ready"), self.client.clone());
        let child = &mut self.child;
        wait_for(READY_LIMIT, &what, async || {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                panic!("it ended with {status} before it was ready");
            }
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Whether `/healthz/ready` says so now.
    pub async fn is_ready(&self) -> bool {
        let answer = self.client.get(self.url("/healthz/ready")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The parts that its health says are not well, each with the reason; none where it does not
    /// answer.
    pub async fn unwell(&self) -> Vec<String> {
        let asked = self.client.get(self.url("/healthz/ready")).send().await;
        let Ok(answer) = asked else {
            return Vec::new();
        };
        let report: serde_json::Value = answer.json().await.unwrap_or_default();
        let parts = report["parts"].as_object().into_iter().flatten();
        parts
            .filter(|(_, said)| said.as_str() != Some("ok"))
            .map(|(part, said)| format!("{part}: {}", said.as_str().unwrap_or_default()))
            .collect()
    }

    /// What it serves at `/metrics`.
    pub async fn metrics(&self) -> String {
        let answer = self.client.get(self.url("/metrics")).send().await;
        let text = answer.expect("a running service serves its metrics").text();
        text.await.expect("metrics are text")
    }

    /// The sum of a metric over all its labels, 0 where it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let named = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        };
        text.lines()
            .filter(named)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// SIGKILL: ends it as a crash does.
    pub async fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("a killed child ends");
    }

    /// SIGTERM: its status and how long it took. Panics when it does not end.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(Signal::TERM);
        let what = format!("{} to end after SIGTERM", self.name);
        let child = &mut self.child;
        let status = wait_for(END_LIMIT, &what, async || {
            child.try_wait().expect("the child is ours")
        })
        .await;
        (status, start.elapsed())
    }

    /// SIGSTOP: it hangs, and holds what it has.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: goes on after [`Service::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again after [`Service::kill`] or [`Service::terminate`], with the same
    /// configuration and log, and waits until it is ready.
    pub async fn restart(&mut self) {
        if self.is_running() {
            self.kill().await;
        }
        self.child = self.start_child();
        self.wait_ready().await;
    }

    /// Starts it again, with the same configuration and log, and does not wait.
    pub fn start_again(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = self.start_child();
    }

    fn start_child(&self) -> Child {
        start(
            &self.name,
            &self.config_file,
            &self.log_file,
            &self.environment,
        )
    }

    /// SIGTERM: its status, or `None` where it has not ended within `limit`.
    pub async fn end_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        if !self.is_running() {
            return self.child.wait().ok();
        }
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Whether its process runs.
    pub fn is_running(&mut self) -> bool {
        let status = self.child.try_wait().expect("the child is ours");
        status.is_none()
    }

    /// Its resident memory now, bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it had, bytes.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Its whole log so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log_file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn memory(&self, key: &str) -> u64 {
        let file = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(file).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .expect("a living process has memory")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a process id"), signal).expect("the child is ours");
    }
}

impl Drop for Service {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!(
                "── the last {} of {} lines of {}'s log ──",
                shown.len(),
                lines.len(),
                self.name
            );
            for line in shown {
                eprintln!("{line}");
            }
        }
    }
}

fn listen_of<'a>(config: &'a mut Config, name: &str) -> &'a mut SocketAddr {
    match name {
        "tusou-crawler" => &mut config.crawler.listen,
        "tusou-encoder" => &mut config.encoder.listen,
        "tusou-indexer" => &mut config.indexer.listen,
        "tusou-search" => &mut config.search.listen,
        other => panic!("`{other}` is no service"),
    }
}

fn start(name: &str, config: &Path, log: &Path, environment: &[(String, String)]) -> Child {
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .expect("the world's folder can be written");
    let mut command = command(binary(name));
    command
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log);
    command.envs(environment.iter().cloned());
    match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("{name} cannot start: {error}"),
    }
}

/// Runs a program without what the environment of whoever runs the tests says of Tusou: that would count for more than a
/// file of the test's own, and lead to the stack's own stores.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("TUSOU_") {
            command.env_remove(key);
        }
    }
    command
}

/// The path of a binary of the workspace, built with the same profile as the running program.
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let folder = program.parent().expect("a program lies in a folder");
    // Tests lie one folder below the binaries, benchmarks beside them.
    let folder = match folder.file_name() {
        Some(deps) if deps == "deps" => folder.parent().unwrap_or(folder),
        _ => folder,
    };
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not there: run `make test`, or build it first with `cargo build --release --workspace`",
        path.display()
    );
    path
}
