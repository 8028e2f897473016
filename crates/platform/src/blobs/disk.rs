//! What is done to the folder itself: its free space, the age of a file, a trial.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, statvfs, utimensat};

use super::error::{BlobError, Full, is_full};

/// Bytes that a trial writes.
const TRIAL: [u8; 4096] = [0; 4096];

/// The folder of a store, and how much of its disk stays free.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) min_free: u64,
}

impl Disk {
    /// Bytes that this user may still write.
    fn free(&self) -> io::Result<u64> {
        let space = statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// [`BlobError::Full`] where `bytes` more would leave less than is kept free.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), BlobError> {
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
    pub(super) fn touch(&self, path: &Path) -> bool {
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
