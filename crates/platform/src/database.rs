//! The connection pool, and the schema that this build needs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor as _, PgConnection, PgPool};

use crate::backoff::Backoff;
use crate::config::Database;

/// Forward and back, as they were when this was compiled.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// How long a database that does not answer yet is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest single attempt to connect: a host that drops packets says nothing at all.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Postgres cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// `database.url` cannot be read. It is not shown: it may hold a password.
    #[error("database.url cannot be read; give one like postgres://user:password@host:5432/name")]
    Url(#[source] sqlx::Error),
    /// It does not answer, or refuses user or database.
    #[error(
        "cannot connect to Postgres at {server}; check that it runs and what database.url says"
    )]
    Connect {
        /// `host:port, database name, as user`, without the password.
        server: String,
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// Its certificate is not one to trust.
    #[error(
        "Postgres at {server} has a certificate that is not trusted; `sslrootcert` in database.url \
         must name its authority's file, and the host must be one that the certificate names"
    )]
    Certificate {
        /// As [`DatabaseError::Connect::server`].
        server: String,
        /// Why.
        #[source]
        cause: sqlx::Error,
    },
    /// The schema is older than this build.
    #[error(
        "the database's schema is at version {found}, this build needs {wanted}: run `tusou migrate`"
    )]
    Older {
        /// The database's version; 0 where it is empty.
        found: i64,
        /// This build's.
        wanted: i64,
    },
    /// The schema is newer than this build.
    #[error(
        "the database's schema is at version {found}, this build knows {wanted} at most: run a newer \
         build, or take the schema back with the newer build's `tusou migrate`"
    )]
    Newer {
        /// The database's version.
        found: i64,
        /// This build's.
        wanted: i64,
    },
    /// A migration was edited after the database had it.
    #[error(
        "migration {version} is not the one that the database had: make a new migration instead of \
         changing one, or take the schema back and run `tusou migrate`"
    )]
    Changed {
        /// Which migration.
        version: i64,
    },
    /// The schema cannot be asked for.
    #[error("the database's schema cannot be read")]
    Schema(#[source] sqlx::Error),
    /// A migration failed; what it had begun was rolled back.
    #[error("the database's schema cannot be migrated")]
    Migrate(#[source] MigrateError),
}

impl DatabaseError {
    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { cause, .. } | Self::Schema(cause) => is_transient(cause),
            _ => false,
        }
    }
}

/// Opens a pool and checks that the schema is the one that this build knows. Waits for a database
/// that does not answer yet, for at most 30 s.
pub async fn connect(config: &Database) -> Result<PgPool, DatabaseError> {
    let pool = connect_unchecked(config).await?;
    check_schema(&pool).await?;
    Ok(pool)
}

/// How a connection plans that only looks rows up by key. A statement is planned once, with the
/// indexes: on a database that was empty a minute ago, what Postgres knows of its tables would have
/// it read them whole, and keep that plan while they grow by thousands of rows a second.
const LOOKUPS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// Opens a pool as [`connect`] does, for statements that look rows up by key, however many there
/// are, and read no table whole.
pub async fn connect_for_lookups(config: &Database) -> Result<PgPool, DatabaseError> {
    let options = options(config)?;
    await_server(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LOOKUPS).await.map(|_| ()) })
        })
        .connect_lazy_with(options);
    check_schema(&pool).await?;
    Ok(pool)
}

fn options(config: &Database) -> Result<PgConnectOptions, DatabaseError> {
    let options: PgConnectOptions = config.url.parse().map_err(DatabaseError::Url)?;
    Ok(options.application_name("tusou"))
}

/// Opens a pool without looking at the schema (for migrations and tests). Waits as [`connect`] does.
pub async fn connect_unchecked(config: &Database) -> Result<PgPool, DatabaseError> {
    let options = options(config)?;
    await_server(&options).await?;
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .connect_lazy_with(options))
}

