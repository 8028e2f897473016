//! What the blob store did not do, and whether it may do it later.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use tusou_contract::{BlobKey, Disposition, Verdict};

use super::MARKER;
use super::s3::Said;

/// Blobs cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// `blobs.url` cannot be used; names it and the remedy.
    #[error("{0}")]
    Config(String),
    /// The place does not have what tells it from the mount point of a disk that is away, or from
    /// another bucket; may pass.
    #[error(
        "the blob store's {place} has no {kind} `{MARKER}`: {remedy}; where it is a new and empty \
         store in place of a lost one, make that {kind}"
    )]
    Unmarked {
        /// its folder, or its bucket and prefix
        place: String,
        /// what it lacks: a file or an object
        kind: &'static str,
        /// what to do first
        remedy: &'static str,
    },
    /// No space left, or less than is kept free: later is not never.
    #[error("the blob store is full: {0}")]
    Full(Full),
    /// The blob is larger than the reader allows.
    #[error("blob {key} has {bytes} bytes; {limit} are allowed")]
    TooLarge {
        /// which
        key: BlobKey,
        /// has
        bytes: u64,
        /// may have
        limit: u64,
    },
    /// The store does not answer; may pass.
    #[error("the blob store failed for {key}")]
    Store {
        /// which
        key: BlobKey,
        /// why
        #[source]
        cause: object_store::Error,
    },
    /// The bucket does not answer or refuses, for one blob or for all; may pass.
    #[error("the blob store failed at {place}: {reason}")]
    Bucket {
        /// the bucket and what was asked of it: `s3://bucket/prefix/originals/…`
        place: String,
        /// what is wrong, with the key of the configuration that is to be looked at
        reason: String,
        /// why
        #[source]
        cause: Said,
    },
    /// A folder of the store cannot be used; may pass.
    #[error("the blob store failed at {}", path.display())]
    Folder {
        /// which
        path: PathBuf,
        /// why
        #[source]
        cause: io::Error,
    },
}

/// How full a blob store is.
#[derive(Debug)]
pub struct Full {
    /// Its folder.
    pub root: PathBuf,
    /// Bytes that its disk has left for this user; `None` where that cannot be told.
    pub free: Option<u64>,
    /// `blobs.min_free_bytes`
    pub min_free: u64,
    /// The write that failed; `None` where none was tried.
    pub cause: Option<io::Error>,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let root = self.root.display();
        match self.free {
            Some(free) => write!(f, "the disk of {root} has {free} bytes left")?,
            None => write!(f, "the disk of {root} has no room left")?,
        }
        match &self.cause {
            // A quota may be used up on a disk with room.
            Some(cause) => write!(f, ", and a write was refused ({cause}); make room"),
            None => write!(
                f,
                ", and `blobs.min_free_bytes` keeps {} free; make room, or lower it",
                self.min_free
            ),
        }
    }
}

impl BlobError {
    pub(super) fn too_large(key: &BlobKey, bytes: u64, limit: u64) -> Self {
        Self::TooLarge {
            key: key.clone(),
            bytes,
            limit,
        }
    }
}

impl Verdict for BlobError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Config(_) => Disposition::Fatal,
            Self::Full(_)
            | Self::Unmarked { .. }
            | Self::Store { .. }
            | Self::Bucket { .. }
            | Self::Folder { .. } => Disposition::Later,
            Self::TooLarge { .. } => Disposition::DeadLetter,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) => "blobs_config",
            Self::Full(_) => "blobs_full",
            Self::Unmarked { .. }
            | Self::Store { .. }
            | Self::Bucket { .. }
            | Self::Folder { .. } => "blobs_away",
            Self::TooLarge { .. } => "blob_too_large",
        }
    }
}

/// Whether an I/O error below says that disk or quota is used up; that error.
pub(super) fn no_space(error: &object_store::Error) -> Option<io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if let Some(kind) = io.map(io::Error::kind)
            && is_full(kind)
        {
            return Some(kind.into());
        }
        // An I/O error's source passes over the error that it wraps.
        let wrapped = io.and_then(io::Error::get_ref);
        cause = wrapped
            .map(|wrapped| wrapped as _)
            .or_else(|| error.source());
    }
    None
}

/// Whether disk or quota is used up.
pub(super) fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let error = |kind: ErrorKind| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::other(io::Error::from(kind))),
        };
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let found = no_space(&error(kind)).map(|error| error.kind());
            assert_eq!(found, Some(kind));
        }
        assert!(no_space(&error(ErrorKind::PermissionDenied)).is_none());
    }

    #[test]
    fn fullness_is_told_with_its_remedy() {
        let full = |cause| Full {
            root: "/b".into(),
            free: Some(5),
            min_free: 9,
            cause,
        };
        let kept = BlobError::Full(full(None)).to_string();
        assert!(kept.contains("/b has 5 bytes left") && kept.contains("`blobs.min_free_bytes`"));
        let refused = full(Some(ErrorKind::QuotaExceeded.into())).to_string();
        assert!(refused.contains("quota exceeded"), "{refused}");
    }
}
