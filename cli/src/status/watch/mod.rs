//! `tusou status --watch` in a terminal: live, on a screen of its own.

mod draw;
mod terminal;

use std::io::Write;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tusou_platform::{Config, Shutdown};

use self::terminal::Terminal;
use super::look::Looker;
use crate::error::Error;

/// Between two drawings, where nothing else is new: ages grow.
const TICK: Duration = Duration::from_secs(1);

/// Whether standard output is a terminal that can be drawn on.
pub(super) fn is_possible() -> bool {
    terminal::is_terminal()
}

/// Shows what is seen until somebody ends it.
///
/// # Errors
/// What only a person mends, and where the terminal cannot be written.
pub(super) async fn run(
    config: &Config,
    interval: Duration,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let looker = Looker::new(config, interval, true);
    let shutdown = Shutdown::on_signals();
    let shown = async {
        let shown = show(config, &looker, &shutdown, out).await;
        shutdown.request();
        shown
    };
    let (looked, shown) = tokio::join!(looker.run(&shutdown), shown);
    looked.and(shown)
}

async fn show(
    config: &Config,
    looker: &Looker,
    shutdown: &Shutdown,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut changes = looker.changes();
    let mut resized = signal(SignalKind::window_change())?;
    let mut stopped = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
    let mut keys = terminal::keys();
    let mut screen = Terminal::enter(out)?;
    loop {
        let (width, height) = screen.size();
        let seen = looker.seen();
        let lines = draw::lines(config, seen.as_ref(), SystemTime::now(), width, height);
        screen.show(&lines)?;
        tokio::select! {
            () = shutdown.requested() => break,
            changed = changes.changed() => if changed.is_err() { break },
            _ = resized.recv() => {}
            _ = stopped.recv() => screen.step_aside()?,
            key = keys.recv() => if key == Some(b'q') { break },
            () = tokio::time::sleep(TICK) => {}
        }
    }
    screen.leave()?;
    Ok(())
}
