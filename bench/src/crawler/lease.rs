//! What a host lease with its URLs costs in a large frontier, beside a small one.

use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::{AssertSqlSafe, PgConnection};
use tusou_testkit::World;

/// Hosts of the two frontiers; each has 100 URLs.
const SMALL: i64 = 1_000;
const LARGE: i64 = 100_000;
const PAGES_A_HOST: i64 = 20;
const PICTURES_A_HOST: i64 = 80;
/// URLs of a host that were found together, and so lie together.
const FOUND_AT_ONCE: i64 = 10;
const TABLES: [&str; 3] = ["hosts", "pages", "image_urls"];

/// The two take turns, so that whatever else the machine does falls on both.
const BLOCKS: usize = 40;
const LEASES: usize = 50;

/// Seconds a lease: of the large frontier and of the small one.
pub(crate) async fn run() -> anyhow::Result<(f64, f64)> {
    let (small, large) = (
        World::new("bench_lease_small").await,
        World::new("bench_lease_large").await,
    );
    fill(&small, SMALL).await?;
    fill(&large, LARGE).await?;
    // What the fill left in memory is written now, not during the measurement.
    sqlx::query("CHECKPOINT").execute(large.pool()).await?;
    let mut took = [Duration::ZERO; 2];
    for block in 0..=BLOCKS {
        for (world, took) in [&large, &small].into_iter().zip(&mut took) {
            let spent = lease(world).await?;
            // The first block plans the statements.
            if block > 0 {
                *took += spent;
            }
        }
    }
    large.end().await;
    small.end().await;
    let each = took.map(|took| took.as_secs_f64() / (BLOCKS * LEASES) as f64);
    Ok((each[0], each[1]))
}

async fn lease(world: &World) -> anyhow::Result<Duration> {
    let limit = i64::from(world.config.crawler.lease_urls);
    let wanted = PAGES_A_HOST.min(limit) + PICTURES_A_HOST.min(limit);
    let started = Instant::now();
    for _ in 0..LEASES {
        let urls = tusou_crawler::lease_once(world.pool(), &world.config).await?;
        ensure!(
            urls.and_then(|urls| i64::try_from(urls).ok()) == Some(wanted),
            "a lease brought {urls:?} URLs, not {wanted}"
        );
    }
    Ok(started.elapsed())
}

/// Fills a frontier whose URLs are all due. Constraints and indexes other than primary keys are
/// made anew afterwards, as the schema has them, since that is much faster.
async fn fill(world: &World, hosts: i64) -> anyhow::Result<()> {
    let mut connection = world.pool().acquire().await?;
    sqlx::query("SET maintenance_work_mem = '512MB'")
        .execute(&mut *connection)
        .await?;
    let (constraints, indexes) = taken_away(&mut connection).await?;
    sqlx::query(
        "INSERT INTO hosts (host_id, origin, next_due_at) OVERRIDING SYSTEM VALUE
         SELECT host, 'http://host-' || host || '.example', now() - make_interval(secs => host * 7919 % 3600)
         FROM generate_series(1, $1) AS host",
    )
    .bind(hosts)
    .execute(&mut *connection)
    .await?;
    let tables = [
        ("pages", "page", PAGES_A_HOST, ", depth", ", number % 5"),
        ("image_urls", "picture", PICTURES_A_HOST, "", ""),
    ];
    for (table, kind, a_host, columns, values) in tables {
        let statement = format!(
            "INSERT INTO {table} (host_id, url{columns})
             SELECT host, 'http://host-' || host || '.example/{kind}/' || number || '.html'{values}
             FROM generate_series(0, $1 * $2 - 1) AS number,
                  LATERAL (SELECT 1 + number / $3 % $1 AS host) AS of_number"
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(hosts)
            .bind(a_host)
            .bind(FOUND_AT_ONCE)
            .execute(&mut *connection)
            .await?;
    }
    for statement in constraints.into_iter().chain(indexes) {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    // As autovacuum would, a while after.
    for table in TABLES {
        sqlx::query(AssertSqlSafe(format!("VACUUM (ANALYZE) {table}")))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Drops what slows the fill; the statements that make it again: constraints, then indexes.
async fn taken_away(connection: &mut PgConnection) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let constraints: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
         FROM pg_constraint
         WHERE conrelid::regclass::text = ANY($1) AND contype IN ('f', 'u') ORDER BY contype DESC",
    )
    .bind(&TABLES[..])
    .fetch_all(&mut *connection)
    .await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes
         WHERE schemaname = 'public' AND tablename = ANY($1)
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)",
    )
    .bind(&TABLES[..])
    .fetch_all(&mut *connection)
    .await?;
    let mut again = Vec::new();
    for (table, name, definition) in constraints {
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT \"{name}\"");
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut *connection)
            .await?;
        again.push(format!(
            "ALTER TABLE {table} ADD CONSTRAINT \"{name}\" {definition}"
        ));
    }
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX \"{name}\"")))
            .execute(&mut *connection)
            .await?;
    }
    let indexes = indexes.into_iter().map(|(_, definition)| definition);
    Ok((again, indexes.collect()))
}
