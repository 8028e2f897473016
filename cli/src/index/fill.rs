//! Bringing images into an index: by messages to the indexer, to the encoder, and by fetching again
//! what is no longer kept.

use std::time::Duration;

use tokio::time::Instant;
use tusou_contract::{ImageChanged, ImageId, Message as _, Queue};
use tusou_platform::backoff::Backoff;
use tusou_platform::broker::management::Management;
use tusou_platform::broker::{Broker, Outgoing, Publisher, Unpublished};
use tusou_projection::{Generation, Walked};

use super::context::{Context, tell};
use super::error::IndexError;
use crate::error::Error;
use crate::format::number;

/// Images looked at, and messages published, at once.
const PAGE: u32 = 500;
/// Between two looks at what is still missing.
const LOOK: Duration = Duration::from_millis(500);
/// Nothing came for so long: it is looked what holds it up. The broker's figures are up to 5 s old.
const QUIET: Duration = Duration::from_secs(15);
/// What is still missing with no message left is sent again so often.
const RESENDS: u32 = 2;
/// Images that were encoded within so many seconds may be on their way by themselves.
const ON_THEIR_WAY: f64 = 5.0;

/// What was sent, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Images looked at.
    pub(super) images: u64,
    /// To the indexer: their embeddings are stored.
    pub(super) reindexed: u64,
    /// To the encoder: they lack an embedding.
    pub(super) reencoded: u64,
    /// Addresses that are fetched again: the original is no longer kept.
    pub(super) refetched: u64,
}

/// What a fill waits for.
#[derive(Clone, Copy)]
pub(super) enum Until<'a> {
    /// What can be made of the embeddings that are stored.
    Stored,
    /// Every embedding, and all that the index has which is searched, where there is one.
    Encoded(Option<&'a Generation>),
}

/// Fills one index.
pub(super) struct Filler<'a> {
    context: &'a Context<'a>,
    generation: &'a Generation,
    broker: Broker,
    publisher: Publisher,
}

impl<'a> Filler<'a> {
    pub(super) async fn open(
        context: &'a Context<'a>,
        generation: &'a Generation,
    ) -> Result<Self, Error> {
        let broker = Broker::connect(&context.config.amqp, "tusou index").await?;
        let publisher = broker.publisher().await?;
        Ok(Self {
            context,
            generation,
            broker,
            publisher,
        })
    }

    pub(super) async fn close(self) {
        self.broker.close().await;
    }

