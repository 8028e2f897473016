//! A picture's answer: verified, and stored as a blob, where its owner lets it be taken.

use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tusou_ingest::{Address, Validators, verify};
use tusou_platform::door::Answer;

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
        let Answer { body, .. } = answer;
        let max_pixels = self.settings.max_image_pixels;
        let verified = spawn_blocking(move || verify::verify(body, max_pixels)).await;
        let image = match verified {
            Ok(Ok(image)) => image,
            Ok(Err(reject)) => return Ok(Outcome::Failed(Failure::end(reject.reason(), status))),
            Err(_) => return Ok(Outcome::Failed(Failure::again("panicked"))),
        };
        let key = image.blob_key();
        let put = self.blobs.put(&key, image.bytes.clone());
        put.await
            .inspect_err(|cause| gate::blobs_fail(&self.gate, &self.health, cause))?;
        Ok(Outcome::Image {
            status,
            image,
            validators,
        })
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
