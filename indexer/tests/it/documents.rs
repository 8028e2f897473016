//! What the documents hold.

use tusou_contract::{EncodingOutcome, ImageEmbedded};
use tusou_platform::broker::Outgoing;
use tusou_platform::elastic::{BulkItem, BulkOutcome};

use tusou_testkit::wait_until;

use crate::support::{
    Indexer, LONG, Sighting, changed, encoded, picture, publish, rev, seen_picture, sight,
    wait_indexed, wait_queues, wait_quiet, world,
};

#[tokio::test]
async fn a_document_is_the_whole_of_an_image_s_rows() {
    let world = world("documents").await;
    let kite = picture(&world, "kite").await;
    let sightings = [
        (
            "http://a.test:8080/1",
            "a red kite",
            "Kites in spring",
            "2026-01-03T00:00:00Z",
            false,
        ),
        (
            "http://a.test:8080/2",
            "a red kite",
            "",
            "2026-01-04T00:00:00Z",
            false,
        ),
        ("https://b.test/", "", "风筝", "2026-01-05T00:00:00Z", false),
        (
            "https://gone.test/",
            "what was here",
            "",
            "2026-01-02T00:00:00Z",
            true,
        ),
    ];
    for (page, alt, caption, seen, gone) in sightings {
        let image = "https://pics.test/%E9%A3%8E%20kite.png?w=640";
        sight(
            &world,
            kite,
            &Sighting {
                page,
                image,
                alt,
                caption,
                seen,
                gone,
            },
        )
        .await;
    }
    let gone = picture(&world, "gone").await;
    let sighting = Sighting {
        page: "http://a.test:8080/1",
        image: "http://a.test:8080/old.png",
        alt: "an old picture",
        caption: "",
        seen: "2026-01-02T00:00:00Z",
        gone: true,
    };
    sight(&world, gone, &sighting).await;
    let unseen = picture(&world, "unseen").await;
    let waiting = seen_picture(&world, "waiting").await;

    let indexer = Indexer::start(&world).ready().await;
    let vectors = [
        (kite, [0.6, 0.8, 0.0, 0.0]),
        (gone, [0.0, 0.0, 1.0, 0.0]),
        (unseen, [1.0, 0.0, 0.0, 0.0]),
    ];
    let mut messages: Vec<Outgoing> = vectors
        .iter()
        .map(|(id, vector)| Outgoing::of(&encoded(&world, *id, *vector)))
        .collect();
    messages.push(changed(waiting));
    publish(&world, &messages).await;
    wait_indexed(&world, 2).await;
    wait_quiet(&world).await;
    let mut sources = world.sources().await;
    for source in &mut sources {
        // Revisions begin at the clock.
        assert!(source["rev"].as_i64() > Some(0), "{source}");
        source["rev"] = "[a revision]".into();
    }
    insta::assert_json_snapshot!(sources);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_repeated_message_changes_nothing_and_a_failure_hides_no_success() {
    let world = world("repeated").await;
    let id = seen_picture(&world, "one").await;
    let indexer = Indexer::start(&world).ready().await;
    let message = Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]));
    publish(&world, &[message.clone(), message.clone(), message.clone()]).await;
    wait_indexed(&world, 1).await;
    let indexed = rev(&world, id).await;
    let outcome = EncodingOutcome::Failed {
        reason: "decode_failed".into(),
        detail: "late".into(),
    };
    publish(
        &world,
        &[
            message,
            Outgoing::of(&ImageEmbedded {
                image_id: id,
                outcome,
            }),
        ],
    )
    .await;
    wait_quiet(&world).await;
    assert_eq!(rev(&world, id).await, indexed);
    assert_eq!(world.documents().await.len(), 1);
    let failure: Option<String> = sqlx::query_scalar("SELECT failure FROM encodings")
        .fetch_one(world.pool())
        .await
        .expect("the image was encoded");
    assert_eq!(failure, None);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_failed_image_has_its_reason_and_no_document() {
    let world = world("failed").await;
    let id = seen_picture(&world, "broken").await;
    let indexer = Indexer::start(&world).ready().await;
    let outcome = EncodingOutcome::Failed {
        reason: "decode_failed".into(),
        detail: "not \0 a PNG".into(),
    };
    publish(
        &world,
        &[Outgoing::of(&ImageEmbedded {
            image_id: id,
            outcome,
        })],
    )
    .await;
    wait_quiet(&world).await;
    let failure: (String, String) = sqlx::query_as("SELECT failure, detail FROM encodings")
        .fetch_one(world.pool())
        .await
        .expect("the failure was stored");
    assert_eq!(failure, ("decode_failed".into(), "not   a PNG".into()));
    assert!(world.documents().await.is_empty());
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_older_write_loses_against_a_newer_document() {
    let world = world("older").await;
    let id = seen_picture(&world, "one").await;
    let indexer = Indexer::start(&world).ready().await;
    publish(
        &world,
        &[Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]))],
    )
    .await;
    wait_indexed(&world, 1).await;

    // Another indexer was faster with a later state.
    let elastic = world.elastic();
    let index = elastic
        .alias(world.name())
        .await
        .expect("Elasticsearch answers")
        .remove(0);
    let mut newer = world.documents().await.remove(0);
    newer.rev += 10;
    newer.captions = vec!["from later".into()];
    let item = BulkItem {
        index,
        id: id.to_string(),
        version: newer.rev,
        source: Some(
            serde_json::to_vec(&newer)
                .expect("a document is JSON")
                .into(),
        ),
    };
    let outcomes = elastic.bulk(&[item]).await.expect("Elasticsearch answers");
    assert_eq!(outcomes, [BulkOutcome::Written]);

    sqlx::query("UPDATE images SET rev = rev + 5")
        .execute(world.pool())
        .await
        .expect("the row is there");
    publish(&world, &[changed(id)]).await;
    wait_indexed(&world, 1).await;
    wait_queues(&world, &[]).await;
    assert_eq!(world.documents().await, [newer]);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_thousand_sightings_are_counted_and_capped() {
    let world = world("thousand").await;
    let id = picture(&world, "logo").await;
    sqlx::query(
        "WITH made_hosts AS (
             INSERT INTO hosts (origin) SELECT 'http://h' || n || '.test:81' FROM generate_series(0, 99) AS n
             RETURNING host_id, origin),
         made_pages AS (
             INSERT INTO pages (host_id, url, depth) SELECT host_id, origin || '/' || n, 0
             FROM made_hosts CROSS JOIN generate_series(1, 10) AS n RETURNING page_id, host_id),
         made_url AS (
             INSERT INTO image_urls (host_id, url) SELECT min(host_id), 'http://h0.test:81/logo.png' FROM made_hosts
             RETURNING image_url_id)
         INSERT INTO sightings (image_id, page_id, image_url_id, alt, title)
         SELECT $1, page_id, image_url_id, 'our logo', 'page ' || page_id FROM made_pages, made_url",
    )
    .bind(id.as_bytes().as_slice())
    .execute(world.pool())
    .await
    .expect("the rows fit the schema");
    let mut messages = vec![Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]))];
    messages.extend((0..1_000).map(|_| changed(id)));
    publish(&world, &messages).await;
    let indexer = Indexer::start(&world).ready().await;
    wait_indexed(&world, 1).await;
    wait_queues(&world, &[]).await;
    let documents = world.documents().await;
    let [document] = documents.as_slice() else {
        panic!("{} documents", documents.len())
    };
    assert_eq!(
        (document.sightings, document.image_name.as_str()),
        (1_000, "logo.png")
    );
    assert_eq!(
        (document.captions.len(), document.captions[0].as_str()),
        (32, "our logo")
    );
    assert_eq!(
        (document.hosts.len(), document.hosts[0].as_str()),
        (64, "h0.test")
    );
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_image_that_is_removed_leaves_the_index_and_may_come_back() {
    let world = world("removed").await;
    let kept = seen_picture(&world, "kept").await;
    let removed = seen_picture(&world, "removed").await;
    let unseen = seen_picture(&world, "unseen").await;
    let indexer = Indexer::start(&world).ready().await;
    let messages =
        [kept, removed, unseen].map(|id| Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0])));
    publish(&world, &messages).await;
    wait_indexed(&world, 3).await;

    sqlx::query("UPDATE image_urls SET image_id = NULL WHERE image_id = $1")
        .bind(removed.as_bytes().as_slice())
        .execute(world.pool())
        .await
        .expect("the row is there");
    sqlx::query("DELETE FROM images WHERE image_id = $1")
        .bind(removed.as_bytes().as_slice())
        .execute(world.pool())
        .await
        .expect("the row is there");
    // Sightings that are taken out, not merely gone, leave nothing to find the image by.
    sqlx::query("DELETE FROM sightings WHERE image_id = $1")
        .bind(unseen.as_bytes().as_slice())
        .execute(world.pool())
        .await
        .expect("the row is there");
    publish(&world, &[changed(removed), changed(unseen)]).await;
    let ids = async || -> Vec<_> {
        let documents = world.documents().await;
        documents
            .into_iter()
            .map(|document| document.image_id)
            .collect()
    };
    wait_until(LONG, "the documents are gone", async || {
        ids().await == [kept]
    })
    .await;
    wait_until(LONG, "the records are gone", async || {
        let recorded: i64 = sqlx::query_scalar("SELECT count(*) FROM indexed")
            .fetch_one(world.pool())
            .await
            .expect("the database answers");
        recorded == 1
    })
    .await;

    // Found again: its new row is newer than the deletion.
    seen_picture(&world, "removed").await;
    let again = encoded(&world, removed, [0.0, 0.8, 0.6, 0.0]);
    publish(&world, &[Outgoing::of(&again)]).await;
    wait_until(LONG, "the document is back", async || {
        ids().await.contains(&removed)
    })
    .await;
    wait_queues(&world, &[]).await;
    indexer.stop().await;
    world.end().await;
}
