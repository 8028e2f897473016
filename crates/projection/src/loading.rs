//! Loading an index that hardly anybody asks yet: seldom searchable, without replicas, and not for ever.
//!
//! What was changed is marked in the index itself, beside its models in `_meta`: so whoever comes next knows what to
//! put right, also after a process was killed, and a refresh interval that an operator set is known from ours.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;
use tusou_platform::elastic::{Elastic, IndexNow};

use crate::error::Error;
use crate::rows::generations::{Generation, Registry};

/// The key of [`Load`] in an index's `_meta`.
const MARK: &str = "first_load";

/// What a first load made of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The refresh interval that it set.
    pub refresh_interval: String,
    /// The replicas that there were before.
    pub replicas: u32,
    /// It had its time: the index is as ever, and no other first load of it begins.
    #[serde(default)]
    pub over: bool,
}

/// An index, as whoever decides about a first load sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSeen {
    /// The alias points at it.
    pub searched: bool,
    /// Its first load, where one is on or had its time.
    pub load: Option<Load>,
    /// Somebody else set its refresh interval.
    pub set_by_others: bool,
    now: IndexNow,
}

/// What is to be done about an index's first load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadChange {
    /// Nothing.
    Leave,
    /// It is to be on with this refresh interval, and without replicas.
    On(&'static str),
    /// It is to be off.
    Off,
    /// It is to be off, and to stay so.
    Over,
}

impl LoadSeen {
    fn of(now: IndexNow, alias: &str) -> Self {
        let load: Option<Load> = serde_json::from_value(now.meta[MARK].clone()).ok();
        let ours = load.as_ref().filter(|load| !load.over);
        let ours = ours.map(|load| load.refresh_interval.as_str());
        Self {
            searched: now.aliases.iter().any(|other| other == alias),
            set_by_others: now.refresh_interval.is_some()
                && now.refresh_interval.as_deref() != ours,
            load,
            now,
        }
    }

    /// Its first load that is on.
    pub fn on(&self) -> Option<&Load> {
        self.load.as_ref().filter(|load| !load.over)
    }
}

/// The index as it is now; `None` where it is not there.
///
/// # Errors
/// Whatever is away.
pub async fn load_seen(
    elastic: &Elastic,
    generation: &Generation,
    alias: &str,
) -> Result<Option<LoadSeen>, Error> {
    let now = elastic.index_now(&generation.index).await?;
    Ok(now.map(|now| LoadSeen::of(now, alias)))
}

