//! Counts over rows in every state.

use std::collections::BTreeMap;

use tusou_cli::status::{Status, gather};
use tusou_contract::Queue;
use tusou_testkit::World;

/// Two seeds that share a page; pages, image URLs and pictures in every state.
const ROWS: &str = "
    INSERT INTO hosts (origin, next_due_at, failures, paused_at) VALUES ('http://a.test', now(), 0, NULL),
        ('http://b.test', NULL, 1, NULL), ('http://c.test', now(), 2, NULL), ('http://d.test', now(), 0, NULL);
    INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages) VALUES
        ('http://a.test/', 'http://a.test/', 'host', 16, 1000), ('http://b.test/', 'http://b.test/', 'prefix', 2, 10);
    INSERT INTO pages (host_id, url, depth, state, reason, fetched_at, unparsable) VALUES
        (1, 'http://a.test/', 0, 'done', NULL, now(), 2), (1, 'http://a.test/1', 1, 'done', NULL, now(), 1),
        (1, 'http://a.test/2', 1, 'failed', 'http_404', now(), 0), (1, 'http://a.test/3', 1, 'failed', 'http_404', now(), 0),
        (1, 'http://a.test/4', 1, 'failed', 'timeout', NULL, 0), (1, 'http://a.test/5', 1, 'skipped', 'robots', NULL, 0),
        (1, 'http://a.test/6', 1, 'due', NULL, NULL, 0), (2, 'http://b.test/', 0, 'done', NULL, now(), 0);
    INSERT INTO seed_pages (seed_id, page_id, depth) SELECT 1, page_id, depth FROM pages WHERE host_id = 1;
    INSERT INTO seed_pages (seed_id, page_id, depth) VALUES (2, 8, 0), (2, 2, 1);
    INSERT INTO images (image_id, format, width, height, bytes, blob_key, rev, relative_path)
        SELECT sha256(n::text::bytea), 'png', 1, 1, 1, 'k', 5, CASE WHEN n = 8 THEN 'imported.png' END
        FROM generate_series(1, 9) AS n;
    INSERT INTO image_urls (host_id, url, state, image_id, fetched_at)
        SELECT 1, 'http://a.test/' || n || '.png', 'done', sha256(n::text::bytea), now() FROM generate_series(1, 7) AS n;
    INSERT INTO image_urls (host_id, url, state, reason) VALUES
        (1, 'http://a.test/bad.png', 'failed', 'not_an_image'), (2, 'http://b.test/no.png', 'skipped', 'robots');
    INSERT INTO page_images (page_id, image_url_id) SELECT 1, image_url_id FROM image_urls WHERE host_id = 1;
    INSERT INTO page_images (page_id, image_url_id) VALUES (2, 1), (8, 9), (8, 1);
    INSERT INTO sightings (image_id, page_id, image_url_id)
        SELECT image_id, 1, image_url_id FROM image_urls WHERE image_id IS NOT NULL;
    INSERT INTO sightings (image_id, page_id, image_url_id, gone_since) VALUES (sha256('1'), 8, 1, now());
    INSERT INTO encodings (image_id, failure) SELECT sha256(n::text::bytea), CASE WHEN n = 6 THEN 'decode_failed' END
        FROM generate_series(1, 7) AS n;
    INSERT INTO embeddings (image_id, digest, model, vector)
        SELECT sha256(n::text::bytea), 'd1', 'tiny', '' FROM generate_series(1, 4) AS n;
    INSERT INTO model_failures (image_id, digest, model, reason) VALUES
        (sha256('7'), 'd1', 'tiny', 'not_finite'), (sha256('1'), 'd2', 'further', 'not_finite');
    INSERT INTO generations (index_name, mapping_version, models, state) VALUES
        ('other', 1, '[]', 'live'),
        ('mine', 1, '[{\"field\": \"image_embedding\", \"model\": \"tiny\", \"digest\": \"d1\", \"dimension\": 4},
                     {\"field\": \"copy_embedding\", \"model\": \"further\", \"digest\": \"d2\", \"dimension\": 4}]', 'live'),
        ('old', 1, '[]', 'retired');
    INSERT INTO indexed (generation_id, image_id, rev, refusal) VALUES
        (2, sha256('1'), 5, NULL), (2, sha256('2'), 5, NULL), (2, sha256('3'), 4, NULL),
        (2, sha256('4'), 5, 'document_parsing_exception: no magnitude'), (2, sha256('5'), 4, 'document_parsing_exception: x'),
        (1, sha256('5'), 5, NULL);
    INSERT INTO outbox (queue, image_id, body) VALUES ('images.changed', sha256('3'), '');
";

#[tokio::test]
async fn a_status_counts_every_row_once() {
    let world = World::new("cli_status").await;
    drop(world.broker().await);
    sqlx::raw_sql(ROWS)
        .execute(world.pool())
        .await
        .expect("the rows fit the schema");
    // The queues are declared by whoever connects first, and the management API hears of them late.
    tusou_testkit::wait_until(
        std::time::Duration::from_secs(60),
        "three queues for each kind of message",
        async || world.queues().await.len() == 3 * Queue::ALL.len(),
    )
    .await;
    let status = gather(&world.config, world.pool())
        .await
        .expect("the stores answer");
    let rates = &status.rates;
    for rate in [
        rates.pages_per_second,
        rates.images_stored_per_second,
        rates.images_indexed_per_second,
    ] {
        assert!(rate > 0.0, "{rates:?}");
    }
    // Those that are configured come first.
    let models = status.models.iter().filter(|model| !model.configured);
    let told: Vec<_> = models
        .map(|model| (&*model.model, model.made, model.lacking, &model.failed))
        .collect();
    let failed = BTreeMap::from([("not_finite".to_owned(), 1)]);
    assert_eq!(told, [("tiny", 4, 1, &failed), ("further", 0, 5, &failed)]);
    assert_eq!(status.services.len(), 4);
    assert_eq!(status.held_up.len(), 4, "{:?}", status.held_up);
    insta::assert_json_snapshot!(Status {
        rates: Default::default(),
        time_left_seconds: None,
        // Ports differ from run to run.
        services: Vec::new(),
        // So do the packs of the machine.
        models: Vec::new(),
        held_up: Vec::new(),
        ..status
    });
    world.end().await;
}

#[tokio::test]
async fn a_status_without_the_broker_counts_the_rest_and_is_not_done() {
    let mut world = World::new("cli_status_away").await;
    world.config.rabbitmq.api_url = format!(
        "http://guest:sesame@127.0.0.1:{}",
        tusou_testkit::free_port()
    );
    let status = gather(&world.config, world.pool())
        .await
        .expect("Postgres answers");
    assert!(!status.done);
    let [problem] = status.problems.as_slice() else {
        panic!("{:?}", status.problems)
    };
    assert!(
        problem.contains("RabbitMQ") && !problem.contains("sesame"),
        "{problem}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_status_without_postgres_tells_of_the_rest() {
    let mut world = World::new("cli_status_postgres").await;
    drop(world.broker().await);
    let proxy = world.proxy_database().await;
    proxy.cut();
    let output = tusou_testkit::tusou(&world, &["status", "--json"]).await;
    assert!(!output.status.success(), "it is an error all the same");
    let status: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("the status is shown");
    assert_eq!(status["postgres_away"], true);
    assert_eq!(status["done"], false);
    assert!(
        status["problems"][0]
            .as_str()
            .is_some_and(|problem| problem.contains("Postgres")),
        "{status:#}"
    );
    world.end().await;
}
