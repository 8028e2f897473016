//! The kit itself: what tests lean on must hold.

use std::time::Duration;

use tusou_testkit::{Reply, Service, Site, World, pictures, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

async fn has_database(world: &World, name: &str) -> bool {
    sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(world.pool())
        .await
        .expect("the database answers")
}

#[tokio::test]
async fn worlds_share_nothing_and_go_with_their_tests() {
    let (one, two) = tokio::join!(World::new("kit_one"), World::new("Kit Two!"));
    assert_ne!(one.name(), two.name());
    let insert = "INSERT INTO removals (kind, subject) VALUES ('host', 'example.org')";
    sqlx::raw_sql(insert)
        .execute(one.pool())
        .await
        .expect("migrated");
    let count = "SELECT count(*) FROM removals";
    for (world, expected) in [(&one, 1), (&two, 0)] {
        let rows = sqlx::query_scalar::<_, i64>(count).fetch_one(world.pool());
        assert_eq!(rows.await.expect("migrated"), expected);
        assert_eq!(world.documents().await, []);
        assert!(world.queues().await.is_empty());
        world.broker().await.close().await;
    }
    let (name, folder) = (two.name().to_owned(), two.folder().to_owned());
    assert!(has_database(&one, &name).await && folder.exists());
    two.end().await;
    assert!(!has_database(&one, &name).await && !folder.exists());

    let (tell, told) = tokio::sync::oneshot::channel();
    let failed = tokio::spawn(async {
        let world = World::new("kit_panic").await;
        tell.send(world.name().to_owned())
            .expect("somebody listens");
        panic!("as a failing test does");
    });
    failed.await.expect_err("it panics");
    let name = told.await.expect("it had a world");
    assert!(!has_database(&one, &name).await);
    one.end().await;
}

#[tokio::test]
async fn a_site_serves_what_was_put_there_and_records_who_asked() {
    let site = Site::start().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let get = async |path: &str| client.get(site.url(path)).send().await.expect("an answer");

    assert_eq!(get("/none").await.status(), 404);
    site.png("/a.png?x=1", pictures::png(1));
    let answer = get("/a.png?x=1").await;
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.bytes().await.expect("a body"), pictures::png(1));
    assert_eq!(get("/a.png").await.status(), 404);
    site.put(
        "/old",
        Reply::redirect("/new").header("x-robots-tag", "noindex"),
    );
    let answer = get("/old").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "/new");
    assert_eq!(answer.headers()["x-robots-tag"], "noindex");
    site.put_each("/twice", vec![Reply::status(503), Reply::html("here")]);
    for expected in [503, 200, 200] {
        assert_eq!(get("/twice").await.status(), expected);
    }
    assert_eq!((site.hits("/twice"), site.hits("/a.png")), (3, 1));
    assert_eq!(site.requests()[0].path, "/none");

    site.put("/broken", Reply::broken_off("image/png", "half"));
    get("/broken")
        .await
        .bytes()
        .await
        .expect_err("it breaks off");
    site.put("/endless", Reply::endless("text/html"));
    let mut answer = get("/endless").await;
    let mut bytes = 0;
    while bytes < 4 << 20 {
        let chunk = answer.chunk().await.expect("more comes");
        bytes += chunk.expect("it does not end").len();
    }
    site.put("/silence", Reply::silence());
    let silence = client
        .get(site.url("/silence"))
        .timeout(Duration::from_millis(200));
    assert!(silence.send().await.expect_err("no answer").is_timeout());
    let other = Site::start_on([127, 0, 0, 2].into()).await;
    assert!(other.url("/").starts_with("http://127.0.0.2:"));
}

#[tokio::test]
async fn a_service_is_started_killed_started_again_and_ended() {
    let world = World::new("kit_service").await;
    let mut service = Service::spawn(&world, "tusou-crawler").await;
    assert!(service.is_ready().await && service.is_running());
    let now = service.rss_bytes();
    assert!(now > 0 && service.peak_rss_bytes() >= now);
    assert!(service.metric("process_start_time_seconds").await >= 0.0);
    let second = Service::spawn(&world, "tusou-crawler").await;
    assert_ne!(service.url(""), second.url(""));
    drop(second);

    let pid = service.pid();
    service.kill().await;
    assert!(!service.is_running() && !service.is_ready().await);
    service.restart().await;
    assert_ne!(service.pid(), pid);
    let (status, _) = service.terminate().await;
    assert!(status.success(), "{status}");
    assert!(!service.log().is_empty());
    world.end().await;
}

#[tokio::test]
#[should_panic(expected = "the moon to fall")]
async fn waiting_ends_with_what_was_waited_for() {
    wait_until(LIMIT, "what holds at once", async || true).await;
    wait_until(Duration::ZERO, "the moon to fall", async || false).await;
}
