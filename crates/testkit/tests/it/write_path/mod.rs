//! Outcomes that are written together: the same as one by one, and none takes another along.

mod desk;

use std::time::Duration;

use desk::{Desk, ended, verified};
use tusou_ingest::seeds::{self, NewSeed};
use tusou_ingest::{
    Address, End, FetchedUrl, ImageBatch, PictureWritten, Rendering, Scope, Validators,
};
use tusou_testkit::{Reply, Service, Site, World, pictures, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// A small crawl, and a second round in which the site has changed.
async fn crawl(desk: &Desk) {
    let start = desk
        .read("/", &["/1", "/2", "/3", "/1"], &[("/logo.png", "logo")])
        .await;
    desk.write_pages(&[start], &[]).await;
    let mut pages = Vec::new();
    for (path, shown) in [
        ("/1", [("/logo.png", "logo"), ("/a.png", "by one")]),
        ("/2", [("/logo.png", "logo"), ("/a-again.png", "two")]),
        ("/3", [("/logo.png", "another"), ("/b.png", "three")]),
    ] {
        pages.push(desk.read(path, &["/", "/4"], &shown).await);
    }
    desk.write_pages(&pages, &[]).await;
    let four = desk.read("/4", &[], &[("/b.png", "four"), ("/b.png", "twice")]);
    desk.write_pages(&[four.await], &[]).await;
    // The same picture at two URLs, each shown by a page of its own.
    let came = [
        ("/logo.png", 0),
        ("/a.png", 1),
        ("/a-again.png", 1),
        ("/b.png", 2),
    ];
    desk.write_images(&came, &[]).await;

    desk.make_due().await;
    let again = [
        desk.read(
            "/1",
            &[],
            &[("/logo.png", "logo"), ("/a.png", "by another")],
        )
        .await,
        desk.read("/3", &["/5"], &[("/c.png", "new")]).await,
    ];
    let over = [
        desk.ended_page("/2", End::Failed, true).await,
        desk.ended_page("/4", End::Unchanged, false).await,
        desk.ended_page("/", End::Postponed(Duration::from_secs(60)), false)
            .await,
    ];
    desk.write_pages(&again, &over).await;
    let (b, due_at) = desk.image_url("/b.png").await;
    let over = [ended(b, due_at, End::Failed, true)];
    let came = [("/logo.png", 3), ("/a.png", 1), ("/c.png", 2)];
    desk.write_images(&came, &over).await;
}

#[tokio::test]
async fn a_batch_writes_what_its_outcomes_write_one_by_one() {
    let (together, alone) = (
        Desk::open("together", 128).await,
        Desk::open("alone", 1).await,
    );
    crawl(&together).await;
    crawl(&alone).await;
    let (rows, wanted) = (together.rows().await, alone.rows().await);
    assert_eq!(rows, wanted, "\n{rows}\n\nis not\n\n{wanted}");

    // Nor is any of it as the test would have it by chance.
    for (statement, wanted) in [
        ("SELECT count(*) FROM pages", 6),
        ("SELECT count(*) FROM image_urls", 5),
        ("SELECT count(*) FROM images", 4),
        // The logo at two pages, pictures 1 and 2 at one each; all else is gone.
        ("SELECT count(*) FROM sightings WHERE gone_since IS NULL", 4),
        (
            "SELECT count(*) FROM outbox WHERE queue = 'images.fetched'",
            4,
        ),
        ("SELECT count(*) FROM page_images", 5),
        // Changed twice, so looked at sooner than after a week; unchanged, so later.
        (
            "SELECT max(revisit_seconds)::bigint FROM pages WHERE url LIKE '%/1'",
            302_400,
        ),
        (
            "SELECT max(revisit_seconds)::bigint FROM pages WHERE url LIKE '%/4'",
            1_209_600,
        ),
    ] {
        assert_eq!(
            together.count(statement).await,
            wanted,
            "{statement}\n{rows}"
        );
    }
    together.world.end().await;
    alone.world.end().await;
}

#[tokio::test]
async fn what_stays_as_it_was_is_not_touched() {
    let desk = Desk::open("untouched", 128).await;
    let shown = [("/a.png", "a"), ("/b.png", "b")];
    let page = desk.read("/", &[], &shown).await;
    desk.write_pages(&[page], &[]).await;
    desk.write_images(&[("/a.png", 1), ("/b.png", 2)], &[])
        .await;
    let emptied = sqlx::query("DELETE FROM outbox").execute(desk.pool()).await;
    emptied.expect("the world's database answers");
    const REVS: &str = "SELECT sum(rev)::bigint FROM images";
    const SEEN: &str =
        "SELECT (extract(epoch FROM max(last_seen)) * 1000000)::bigint FROM sightings";
    let before = (desk.count(REVS).await, desk.count(SEEN).await);

    desk.make_due().await;
    let page = desk.read("/", &[], &shown).await;
    let summary = desk.write_pages(&[page], &[]).await;
    assert_eq!((summary.images, summary.image_urls), (0, 0));
    desk.write_images(&[("/a.png", 1), ("/b.png", 2)], &[])
        .await;
    assert_eq!((desk.count(REVS).await, desk.count(SEEN).await), before);
    assert_eq!(desk.count("SELECT count(*) FROM outbox").await, 0);

    // Last seen more than a day ago: that alone is worth writing, with its message.
    let aged = sqlx::query(
        "UPDATE sightings SET last_seen = last_seen - interval '25 hours' WHERE alt = 'a'",
    );
    aged.execute(desk.pool()).await.expect("the rows fit");
    desk.make_due().await;
    let page = desk.read("/", &[], &shown).await;
    assert_eq!(desk.write_pages(&[page], &[]).await.images, 1);
    const STALE: &str = "SELECT count(*) FROM sightings WHERE last_seen < now() - interval '1 day'";
    assert_eq!(desk.count(STALE).await, 0);
    assert_eq!(desk.count("SELECT count(*) FROM outbox").await, 1);
    desk.world.end().await;
}

#[tokio::test]
async fn what_became_due_again_meanwhile_stays_due_and_its_mates_are_done() {
    let desk = Desk::open("due_again", 128).await;
    let start = desk
        .read("/", &["/1"], &[("/a.png", ""), ("/b.png", "")])
        .await;
    desk.write_pages(&[start], &[]).await;
    desk.make_due().await;
    let pages = [
        desk.read("/", &[], &[("/a.png", ""), ("/b.png", "")]).await,
        desk.read("/1", &[], &[]).await,
    ];
    let (a, b) = (desk.fetched("/a.png").await, desk.fetched("/b.png").await);
    for statement in [
        "UPDATE pages SET due_at = clock_timestamp(), etag = NULL, content_hash = NULL WHERE url LIKE '%/1'",
        "UPDATE image_urls SET due_at = clock_timestamp(), etag = NULL WHERE url LIKE '%/a.png'",
    ] {
        let made = sqlx::query(statement).execute(desk.pool()).await;
        made.expect("the rows fit the schema");
    }
    desk.write_pages(&pages, &[]).await;
    let (one, two) = (verified(1), verified(2));
    let tagged = |url: FetchedUrl| FetchedUrl {
        validators: Validators {
            etag: Some("\"x\"".to_owned()),
            last_modified: None,
        },
        ..url
    };
    let batch = ImageBatch {
        stored: vec![(tagged(a), &one), (tagged(b), &two)],
        ended: Vec::new(),
    };
    desk.write_image_batch(&batch).await;
    for (path, state, known) in [
        ("/", "done", true),
        ("/b.png", "done", true),
        // Its bytes are wanted, whatever they are.
        ("/1", "due", false),
        ("/a.png", "due", false),
    ] {
        assert_eq!(desk.state(path).await, (state.to_owned(), known), "{path}");
    }
    assert_eq!(desk.count("SELECT count(*) FROM images").await, 2);
    desk.world.end().await;
}

#[tokio::test]
async fn a_row_that_went_meanwhile_takes_no_mate_along() {
    let desk = Desk::open("went", 128).await;
    let start = desk
        .read("/", &["/1", "/2"], &[("/a.png", ""), ("/b.png", "")])
        .await;
    desk.write_pages(&[start], &[]).await;
    let pages = [
        desk.read("/1", &["/3"], &[("/a.png", "one")]).await,
        desk.read("/2", &["/4"], &[("/b.png", "two")]).await,
    ];
    let (a, b) = (desk.fetched("/a.png").await, desk.fetched("/b.png").await);
    for statement in [
        "DELETE FROM pages WHERE url LIKE '%/1'",
        "DELETE FROM image_urls WHERE url LIKE '%/a.png'",
    ] {
        let gone = sqlx::query(statement).execute(desk.pool()).await;
        gone.expect("nothing keeps it");
    }
    let missing = pages[0].page_id;
    let summary = desk.write_pages(&pages, &[]).await;
    assert_eq!(summary.missing.into_iter().collect::<Vec<_>>(), [missing]);
    let (one, two) = (verified(1), verified(2));
    let batch = ImageBatch {
        stored: vec![(a, &one), (b, &two)],
        ended: Vec::new(),
    };
    let written = desk.write_image_batch(&batch).await;
    assert_eq!(written[0], PictureWritten::Missing);
    assert!(
        matches!(written[1], PictureWritten::Stored(stored) if stored.new && stored.id == two.id)
    );
    assert_eq!(desk.state("/2").await.0, "done");
    assert_eq!(desk.state("/4").await.0, "due");
    // Only the mate's picture has a row, and it is seen at both pages that show it.
    assert_eq!(desk.count("SELECT count(*) FROM images").await, 1);
    assert_eq!(desk.count("SELECT count(*) FROM sightings").await, 2);
    desk.world.end().await;
}

#[tokio::test]
async fn what_was_removed_while_a_redirect_led_there_is_not_written() {
    let desk = Desk::open("led_out", 128).await;
    let shown = [("/a.png", ""), ("/b.png", ""), ("/c.png", "")];
    let start = desk.read("/", &[], &shown).await;
    desk.write_pages(&[start], &[]).await;
    let removals = "INSERT INTO removals (kind, subject, why)
         VALUES ('url', 'http://led.test/removed.png', 'a test'), ('host', 'removed.test', 'a test')";
    let removed = sqlx::query(removals).execute(desk.pool()).await;
    removed.expect("the rows fit the schema");
    let pictures = [verified(1), verified(2), verified(3)];
    let led_to = [
        "led.test/removed.png",
        "removed.test/b.png",
        "led.test/c.png",
    ];
    let mut stored = Vec::new();
    for ((picture, (path, _)), to) in pictures.iter().zip(shown).zip(led_to) {
        let to = Address::parse(&format!("http://{to}")).expect("it is an address");
        let url = FetchedUrl {
            led_to: Some(to),
            ..desk.fetched(path).await
        };
        stored.push((url, picture));
    }
    let batch = ImageBatch {
        stored,
        ended: Vec::new(),
    };
    let written = desk.write_image_batch(&batch).await;
    assert_eq!(written[..2], [PictureWritten::KeptOut; 2]);
    assert!(matches!(written[2], PictureWritten::Stored(stored) if stored.new));
    for (path, state) in [
        ("/a.png", "skipped"),
        ("/b.png", "skipped"),
        ("/c.png", "done"),
    ] {
        assert_eq!(desk.state(path).await.0, state, "{path}");
    }
    assert_eq!(desk.count("SELECT count(*) FROM images").await, 1);
    assert_eq!(desk.count("SELECT count(*) FROM sightings").await, 1);
    desk.world.end().await;
}

const LINKED: [&str; 6] = ["/a", "/b", "/poison", "/c", "/d", "/e"];

/// A site whose pages all answer at once, after a while.
fn slow_site(site: &Site) {
    let links: String = LINKED.map(|link| format!("<a href={link}>x</a>")).concat();
    site.html("/", links);
    for (number, path) in (0..).zip(LINKED) {
        let body = format!("<title>{path}</title><img src={path}.png>");
        site.put(path, Reply::html(body).after(Duration::from_secs(1)));
        site.png(&format!("{path}.png"), pictures::png(number));
    }
}

#[tokio::test]
async fn what_postgres_refuses_and_what_comes_under_an_old_lease_take_no_mates_along() {
    let (site, other) = (
        Site::start().await,
        Site::start_on([127, 0, 0, 2].into()).await,
    );
    slow_site(&site);
    other.put(
        "/",
        Reply::html("<title>late</title>").after(Duration::from_secs(1)),
    );
    let mut world = World::new("poison").await;
    world.config.crawler.host_concurrency = LINKED.len();
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN RAISE EXCEPTION 'this page is not taken'; END $$",
        "CREATE TRIGGER poison BEFORE UPDATE ON pages FOR EACH ROW
         WHEN (NEW.title = '/poison') EXECUTE FUNCTION refuse()",
    ] {
        let made = sqlx::query(statement).execute(world.pool()).await;
        made.expect("the statement is one");
    }
    for site in [&site, &other] {
        let seed = NewSeed {
            url: Address::parse(&site.url("/")).expect("a URL"),
            scope: Scope::Host,
            max_depth: 1,
            max_pages: 100,
            max_images: 0,
            render: Rendering::default(),
        };
        let added = seeds::add(world.pool(), &seed).await;
        added.expect("the world's database answers");
    }
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let due = async |statement: &'static str| -> i64 {
        let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
        counted.expect("the world's database answers")
    };
    wait_until(LIMIT, "the late page to be asked for", async || {
        other.hits("/") == 1
    })
    .await;
    // Another process has the host from now on, as far as this one can tell, and keeps it a while.
    let taken = sqlx::query(
        "UPDATE hosts SET lease_token = lease_token + 1, leased_by = 'another',
                leased_until = now() + interval '3 seconds', next_due_at = now() + interval '3 seconds'
         WHERE origin = $1",
    )
    .bind(other.url(""))
    .execute(world.pool())
    .await;
    assert_eq!(taken.expect("a host's row").rows_affected(), 1);
    wait_until(LIMIT, "everything to be settled", async || {
        due("SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                  + (SELECT count(*) FROM image_urls WHERE state = 'due')")
        .await
            == 0
    })
    .await;

    let settled: Vec<(String, String, Option<String>, i32)> = sqlx::query_as(
        "SELECT url, state::text, reason, attempts FROM pages WHERE attempts > 0 ORDER BY url",
    )
    .fetch_all(world.pool())
    .await
    .expect("the world's database answers");
    for (url, state, reason, attempts) in &settled {
        let wanted = if url.ends_with("/poison") {
            ("failed", Some("rows_refused"))
        } else {
            ("done", None)
        };
        assert_eq!((state.as_str(), reason.as_deref()), wanted, "{settled:#?}");
        assert_eq!(*attempts, 1, "{settled:#?}");
    }
    assert_eq!(settled.len(), 2 + LINKED.len(), "{settled:#?}");
    for path in LINKED {
        assert_eq!(site.hits(path), 1, "{path} was read once");
        let pictures = usize::from(path != "/poison");
        assert_eq!(site.hits(&format!("{path}.png")), pictures, "{path}");
    }
    assert_eq!(
        other.hits("/"),
        2,
        "what came under the old lease was refused"
    );
    assert_eq!(due("SELECT count(*) FROM images").await, 5);
    drop(crawler);
    world.end().await;
}
