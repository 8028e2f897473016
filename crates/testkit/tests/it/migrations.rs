//! The schema goes back and forward under a crawl's data: nothing that the first version holds is
//! changed, the crawl goes on, and the documents are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::AssertSqlSafe;
use tusou_testkit::{Chain, Gallery, World};

const PAGES: u32 = 30;
const DELAY: Duration = Duration::from_millis(40);

/// The tables and their columns, as they are now.
const COLUMNS: &str = "
    SELECT table_name::text, quote_ident(column_name)
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";

/// robots.txt files, which moved from the hosts' rows to rows of their own.
const ROBOTS: &str = "
    SELECT string_agg(ROW(host_id, status, body, fetched_at, expires_at)::text, '|' ORDER BY host_id)
    FROM host_files WHERE kind = 'robots'";

type Columns = BTreeMap<String, BTreeSet<String>>;

async fn columns(world: &World) -> Columns {
    let rows: Vec<(String, String)> = sqlx::query_as(COLUMNS)
        .fetch_all(world.pool())
        .await
        .expect("the catalogue can be read");
    let mut columns = Columns::new();
    for (table, column) in rows {
        columns.entry(table).or_default().insert(column);
    }
    columns
}

/// What both versions have.
fn shared(first: &Columns, latest: &Columns) -> Columns {
    let of = |(table, columns): (&String, &BTreeSet<String>)| {
        let kept = columns.intersection(&latest[table]).cloned().collect();
        (table.clone(), kept)
    };
    first.iter().map(of).collect()
}

async fn robots(world: &World) -> Option<String> {
    let robots = sqlx::query_scalar(ROBOTS).fetch_one(world.pool()).await;
    robots.expect("the table is there")
}

/// A digest of every table's rows in these columns, with their number.
async fn contents(world: &World, columns: &Columns) -> BTreeMap<String, (i64, String)> {
    let mut contents = BTreeMap::new();
    for (table, columns) in columns {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let columns = columns.join(", ");
        let statement = format!(
            "SELECT count(*), coalesce(md5(string_agg(line, '|' ORDER BY line)), '')
             FROM (SELECT ROW({columns})::text AS line FROM {table}) AS lines"
        );
        let row: (i64, String) = sqlx::query_as(AssertSqlSafe(statement))
            .fetch_one(world.pool())
            .await
            .expect("the columns are there");
        contents.insert(table.clone(), row);
    }
    contents
}

#[tokio::test]
async fn a_filled_database_goes_back_and_forward_and_the_crawl_goes_on() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let mut chain = Chain::start(World::new("migrations").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(8).await;
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        let (status, _) = service.terminate().await;
        assert!(status.success(), "{status}");
    }
    let documents = chain.world.documents().await;
    let latest = columns(&chain.world).await;
    let rules = robots(&chain.world).await;
    assert!(rules.is_some(), "no robots.txt was kept");
    // Below version 1 there is nothing, so version 1 is as far back as data go.
    chain.tusou(&["migrate", "--back-to", "1"]).await;
    let first = columns(&chain.world).await;
    assert!(!first.contains_key("pauses"), "{first:?}");
    let first = shared(&first, &latest);
    let before = contents(&chain.world, &first).await;
    assert!(before["images"].0 >= 8, "{before:?}");
    let forward = chain.tusou(&["migrate"]).await;
    assert!(forward.contains("migration 3 applied"), "{forward}");
    assert_eq!(contents(&chain.world, &first).await, before);
    assert_eq!(robots(&chain.world).await, rules);
    assert_eq!(chain.world.documents().await, documents);

    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        service.restart().await;
    }
    chain.done().await;
    let shown = chain.shown().await;
    gallery.check(&shown);

    // Every document is made again from the rows that went back and forward.
    let bumped = sqlx::query("UPDATE images SET rev = rev + 1")
        .execute(chain.world.pool())
        .await
        .expect("a plain statement");
    assert_eq!(bumped.rows_affected(), u64::from(PAGES) + 1);
    chain.tusou(&["reconcile", "--repair"]).await;
    chain.done().await;
    assert_eq!(chain.shown().await, shown);
    chain.end().await;
}
