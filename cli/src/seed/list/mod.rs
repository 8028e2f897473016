//! `tusou seed --list`: pictures that files name.

mod chunks;
mod report;

use std::fs::OpenOptions;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tusou_ingest::list::{self, List, Position};
use tusou_ingest::lists::{self, Named, NewList, Progress, Reading};
use tusou_platform::{Config, database};

use super::args::{self, Lists};
use super::ask_for_contact;
use crate::error::Error;
use crate::format::{json, number};
use crate::index::tell;
use crate::rows;
use chunks::{Chunk, Chunks};
use report::Report;

/// Between two lines that say how far it is.
const TELL: Duration = Duration::from_secs(3);
/// The longest name of a list or folder, in bytes: its address has room for it, whatever it holds.
const MAX_NAME: usize = 200;

/// Reads the lists one after the other. One that cannot be read ends it; those before it are written.
pub(super) async fn run(config: &Config, args: &Lists, out: &mut dyn Write) -> Result<(), Error> {
    if let (Some(name), true) = (&args.name, args.files.len() > 1) {
        return Err(Error::Name {
            name: name.clone(),
            problem: "several files cannot have one name; read them one by one",
        });
    }
    let pool = match args.dry_run {
        true => None,
        false => Some(database::connect(&config.database).await?),
    };
    let mut due = 0;
    let mut reports = Vec::new();
    for path in &args.files {
        let reader = Reader::open(config, args, path)?;
        let (report, failed) = reader.read(pool.as_ref()).await?;
        due += report.due;
        if !args.json {
            write!(out, "{}", report::text(&report))?;
        }
        reports.push(report);
        if let Some(failed) = failed {
            if args.json {
                writeln!(out, "{}", json(&reports))?;
            }
            return Err(failed);
        }
    }
    if args.json {
        writeln!(out, "{}", json(&reports))?;
    } else if !args.dry_run {
        if due > 0 {
            ask_for_contact(config, out)?;
        }
        writeln!(out, "`tusou status` shows how far it is.")?;
    }
    Ok(())
}

/// The name of a list or folder: as it was given, or as its file is called.
pub(crate) fn name(given: Option<&str>, path: &Path) -> Result<String, Error> {
    let own = path.file_name().map(|name| name.to_string_lossy());
    let name = given.map_or_else(|| own.unwrap_or_default().into_owned(), str::to_owned);
    let problem = if name.trim().is_empty() {
        "it is empty; give one with --name"
    } else if name.len() > MAX_NAME {
        "it is longer than 200 bytes; give a shorter one with --name"
    } else if name.contains(char::is_control) {
        "it holds control characters; give another one with --name"
    } else {
        return Ok(name);
    };
    Err(Error::Name { name, problem })
}

/// One list on its way into the rows.
struct Reader<'a> {
    args: &'a Lists,
    path: &'a Path,
    name: String,
    coalesce: time::Duration,
    report: Report,
    bad: Option<BufWriter<std::fs::File>>,
    began: Instant,
    told: Instant,
}

impl<'a> Reader<'a> {
    /// Opens it once, so that what cannot be read at all leaves no trace.
    fn open(config: &Config, args: &'a Lists, path: &'a Path) -> Result<Self, Error> {
        let name = name(args.name.as_deref(), path)?;
        let list = List::open(path, &args.options(), Position::default())?;
        let report = Report::new(&name, path, list.format(), args.dry_run);
        Ok(Self {
            args,
            path,
            name,
            coalesce: time::Duration::milliseconds(
                i64::try_from(config.crawler.coalesce_ms).unwrap_or(i64::MAX),
            ),
            report,
            bad: None,
            began: Instant::now(),
            told: Instant::now(),
        })
    }

