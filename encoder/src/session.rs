//! One connection to the broker, from its beginning to its end.

use std::future::Future;

use tokio::task::JoinSet;
use tusou_contract::Queue;
use tusou_platform::Shutdown;
use tusou_platform::broker::{Broker, Delivery, Subscription};

use crate::config::Settings;
use crate::picture::{Stages, Stop};
use crate::publish::Results;

/// What a session works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) stages: &'a Stages,
    pub(crate) settings: &'a Settings,
    pub(crate) ending: &'a Shutdown,
}

type Pictures = JoinSet<Result<(), Stop>>;

impl Session<'_> {
    /// Takes pictures until the end is asked for (`Ok`) or none can be taken for now. What is then
    /// in work is finished where that can be, and else given back.
    pub(crate) async fn serve(&self) -> Result<(), Stop> {
        let results = Results::start(self.broker.publisher().await?);
        self.begin_carefully(&results).await?;
        if self.ending.is_requested() {
            return Ok(());
        }
        let mut subscription = self.subscribe(self.settings.prefetch).await?;
        let mut pictures = JoinSet::new();
        let taken = self.take(&mut subscription, &mut pictures, &results).await;
        let finished = tokio::time::timeout(self.settings.drain, drain(&mut pictures)).await;
        // Closing gives back what was not finished.
        pictures.abort_all();
        subscription.close().await;
        taken?;
        finished.unwrap_or(Ok(()))
    }

    /// Takes one picture at a time until one comes that was not delivered before.
    ///
    /// After a crash the broker delivers again all that was prefetched, and counts that for each of
    /// them. One at a time, only the picture that kills the process is counted again and again,
    /// until the queue's limit parks it.
    async fn begin_carefully(&self, results: &Results) -> Result<(), Stop> {
        let mut subscription = self.subscribe(1).await?;
        while let Some(delivery) = self.next(&mut subscription).await? {
            let suspected = delivery.redelivered();
            self.until_overdue(self.stages.handle(delivery, results, true))
                .await?;
            if !suspected {
                break;
            }
        }
        subscription.close().await;
        Ok(())
    }

    async fn take(
        &self,
        subscription: &mut Subscription,
        pictures: &mut Pictures,
        results: &Results,
    ) -> Result<(), Stop> {
        loop {
            let delivery = tokio::select! {
                Some(ended) = pictures.join_next() => {
                    ended.expect("no picture's task panics or is aborted")?;
                    continue;
                }
                delivery = self.next(subscription) => delivery?,
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
    async fn next(&self, subscription: &mut Subscription) -> Result<Option<Delivery>, Stop> {
        tokio::select! {
            biased;
            () = self.ending.requested() => Ok(None),
            delivery = subscription.next() => Ok(Some(delivery?)),
        }
    }

    async fn subscribe(&self, prefetch: u16) -> Result<Subscription, Stop> {
        Ok(self
            .broker
            .subscribe(Queue::ImagesFetched, prefetch)
            .await?)
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
