//! One connection to the broker, from its beginning to its end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tusou_contract::Queue;
use tusou_contract::queue::ENCODER_PAUSED;
use tusou_platform::Shutdown;
use tusou_platform::broker::{Broker, BrokerError, Delivery, Subscription};
use tusou_platform::ops::Health;

use crate::config::Settings;
use crate::picture::{Stages, Stop};
use crate::publish::Results;

/// Between two looks for a pause.
const LOOK: Duration = Duration::from_secs(1);
/// A back-fill may hold this part of what the crawl may hold.
const BACKFILL_SHARE: u16 = 4;

/// What a session works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) stages: &'a Stages,
    pub(crate) settings: &'a Settings,
    pub(crate) health: &'a Health,
    pub(crate) ending: &'a Shutdown,
}

/// The queue of the crawl, and beside it that of back-fills: each picture of a back-fill waits among
/// few of its own, so that however many there are the crawl has the most of the encoder.
#[derive(Debug)]
struct Intake {
    fetched: Subscription,
    reencode: Subscription,
}

impl Intake {
    async fn open(broker: &Broker, prefetch: u16) -> Result<Self, BrokerError> {
        let share = (prefetch / BACKFILL_SHARE).max(1);
        Ok(Self {
            fetched: broker.subscribe(Queue::ImagesFetched, prefetch).await?,
            reencode: broker.subscribe(Queue::ImagesReencode, share).await?,
        })
    }

    /// The next delivery of either. Cancel-safe.
    async fn next(&mut self) -> Result<Delivery, BrokerError> {
        tokio::select! {
            delivery = self.fetched.next() => delivery,
            delivery = self.reencode.next() => delivery,
        }
    }

    async fn close(self) {
        tokio::join!(self.fetched.close(), self.reencode.close());
    }
}

type Pictures = JoinSet<Result<(), Stop>>;

impl Session<'_> {
    /// Takes pictures until the end is asked for (`Ok`) or none can be taken for now. What is then
    /// in work is finished where that can be, and else given back.
    pub(crate) async fn serve(&self) -> Result<(), Stop> {
        self.rest_while_paused().await?;
        let results = Results::start(self.broker.publisher().await?);
        for queue in [Queue::ImagesFetched, Queue::ImagesReencode] {
            self.begin_carefully(queue, &results).await?;
        }
        if self.ending.is_requested() {
            return Ok(());
        }
        let mut intake = Intake::open(self.broker, self.settings.prefetch).await?;
        let mut pictures = JoinSet::new();
        let taken = Box::pin(self.take(&mut intake, &mut pictures, &results)).await;
        let finished = tokio::time::timeout(self.settings.drain, drain(&mut pictures)).await;
        // Closing gives back what was not finished.
        pictures.abort_all();
        intake.close().await;
        taken?;
        finished.unwrap_or(Ok(()))
    }

    /// Takes one picture at a time until none is left that was delivered before.
    ///
    /// After a crash the broker delivers again all that was prefetched, the first to have come back
    /// first, and has counted that for each of them. One at a time, only the picture that kills the
    /// process is counted again and again, until it is put into quarantine.
    async fn begin_carefully(&self, queue: Queue, results: &Results) -> Result<(), Stop> {
        let mut queue = self.broker.one_by_one(queue).await?;
        while !self.ending.is_requested() {
            let Some(delivery) = queue.next().await? else {
                break;
            };
            let suspected = delivery.redelivered();
            self.until_overdue(self.stages.handle(delivery, results, true))
                .await?;
            if !suspected {
                break;
            }
            if self.broker.is_flag_up(ENCODER_PAUSED).await? {
                return Err(Stop::Paused);
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        intake: &mut Intake,
        pictures: &mut Pictures,
        results: &Results,
    ) -> Result<(), Stop> {
        let mut paused = pin!(self.until_paused());
        loop {
            let delivery = tokio::select! {
                Some(ended) = pictures.join_next() => {
                    ended.expect("no picture's task panics or is aborted")?;
                    continue;
                }
                stop = &mut paused => return Err(stop),
                delivery = self.next(intake) => delivery?,
            };
            let Some(delivery) = delivery else {
                return Ok(());
            };
            if delivery.redelivered() {
                self.until_overdue(drain(pictures)).await?;
                self.until_overdue(self.stages.handle(delivery, results, true))
                    .await?;
            } else {
                let (stages, results) = (self.stages.clone(), results.clone());
                pictures.spawn(async move { stages.handle(delivery, &results, false).await });
            }
        }
    }

    /// The next delivery; `None` when the end is asked for.
    async fn next(&self, intake: &mut Intake) -> Result<Option<Delivery>, Stop> {
        tokio::select! {
            biased;
            () = self.ending.requested() => Ok(None),
            delivery = intake.next() => Ok(Some(delivery?)),
        }
    }

    /// Returns when the encoder is not paused, or the end is asked for.
    async fn rest_while_paused(&self) -> Result<(), Stop> {
        while self.broker.is_flag_up(ENCODER_PAUSED).await? {
            let said = "paused: `tusou status` says why, `tusou resume` ends it";
            self.health.set("pause", Err(said.to_owned()));
            if !self.ending.sleep(LOOK).await {
                return Ok(());
            }
        }
        self.health.set("pause", Ok(()));
        Ok(())
    }

    /// Returns when the encoder is paused, or cannot know.
    async fn until_paused(&self) -> Stop {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.broker.is_flag_up(ENCODER_PAUSED).await {
                Ok(false) => {}
                Ok(true) => return Stop::Paused,
                Err(error) => return error.into(),
            }
        }
    }

    /// Waits for `work`, but once the end is asked for no longer than the time to drain.
    async fn until_overdue(
        &self,
        work: impl Future<Output = Result<(), Stop>>,
    ) -> Result<(), Stop> {
        let overdue = async {
            self.ending.requested().await;
            tokio::time::sleep(self.settings.drain).await;
        };
        tokio::select! {
            result = work => result,
            () = overdue => Ok(()),
        }
    }
}

/// Waits for every picture in work; the first reason to stop counts.
async fn drain(pictures: &mut Pictures) -> Result<(), Stop> {
    let mut result = Ok(());
    while let Some(ended) = pictures.join_next().await {
        result = result.and(ended.expect("no picture's task panics or is aborted"));
    }
    result
}
