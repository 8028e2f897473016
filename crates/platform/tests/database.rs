//! The schema's way forward and back in a real Postgres, and what is said when it does not fit.

use sqlx::PgPool;
use tusou_platform::database::{
    DatabaseError, connect, connect_unchecked, is_transient, migrate, migrate_back, wanted_version,
};
use tusou_platform::telemetry::chain;
use tusou_testkit::World;

async fn tables(pool: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";
    let count = sqlx::query_scalar(count).fetch_one(pool).await;
    count.expect("the catalogue can be read")
}

async fn execute(pool: &PgPool, sql: &'static str) {
    let done = sqlx::query(sql).execute(pool).await;
    done.expect("the database does as it is told");
}

#[tokio::test]
async fn the_schema_goes_back_and_forth() {
    let world = World::new("schema").await;
    let pool = world.pool();
    assert!(tables(pool).await > 0);
    connect(&world.config.database).await.expect("it fits");
    assert!(migrate(pool).await.expect("nothing to do").is_empty());

    migrate_back(pool, 0)
        .await
        .expect("every step has its way back");
    assert_eq!(tables(pool).await, 0);
    let error = connect(&world.config.database).await;
    let error = error.expect_err("it is empty");
    assert!(
        matches!(error, DatabaseError::Older { found: 0, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("tusou migrate"), "{error}");

    // Two that run at once: one applies, the other waits and finds nothing to do.
    let (one, other) = tokio::join!(migrate(pool), migrate(pool));
    let applied = [one.expect("applied"), other.expect("applied")];
    assert!(
        applied
            .iter()
            .any(|versions| versions.last() == Some(&wanted_version()))
    );
    connect(&world.config.database)
        .await
        .expect("it fits again");
    world.end().await;
}

#[tokio::test]
async fn another_build_s_schema_is_refused_with_both_versions() {
    let world = World::new("schema_other").await;
    let pool = world.pool();
    execute(
        pool,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999999, 'later', true, '', 0)",
    )
    .await;
    let error = connect(&world.config.database).await;
    let said = error.expect_err("it is newer").to_string();
    assert!(
        said.contains("999999") && said.contains(&wanted_version().to_string()),
        "{said}"
    );

    execute(pool, "DELETE FROM _sqlx_migrations WHERE version = 999999").await;
    execute(
        pool,
        "UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 1",
    )
    .await;
    let error = connect(&world.config.database).await;
    let error = error.expect_err("it was changed");
    assert!(
        matches!(error, DatabaseError::Changed { version: 1 }),
        "{error}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_at_once() {
    let world = World::new("schema_absent").await;
    let mut config = world.config.database.clone();
    let mut url = url::Url::parse(&config.url).expect("it connected before");
    url.set_path("no_such_database");
    // The local stack may trust every password, so this one only must not be shown.
    url.set_password(Some("sesame")).expect("it has a host");
    config.url = url.to_string();
    let error = connect_unchecked(&config).await.expect_err("there is none");
    let said = chain(&error);
    assert!(
        said.contains("database.url") && !said.contains("sesame"),
        "{said}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_may_be_tried_again() {
    let world = World::new("schema_ended").await;
    let ended = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())");
    let error = ended
        .execute(world.pool())
        .await
        .expect_err("it ended itself");
    assert!(is_transient(&error), "{error}");
    let wrong = sqlx::query("SELECT no_such_column").execute(world.pool());
    assert!(!is_transient(&wrong.await.expect_err("no such column")));
    world.end().await;
}
