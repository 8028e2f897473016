//! One thing is away for minutes while the crawler goes at full speed: every bound must hold, the
//! services must say what they wait for, and then all must drain.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::disk::Disk;
use super::mail::{Garbage, Post};
use super::plan::Part;
use super::report::Verdict;
use super::samples::{Maxima, Sample, Series};
use super::services::Services;
use super::site::Site;
use super::{at_rest, judge, say};
use crate::{Proxy, World};

/// The bounds of a soak: small, so that minutes suffice to reach them.
pub(super) const QUEUE_LIMIT: u32 = 1_000;
pub(super) const OUTBOX_LIMIT: u32 = 2_000;
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(5);
const DISK_MIB: u32 = 128;

/// What is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Elasticsearch does not answer.
    Elasticsearch,
    /// No encoder runs.
    Encoder,
    /// The blob store is full.
    Disk,
    /// Postgres does not answer.
    Postgres,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Elasticsearch,
        Self::Encoder,
        Self::Disk,
        Self::Postgres,
    ];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Encoder => "encoder",
            Self::Disk => "disk",
            Self::Postgres => "postgres",
        }
    }

    /// The service whose health is to say that it waits, and the part that it is to name.
    fn says(self) -> Option<(Part, &'static str)> {
        match self {
            Self::Elasticsearch => Some((Part::Indexer, "elasticsearch")),
            // Nobody is there to say so: `tusou status` shows the queue that nobody empties.
            Self::Encoder => None,
            Self::Disk => Some((Part::Crawler, "blobs")),
            Self::Postgres => Some((Part::Crawler, "database")),
        }
    }

    /// Pages enough to reach the bounds, were they not kept.
    fn pages(self) -> usize {
        match self {
            Self::Elasticsearch | Self::Encoder => 4_000,
            Self::Disk | Self::Postgres => 800,
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text);
        found.ok_or_else(|| {
            format!("there is no scenario `{text}`: elasticsearch, encoder, disk, postgres")
        })
    }
}

/// What a soak found.
#[derive(Debug)]
pub struct Soaked {
    /// What was away.
    pub scenario: Scenario,
    /// For how long, seconds.
    pub seconds: u64,
    /// From its return until all was at rest, seconds.
    pub drained_after: u64,
    /// The most of everything while it was away.
    pub maxima: Maxima,
    /// Bounds that did not hold, and silences.
    pub broken: Vec<String>,
    /// What the services said while they waited, without repetitions.
    pub said: BTreeSet<String>,
    /// What became of the pictures.
    pub verdict: Verdict,
    /// Services that ended by themselves.
    pub notes: Vec<String>,
    /// Where the world was kept.
    pub kept: Option<String>,
}

impl Soaked {
    /// Every bound held and nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.verdict.is_clean()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "scenario": self.scenario.name(), "seconds": self.seconds,
            "drained_after_seconds": self.drained_after, "maxima": self.maxima.json(),
            "broken": self.broken, "said": self.said, "pictures": self.verdict.pictures,
            "sightings": self.verdict.sightings, "lost": self.verdict.lost,
            "doubled": self.verdict.doubled, "unexplained": self.verdict.unexplained,
            "notes": self.notes,
        })
    }
}

