//! Does the faults to a chain.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Mutex as AsyncMutex;

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
    reread: Reread,
    counts: Mutex<BTreeMap<String, Count>>,
    world: World,
}

/// How everything is made to be read again.
#[derive(Debug)]
struct Reread {
    /// By `tusou recrawl --all`; else by larger bounds, which reads pages only.
    whole: bool,
    /// The depth that the seeds have now.
    depth: AsyncMutex<u32>,
    /// Whether the site changed since the last one that was ordered.
    owed: Mutex<bool>,
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
        let help = services
            .tusou(COMMAND_LIMIT, &["recrawl", "--help"])
            .await?;
        let stage = Self {
            services,
            site,
            proxies,
            post,
            garbage: AsyncMutex::default(),
            disk,
            stack: AsyncMutex::default(),
            reread: Reread {
                whole: help.status.success(),
                depth: AsyncMutex::new(16),
                owed: Mutex::new(false),
            },
            counts: Mutex::default(),
            world,
        };
        stage.deepen(16).await?;
        Ok(stage)
    }

    /// Changes the site.
    pub(super) fn change(&self, change: Mutation, seed: u64) {
        let possible = self.reread.whole || matches!(change, Mutation::Grow | Mutation::EditPages);
        if possible {
            let count = self.site.change(change, seed);
            say(&format!(
                "          {}: {count}",
                Fault::Change(change).kind()
            ));
            *self.owed() = true;
        }
        self.count(Fault::Change(change), possible);
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

    /// Orders everything to be read again, until it is ordered.
    async fn recrawl(&self) -> anyhow::Result<()> {
        let mut depth = self.reread.depth.lock().await;
        let mut tries = 0;
        loop {
            let owed = std::mem::take(&mut *self.owed());
            tries += 1;
            let ordered = if self.reread.whole {
                self.command(&["recrawl", "--all"]).await
            } else {
                *depth += 1;
                self.deepen(*depth).await
            };
            let Err(error) = ordered else { return Ok(()) };
            *self.owed() |= owed;
            if tries == 20 {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn deepen(&self, depth: u32) -> anyhow::Result<()> {
        let (depth, seeds) = (depth.to_string(), self.site.seeds());
        let mut arguments: Vec<&str> = vec!["seed"];
        arguments.extend(seeds.iter().map(String::as_str));
        arguments.extend(["--depth", &depth]);
        self.command(&arguments).await
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
        if *self.owed() {
            self.recrawl().await?;
        }
        Ok(())
    }

    /// Compares everything with the truth.
    pub(super) async fn judge(&self) -> anyhow::Result<Verdict> {
        let garbage = self.garbage.lock().await;
        judge::judge(&self.world, &self.site, &self.post, &garbage).await
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
        let mut notes = self.services.notes();
        if !self.reread.whole {
            notes.push("`tusou recrawl` is not there: pages were read again, pictures not".into());
        }
        notes
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

    fn owed(&self) -> std::sync::MutexGuard<'_, bool> {
        self.reread
            .owed
            .lock()
            .expect("no holder of this lock panics")
    }
}
