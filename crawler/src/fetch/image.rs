//! A picture's answer: verified, and stored as a blob, where its owner lets it be taken.

use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::task::{JoinError, spawn_blocking};
use tusou_ingest::wanted::{Unwanted, no_picture};
use tusou_ingest::{Address, Reject, Validators, VerifiedImage, verify};
use tusou_platform::blobs::BlobError;

use super::{Answered, Fetcher};
use crate::directives::from_headers;
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::{DueUrl, HostLease, Outcome};
use crate::host_files::{HostRules, Rules};
use crate::{gate, revisit};

impl Fetcher {
    pub(super) async fn image(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answered: Answered,
    ) -> Result<Outcome, CrawlError> {
        let Answered { answer, address } = answered;
        let status = answer.status;
        let said = from_headers(&answer.headers, &self.settings.agent);
        let Some(reserved) = self.reserved(lease, rules, &address).await? else {
            return Ok(Outcome::Failed(Failure::again("rules_unknown")));
        };
        let now = OffsetDateTime::now_utc();
        if let Some(reason) = said.refusal(self.settings.obey, reserved, now) {
            return Ok(Outcome::Failed(Failure::not_used(reason, status)));
        }
        if status == 304 {
            // To a request that did not ask for it, it is an answer without a picture.
            let asked = address == url.address && url.validators != Validators::default();
            return Ok(if asked {
                Outcome::Unchanged { status }
            } else {
                Outcome::Failed(Failure::end("http_304", status))
            });
        }
        // What is to be let go at a time is asked for whole, so that it is seen when that has passed;
        // and of a redirect's target it is not known whether it will be the same one.
        let validators = if said.unavailable_after.is_some() || address != url.address {
            Validators::default()
        } else {
            revisit::validators(&answer)
        };
        let media_type = answer.content_type().map(str::to_owned);
        let (image, stored) = match self.verify_and_store(answer.body, media_type).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(reason)) => {
                let failure = if Unwanted::is_choice(reason) {
                    Failure::not_used(reason, status)
                } else {
                    Failure::end(reason, status)
                };
                return Ok(Outcome::Failed(failure));
            }
            Err(_) => return Ok(Outcome::Failed(Failure::again("panicked"))),
        };
        stored.inspect_err(|cause| gate::blobs_fail(&self.gate, &self.health, cause))?;
        Ok(Outcome::Image {
            status,
            image,
            validators,
            led_to: (address != url.address).then_some(address),
        })
    }

    /// Both on one thread that may block: each way to another costs more than a look at a small picture.
    /// What is not taken has its reason, one word.
    async fn verify_and_store(
        &self,
        body: Bytes,
        media_type: Option<String>,
    ) -> Result<Result<(VerifiedImage, Result<(), BlobError>), &'static str>, JoinError> {
        let (blobs, settings) = (self.blobs.clone(), Arc::clone(&self.settings));
        spawn_blocking(move || {
            let image = match verify::verify(body.clone(), settings.max_image_pixels) {
                Ok(image) => image,
                Err(Reject::NotAPicture) => {
                    return Err(no_picture(&body, media_type.as_deref()).reason());
                }
                Err(reject) => return Err(reject.reason()),
            };
            settings.wanted.whole(&image).map_err(Unwanted::reason)?;
            let stored = blobs.put_now(&image.blob_key(), &image.bytes);
            Ok((image, stored))
        })
        .await
    }

    /// Whether the tdmrep.json of the address's own host reserves it; none where that is not known now.
    async fn reserved(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        address: &Address,
    ) -> Result<Option<bool>, CrawlError> {
        let path = address.path_and_query();
        if address.origin() == lease.origin {
            return Ok(Some(rules.tdm.reserves(path)));
        }
        // A redirect led there, so they were at hand a moment ago.
        Ok(match self.rules.of(address.origin()).await? {
            Rules::Known(rules) => Some(rules.tdm.reserves(path)),
            _ => None,
        })
    }
}
