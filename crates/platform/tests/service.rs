//! A service's process from start to end, with real signals and exit codes. The test starts itself
//! as the service, so this file has a `main` of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Output, Stdio};

use tusou_platform::service;

/// What the service's body does; set for the process that plays the service.
const ROLE: &str = "SERVICE_TEST_ROLE";

#[derive(Debug, thiserror::Error)]
#[error("the work cannot be done")]
struct Failed(#[source] std::io::Error);

fn main() -> ExitCode {
    match std::env::var(ROLE) {
        Ok(role) => play(&role),
        Err(_) => check(),
    }
}

fn play(role: &str) -> ExitCode {
    let role = role.to_owned();
    let about = "Plays a service.";
    service::run(
        "tusou-test",
        about,
        Some(|c| c.crawler.listen),
        |context| async move {
            match role.as_str() {
                "fails" => return Err(Failed(std::io::Error::other("the disk is gone"))),
                "panics" => {
                    let task = tokio::spawn(async { panic!("no such invariant") });
                    assert!(task.await.is_err(), "the task panicked");
                }
                "waits" => {
                    tracing::info!("works");
                    context.shutdown.requested().await;
                }
                "hangs" => {
                    tracing::info!("works");
                    std::future::pending::<()>().await;
                }
                _ => {}
            }
            Ok(())
        },
    )
}

fn service(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this file runs"));
    command
        .env_clear()
        .env(ROLE, role)
        .env("TUSOU_CONFIG", "/dev/null")
        .env("TUSOU_CRAWLER_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(role: &str, change: impl FnOnce(&mut Command)) -> (Option<i32>, String) {
    let mut command = service(role);
    change(&mut command);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Starts it, reads its log until the body runs, and signals it; its exit code and the rest of the
/// log.
fn signalled(role: &str, signals: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut child = service(role).spawn().expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    await_line(&mut log, "works");
    for (signal, answer) in signals {
        kill(&child, signal);
        await_line(&mut log, answer);
    }
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("the log is text");
    (child.wait().expect("it ends").code(), rest)
}

fn await_line(log: &mut impl BufRead, words: &str) {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert_ne!(
            log.read_line(&mut line).expect("text"),
            0,
            "ended before: {words}"
        );
    }
}

fn kill(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("`kill` is everywhere").success());
}

fn check() -> ExitCode {
    let (code, said) = run("ends", |_| {});
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "tusou-test starts",
        "/dev/null",
        "TUSOU_CRAWLER_LISTEN",
        "tusou-test ends",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let (code, said) = run("fails", |_| {});
    assert_eq!(code, Some(1), "{said}");
    let told = "the work cannot be done: the disk is gone";
    assert_eq!(said.matches(told).count(), 1, "{said}");

    let (code, said) = run("panics", |c| {
        c.env("TUSOU_LOG_FORMAT", "json");
    });
    assert_eq!(code, Some(0), "{said}");
    let lines = said.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines: Vec<_> = lines.map(|line| line.expect(&said)).collect();
    let panic = lines
        .iter()
        .find(|l| l["message"] == "panic: no such invariant");
    let place = panic.expect(&said)["place"].as_str().expect("a place");
    assert!(place.contains("service.rs"), "{place}");

    let (code, said) = run("ends", |c| {
        c.env("TUSOU_CRAWLER_HOSTS", "0");
    });
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("crawler.hosts = 0"), "{said}");

    let (code, said) = run("ends", |c| {
        c.args(["--config", "/nonexistent.toml"]);
    });
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nonexistent.toml"), "{said}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken
        .local_addr()
        .map(|address| (address, taken))
        .expect("it is bound");
    let (code, said) = run("ends", |c| {
        c.env("TUSOU_CRAWLER_LISTEN", taken.0.to_string());
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("cannot listen on {}", taken.0)),
        "{said}"
    );

    let (code, said) = run("ends", |c| {
        c.arg("--version");
    });
    assert_eq!(code, Some(0));
    assert_eq!(
        said.trim(),
        format!("tusou-test {}", env!("CARGO_PKG_VERSION"))
    );
    let (code, said) = run("ends", |c| {
        c.arg("--help");
    });
    assert!(code == Some(0) && said.contains("Plays a service.") && said.contains("--config"));
    let (code, said) = run("ends", |c| {
        c.arg("--confg");
    });
    assert!(code == Some(2) && said.contains("--confg"), "{said}");

    for signal in ["-TERM", "-INT"] {
        let (code, rest) = signalled("waits", &[(signal, "asked to end")]);
        assert_eq!(code, Some(0), "{rest}");
    }
    for (signal, expected) in [("-TERM", 143), ("-INT", 130)] {
        let twice = [(signal, "asked to end"), (signal, "second signal")];
        let (code, rest) = signalled("hangs", &twice);
        assert_eq!(code, Some(expected), "{rest}");
    }
    ExitCode::SUCCESS
}
