//! Pages that need JavaScript, rendered by a real Chromium: what is found on them, what they cannot
//! reach, and what they cost.

mod browser;
mod hostile;
mod pages;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tusou_testkit::{Site, World, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(180);

/// A world whose crawler has a browser. Panics with the remedy where there is none.
async fn world(test: &str) -> World {
    let world = World::new(test).await;
    let chromium = &world.config.render.chromium;
    assert!(
        !chromium.as_os_str().is_empty(),
        "no Chromium: run `make ready`, or set TUSOU_RENDER_CHROMIUM to its program"
    );
    world
}

async fn site(number: u8) -> Site {
    Site::start_on(IpAddr::V4(Ipv4Addr::new(127, 0, 0, number))).await
}

/// Runs `tusou` with these words, and returns what it printed.
async fn command(world: &World, words: &[&str]) -> String {
    let output = tusou(world, words).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tusou {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until no URL is due.
async fn done(world: &World) {
    wait_until(LIMIT, "no URL to be due", async || {
        let due: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                  + (SELECT count(*) FROM image_urls WHERE state = 'due')",
        )
        .fetch_one(world.pool())
        .await
        .expect("the world's database answers");
        due == 0
    })
    .await;
}

/// The file names of the pictures that a page shows, and how each was found, in order.
async fn shown(world: &World, page: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT regexp_replace(image_urls.url, '^.*/', '') || ' ' || (context ->> 'found_by')
         FROM page_images JOIN pages USING (page_id) JOIN image_urls USING (image_url_id)
         WHERE pages.url = $1 ORDER BY 1",
    )
    .bind(page)
    .fetch_all(world.pool())
    .await
    .expect("the world's database answers")
}

/// A page's state, its reason and its attempts: `done 1`.
async fn ended(world: &World, page: &str) -> String {
    sqlx::query_scalar("SELECT concat_ws(' ', state, reason, attempts) FROM pages WHERE url = $1")
        .bind(page)
        .fetch_one(world.pool())
        .await
        .expect("the world's database answers")
}