    /// Sends every image after `after` that the index lacks. With `keep`, the place reached is
    /// recorded after each confirmed page, so that a command that was stopped goes on there.
    pub(super) async fn fill(&self, after: Option<ImageId>, keep: bool) -> Result<Sent, Error> {
        let pool = &self.context.pool;
        let mut sent = Sent::default();
        let mut after = after;
        let mut told = Instant::now();
        loop {
            let page = tusou_projection::walk(pool, self.generation, after.as_ref(), PAGE).await?;
            let Some(last) = page.last().map(|image| image.image_id) else {
                return Ok(sent);
            };
            let part = self.send(&page).await?;
            sent.add(part);
            if keep {
                let id = self.generation.generation_id;
                tusou_projection::set_backfilled(pool, id, Some(&last)).await?;
            }
            after = Some(last);
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                tell(&format!(
                    "{} images looked at, {} sent",
                    number(sent.images),
                    number(sent.reindexed + sent.reencoded)
                ));
            }
        }
    }

    /// Sends these images as the index lacks them, all confirmed.
    async fn send(&self, page: &[Walked]) -> Result<Sent, Error> {
        let pool = &self.context.pool;
        let (changed, lacking) = lacking(page);
        let originals = tusou_projection::originals(pool, &lacking).await?;
        let mut messages: Vec<Outgoing> = changed.iter().map(|id| reindex(*id)).collect();
        messages.extend(originals.kept.iter().map(|message| Outgoing {
            queue: Queue::ImagesReencode,
            id: message.image_id.to_string(),
            body: message.to_body(),
            trace: None,
        }));
        self.publish(messages).await?;
        let refetched = if originals.dropped.is_empty() {
            0
        } else {
            let refetch = tusou_ingest::refetch(pool, &originals.dropped);
            refetch
                .await
                .map_err(Error::query("have originals fetched again"))?
        };
        Ok(Sent {
            images: page.len() as u64,
            reindexed: changed.len() as u64,
            reencoded: originals.kept.len() as u64,
            refetched,
        })
    }

    /// Sends these images to the indexer, all confirmed.
    pub(super) async fn reindex(&self, ids: &[ImageId]) -> Result<(), Error> {
        self.publish(ids.iter().map(|id| reindex(*id)).collect())
            .await
    }

    /// Publishes all of them, and waits where a queue is full.
    async fn publish(&self, mut messages: Vec<Outgoing>) -> Result<(), Error> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut said = false;
        while !messages.is_empty() {
            let results = self.publisher.publish(&messages).await?;
            let before = messages.len();
            let mut full = None;
            let mut results = results.into_iter();
            let mut refused = None;
            messages.retain(|_| match results.next() {
                Some(Ok(())) => false,
                Some(Err(gone @ Unpublished::Unroutable(_))) => {
                    refused = Some(gone);
                    true
                }
                Some(Err(Unpublished::Full(queue))) => {
                    full = Some(queue);
                    true
                }
                None => true,
            });
            if let Some(gone) = refused {
                return Err(IndexError::Unroutable(gone).into());
            }
            if messages.len() < before {
                backoff.reset();
            }
            let Some(queue) = full else { continue };
            if !said {
                tell(&format!(
                    "{queue} is full: waiting until messages were taken"
                ));
                said = true;
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
        Ok(())
    }

    /// Waits until the index lacks nothing, and sends again what no message is left of. What a model failed
    /// for is not waited for.
    ///
    /// # Errors
    /// [`IndexError::Stuck`] where images stay missing and nothing is on its way.
    pub(super) async fn settle(&self, until: Until<'_>) -> Result<(), Error> {
        let mut least = u64::MAX;
        let mut quiet = Instant::now();
        let mut resent = 0;
        loop {
            let began = Instant::now();
            let missing = self.missing(until).await?;
            let took = began.elapsed();
            if missing == 0 {
                return Ok(());
            }
            if missing < least {
                (least, quiet, resent) = (missing, Instant::now(), 0);
            } else if quiet.elapsed() > QUIET {
                let waiting = self.waiting().await?;
                if waiting == 0 && resent == RESENDS {
                    return Err(IndexError::Stuck {
                        name: self.generation.index.clone(),
                        missing,
                    }
                    .into());
                }
                if waiting == 0 {
                    resent += 1;
                    self.fill(None, false).await?;
                }
                tell(&format!(
                    "{} images are still missing, {} messages wait: `tusou status` shows what holds them up",
                    number(missing),
                    number(waiting)
                ));
                quiet = Instant::now();
            }
            // Of many images the count itself takes long: Postgres has other work to do.
            tokio::time::sleep(LOOK.max(took * 3)).await;
        }
    }

    /// Images that the index lacks, or that lack an embedding of one of its models.
    async fn missing(&self, until: Until<'_>) -> Result<u64, Error> {
        let pool = &self.context.pool;
        match until {
            Until::Stored => {
                Ok(tusou_projection::unfilled(pool, self.generation, ON_THEIR_WAY).await?)
            }
            Until::Encoded(reference) => {
                let missing = match reference {
                    Some(reference) => {
                        tusou_projection::missing(pool, self.generation, reference).await?
                    }
                    None => tusou_projection::unfilled(pool, self.generation, ON_THEIR_WAY).await?,
                };
                let (lacking, _) = tusou_projection::of_models(pool, self.generation).await?;
                Ok(missing.max(lacking))
            }
        }
    }

    /// Messages that may still bring something.
    async fn waiting(&self) -> Result<u64, Error> {
        let management = Management::new(self.context.config)?;
        let queues = management.queues().await?;
        let on_the_way = [
            Queue::ImagesReindex,
            Queue::ImagesReencode,
            Queue::ImagesEmbedded,
        ];
        let counts = queues.iter().filter(|queue| {
            on_the_way
                .iter()
                .any(|way| queue.name == way.name() || queue.name == way.retry_name())
        });
        Ok(counts.map(|queue| queue.ready + queue.unacknowledged).sum())
    }
}

/// Those that the indexer can write, and those that the encoder must see first.
fn lacking(page: &[Walked]) -> (Vec<ImageId>, Vec<ImageId>) {
    let ids = |wanted: &dyn Fn(&Walked) -> bool| {
        let images = page.iter().filter(|image| wanted(image));
        images.map(|image| image.image_id).collect()
    };
    (
        ids(&|image| image.expected && image.held < Some(image.rev)),
        ids(&|image| image.lacks_embedding),
    )
}

fn reindex(image_id: ImageId) -> Outgoing {
    Outgoing {
        queue: Queue::ImagesReindex,
        id: image_id.to_string(),
        body: ImageChanged { image_id }.to_body(),
        trace: None,
    }
}

impl Sent {
    pub(super) fn add(&mut self, other: Self) {
        self.images += other.images;
        self.reindexed += other.reindexed;
        self.reencoded += other.reencoded;
        self.refetched += other.refetched;
    }

    /// What these images would come to, without sending anything.
    pub(super) fn of(page: &[Walked]) -> Self {
        let (changed, lacking) = lacking(page);
        Self {
            images: page.len() as u64,
            reindexed: changed.len() as u64,
            reencoded: lacking.len() as u64,
            refetched: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lacking_is_sent() {
        let image = |name: &str, expected, lacks_embedding, held| Walked {
            image_id: ImageId::of(name.as_bytes()),
            rev: 7,
            expected,
            lacks_embedding,
            model_failed: false,
            held,
            refused: false,
        };
        let page = [
            image("held", true, false, Some(7)),
            image("old", true, false, Some(6)),
            image("new", true, false, None),
            image("to encode", false, true, None),
            image("second model lacks", true, true, Some(7)),
            image("unseen", false, false, None),
        ];
        let id = |name: &str| ImageId::of(name.as_bytes());
        let (changed, to_encode) = lacking(&page);
        assert_eq!(changed, [id("old"), id("new")]);
        assert_eq!(to_encode, [id("to encode"), id("second model lacks")]);
        let sent = Sent::of(&page);
        assert_eq!((sent.images, sent.reindexed, sent.reencoded), (6, 2, 2));
    }
}
