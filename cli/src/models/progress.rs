//! How far a download is: one line that is written over on a terminal, plain lines elsewhere.

use std::future::Future;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that are not written over come this far apart.
const APART: Duration = Duration::from_secs(10);

/// A terminal's line is written over so often.
const REDRAWN: Duration = Duration::from_millis(200);

/// Silence for so long is a connection that hangs.
pub(super) const HANGS: Duration = Duration::from_secs(60);

/// How far a download is. Clones show the same one.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

struct State {
    terminal: bool,
    out: Box<dyn Write + Send>,
    file: String,
    total: u64,
    done: u64,
    /// What was there before this try.
    kept: u64,
    /// Whether what comes next is what was there.
    resumes: bool,
    begun: Instant,
    shown: Instant,
    moved: Instant,
}

impl Progress {
    /// On standard error.
    pub(super) fn new() -> Self {
        let error = std::io::stderr();
        Self::on(error.is_terminal(), Box::new(error))
    }

    fn on(terminal: bool, out: Box<dyn Write + Send>) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            terminal,
            out,
            file: String::new(),
            total: 0,
            done: 0,
            kept: 0,
            resumes: false,
            begun: now,
            shown: now,
            moved: now,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file begins, of which so many bytes are here already.
    pub(super) fn begin(&self, file: &str, total: u64, kept: u64) {
        let mut state = self.state();
        let now = Instant::now();
        file.clone_into(&mut state.file);
        (state.total, state.done, state.kept) = (total, kept, kept);
        (state.begun, state.shown, state.moved) = (now, now, now);
        // A small file's end is soon told.
        if state.terminal || total >= 1_000_000 {
            state.show();
        }
    }

    /// So many bytes have come.
    pub(super) fn add(&self, bytes: u64) {
        let mut state = self.state();
        let now = Instant::now();
        state.moved = now;
        // A piece that is asked for again comes twice.
        state.done = (state.done + bytes).min(state.total.max(state.done));
        let apart = if state.terminal { REDRAWN } else { APART };
        if now.duration_since(state.shown) >= apart {
            state.shown = now;
            state.show();
        }
    }

    /// What was there before this try.
    pub(super) fn kept(&self) -> u64 {
        self.state().kept
    }

    /// The file is here.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.done = state.total.max(state.done);
        state.moved = Instant::now();
        state.show();
        if state.terminal {
            let _ = writeln!(state.out);
        }
    }

    fn silent_for(&self) -> Duration {
        self.state().moved.elapsed()
    }

    /// The future's answer, or `None` where nothing has come for [`HANGS`].
    pub(super) async fn watch<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.state().moved = Instant::now();
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                answer = &mut future => return Some(answer),
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if self.silent_for() >= HANGS {
                        return None;
                    }
                }
            }
        }
    }
}

impl State {
    /// Whoever closed standard error does not want to be told.
    fn show(&mut self) {
        let line = line(
            &self.file,
            self.done,
            self.total,
            self.done - self.kept,
            self.begun.elapsed(),
        );
        let _ = match self.terminal {
            true => write!(self.out, "\r\x1b[K{line}").and_then(|()| self.out.flush()),
            false => writeln!(self.out, "{line}"),
        };
    }
}

fn line(file: &str, done: u64, total: u64, came: u64, took: Duration) -> String {
    let file = crate::format::one_line(file, 60);
    let mut line = format!("  {file}  {} of {}", size(done), size(total));
    let seconds = took.as_secs_f64();
    if came > 0 && seconds >= 0.5 {
        line.push_str(&format!("  {}/s", size((came as f64 / seconds) as u64)));
    }
    line
}

/// Bytes as people read them: `23.6 MB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// What `hf-hub` tells of a file.
impl hf_hub::api::tokio::Progress for Progress {
    async fn init(&mut self, size: usize, filename: &str) {
        self.begin(filename, size as u64, 0);
        self.state().resumes = true;
    }

    /// The first is of what was there.
    async fn update(&mut self, size: usize) {
        let kept = {
            let mut state = self.state();
            std::mem::take(&mut state.resumes).then(|| state.file.clone())
        };
        match kept {
            Some(file) if size > 0 => {
                let total = self.state().total;
                self.begin(&file, total, size as u64);
            }
            Some(_) => {}
            None => self.add(size as u64),
        }
    }

    async fn finish(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_file_and_how_far_and_how_fast() {
        let second = Duration::from_secs(2);
        assert_eq!(
            line("m.onnx", 0, 900, 0, Duration::ZERO),
            "  m.onnx  0 B of 900 B"
        );
        assert_eq!(
            line("m.onnx", 20_000_000, 1_500_000_000, 4_000_000, second),
            "  m.onnx  20.0 MB of 1.50 GB  2.0 MB/s"
        );
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_is_written_over_and_a_file_is_not() {
        let over = "\r\x1b[K";
        let written_over = format!(
            "{over}  a  10 B of 100 B{over}  a  100 B of 100 B\n{over}  b  1.0 MB of 2.0 MB"
        );
        let plain = "  a  100 B of 100 B\n  b  1.0 MB of 2.0 MB\n";
        for (terminal, wanted) in [(false, plain), (true, written_over.as_str())] {
            let kept = Kept::default();
            let progress = Progress::on(terminal, Box::new(kept.clone()));
            progress.begin("a", 100, 10);
            for _ in 0..4 {
                progress.add(30);
            }
            progress.end();
            progress.begin("b", 2_000_000, 1_000_000);
            let text = String::from_utf8(kept.0.lock().expect("no writer panics").clone());
            assert_eq!(text.expect("it is text"), wanted);
        }
    }
}
