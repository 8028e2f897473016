//! A body as it comes, within its limits.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use super::{FetchError, Judge, Judged, Limits, Longer, TakeAll};

/// What is set aside for a body at most before any of it has come: a length is only a claim.
const CLAIM: u64 = 1 << 20;

/// A rest of this many bytes at most is read although it is not wanted: that costs both sides less than
/// the next connection.
const SMALL_REST: u64 = 8 * 1024;

/// A body that is being read, chunk by chunk; a decoder's chunk is at most 4 KiB, so that even a
/// decompression bomb stops within 4 KiB of the limit.
pub(super) struct Body<'a> {
    url: &'a Url,
    response: Response,
    limits: &'a Limits,
    started: Instant,
    /// Its whole length, where the server says it of the bytes as they are.
    pub(super) length: Option<u64>,
    /// What has come of it.
    pub(super) come: BytesMut,
}

impl<'a> Body<'a> {
    pub(super) fn of(
        url: &'a Url,
        response: Response,
        limits: &'a Limits,
        started: Instant,
    ) -> Self {
        Self {
            length: response.content_length(),
            url,
            response,
            limits,
            started,
            come: BytesMut::new(),
        }
    }

    pub(super) async fn read(&mut self, longer: Longer) -> Result<Bytes, FetchError> {
        self.read_judged(longer, Judged::Take, &mut TakeAll).await
    }

    pub(super) async fn read_judged(
        &mut self,
        longer: Longer,
        mut judged: Judged,
        judge: &mut dyn Judge,
    ) -> Result<Bytes, FetchError> {
        if let Judged::Stop(reason) = judged {
            return Err(self.stopped(reason).await);
        }
        let limit = self.limits.max_bytes;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let too_large = FetchError::TooLarge { limit };
        if let Some(claimed) = self.length {
            if claimed > limit && longer == Longer::Refuse {
                return Err(too_large);
            }
            let claimed = claimed.min(limit).min(CLAIM);
            self.come.reserve(usize::try_from(claimed).unwrap_or(0));
        }
        loop {
            let Some(chunk) = self.chunk().await? else {
                return Ok(self.come.split().freeze());
            };
            let room = most.saturating_sub(self.come.len());
            if chunk.len() > room {
                if longer == Longer::Refuse {
                    return Err(too_large);
                }
                self.come.extend_from_slice(&chunk[..room]);
                return Ok(self.come.split().freeze());
            }
            self.come.extend_from_slice(&chunk);
            if judged == Judged::More {
                judged = judge.body(&self.come);
            }
            if let Judged::Stop(reason) = judged {
                return Err(self.stopped(reason).await);
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let left = self.limits.total_timeout;
        let left = left.saturating_sub(self.started.elapsed());
        let patience = self.limits.read_timeout.min(left);
        match timeout(patience, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| FetchError::of(self.url, error)),
            Err(_) if patience == left => Err(FetchError::Timeout("whole fetch")),
            Err(_) => Err(FetchError::Timeout("silence")),
        }
    }

    /// The body is not wanted. A small rest is read, so that the connection can be used again; that it
    /// did not come is nothing to speak of.
    async fn stopped(&mut self, reason: &'static str) -> FetchError {
        let (status, length) = (self.response.status().as_u16(), self.length);
        let mut came = self.come.len() as u64;
        if length.is_some_and(|length| length.saturating_sub(came) <= SMALL_REST) {
            while let Ok(Some(chunk)) = self.chunk().await {
                came += chunk.len() as u64;
            }
        }
        FetchError::Stopped {
            reason,
            status,
            came,
            saved: length.map(|length| length.saturating_sub(came)),
        }
    }
}
