//! Requests to a service: as fast as so many clients get their answers, or at a rate whatever becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

/// Requests of an open loop are sent in heaps, this far apart.
const TICK: Duration = Duration::from_millis(5);
/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that keeps its connections.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()?)
}

/// What became of requests.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) seconds: f64,
    /// Milliseconds of each answer with status 200.
    times: Vec<f64>,
    /// How often each status was answered; 0 where the connection broke or nothing came.
    pub(super) statuses: BTreeMap<u16, usize>,
}

impl Load {
    /// Requests answered with 200 in a second.
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }

    /// Milliseconds that this share of the answers with status 200 took at most.
    pub(super) fn within(&self, share: f64) -> f64 {
        percentile(&self.times, share)
    }

    fn add(&mut self, status: u16, time: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if status == 200 {
            self.times.push(time.as_secs_f64() * 1_000.0);
        }
    }

    fn join(&mut self, other: Self) {
        self.times.extend(other.times);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }
}

/// The value at this share of them, in their order.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// So many clients, each with one request at a time. They ask what no other asks, and begin again at the end.
pub(super) async fn closed(
    client: &reqwest::Client,
    urls: &Arc<[String]>,
    clients: usize,
    time: Duration,
) -> anyhow::Result<Load> {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let (client, urls, next) = (client.clone(), Arc::clone(urls), Arc::clone(&next));
        all.spawn(async move {
            let mut load = Load::default();
            while started.elapsed() < time {
                let url = &urls[next.fetch_add(1, Ordering::Relaxed) % urls.len()];
                let asked = Instant::now();
                let status = ask(&client, url).await;
                load.add(status, asked.elapsed());
            }
            load
        });
    }
    let mut load = Load::default();
    while let Some(one) = all.join_next().await {
        load.join(one?);
    }
    load.seconds = started.elapsed().as_secs_f64();
    Ok(load)
}

/// So many requests a second, whether or not those before are answered. The time is that of sending: answers that
/// come later count as well, and are waited for.
pub(super) async fn open(
    client: &reqwest::Client,
    urls: &Arc<[String]>,
    rate: f64,
    time: Duration,
) -> anyhow::Result<Load> {
    ensure!(rate >= 1.0, "{rate} requests a second are none");
    let started = Instant::now();
    let (mut all, mut sent) = (JoinSet::new(), 0);
    let mut tick = tokio::time::interval(TICK);
    while started.elapsed() < time {
        tick.tick().await;
        let due = (started.elapsed().as_secs_f64() * rate) as usize;
        while sent < due {
            let (client, urls) = (client.clone(), Arc::clone(urls));
            all.spawn(async move {
                let asked = Instant::now();
                (
                    ask(&client, &urls[sent % urls.len()]).await,
                    asked.elapsed(),
                )
            });
            sent += 1;
        }
    }
    let mut load = Load {
        seconds: started.elapsed().as_secs_f64(),
        ..Load::default()
    };
    while let Some(one) = all.join_next().await {
        let (status, time) = one?;
        load.add(status, time);
    }
    Ok(load)
}

/// The status, once the whole answer is read; 0 where there was none.
async fn ask(client: &reqwest::Client, url: &str) -> u16 {
    let Ok(answer) = client.get(url).send().await else {
        return 0;
    };
    let status = answer.status().as_u16();
    match answer.bytes().await {
        Ok(_) => status,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tusou_testkit::{Reply, Site};

    #[tokio::test]
    async fn loops_count_what_was_answered() {
        let site = Site::start().await;
        site.put("/good", Reply::bytes("text/plain", "x"));
        site.put("/busy", Reply::status(503));
        let urls: Arc<[String]> = [site.url("/good"), site.url("/busy")].into();
        let client = client().expect("a plain client");
        let time = Duration::from_millis(300);
        let load = closed(&client, &urls, 2, time).await.expect("it runs");
        assert!(load.rate() > 1.0 && load.statuses[&200] > 1 && load.statuses[&503] > 1);
        assert!(load.within(0.99) >= load.within(0.5));
        let load = open(&client, &urls, 100.0, time).await.expect("it runs");
        let sent: usize = load.statuses.values().sum();
        assert!((20..=40).contains(&sent), "{sent}");
        let gone: Arc<[String]> = ["http://127.0.0.1:9/".to_owned()].into();
        let load = open(&client, &gone, 50.0, time).await.expect("it runs");
        assert_eq!(load.statuses.keys().collect::<Vec<_>>(), [&0]);
    }

    #[test]
    fn percentiles_are_values() {
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 1.0), 3.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
