//! What it does, and only when it was confirmed.

use tusou_contract::Queue;
use tusou_contract::queue::ENCODER_PAUSED;
use tusou_testkit::{World, wait_until};

use super::super::dead::{bury, known, ready, rows, settled};
use super::{LIMIT, Page, count, queues_are_known};

#[tokio::test]
async fn seeds_are_added_and_stages_paused_once_that_is_confirmed() {
    let world = World::new("operate_seeds").await;
    let broker = world.broker().await;
    let page = Page::start(&world).await;
    let html = page.get("/?lang=en").await.text;

    let seed = [
        ("url", "http://a.test/ http://b.test/x/"),
        ("depth", "3"),
        ("scope", "prefix"),
    ];
    let form = "form:has(input[name='url'])";
    let asked = page.post("/ask", &Page::fields(&html, form, &seed)).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    for words in [
        "http://a.test/  prefix, depth 3, at most 100,000 pages: would be added",
        "tusou seed --scope=prefix --depth=3",
    ] {
        assert!(asked.text.contains(words), "{words}: {}", asked.text);
    }
    assert_eq!(
        count(&world, "SELECT count(*) FROM seeds").await,
        0,
        "to ask changes nothing"
    );
    let shown = page.confirmed(&html, form, &seed).await;
    assert!(
        shown.contains("seed 1  http://a.test/") && shown.contains(": added"),
        "{shown}"
    );
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM seeds WHERE max_depth = 3 AND scope = 'prefix'"
        )
        .await,
        2
    );

    // What cannot be done says why, in the command's words, and keeps what was typed.
    for (set, reason) in [
        (&[("url", "ftp://a.test/"), ("depth", "7")][..], "ftp"),
        (
            &[("url", "http://c.test/"), ("depth", "seven")],
            "invalid value &#39;seven&#39;",
        ),
        (
            &[("url", "--list=/etc/passwd"), ("depth", "7")],
            "no seed was added",
        ),
    ] {
        let refused = page.post("/ask", &Page::fields(&html, form, set)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(
            refused.text.replace("'", "&#39;").contains(reason),
            "{reason}: {}",
            refused.text
        );
        let kept = Page::fields(&refused.text, form, &[]);
        for (name, value) in set {
            assert!(
                kept.contains(&((*name).to_owned(), (*value).to_owned())),
                "{name}: {kept:?}"
            );
        }
        let done = page.post("/do", &Page::fields(&html, form, set)).await;
        assert_eq!(done.status, 422, "{}", done.text);
    }
    assert_eq!(count(&world, "SELECT count(*) FROM seeds").await, 2);

    let form = "form:has(select[name='what'])";
    for what in ["crawl", "indexer"] {
        page.confirmed(
            &html,
            form,
            &[
                ("what", what),
                ("why", "it's late"),
                ("do", "pause"),
                ("host", ""),
            ],
        )
        .await;
    }
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM pauses WHERE why = 'it''s late'"
        )
        .await,
        2
    );
    page.confirmed(
        &html,
        form,
        &[("what", "encoder"), ("do", "pause"), ("host", "")],
    )
    .await;
    assert!(
        broker
            .is_flag_up(ENCODER_PAUSED)
            .await
            .expect("the broker answers")
    );
    let shown = page
        .confirmed(
            &html,
            form,
            &[("what", "host"), ("host", "a.test"), ("do", "pause")],
        )
        .await;
    assert!(shown.contains("http://a.test is paused"), "{shown}");

    // What rests can be let go on where it is shown.
    let html = page
        .until("the pause to be shown", |html| {
            html.matches("id=\"resume-").count() == 4 && html.contains("paused (it's late)")
        })
        .await;
    for what in ["crawl", "indexer", "encoder", "host"] {
        page.confirmed(
            &html,
            &format!(".causes form:has(input[value='{what}'])"),
            &[],
        )
        .await;
    }
    assert_eq!(count(&world, "SELECT count(*) FROM pauses").await, 0);
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM hosts WHERE paused_at IS NOT NULL"
        )
        .await,
        0
    );
    assert!(
        !broker
            .is_flag_up(ENCODER_PAUSED)
            .await
            .expect("the broker answers")
    );
    let unknown = page
        .post(
            "/ask",
            &Page::fields(
                &html,
                form,
                &[("what", "host"), ("host", "z.test"), ("do", "pause")],
            ),
        )
        .await;
    assert!(
        unknown.status == 422 && unknown.text.contains("knows no host z.test"),
        "{}",
        unknown.text
    );
    let log = page.log();
    assert!(
        log.contains("done from the operator's page")
            && log.contains("127.0.0.1")
            && log.contains("pause"),
        "{log}"
    );
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn dead_letters_are_retried_and_dropped_once_that_is_confirmed() {
    let world = World::new("operate_dead").await;
    let broker = world.broker().await;
    rows(&world).await;
    bury(&broker).await;
    queues_are_known(&world).await;
    let page = Page::start(&world).await;
    let dead = Queue::ImagesFetched.dead_name();
    let letters =
        |number: usize| move |html: &str| html.matches("class=\"letter\"").count() == number;
    let html = page.until("the dead letters", letters(4)).await;

    let drop = ".letter:has(.none) form:has(input[value='drop'])";
    let asked = page.post("/ask", &Page::fields(&html, drop, &[])).await;
    assert!(
        asked.text.contains("would drop 1 dead letter"),
        "{}",
        asked.text
    );
    settled(&broker, &dead, 3).await;
    page.confirmed(&html, drop, &[]).await;
    settled(&broker, &dead, 2).await;
    let again = page.post("/do", &Page::fields(&html, drop, &[])).await;
    assert!(
        again.status == 422 && again.text.contains("no dead letter is called"),
        "{}",
        again.text
    );

    let html = page.until("the dropped one to be gone", letters(3)).await;
    let one = format!(
        ".letter:has(img[src='/picture/{}']) form:has(input[value='retry'])",
        known()
    );
    let shown = page.confirmed(&html, &one, &[]).await;
    assert!(shown.contains("retried 1 dead letter"), "{shown}");
    let html = page.until("the retried one to be gone", letters(2)).await;
    // The newest, which is the indexer's, is gone: the two that are left have their queue and reason in common.
    let reason = ".letter form:has(input[value='retry-reason']):has(input[value='torn'])";
    let shown = page.confirmed(&html, reason, &[]).await;
    assert!(shown.contains("retried 2 dead letters"), "{shown}");
    page.until("those of the reason to be gone", letters(0))
        .await;
    settled(&broker, &dead, 0).await;
    wait_until(LIMIT, "what was retried to be back", async || {
        ready(&broker, Queue::ImagesFetched.name()).await
            + ready(&broker, Queue::ImagesChanged.name()).await
            == 3
    })
    .await;
    page.end().await;
    world.end().await;
}
