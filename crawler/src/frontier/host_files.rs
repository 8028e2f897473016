//! robots.txt and tdmrep.json of a host, as its rows keep them for all processes.

use std::time::Duration;

use super::{Bounded as _, Frontier};
use crate::error::CrawlError;

/// RFC 9309 §2.4: not longer than 24 hours, those in a process's memory included.
const KEEP: Duration = Duration::from_secs(24 * 3600 - 120);
/// The longest wait before a file is asked for again that could not be had.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A file that a host keeps for crawlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFile {
    /// RFC 9309.
    Robots,
    /// TDM Reservation Protocol.
    Tdm,
}

impl HostFile {
    fn as_str(self) -> &'static str {
        match self {
            Self::Robots => "robots",
            Self::Tdm => "tdm",
        }
    }

    /// Its path on every host.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Robots => "/robots.txt",
            Self::Tdm => "/.well-known/tdmrep.json",
        }
    }
}

/// A file as it was last had.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FileRow {
    /// HTTP status of the last answer that said something; null where there was none yet.
    status: Option<i32>,
    body: Option<Vec<u8>>,
    /// Whether it is too early to ask for it again.
    pub(crate) fresh: bool,
}

impl FileRow {
    /// Status and body of the last answer that said something.
    pub(crate) fn copy(&self) -> Option<(u16, &[u8])> {
        let status = u16::try_from(self.status?).ok()?;
        Some((status, self.body.as_deref().unwrap_or_default()))
    }
}

impl Frontier {
    /// A file of an origin as it was last had; `None` for one that was never asked for.
    pub(crate) async fn host_file(
        &self,
        origin: &str,
        file: HostFile,
    ) -> Result<Option<FileRow>, CrawlError> {
        sqlx::query_as(
            "SELECT status, body, COALESCE(expires_at > now(), false) AS fresh
             FROM host_files JOIN hosts USING (host_id) WHERE origin = $1 AND kind = $2",
        )
        .bind(origin)
        .bind(file.as_str())
        .fetch_optional(&self.pool)
        .bounded()
        .await
    }

    /// Keeps an answer for a day.
    pub(crate) async fn keep_host_file(
        &self,
        host_id: i64,
        file: HostFile,
        status: u16,
        body: &[u8],
    ) -> Result<(), CrawlError> {
        sqlx::query(
            "INSERT INTO host_files (host_id, kind, status, body, fetched_at, expires_at)
             VALUES ($1, $2, $3, $4, now(), now() + make_interval(secs => $5))
             ON CONFLICT (host_id, kind) DO UPDATE SET status = EXCLUDED.status, body = EXCLUDED.body,
                 fetched_at = EXCLUDED.fetched_at, expires_at = EXCLUDED.expires_at, failed_at = NULL",
        )
        .bind(host_id)
        .bind(file.as_str())
        .bind(i32::from(status))
        .bind(body)
        .bind(KEEP.as_secs_f64())
        .execute(&self.pool)
        .bounded()
        .await?;
        Ok(())
    }

    /// Says that asking failed: the last copy stays, and the file is asked for again after `first`,
    /// then when as much time has passed as it has failed for, so in doubling steps up to an hour.
    pub(crate) async fn host_file_failed(
        &self,
        host_id: i64,
        file: HostFile,
        first: Duration,
    ) -> Result<(), CrawlError> {
        sqlx::query(
            "INSERT INTO host_files (host_id, kind, failed_at, expires_at)
             VALUES ($1, $2, now(), now() + make_interval(secs => $3))
             ON CONFLICT (host_id, kind) DO UPDATE SET
                 failed_at = COALESCE(host_files.failed_at, now()),
                 expires_at = now() + LEAST(make_interval(secs => $4),
                     GREATEST(make_interval(secs => $3), now() - COALESCE(host_files.failed_at, now())))",
        )
        .bind(host_id)
        .bind(file.as_str())
        .bind(first.as_secs_f64())
        .bind(LONGEST_WAIT.max(first).as_secs_f64())
        .execute(&self.pool)
        .bounded()
        .await?;
        Ok(())
    }
}