/// Does to a written index what `decide` wants of it, and says what that was, and why, where it changed its settings.
///
/// It is asked once more under the registry's lock, which whoever moves the alias holds too: so no index that
/// searches ask is left without refreshes.
///
/// # Errors
/// Whatever is away; doing it again does no harm.
pub async fn change_load(
    pool: &PgPool,
    elastic: &Elastic,
    alias: &str,
    generation: &Generation,
    decide: impl Fn(&Generation, &LoadSeen) -> (LoadChange, &'static str),
) -> Result<(LoadChange, &'static str), Error> {
    let nothing = (LoadChange::Leave, "");
    let mut registry = Registry::lock(pool).await?;
    let written = registry.written().await?;
    let mut same = written.iter();
    let same = same.find(|other| other.generation_id == generation.generation_id);
    let Some(generation) = same else {
        return Ok(nothing);
    };
    let Some(seen) = load_seen(elastic, generation, alias).await? else {
        return Ok(nothing);
    };
    let (change, why) = decide(generation, &seen);
    let changed = match change {
        LoadChange::Leave => false,
        LoadChange::On(interval) => begin(elastic, generation, &seen, interval).await?,
        LoadChange::Off => end(elastic, generation, &seen, false).await?,
        LoadChange::Over => end(elastic, generation, &seen, true).await?,
    };
    registry.commit().await?;
    Ok(if changed { (change, why) } else { nothing })
}

/// Ends a first load of an index that the alias is about to point at. Call it under the registry's lock.
pub(crate) async fn end_before_searches(
    elastic: &Elastic,
    generation: &Generation,
) -> Result<(), Error> {
    if let Some(seen) = load_seen(elastic, generation, "").await? {
        end(elastic, generation, &seen, false).await?;
    }
    Ok(())
}

/// The mark goes first: what is set without one would pass for an operator's.
async fn begin(
    elastic: &Elastic,
    generation: &Generation,
    seen: &LoadSeen,
    interval: &str,
) -> Result<bool, Error> {
    if seen.set_by_others {
        return Ok(false);
    }
    let load = Load {
        since: seen
            .on()
            .map_or_else(OffsetDateTime::now_utc, |on| on.since),
        refresh_interval: interval.to_owned(),
        replicas: seen.on().map_or(seen.now.replicas, |on| on.replicas),
        over: false,
    };
    mark(elastic, generation, seen, Some(&load)).await?;
    let settings = json!({"refresh_interval": interval, "number_of_replicas": 0});
    elastic
        .change_settings(&generation.index, &settings)
        .await?;
    Ok(true)
}

/// The mark goes last: until it is gone, somebody puts the settings right. What an operator changed meanwhile stays.
async fn end(
    elastic: &Elastic,
    generation: &Generation,
    seen: &LoadSeen,
    over: bool,
) -> Result<bool, Error> {
    let Some(load) = &seen.load else {
        return Ok(false);
    };
    if !load.over {
        let mut settings = json!({});
        if seen.now.refresh_interval.as_ref() == Some(&load.refresh_interval) {
            settings["refresh_interval"] = Value::Null;
        }
        if seen.now.replicas == 0 {
            settings["number_of_replicas"] = json!(load.replicas);
        }
        elastic
            .change_settings(&generation.index, &settings)
            .await?;
        elastic.refresh(&generation.index).await?;
    }
    let kept = over.then(|| Load {
        over: true,
        ..load.clone()
    });
    mark(elastic, generation, seen, kept.as_ref()).await?;
    Ok(!load.over)
}

async fn mark(
    elastic: &Elastic,
    generation: &Generation,
    seen: &LoadSeen,
    load: Option<&Load>,
) -> Result<(), Error> {
    let mut meta = seen.now.meta.clone();
    if let Some(keys) = meta.as_object_mut() {
        keys.remove(MARK);
    }
    if let Some(load) = load {
        meta[MARK] = json!(load);
    }
    Ok(elastic.change_meta(&generation.index, &meta).await?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn now(refresh_interval: Option<&str>, meta: Value) -> LoadSeen {
        let now = IndexNow {
            aliases: vec!["pictures".into()],
            refresh_interval: refresh_interval.map(str::to_owned),
            replicas: 0,
            meta,
        };
        LoadSeen::of(now, "pictures")
    }

    #[test]
    fn an_operator_s_interval_is_known_from_ours() {
        let load = |over| Load {
            since: datetime!(2026-01-01 00:00 UTC),
            refresh_interval: "-1".into(),
            replicas: 1,
            over,
        };
        let marked = |over| json!({"mapping_version": 2, MARK: load(over)});
        assert!(!now(None, json!({})).set_by_others);
        assert!(now(Some("-1"), json!({})).set_by_others);
        assert!(!now(Some("-1"), marked(false)).set_by_others);
        assert!(now(Some("5s"), marked(false)).set_by_others);
        assert!(now(Some("-1"), marked(true)).set_by_others);
        assert_eq!(now(None, marked(false)).on(), Some(&load(false)));
        assert_eq!(now(None, marked(true)).on(), None);
        // A mark that nobody can read is none: it is written over by the next one.
        assert_eq!(now(None, json!({MARK: {"since": 3}})).load, None);
        assert!(now(None, Value::Null).searched);
    }
}
