//! The terminal: its alternate screen, its size, its keys, and that it is left as it was.
//!
//! Source of the sequences: XTerm Control Sequences (Thomas Dickey), and for whole frames the synchronized output mode 2026.

use std::io::{self, IsTerminal as _, Read as _, Write};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

/// The alternate screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The screen from before, and the cursor.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Where the size is not known.
const USUAL: (usize, usize) = (80, 24);

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Warning,
}

/// Whether standard output can be drawn on.
pub(super) fn is_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stdout().is_terminal() && !dumb
}

/// A terminal that is drawn on. Dropped, it is as it was, after a panic too.
pub(super) struct Terminal<'a> {
    out: &'a mut dyn Write,
    /// What it was set to; `None` where standard input is none.
    before: Option<Termios>,
    is_styled: bool,
    is_entered: bool,
}

impl<'a> Terminal<'a> {
    pub(super) fn enter(out: &'a mut dyn Write) -> io::Result<Self> {
        let mut terminal = Self {
            out,
            before: tcgetattr(io::stdin()).ok(),
            is_styled: std::env::var_os("NO_COLOR").is_none_or(|said| said.is_empty()),
            is_entered: false,
        };
        terminal.set_up()?;
        Ok(terminal)
    }

    fn set_up(&mut self) -> io::Result<()> {
        self.is_entered = true;
        write!(self.out, "{ENTER}")?;
        self.out.flush()?;
        if let Some(before) = &self.before {
            // Keys are not shown, and come one by one; those that end or stop a process do as ever.
            let mut quiet = before.clone();
            quiet
                .local_modes
                .remove(LocalModes::ECHO | LocalModes::ICANON);
            tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        }
        Ok(())
    }

    /// Columns and lines, now.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => USUAL,
        }
    }

    /// Draws a whole frame over the one before: nothing is cleared first, so nothing flickers.
    pub(super) fn show(&mut self, lines: &[(Style, String)]) -> io::Result<()> {
        let mut frame = String::from("\x1b[?2026h\x1b[H");
        for (position, (style, line)) in lines.iter().enumerate() {
            if position > 0 {
                frame.push_str("\r\n");
            }
            let (on, off) = match style {
                _ if !self.is_styled => ("", ""),
                Style::Plain => ("", ""),
                Style::Title => ("\x1b[1m", "\x1b[0m"),
                Style::Warning => ("\x1b[33m", "\x1b[0m"),
            };
            frame.extend([on, line, off, "\x1b[K"]);
        }
        frame.push_str("\x1b[J\x1b[?2026l");
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// Rests in the background as whoever typed Ctrl-Z wants it, and is there again afterwards.
    pub(super) fn step_aside(&mut self) -> io::Result<()> {
        self.leave()?;
        kill_process(getpid(), Signal::STOP)?;
        self.set_up()
    }

    /// Leaves the terminal as it was.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_entered) {
            return Ok(());
        }
        if let Some(before) = &self.before {
            tcsetattr(io::stdin(), OptionalActions::Now, before)?;
        }
        write!(self.out, "{LEAVE}")?;
        self.out.flush()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no order.
        let _ = self.leave();
    }
}

/// What is typed, byte by byte. The thread that reads ends with the process: nothing can wake it.
pub(super) fn keys() -> mpsc::Receiver<u8> {
    let (typed, keys) = mpsc::channel(16);
    if !io::stdin().is_terminal() {
        // Nobody types; a sender that lives on keeps the receiver from ending at once.
        std::mem::forget(typed);
        return keys;
    }
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {
            if typed.blocking_send(byte[0]).is_err() {
                return;
            }
        }
        // The end of the input is no end of the showing.
        std::mem::forget(typed);
    });
    keys
}
