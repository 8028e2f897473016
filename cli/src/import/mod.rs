//! `tusou import`: a folder of pictures becomes images and sightings, and what has changed in it since.
//!
//! Files on the disk and rows of those that were imported come in one order, and are held against each
//! other: what is in both and has not changed is passed over, what is new is taken, what is in the rows
//! alone is gone. So it may be repeated, and goes on where it was interrupted.

pub(crate) mod args;
mod known;
mod look;
mod report;

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tusou_contract::BlobKey;
use tusou_ingest::folder::{self, Bounds, FolderFile, Found, Left, Walk};
use tusou_ingest::lists::{self, FilesRecorded, KnownFile, LookedAt, Reading};
use tusou_ingest::{Budgets, PictureLimits, PictureWritten, Terms, is_collision};
use tusou_platform::blobs::BlobStore;
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::{json, number};
use crate::index::tell;
use crate::outbox::Room;
use crate::seed::list_name;
use args::Import;
use known::Known;
use look::{Limits, Look, Looked, look};
use report::Report;

/// Files that are written in one transaction.
const FILES: usize = 64;
/// Bytes of pictures that are held for one transaction, but for the last one's.
const BYTES: usize = 64 << 20;
/// Files that the walk is ahead of those that are looked at.
const AHEAD: usize = 256;
/// Times that a transaction is run again where it met another one.
const TRIES: u32 = 10;
/// Between two lines that say how far it is.
const TELL: Duration = Duration::from_secs(3);

/// Imports a folder.
pub(crate) async fn run(config: &Config, args: &Import, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |cause| Error::Folder {
        path: args.folder.clone(),
        cause,
    };
    let path = std::fs::canonicalize(&args.folder).map_err(failed)?;
    let name = list_name(args.name.as_deref(), &path)?;
    let address = folder::address(&name);
    let bounds = Bounds {
        depth: args.depth.into(),
        follow_links: args.follow_links,
        hidden: args.hidden,
    };
    let walk = || Walk::open(&path, &address, bounds).map_err(failed);
    walk()?;
    let pool = database::connect(&config.database).await?;
    let blobs = BlobStore::open(&config.blobs)?;
    let reading = match args.dry_run {
        true => None,
        false => {
            Some(lists::begin_folder(&pool, &name, &path.to_string_lossy(), args.moved).await?)
        }
    };
    let mut known = Known::new(&pool, &address);
    // What is known is not taken for gone because a disk is not mounted.
    if !args.empty && known.peek().await?.is_some() && !has_file(walk()?).await {
        return Err(Error::FolderEmpty { path });
    }
    let import = Importing {
        config,
        args,
        pool: &pool,
        blobs,
        reading,
        report: Report::new(name, &path, args.dry_run),
        waiting: Vec::new(),
        gone: Vec::new(),
        told: Instant::now(),
    };
    let report = import.take_in(walk()?, known).await?;
    if args.json {
        writeln!(out, "{}", json(&report))?;
    } else {
        write!(out, "{}", report::text(&report))?;
        if !args.dry_run {
            writeln!(
                out,
                "`tusou status` shows how far they are on their way into the index."
            )?;
        }
    }
    Ok(())
}

async fn has_file(mut walk: Walk) -> bool {
    let looked = move || walk.any(|found| matches!(found, Found::File(_)));
    let looked = tokio::task::spawn_blocking(looked);
    looked.await.expect("a walk does not panic")
}

/// A folder on its way into the rows.
struct Importing<'a> {
    config: &'a Config,
    args: &'a Import,
    pool: &'a PgPool,
    blobs: BlobStore,
    /// None in a dry run.
    reading: Option<Reading>,
    report: Report,
    /// What was looked at and is to be written.
    waiting: Vec<Looked>,
    gone: Vec<KnownFile>,
    told: Instant,
}

