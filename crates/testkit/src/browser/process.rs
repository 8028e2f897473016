//! The driver's process, and the end of everything that it started.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::part;
use crate::free_port;

/// What the names of all folders begin with; the process that made one follows.
const PREFIX: &str = "tusou-browser-";

/// A running driver with the folder of its browsers' profiles.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    port: u16,
    browser: String,
    folder: TempDir,
    profiles: AtomicU32,
}

impl Driver {
    pub(super) fn start() -> Self {
        sweep();
        let (program, browser, fonts) = (
            part("TUSOU_CHROMEDRIVER"),
            part("TUSOU_BROWSER"),
            part("TUSOU_FONTS"),
        );
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.expect("a folder for profiles can be made");
        let log = File::create(folder.path().join("log")).expect("the folder can be written");
        let port = free_port();
        let child = Command::new(&program)
            .arg(format!("--port={port}"))
            .env("FONTCONFIG_FILE", fonts)
            // What a browser keeps outside its profile goes with the folder, too.
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|cause| panic!("{program} does not start: {cause}"));
        Self {
            child,
            port,
            browser,
            folder,
            profiles: AtomicU32::new(0),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn browser(&self) -> &str {
        &self.browser
    }

    /// Where everything of it lies.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A folder that no browser has used.
    pub(super) fn new_profile(&self) -> PathBuf {
        let number = self.profiles.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("profile-{number}"))
    }
}

impl Drop for Driver {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log")]
    fn drop(&mut self) {
        // The driver first, so that it starts none anew. Each browser leads a group of its own.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
        end_users_of(self.folder.path());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            eprintln!("── the driver's log ──\n{}", log.unwrap_or_default());
        }
    }
}

/// Ends every process that has this folder in its command line, until there is none.
fn end_users_of(folder: &Path) {
    for _ in 0..200 {
        let users = users_of(&folder.to_string_lossy());
        if users.is_empty() {
            return;
        }
        for (pid, _) in users {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Processes with this text in their command lines, and those lines. One that has ended and that nobody waited for has
/// none.
pub(super) fn users_of(text: &str) -> Vec<(Pid, String)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(text).then_some((Pid::from_raw(pid)?, line))
    });
    found.collect()
}

/// Ends, once a process, browsers whose tests were killed before they could.
fn sweep() {
    static SWEPT: std::sync::Once = std::sync::Once::new();
    SWEPT.call_once(|| {
        for (pid, line) in users_of(&format!("/{PREFIX}")) {
            let owner = line.split(&format!("/{PREFIX}")).nth(1);
            let owner = owner.and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    });
}
