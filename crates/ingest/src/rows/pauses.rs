//! Pauses: what rests until it is resumed. The crawler and the indexer look at these rows.

use sqlx::PgPool;

use crate::address::{Address, AddressError};

/// What rests as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No host is leased.
    Crawl,
    /// Nothing is written to an index.
    Index,
}

impl Stage {
    /// As the row has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crawl => "crawl",
            Self::Index => "index",
        }
    }
}

/// Hosts as a person names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// One origin: `http://example.org:8080`.
    Origin(String),
    /// Every origin of a name (`example.org`), or of a name and a port (`example.org:8080`).
    Name(String),
}

impl HostName {
    /// Reads an origin, a URL (whose origin is meant), a name, or a name with a port.
    ///
    /// # Errors
    /// [`AddressError`], with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.contains("://") {
            let address = Address::parse(text)?;
            return Ok(Self::Origin(address.origin().to_owned()));
        }
        let address = Address::parse(&format!("http://{text}/"))?;
        let (_, authority) = address
            .origin()
            .split_once("://")
            .expect("an origin has a scheme");
        Ok(Self::Name(authority.to_owned()))
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Origin(text) | Self::Name(text)) = self;
        f.write_str(text)
    }
}

/// Pauses a stage; whether it went on until now. A stage that is paused keeps its time and takes
/// the new reason.
pub async fn pause_stage(pool: &PgPool, stage: Stage, why: &str) -> Result<bool, sqlx::Error> {
    // A row that was inserted has no earlier version.
    sqlx::query_scalar(
        "INSERT INTO pauses (stage, why) VALUES ($1, $2)
         ON CONFLICT (stage) DO UPDATE SET why = EXCLUDED.why
         RETURNING xmax = 0",
    )
    .bind(stage.as_str())
    .bind(why)
    .fetch_one(pool)
    .await
}

/// Lets a stage go on; whether it was paused.
pub async fn resume_stage(pool: &PgPool, stage: Stage) -> Result<bool, sqlx::Error> {
    let resumed = sqlx::query("DELETE FROM pauses WHERE stage = $1")
        .bind(stage.as_str())
        .execute(pool)
        .await?;
    Ok(resumed.rows_affected() > 0)
}

/// Why a stage rests; `None` where it goes on.
pub async fn stage_paused(pool: &PgPool, stage: Stage) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT why FROM pauses WHERE stage = $1")
        .bind(stage.as_str())
        .fetch_optional(pool)
        .await
}

/// A host that was named.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct NamedHost {
    /// `http://example.org:8080`
    pub origin: String,
    /// Whether it is paused.
    pub paused: bool,
}

/// The hosts that are known by this name, by origin.
pub async fn hosts_named(pool: &PgPool, name: &HostName) -> Result<Vec<NamedHost>, sqlx::Error> {
    let statement = match name {
        HostName::Origin(_) => {
            "SELECT origin, paused_at IS NOT NULL AS paused FROM hosts WHERE origin = $1"
        }
        HostName::Name(_) => {
            "SELECT origin, paused_at IS NOT NULL AS paused FROM hosts
             WHERE regexp_replace(origin, '^https?://', '') = $1
                OR regexp_replace(origin, '^https?://|:[0-9]+$', '', 'g') = $1
             ORDER BY origin"
        }
    };
    let (HostName::Origin(text) | HostName::Name(text)) = name;
    sqlx::query_as(statement).bind(text).fetch_all(pool).await
}

/// Pauses hosts by origin; how many went on until now.
pub async fn pause_hosts(pool: &PgPool, origins: &[String], why: &str) -> Result<u64, sqlx::Error> {
    let paused = sqlx::query(
        "UPDATE hosts SET paused_at = now(), paused_why = $2
         WHERE host_id IN (
             SELECT host_id FROM hosts WHERE origin = ANY($1) AND paused_at IS NULL
             ORDER BY host_id FOR NO KEY UPDATE)",
    )
    .bind(origins)
    .bind(why)
    .execute(pool)
    .await?;
    Ok(paused.rows_affected())
}

/// Lets hosts go on, by origin; how many were paused.
pub async fn resume_hosts(pool: &PgPool, origins: &[String]) -> Result<u64, sqlx::Error> {
    let resumed = sqlx::query(
        "UPDATE hosts SET paused_at = NULL, paused_why = ''
         WHERE host_id IN (
             SELECT host_id FROM hosts WHERE origin = ANY($1) AND paused_at IS NOT NULL
             ORDER BY host_id FOR NO KEY UPDATE)",
    )
    .bind(origins)
    .execute(pool)
    .await?;
    Ok(resumed.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_its_origin_a_url_a_name_or_a_port() {
        let origin = |text: &str| HostName::Origin(text.to_owned());
        let name = |text: &str| HostName::Name(text.to_owned());
        for (text, wanted) in [
            ("http://Example.org", origin("http://example.org")),
            ("https://example.org/a?b", origin("https://example.org")),
            ("example.org", name("example.org")),
            ("EXAMPLE.org:8080", name("example.org:8080")),
            ("127.0.0.1:80", name("127.0.0.1")),
        ] {
            assert_eq!(HostName::parse(text), Ok(wanted), "{text}");
        }
        assert!(HostName::parse("no host").is_err());
        assert!(HostName::parse("ftp://example.org").is_err());
    }
}
