//! Does the faults to a chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tusou_ingest::{Address, Again, recrawl};

use super::disk::Disk;
use super::mail::{Garbage, Post, inject};
use super::plan::{Event, Fault, Line, Mutation, Part, Store};
use super::report::{Count, Verdict};
use super::rng::Rng;
use super::services::Services;
use super::site::Site;
use super::stores::{self, Frozen};
use super::{Options, judge, say};
use crate::{Proxy, World};

/// What a slow line passes a second.
const SLOW: (u64, u64) = (2_000, 40_000);
/// Room for the pictures of a run, small as they are.
const DISK_MIB: u32 = 64;
/// The longest that an injection of messages may take.
const MAIL_LIMIT: Duration = Duration::from_secs(10);
/// One attempt of a command under faults.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Orders to read again are given up after so many failures in a row of seconds.
const RECRAWL_TRIES: u32 = 60;
/// Attempts of a URL: more than the site ever spoils in a row.
const URL_ATTEMPTS: u32 = 30;

/// A chain with everything that can be broken about it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) services: Services,
    site: Site,
    proxies: BTreeMap<Store, Proxy>,
    post: Post,
    garbage: AsyncMutex<Garbage>,
    disk: Option<Disk>,
    /// Stores are stopped one at a time.
    stack: AsyncMutex<()>,
    /// Addresses that changed and are still to be ordered again.
    owed: Mutex<BTreeSet<String>>,
    counts: Mutex<BTreeMap<String, Count>>,
    world: World,
}

impl Stage {
    /// Sets it: a world, its site, its services, all at work.
    pub(super) async fn set(options: &Options) -> anyhow::Result<Self> {
        let mut world = World::new("chaos").await;
        let disk = if options.disk {
            Some(Disk::mount(&world.folder().join("blobs"), DISK_MIB)?)
        } else {
            None
        };
        world.config.crawler.max_attempts = URL_ATTEMPTS;
        let post = Post::new(&world.config)?;
        let proxies = BTreeMap::from([
            (Store::Postgres, world.proxy_database().await),
            (Store::Rabbitmq, world.proxy_amqp().await),
            (Store::Elasticsearch, world.proxy_elasticsearch().await),
        ]);
        let site = Site::start(options.hosts, options.pages, options.seed).await?;
        let services = Services::start(&world, &Part::ALL).await?;
        let stage = Self {
            services,
            site,
            proxies,
            post,
            garbage: AsyncMutex::default(),
            disk,
            stack: AsyncMutex::default(),
            owed: Mutex::default(),
            counts: Mutex::default(),
            world,
        };
        let seeds = stage.site.seeds();
        let mut arguments = vec!["seed"];
        arguments.extend(seeds.iter().map(String::as_str));
        stage.command(&arguments).await?;
        Ok(stage)
    }

    /// Changes the site.
    pub(super) fn change(&self, change: Mutation, seed: u64) {
        let changed = self.site.change(change, seed);
        let kind = Fault::Change(change).kind();
        say(&format!("          {kind}: {} addresses", changed.len()));
        self.owed().extend(changed);
        self.count(Fault::Change(change), true);
    }

    /// Does a fault, for as long as it lasts.
    pub(super) async fn inject(&self, event: &Event) {
        let done = self.fault(event).await;
        if let Err(error) = &done {
            say(&format!(
                "          {} was not possible: {error:#}",
                event.fault.kind()
            ));
        }
        self.count(event.fault, done.is_ok());
    }

