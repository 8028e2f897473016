//! What is done to the folder itself: its free space, the age of a file, a trial.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, statvfs, utimensat};

use super::super::MARKER;
use super::super::error::{BlobError, Full, is_full};
use super::durable;
use super::listing::gone;
use super::turns::Turns;

/// Bytes that a trial writes.
const TRIAL: [u8; 4096] = [0; 4096];

/// What the marker says to whoever looks into it.
const MARK: &[u8] = b"Tusou keeps blobs here. Without this file the folder is taken for a disk that is not mounted.\n";

/// What the folder of a store from before there were markers has.
const OLDER_MARKS: [&str; 2] = ["originals", "thumbnails"];

/// The folder of a store, and how much of its disk stays free.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) min_free: u64,
    /// Whether this process has seen it marked; shared by all clones.
    seen: Arc<AtomicBool>,
    turns: Turns,
}

impl Disk {
    pub(super) fn new(root: PathBuf, min_free: u64) -> Self {
        Self {
            root,
            min_free,
            seen: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// Whether blobs were stored here before, so that one that is not here is nowhere.
    pub(super) fn is_marked(&self) -> bool {
        let marked = std::iter::once(MARKER)
            .chain(OLDER_MARKS)
            .any(|name| self.root.join(name).exists());
        if marked {
            self.see();
        }
        marked
    }

    /// This process knows from now on that blobs are kept here.
    pub(super) fn see(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    /// [`BlobError::Unmarked`] where the marker was there and is not any more: the disk went.
    fn check_mark(&self) -> Result<(), BlobError> {
        if !self.is_marked() && self.seen.load(Ordering::Relaxed) {
            return Err(self.unmarked());
        }
        Ok(())
    }

    /// What [`super::super::BlobStore::put_now`] does: a blob that is there costs a look and a touch. Many URLs
    /// of one picture come together, and only the first of them writes it.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        let path = self.root.join(name);
        let length = bytes.len() as u64;
        if self.renew(name, &path, length)? {
            return Ok(());
        }
        let _turn = self.turns.take(name);
        if self.renew(name, &path, length)? {
            return Ok(());
        }
        self.check_room(length)?;
        self.mark()?;
        durable::write(&self.root, &path, bytes).map_err(|cause| self.failed(cause))
    }

    /// Makes a file young that is there whole; false where there is none.
    fn renew(&self, name: &str, path: &Path, length: u64) -> Result<bool, BlobError> {
        let there = match fs::metadata(path) {
            Ok(meta) => meta.len() == length,
            Err(error) => gone(error)
                .map(|()| false)
                .map_err(|cause| self.failed(cause))?,
        };
        // One that went between the look and the touch is written again.
        Ok(there && self.touch(Path::new(name)))
    }

    /// Marks the folder, which is about to get a blob, unless the disk went.
    fn mark(&self) -> Result<(), BlobError> {
        let path = self.root.join(MARKER);
        if path.exists() {
            self.see();
            return Ok(());
        }
        self.check_mark()?;
        let written = fs::File::create(&path).and_then(|mut file| {
            file.write_all(MARK)?;
            file.sync_all()?;
            fs::File::open(&self.root)?.sync_all()
        });
        written.map_err(|cause| self.failed(cause))?;
        self.see();
        Ok(())
    }

    pub(super) fn unmarked(&self) -> BlobError {
        BlobError::Unmarked {
            place: format!("folder {}", self.root.display()),
            kind: "file",
            remedy: "mount its disk",
        }
    }

    /// Bytes that this user may still write.
    pub(super) fn free(&self) -> io::Result<u64> {
        let space = statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// [`BlobError::Full`] where `bytes` more would leave less than is kept free.
    fn check_room(&self, bytes: u64) -> Result<(), BlobError> {
        let free = self.free().map_err(|cause| self.failed(cause))?;
        if free < self.min_free.saturating_add(bytes) {
            return Err(BlobError::Full(self.full(None)));
        }
        Ok(())
    }

    pub(super) fn full(&self, cause: Option<io::Error>) -> Full {
        Full {
            root: self.root.clone(),
            free: self.free().ok(),
            min_free: self.min_free,
            cause,
        }
    }

    /// Makes a file young; whether it is there and may be touched.
    fn touch(&self, path: &Path) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        utimensat(CWD, self.root.join(path), &times, AtFlags::empty()).is_ok()
    }

    /// Writes, syncs and removes a small file.
    pub(super) fn try_out(&self) -> Result<(), BlobError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.check_mark()?;
        self.check_room(TRIAL.len() as u64)?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".probe-{}-{count}", std::process::id());
        let path = self.root.join(name);
        let written = fs::File::create(&path).and_then(|mut file| {
            file.write_all(&TRIAL)?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(|cause| self.failed(cause))
    }

    /// The error for a failure of the folder.
    pub(super) fn failed(&self, cause: io::Error) -> BlobError {
        if is_full(cause.kind()) {
            return BlobError::Full(self.full(Some(cause)));
        }
        BlobError::Folder {
            path: self.root.clone(),
            cause,
        }
    }
}