impl Importing<'_> {
    async fn take_in(mut self, walk: Walk, mut known: Known<'_>) -> Result<Report, Error> {
        let began = Instant::now();
        let jobs = self.args.jobs.map_or_else(processors, usize::from);
        let mut found = walking(walk);
        let mut looks = FuturesUnordered::new();
        // Below what is not looked into, and at it, rows stay as they are.
        let mut left: Option<Left> = None;
        while let Some(next) = found.recv().await {
            let url = match &next {
                Found::File(file) => &file.url,
                Found::Left(left) => &left.url,
            };
            while let Some(before) = known.next_before(url).await? {
                self.miss(before, left.as_ref()).await?;
            }
            match next {
                Found::Left(next) => {
                    self.report.left(&shown(&next.url), next.reason);
                    left = Some(next);
                }
                Found::File(file) => {
                    self.report.files += 1;
                    let known = known.next_at(&file.url).await?;
                    looks.push(look(self.blobs.clone(), file, known, self.limits()));
                }
            }
            if looks.len() >= jobs
                && let Some(looked) = looks.next().await
            {
                self.looked_at(looked?).await?;
            }
        }
        while let Some(looked) = looks.next().await {
            self.looked_at(looked?).await?;
        }
        while let Some(rest) = known.next().await? {
            self.miss(rest, left.as_ref()).await?;
        }
        self.write().await?;
        self.write_gone().await?;
        if let Some(mut reading) = self.reading.take() {
            let report = &self.report;
            reading.progress.rows = report.files;
            reading.progress.bad = report.failed.clone();
            reading.progress.left_out = report.left.clone();
            let more = [("removed", report.removed), ("no_picture", report.others)];
            for (reason, count) in more.into_iter().filter(|(_, count)| *count > 0) {
                reading.progress.left_out.insert(reason.to_owned(), count);
            }
            lists::finish(self.pool, &reading)
                .await
                .map_err(Error::query("finish a folder"))?;
        }
        self.report.end(began.elapsed());
        Ok(self.report)
    }

    fn limits(&self) -> Limits {
        Limits {
            bytes: self.config.crawler.max_image_bytes,
            pixels: self.config.crawler.max_image_pixels,
            again: self.args.again,
            writes: !self.args.dry_run,
        }
    }

    /// A file that the rows have and the walk has passed.
    async fn miss(&mut self, known: KnownFile, left: Option<&Left>) -> Result<(), Error> {
        let is_left = left.is_some_and(|left| {
            let below = known.url.strip_prefix(&left.url);
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        });
        if is_left {
            return Ok(());
        }
        self.report.gone += 1;
        self.gone.push(known);
        if self.gone.len() >= FILES {
            self.write_gone().await?;
        }
        Ok(())
    }

    async fn looked_at(&mut self, looked: Looked) -> Result<(), Error> {
        let url = shown(&looked.file.url);
        match &looked.look {
            Look::Same => self.report.unchanged += 1,
            Look::SameFailure(reason) => self.report.failed(&url, reason),
            Look::Other if !looked.known => self.report.others += 1,
            Look::Other | Look::Failed(_) | Look::Picture(_) => self.waiting.push(looked),
        }
        let bytes = self.waiting.iter().map(|looked| match &looked.look {
            Look::Picture(image) => image.bytes.len(),
            _ => 0,
        });
        if self.waiting.len() >= FILES || bytes.sum::<usize>() >= BYTES {
            self.write().await?;
        }
        if self.told.elapsed() > TELL && std::io::stderr().is_terminal() {
            self.told = Instant::now();
            let report = &self.report;
            tell(&format!(
                "{} files, {} pictures new or changed, at {url}",
                number(report.files),
                number(report.new + report.changed),
            ));
        }
        Ok(())
    }

    /// Writes what waits; it waits itself while the outbox is full.
    async fn write(&mut self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let files: Vec<LookedAt<'_>> = waiting.iter().map(of).collect();
        let recorded = match &self.reading {
            Some(reading) => {
                self.room().wait().await?;
                let mut tries = 0;
                loop {
                    match self.write_once(reading, &files).await {
                        Err(Error::Query { cause, .. })
                            if is_collision(&cause) && tries < TRIES =>
                        {
                            tries += 1;
                        }
                        written => break written?,
                    }
                }
            }
            None => FilesRecorded::default(),
        };
        let mut pictures = recorded.pictures.into_iter();
        for (looked, file) in waiting.iter().zip(&files) {
            let url = shown(file.url);
            let image = match file.picture {
                Ok(image) => image,
                Err(reason) => {
                    self.report.failed(&url, reason);
                    continue;
                }
            };
            let is_new = match pictures.next() {
                Some(PictureWritten::KeptOut | PictureWritten::Missing) => {
                    self.report.removed += 1;
                    continue;
                }
                Some(PictureWritten::Stored(stored)) => stored.new,
                None => false,
            };
            let report = &mut self.report;
            *(if looked.known {
                &mut report.changed
            } else {
                &mut report.new
            }) += 1;
            if is_new {
                report.images += 1;
                report.bytes += image.bytes.len() as u64;
            }
        }
        Ok(())
    }

    async fn write_once(
        &self,
        reading: &Reading,
        files: &[LookedAt<'_>],
    ) -> Result<FilesRecorded, Error> {
        let failed = Error::query("write files of a folder");
        let mut tx = self.pool.begin().await.map_err(&failed)?;
        let terms = self.terms();
        let recorded = lists::record_files(&mut tx, reading, files, &terms);
        let recorded = recorded.await.map_err(&failed)?;
        let pictures = files.iter().filter_map(|file| file.picture.ok());
        for (image, written) in pictures.zip(&recorded.pictures) {
            if let PictureWritten::Stored(stored) = written
                && stored.restored
            {
                self.blobs
                    .put(&image.blob_key(), image.bytes.clone())
                    .await?;
                self.blobs.delete(&BlobKey::removed(&image.id)).await?;
            }
        }
        tx.commit().await.map_err(&failed)?;
        Ok(recorded)
    }

    async fn write_gone(&mut self) -> Result<(), Error> {
        let gone = std::mem::take(&mut self.gone);
        let Some(reading) = &self.reading else {
            return Ok(());
        };
        self.room().wait().await?;
        let failed = Error::query("write that files of a folder are gone");
        let mut tries = 0;
        loop {
            let mut tx = self.pool.begin().await.map_err(&failed)?;
            let written = lists::record_vanished(&mut tx, reading, &gone, &self.terms()).await;
            let ended = match written {
                Ok(_) => tx.commit().await,
                Err(cause) => Err(cause),
            };
            match ended {
                Err(cause) if is_collision(&cause) && tries < TRIES => tries += 1,
                ended => return ended.map_err(&failed),
            }
        }
    }

    fn room(&self) -> Room<'_> {
        Room {
            pool: self.pool,
            limit: self.config.crawler.outbox_limit,
        }
    }

    fn terms(&self) -> Terms {
        let coalesce = i64::try_from(self.config.crawler.coalesce_ms).unwrap_or(i64::MAX);
        Terms {
            coalesce: time::Duration::milliseconds(coalesce),
            revisit_min_seconds: 0,
            revisit_max_seconds: 0,
            budgets: Budgets::UNBOUNDED,
            pictures: PictureLimits::NONE,
        }
    }
}

/// What is written of a file. One that was a picture and is none any more shows nothing.
fn of(looked: &Looked) -> LookedAt<'_> {
    let FolderFile { url, stamp, .. } = &looked.file;
    LookedAt {
        url,
        stamp,
        caption: &looked.caption,
        picture: match &looked.look {
            Look::Picture(image) => Ok(image),
            Look::Failed(reason) => Err(reason),
            Look::SameFailure(reason) => Err(reason),
            Look::Same | Look::Other => Err("not_a_picture"),
        },
    }
}

/// The walk, on a thread of its own.
fn walking(walk: Walk) -> mpsc::Receiver<Found> {
    let (sender, found) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for next in walk {
            if sender.blocking_send(next).is_err() {
                // Whoever imports has ended.
                return;
            }
        }
    });
    found
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A file's path as people read it.
fn shown(url: &str) -> String {
    folder::relative_path(url).unwrap_or_else(|| url.to_owned())
}