    async fn fault(&self, event: &Event) -> anyhow::Result<()> {
        let mut rng = Rng::new(event.seed);
        let lasts = tokio::time::sleep(event.lasts);
        match event.fault {
            Fault::Kill(part) => {
                let mut service = self.services.of(part).await;
                service.kill().await;
                lasts.await;
                service.start_again();
            }
            Fault::Stop(part) => {
                let mut service = self.services.of(part).await;
                self.services.terminate(part, &mut service).await;
                tokio::time::sleep(event.lasts).await;
                service.start_again();
            }
            Fault::Pause(part) => {
                let mut service = self.services.of(part).await;
                if service.is_running() {
                    service.pause();
                    lasts.await;
                    service.resume();
                }
            }
            Fault::RestartStore(store) => {
                let _turn = self.stack.lock().await;
                stores::down(store).await?;
                tokio::time::sleep(event.lasts).await;
                stores::up(store).await?;
            }
            Fault::PauseStore(store) => {
                let _turn = self.stack.lock().await;
                let frozen = Frozen::freeze(store)?;
                tokio::time::sleep(event.lasts).await;
                drop(frozen);
            }
            Fault::Wire(store, line) => {
                let proxy = &self.proxies[&store];
                match line {
                    Line::Cut => proxy.cut(),
                    Line::Stalled => proxy.stall(),
                    Line::Slow => {
                        let rate = SLOW.0 + rng.below(SLOW.1 - SLOW.0);
                        proxy.slow(u32::try_from(rate)?);
                    }
                }
                lasts.await;
                proxy.restore();
            }
            Fault::Site(answer) => {
                self.site.trouble(answer, 20 + rng.below(60));
                lasts.await;
                self.site.well();
            }
            Fault::FullDisk => {
                let disk = self.disk.as_ref().context("there is no disk to fill")?;
                disk.fill()?;
                lasts.await;
                disk.free()?;
            }
            Fault::Queues(mail) => {
                let injecting = inject(
                    &self.post,
                    self.world.pool(),
                    &self.garbage,
                    mail,
                    event.seed,
                );
                tokio::time::timeout(MAIL_LIMIT, injecting).await??;
            }
            Fault::Recrawl => self.recrawl().await?,
            Fault::Change(_) => {}
        }
        Ok(())
    }

    /// Orders what has changed to be read again, until it is ordered. An address that the crawl has
    /// not found yet will be read as it is now.
    async fn recrawl(&self) -> anyhow::Result<()> {
        let mut failures = 0;
        loop {
            let next = self.owed().pop_first();
            let Some(url) = next else { return Ok(()) };
            let again = Again::Url(Address::parse(&url)?);
            let Err(error) = self.order(again).await else {
                continue;
            };
            self.owed().insert(url);
            failures += 1;
            if failures == RECRAWL_TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn order(&self, again: Again) -> anyhow::Result<()> {
        // Its future cannot move between threads.
        let (pool, runtime) = (self.world.pool().clone(), Handle::current());
        let ordering = tokio::task::spawn_blocking(move || {
            let ordering = recrawl(&pool, &again, false);
            runtime.block_on(async { tokio::time::timeout(COMMAND_LIMIT, ordering).await })
        });
        ordering.await?.context("Postgres does not answer")??;
        Ok(())
    }

    async fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.services.tusou(COMMAND_LIMIT, arguments).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!("tusou {arguments:?}: {}", said.trim());
        }
        Ok(())
    }

    /// Ends every fault, starts what is down, and orders what is still owed.
    pub(super) async fn heal(&self) -> anyhow::Result<()> {
        for store in Store::ALL {
            stores::up(store).await?;
            self.proxies[&store].restore();
        }
        self.site.well();
        if let Some(disk) = &self.disk {
            disk.free()?;
        }
        for part in Part::ALL {
            let mut service = self.services.of(part).await;
            service.resume();
            if !service.is_running() {
                service.start_again();
            }
        }
        self.recrawl().await
    }

    /// Compares everything with the truth.
    pub(super) async fn judge(&self) -> anyhow::Result<Verdict> {
        let garbage = self.garbage.lock().await;
        let search = self.services.of(Part::Search).await.url("");
        judge::judge(&self.world, &self.site, &self.post, &garbage, Some(&search)).await
    }

    /// How often each fault came.
    pub(super) fn counts(&self) -> BTreeMap<String, Count> {
        self.counts
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// Answers of the site that were spoilt.
    pub(super) fn spoilt_answers(&self) -> u64 {
        self.site.struck()
    }

    /// What else happened.
    pub(super) fn notes(&self) -> Vec<String> {
        self.services.notes()
    }

    /// The last lines of each service's log.
    pub(super) async fn logs(&self) -> Vec<String> {
        self.services.logs().await
    }

    /// Takes it down; or leaves its stores and files, and says where they are.
    pub(super) async fn end(self, keep: bool) -> Option<String> {
        let Self {
            services,
            disk,
            world,
            ..
        } = self;
        drop(services);
        if !keep {
            drop(disk);
            world.end().await;
            return None;
        }
        Some(super::keep(world, disk))
    }

    fn count(&self, fault: Fault, possible: bool) {
        let mut counts = self.counts.lock().expect("no holder of this lock panics");
        let count = counts.entry(fault.kind()).or_default();
        if possible {
            count.injected += 1;
        } else {
            count.skipped += 1;
        }
    }

    fn owed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.owed.lock().expect("no holder of this lock panics")
    }
}
