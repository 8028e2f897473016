//! What every command about indexes begins with: the stores, the registry, and where the alias points.

use std::io::Write;

use sqlx::PgPool;
use tusou_contract::mapping::IndexOptions;
use tusou_platform::elastic::Elastic;
use tusou_platform::{Config, database};
use tusou_projection::{Generation, State};

use super::error::IndexError;
use crate::error::Error;

/// The stores, and the registry as it stood at the start.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) pool: PgPool,
    pub(super) elastic: Elastic,
    /// The oldest first.
    pub(super) generations: Vec<Generation>,
    /// The indexes that the alias points at.
    behind: Vec<String>,
}

impl<'a> Context<'a> {
    pub(super) async fn open(config: &'a Config) -> Result<Self, Error> {
        let elastic = Elastic::new(&config.elasticsearch)?;
        let pool = database::connect(&config.database).await?;
        let generations = tusou_projection::all(&pool, config.indexer.keep_gone).await?;
        let behind = elastic.alias(&config.elasticsearch.alias).await?;
        Ok(Self {
            config,
            pool,
            elastic,
            generations,
            behind,
        })
    }

    pub(super) fn alias(&self) -> &str {
        &self.config.elasticsearch.alias
    }

    /// How an index is made where nobody recorded it.
    pub(super) fn options(&self) -> IndexOptions {
        IndexOptions::from(&self.config.elasticsearch)
    }

    /// The index that searches ask, where it is one alone.
    pub(super) fn searched(&self) -> Option<&Generation> {
        self.generations
            .iter()
            .find(|generation| self.is_searched(generation))
    }

    pub(super) fn is_searched(&self, generation: &Generation) -> bool {
        self.behind == [generation.index.as_str()]
    }

    /// Whether the alias points at it, be it beside others.
    pub(super) fn is_behind_alias(&self, generation: &Generation) -> bool {
        self.behind.contains(&generation.index)
    }

    /// The index of that name, whatever its state.
    pub(super) fn named(&self, name: &str) -> Result<&Generation, IndexError> {
        let found = self.generations.iter().find(|known| known.index == name);
        found.ok_or_else(|| IndexError::Unknown {
            name: name.to_owned(),
            known: self
                .generations
                .iter()
                .filter(|generation| generation.is_written())
                .map(|generation| generation.index.clone())
                .collect(),
        })
    }

    /// The written index of that name, or the one that is searched.
    pub(super) fn chosen(&self, name: Option<&str>) -> Result<&Generation, IndexError> {
        let generation = match name {
            Some(name) => self.named(name)?,
            None => self.searched().ok_or_else(|| IndexError::NoneSearched {
                alias: self.alias().to_owned(),
            })?,
        };
        written(generation)
    }

    /// The written index of that name, or the newest that is being built.
    pub(super) fn building(&self, name: Option<&str>) -> Result<&Generation, IndexError> {
        let Some(name) = name else {
            let mut building = self.generations.iter();
            return building
                .rfind(|generation| generation.state == State::Building)
                .ok_or(IndexError::NoneBuilding);
        };
        written(self.named(name)?)
    }
}

fn written(generation: &Generation) -> Result<&Generation, IndexError> {
    if generation.is_written() {
        Ok(generation)
    } else {
        Err(IndexError::Dropped {
            name: generation.index.clone(),
        })
    }
}

/// Tells a person who waits how far it is. Nothing is lost where standard error is closed.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