/// Runs one scenario for so long, over a site of so many hosts.
///
/// # Errors
/// Where the run itself is not possible; the remedy is named.
pub async fn soak(
    scenario: Scenario,
    lasts: Duration,
    seed: u64,
    hosts: u8,
) -> anyhow::Result<Soaked> {
    let mut world = World::new(&format!("soak-{}", scenario.name())).await;
    world.config.amqp.queue_limit = QUEUE_LIMIT;
    world.config.crawler.outbox_limit = OUTBOX_LIMIT;
    let post = Post::new(&world.config)?;
    let proxy = match scenario {
        Scenario::Elasticsearch => Some(world.proxy_elasticsearch().await),
        Scenario::Postgres => Some(world.proxy_database().await),
        Scenario::Encoder | Scenario::Disk => None,
    };
    let disk = match scenario {
        Scenario::Disk => Some(Disk::mount(&world.folder().join("blobs"), DISK_MIB)?),
        _ => None,
    };
    let site = Site::start(hosts, scenario.pages(), seed).await?;
    let parts: Vec<Part> = Part::CRAWL
        .into_iter()
        .filter(|part| scenario != Scenario::Encoder || *part != Part::Encoder)
        .collect();
    let services = Services::start(&world, &parts).await?;
    let seeds = site.seeds();
    let mut arguments = vec!["seed"];
    arguments.extend(seeds.iter().map(String::as_str));
    let seeded = services.tusou(Duration::from_secs(60), &arguments).await?;
    anyhow::ensure!(
        seeded.status.success(),
        "{}",
        String::from_utf8_lossy(&seeded.stderr)
    );
    // Something is to be on its way before it is gone.
    tokio::time::sleep(Duration::from_secs(2)).await;
    take_away(&proxy, disk.as_ref())?;
    let (series, said) = watch(scenario, &world, &post, &services, lasts).await;
    give_back(&proxy, disk.as_ref())?;
    let begun = Instant::now();
    let encoder = match scenario {
        Scenario::Encoder => Some(Services::start(&world, &[Part::Encoder]).await?),
        _ => None,
    };
    let limit = Duration::from_secs(900) + lasts;
    let rest = at_rest(&services, scenario.name(), limit).await;
    let mut verdict = judge::judge(&world, &site, &post, &Garbage::default(), None).await?;
    if let Err(status) = rest {
        verdict
            .unexplained
            .push(format!("not done within {limit:?}: {status}"));
    }
    let mut broken = series.broken();
    if let Some((part, word)) = scenario.says() {
        let name = part.binary();
        if !said
            .iter()
            .any(|line| line.starts_with(name) && line.contains(word))
        {
            broken.push(format!("the health of {name} never said `{word}`"));
        }
    }
    let mut soaked = Soaked {
        scenario,
        seconds: lasts.as_secs(),
        drained_after: begun.elapsed().as_secs(),
        maxima: series.maxima(),
        broken,
        said,
        verdict,
        notes: services.notes(),
        kept: None,
    };
    drop((services, encoder));
    if soaked.is_clean() {
        drop(disk);
        world.end().await;
    } else {
        soaked.kept = Some(super::keep(world, disk));
    }
    Ok(soaked)
}

fn take_away(proxy: &Option<Proxy>, disk: Option<&Disk>) -> anyhow::Result<()> {
    if let Some(proxy) = proxy {
        proxy.cut();
    }
    disk.map_or(Ok(()), Disk::fill)
}

fn give_back(proxy: &Option<Proxy>, disk: Option<&Disk>) -> anyhow::Result<()> {
    if let Some(proxy) = proxy {
        proxy.restore();
    }
    disk.map_or(Ok(()), Disk::free)
}

/// Takes samples until the time is over, and what the services say meanwhile.
async fn watch(
    scenario: Scenario,
    world: &World,
    post: &Post,
    services: &Services,
    lasts: Duration,
) -> (Series, BTreeSet<String>) {
    let begun = Instant::now();
    let (mut series, mut said) = (Series::default(), BTreeSet::new());
    while begun.elapsed() < lasts {
        tokio::time::sleep(SAMPLE).await;
        match Sample::take(world.pool(), post, services).await {
            Ok(sample) => {
                let at = begun.elapsed().as_secs();
                say(&format!("{} {at:>4} s  {sample}", scenario.name()));
                series.push(sample);
            }
            Err(error) => say(&format!("{}: no sample: {error:#}", scenario.name())),
        }
        said.extend(services.health().await);
    }
    (series, said)
}

impl fmt::Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scenario.name();
        writeln!(f, "{name}: {}", self.maxima)?;
        for line in &self.said {
            writeln!(f, "{name} said: {line}")?;
        }
        for (heading, list) in [
            ("BOUND BROKEN", &self.broken),
            ("LOST", &self.verdict.lost),
            ("DOUBLED", &self.verdict.doubled),
            ("UNEXPLAINED", &self.verdict.unexplained),
            ("noted", &self.notes),
        ] {
            for line in list.iter().take(20) {
                writeln!(f, "{name} {heading}: {line}")?;
            }
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "{kept}")?;
        }
        write!(
            f,
            "{name}, {:.1} min away, drained in {} s: {} bounds broken; {} pictures, {} lost, {} doubled, {} unexplained",
            self.seconds as f64 / 60.0,
            self.drained_after,
            self.broken.len(),
            self.verdict.pictures,
            self.verdict.lost.len(),
            self.verdict.doubled.len(),
            self.verdict.unexplained.len(),
        )
    }
}
