//! `tusou status --watch` in a terminal of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tusou_testkit::{World, wait_for, wait_until};

use super::ran::command;

const LIMIT: Duration = Duration::from_secs(60);

/// A terminal with a command in it.
struct Screen {
    master: OwnedFd,
    slave: OwnedFd,
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn start(world: &World, (columns, lines): (u16, u16), variables: &[(&str, &str)]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be made");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave =
            open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it can be opened");
        resize(&master, columns, lines);
        let end = || Stdio::from(slave.try_clone().expect("a descriptor can be shared"));
        let mut command = command(world, "watch.toml", &world.config);
        command
            .args(["status", "--watch", "1"])
            .env_remove("NO_COLOR");
        command.stdin(end()).stdout(end()).stderr(end());
        command
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied());
        let child = command.spawn().expect("a built binary starts");
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let mut reader = File::from(master.try_clone().expect("a descriptor can be shared"));
        let kept = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                kept.lock()
                    .expect("nobody panics")
                    .extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            master,
            slave,
            child,
            written,
        }
    }

    fn text(&self) -> String {
        let written = self.written.lock().expect("nobody panics");
        String::from_utf8_lossy(&written).into_owned()
    }

    /// The frame that was drawn last, as lines without their orders.
    fn frame(&self) -> Vec<String> {
        let text = self.text();
        let end = text.rfind("\x1b[?2026l").unwrap_or(0);
        let start = text[..end].rfind("\x1b[?2026h\x1b[H").unwrap_or(0);
        let plain = text[start..end]
            .replace("\x1b[?2026h\x1b[H", "")
            .replace("\x1b[K", "")
            .replace("\x1b[J", "")
            .replace("\x1b[1m", "")
            .replace("\x1b[33m", "")
            .replace("\x1b[0m", "");
        // The terminal itself turns a line feed into two characters.
        let lines = plain.split('\n').map(|line| line.trim_end_matches('\r'));
        lines.map(str::to_owned).collect()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a process id"), signal).expect("the child is ours");
    }

    fn shows_keys(&self) -> bool {
        let modes = tcgetattr(&self.slave)
            .expect("it is a terminal")
            .local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Waits for its end, and checks that the terminal is as it was before.
    async fn ended(&mut self) {
        let status = wait_for(LIMIT, "it to end", async || {
            self.child.try_wait().expect("the child is ours")
        })
        .await;
        assert!(status.success(), "{status}: {}", self.text());
        wait_until(LIMIT, "the screen from before", async || {
            let text = self.text();
            text.rfind("\x1b[?1049l") > text.rfind("\x1b[?2026h")
                && text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
        })
        .await;
        assert!(self.shows_keys(), "keys are shown again");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &OwnedFd, columns: u16, lines: u16) {
    let size = Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("it is a terminal");
}

#[tokio::test]
async fn it_is_live_fits_its_window_and_leaves_the_terminal_as_it_was() {
    let world = World::new("cli_watch").await;
    drop(world.broker().await);
    let seeded = tusou_testkit::tusou(&world, &["seed", "http://a.test/", "http://b.test/"]).await;
    assert!(seeded.status.success());
    let mut screen = Screen::start(&world, (100, 60), &[]);
    wait_until(LIMIT, "the seeds", async || {
        screen
            .frame()
            .iter()
            .any(|line| line.contains("http://a.test/"))
    })
    .await;
    let frame = screen.frame();
    assert!(
        frame.len() <= 60 && frame.iter().all(|line| line.chars().count() <= 100),
        "{frame:#?}"
    );
    for part in [
        "queues and services seen",
        "Held up",
        "the crawler does not answer",
        "Queues",
        "Each second",
        "Seeds",
    ] {
        assert!(
            frame.iter().any(|line| line.contains(part)),
            "{part}: {frame:#?}"
        );
    }
    let text = screen.text();
    assert!(
        text.starts_with("\x1b[?1049h\x1b[?25l"),
        "a screen of its own, without a cursor"
    );
    assert!(!text.contains("\x1b[2J"), "nothing is cleared first");
    assert!(!screen.shows_keys());

    // What is new is shown, and a small window names what it leaves out.
    let paused = tusou_testkit::tusou(&world, &["pause", "crawl", "--why", "a test"]).await;
    assert!(paused.status.success());
    wait_until(LIMIT, "the pause", async || {
        screen
            .frame()
            .iter()
            .any(|line| line.contains("crawl is paused (a test)"))
    })
    .await;
    resize(&screen.master, 40, 12);
    screen.signal(Signal::WINCH);
    wait_until(LIMIT, "the smaller frame", async || {
        screen.frame().len() <= 12
    })
    .await;
    let frame = screen.frame();
    assert!(
        frame.iter().all(|line| line.chars().count() <= 40),
        "{frame:#?}"
    );
    assert!(
        frame
            .last()
            .is_some_and(|line| line.starts_with("No room for: ")),
        "{frame:#?}"
    );

    screen.signal(Signal::TERM);
    screen.ended().await;
    world.end().await;
}

#[tokio::test]
async fn a_key_ends_it_and_colours_can_be_refused() {
    let world = World::new("cli_watch_key").await;
    let mut screen = Screen::start(&world, (80, 24), &[("NO_COLOR", "1")]);
    wait_until(LIMIT, "a frame", async || {
        screen.frame().iter().any(|line| line.contains("q ends"))
    })
    .await;
    let mut keys = File::from(
        screen
            .master
            .try_clone()
            .expect("a descriptor can be shared"),
    );
    keys.write_all(b"q").expect("it takes keys");
    screen.ended().await;
    let text = screen.text();
    assert!(
        !text.contains("\x1b[1m") && !text.contains("\x1b[33m"),
        "no colours"
    );
    world.end().await;
}

#[tokio::test]
async fn without_a_terminal_one_status_follows_the_other() {
    let world = World::new("cli_watch_piped").await;
    let mut child = command(&world, "watch.toml", &world.config)
        .args(["status", "--watch=1"])
        .env("TERM", "xterm")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut out = child.stdout.take().expect("it is piped");
    let read = tokio::task::spawn_blocking(move || {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while text.matches("Pictures\n").count() < 2 {
            let count = out.read(&mut bytes).expect("it is read");
            assert!(count > 0, "it ended: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        text
    });
    let text = read.await.expect("it is read");
    assert!(!text.contains('\x1b'), "{text}");
    child.kill().expect("the child is ours");
    child.wait().expect("it ends");
    world.end().await;
}