/// Connects once by itself, since a pool would only say that it waited too long.
async fn await_server(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let started = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut said = false;
    loop {
        let cause = match tokio::time::timeout(ATTEMPT, options.connect()).await {
            Ok(Ok(connection)) => {
                // A connection that does not say goodbye is noticed by the server all the same.
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(cause)) => cause,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        // Only here: a certificate that runs out under a service at work may be mended under it.
        if is_certificate(&cause) {
            let server = server(options);
            return Err(DatabaseError::Certificate { server, cause });
        }
        if !is_transient(&cause) || started.elapsed() >= PATIENCE {
            let server = server(options);
            return Err(DatabaseError::Connect { server, cause });
        }
        if !said {
            tracing::info!(server = server(options), %cause, "waiting for Postgres");
            said = true;
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

fn server(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    // Postgres itself falls back to the user's name.
    let database = options.get_database().unwrap_or(user);
    let (host, port) = (options.get_host(), options.get_port());
    format!("{host}:{port}, database {database}, as {user}")
}

/// Brings the schema up to this build's; the numbers of the migrations that were applied. Two that
/// run at once wait for each other.
pub async fn migrate(pool: &PgPool) -> Result<Vec<i64>, DatabaseError> {
    let mut connection = own_connection(pool).await?;
    let before = applied(&mut connection).await?;
    let ran = MIGRATIONS.run(&mut connection).await;
    ran.map_err(DatabaseError::Migrate)?;
    let after = applied(&mut connection).await?;
    let _ = connection.close().await;
    let new = after
        .into_keys()
        .filter(|version| !before.contains_key(version));
    Ok(new.collect())
}

/// Takes the schema back to `version` (0 for an empty database).
pub async fn migrate_back(pool: &PgPool, version: i64) -> Result<(), DatabaseError> {
    let mut connection = own_connection(pool).await?;
    let undone = MIGRATIONS.undo(&mut connection, version).await;
    undone.map_err(DatabaseError::Migrate)?;
    let _ = connection.close().await;
    Ok(())
}

/// The version that the database's schema is at; 0 where it has none.
pub async fn version(pool: &PgPool) -> Result<i64, DatabaseError> {
    let mut connection = pool.acquire().await.map_err(DatabaseError::Schema)?;
    let applied = applied(&mut connection).await?;
    Ok(applied.into_keys().next_back().unwrap_or(0))
}

/// The newest version that this build knows.
pub fn wanted_version() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// A connection that does not go back to the pool: sqlx keeps its advisory lock on one whose
/// migration failed, and only closing it lets the lock go.
async fn own_connection(pool: &PgPool) -> Result<PgConnection, DatabaseError> {
    let connection = pool.acquire().await.map_err(DatabaseError::Schema)?;
    Ok(connection.detach())
}

async fn check_schema(pool: &PgPool) -> Result<(), DatabaseError> {
    let mut connection = pool.acquire().await.map_err(DatabaseError::Schema)?;
    let applied = applied(&mut connection).await?;
    let found = applied.keys().next_back().copied().unwrap_or(0);
    let wanted = wanted_version();
    if found > wanted {
        return Err(DatabaseError::Newer { found, wanted });
    }
    for migration in MIGRATIONS.iter() {
        if migration.migration_type.is_down_migration() {
            continue;
        }
        let version = migration.version;
        match applied.get(&version) {
            None => return Err(DatabaseError::Older { found, wanted }),
            Some(checksum) if checksum.as_slice() != &*migration.checksum => {
                return Err(DatabaseError::Changed { version });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The migrations that the database has had, with their checksums.
async fn applied(connection: &mut PgConnection) -> Result<BTreeMap<i64, Vec<u8>>, DatabaseError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(DatabaseError::Schema)?;
    if !there {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
            .fetch_all(connection)
            .await
            .map_err(DatabaseError::Schema)?;
    Ok(rows.into_iter().collect())
}

/// Whether the error may pass by itself: connection lost, serialization failure, deadlock, too many
/// connections, a lock not had in time, a cancelled statement, a server that starts, stops, cannot be
/// written or has trouble with its disk.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // What a server says, or leaves unsaid, that ends in the middle of the handshake.
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    }
}

/// Whether the handshake failed by the server's certificate.
fn is_certificate(error: &sqlx::Error) -> bool {
    let sqlx::Error::Io(error) = error else {
        return false;
    };
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Judges a SQLSTATE: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn is_passing(code: &str) -> bool {
    // 08 connection exception, 53 insufficient resources, 57P0 the server ends or starts;
    // 58 system error (its disk); 25006 read-only (a standby, a switch-over), 40001 serialization
    // failure, 40P01 deadlock, 55P03 lock not available, 57014 cancelled, by a timeout or a person.
    ["08", "53", "57P0", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["25006", "40001", "40P01", "55P03", "57014"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_pass_are_told_from_those_that_do_not() {
        for code in [
            "08006", "25006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P03",
            "58030",
        ] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["23505", "42P01", "28P01", "3D000", "25001", "40002"] {
            assert!(!is_passing(code), "{code}");
        }
        assert!(is_transient(&sqlx::Error::PoolTimedOut));
        assert!(is_transient(&sqlx::Error::Protocol(
            "unexpected response".into()
        )));
        assert!(!is_transient(&sqlx::Error::RowNotFound));
    }

    #[test]
    fn every_migration_has_its_way_back() {
        let kind = |down| {
            let found = MIGRATIONS
                .iter()
                .filter(move |migration| migration.migration_type.is_down_migration() == down);
            found.map(|migration| migration.version).collect::<Vec<_>>()
        };
        assert!(!kind(false).is_empty());
        assert_eq!(kind(false), kind(true));
        assert_eq!(kind(false).last().copied(), Some(wanted_version()));
    }

    #[tokio::test]
    async fn a_refusing_url_never_shows_its_password() {
        let config = Database {
            url: "postgres://me:sesame@127.0.0.1:notaport/x".into(),
            max_connections: 1,
        };
        let error = connect_unchecked(&config)
            .await
            .expect_err("the port is no number");
        let shown = crate::telemetry::chain(&error);
        assert!(shown.contains("database.url"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
        let options: PgConnectOptions = "postgres://me:sesame@db.test:5433/x"
            .parse()
            .expect("a URL");
        assert_eq!(server(&options), "db.test:5433, database x, as me");
    }
}