    /// Reads and writes it; what came of it, and what ended it before its end.
    async fn read(mut self, pool: Option<&PgPool>) -> Result<(Report, Option<Error>), Error> {
        let mut reading = None;
        if let Some(pool) = pool {
            let begun = self.begin(pool).await?;
            if let Some(finished) = begun.finished_at {
                self.report.progress = begun.progress.clone();
                self.report.was_finished = Some(finished);
                return Ok((self.report, None));
            }
            self.report.progress = begun.progress.clone();
            self.report.went_on_after = begun.progress.position.lines;
            reading = Some(begun);
        }
        self.open_bad_rows()?;
        let from = self.report.progress.position;
        let mut chunks = Chunks::of(self.path, self.args.options(), from);
        let mut failed = None;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => self.take(pool, reading.as_mut(), chunk).await?,
                Err(cause) => failed = Some(Error::List(cause)),
            }
        }
        let taken = self.report.taken();
        if failed.is_none() && taken == 0 {
            failed = Some(Error::NoRows {
                path: self.path.to_owned(),
                bad: self.report.progress.bad.clone(),
            });
        }
        if let (Some(pool), Some(reading), None) = (pool, &reading, &failed) {
            let gone = lists::forget_unnamed(pool, reading, self.coalesce);
            self.report.gone = gone
                .await
                .map_err(Error::query("end what a list no longer names"))?;
            lists::finish(pool, reading)
                .await
                .map_err(Error::query("finish a list"))?;
            self.report.finished = true;
        }
        self.report.end(self.began.elapsed());
        Ok((self.report, failed))
    }

    async fn begin(&self, pool: &PgPool) -> Result<Reading, Error> {
        let file = list::fingerprint(self.path)?;
        let path = std::fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        let (path, options) = (path.to_string_lossy(), self.args.options());
        let list = NewList {
            name: &self.name,
            path: &path,
            options: &options,
            file: &file,
        };
        Ok(lists::begin_list(pool, &list, self.args.again).await?)
    }

    /// Bad rows of a list that is gone on with are added to those from before.
    fn open_bad_rows(&mut self) -> Result<(), Error> {
        let Some(path) = &self.args.bad else {
            return Ok(());
        };
        let goes_on =
            self.report.went_on_after > 0 || self.args.files.first() != Some(&self.path.to_owned());
        let mut how = OpenOptions::new();
        how.create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on);
        let file = how.open(path).map_err(|cause| Error::BadRows {
            path: path.clone(),
            cause,
        })?;
        self.bad = Some(BufWriter::new(file));
        Ok(())
    }

    async fn take(
        &mut self,
        pool: Option<&PgPool>,
        reading: Option<&mut Reading>,
        chunk: Chunk,
    ) -> Result<(), Error> {
        self.write_bad(&chunk)?;
        let progress = &mut self.report.progress;
        progress.rows += chunk.count();
        progress.position = chunk.position;
        progress.share = chunk.share;
        for bad in &chunk.bad {
            *progress.bad.entry(bad.reason.to_owned()).or_default() += 1;
        }
        self.report.show_bad(&chunk.bad);
        if let (Some(pool), Some(reading)) = (pool, reading) {
            let named = Named {
                rows: &chunk.rows,
                progress: &self.report.progress,
                coalesce: self.coalesce,
            };
            let recorded = lists::record_rows(pool, reading, named)
                .await
                .map_err(Error::query("write rows of a list"))?;
            recorded.add_to(&mut self.report.progress.left_out);
            self.report.due += recorded.due;
            self.report.seen += recorded.seen;
            reading.progress = self.report.progress.clone();
        }
        self.report.read_now += chunk.count();
        if self.told.elapsed() > TELL && std::io::stderr().is_terminal() {
            self.told = Instant::now();
            self.tell(&self.report.progress);
        }
        Ok(())
    }

    fn write_bad(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let (Some(file), Some(path)) = (&mut self.bad, &self.args.bad) else {
            return Ok(());
        };
        let name = &self.name;
        let write = |bad: &chunks::Bad| {
            writeln!(file, "{name}\t{}\t{}\t{}", bad.line, bad.reason, bad.said)
        };
        let written = chunk.bad.iter().try_for_each(write);
        written
            .and_then(|()| self.bad.as_mut().map_or(Ok(()), Write::flush))
            .map_err(|cause| Error::BadRows {
                path: path.clone(),
                cause,
            })
    }

    fn tell(&self, progress: &Progress) {
        let rate = self.report.read_now as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        tell(&format!(
            "{}: {:.0} %, {} rows, {} of them bad, {} rows/s",
            self.name,
            progress.share * 100.0,
            number(progress.rows),
            number(progress.bad.values().sum()),
            number(rate as u64),
        ));
    }
}

/// Shows every list and folder.
pub(super) async fn show(
    config: &Config,
    args: &args::List,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let lists = rows::Snapshot::open(&pool).await?.lists().await?;
    if args.json {
        writeln!(out, "{}", json(&lists))?;
    } else {
        write!(out, "{}", report::lists(&lists))?;
    }
    Ok(())
}
