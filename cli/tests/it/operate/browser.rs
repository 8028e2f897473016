//! The page in a real browser.

use tusou_testkit::World;
use tusou_testkit::browser::{Browser, Look, Page as Tab};

use super::super::dead::{bury, rows};
use super::{Page, count, queues_are_known};

async fn shown(name: &str) -> (World, Page) {
    let world = World::new(name).await;
    let broker = world.broker().await;
    rows(&world).await;
    bury(&broker).await;
    queues_are_known(&world).await;
    let seeded = tusou_testkit::tusou(&world, &["seed", "http://a.test:8080/"]).await;
    assert!(seeded.status.success());
    let page = Page::start(&world).await;
    let letters = |html: &str| html.matches("class=\"letter\"").count() == 4;
    page.until("the dead letters", letters).await;
    (world, page)
}

/// What keeps somebody out. Pictures that are not there are no fault of the page.
async fn faults(tab: &Tab<'_>) -> Vec<String> {
    let mut faults = tab.axe().await;
    faults.extend(tab.small_targets().await);
    let sideways = tab.sideways().await;
    if sideways > 0.0 {
        faults.push(format!("it can be moved sideways by {sideways}"));
    }
    let said = tab.console().await.into_iter();
    faults.extend(
        said.filter(|said| said.source != "network")
            .map(|said| said.message),
    );
    faults
}

#[tokio::test]
async fn nothing_keeps_anybody_out() {
    let (world, page) = shown("operate_everywhere").await;
    let browser = Browser::start().await;
    let mut wrong = Vec::new();
    for look in Look::BOTH {
        for look in [look, look.in_language("zh-CN,zh").dark()] {
            let tab = browser.open(&look).await;
            tab.go(&page.url("/")).await;
            let found = faults(&tab).await.into_iter();
            wrong.extend(found.map(|fault| format!("the page, {look:?}: {fault}")));
            tab.run(
                "for (const one of document.querySelectorAll('details')) one.open = true;",
                serde_json::json!([]),
            )
            .await;
            let found = faults(&tab).await.into_iter();
            wrong.extend(found.map(|fault| format!("all open, {look:?}: {fault}")));
            tab.click("form:has(select[name='what']) button[value='pause']")
                .await;
            tab.wait_for("#yes").await;
            let found = faults(&tab).await.into_iter();
            wrong.extend(found.map(|fault| format!("the question, {look:?}: {fault}")));
            tab.close().await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(browser);
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn what_is_open_stays_while_the_figures_are_fresh_and_an_end_is_told() {
    let (world, page) = shown("operate_fresh").await;
    let browser = Browser::start().await;
    let tab = browser.open(&Look::DESKTOP.in_language("en")).await;
    tab.go(&page.url("/")).await;
    tab.click(".letter summary").await;
    tab.wait_for(".letter details[open]").await;
    let before = tab.number("scrollY").await;
    assert!(before > 0.0, "the letter lies below the window");
    tab.run(
        "document.getElementById('now').dataset.old = 'yes';",
        serde_json::json!([]),
    )
    .await;
    tab.wait("!document.getElementById('now').dataset.old")
        .await;
    assert_eq!(tab.count(".letter details[open]").await, 1);
    assert_eq!(tab.number("scrollY").await, before);
    assert!(
        tab.focused().await.contains("summary"),
        "{}",
        tab.focused().await
    );

    tab.click("#hold").await;
    assert_eq!(
        tab.text("document.getElementById('hold').textContent")
            .await,
        "Go on"
    );
    tab.click("#hold").await;
    page.end().await;
    tab.wait("document.getElementById('said').textContent.includes('No answer')")
        .await;
    assert_eq!(
        tab.count(".letter details[open]").await,
        1,
        "what was seen stays"
    );
    tab.close().await;
    drop(browser);
    world.end().await;
}

#[tokio::test]
async fn a_seed_is_added_by_hand_and_a_letter_dropped() {
    let (world, page) = shown("operate_hand").await;
    let browser = Browser::start().await;
    let tab = browser.open(&Look::PHONE.in_language("en")).await;
    tab.go(&page.url("/")).await;
    tab.type_into("input[name='url']", "http://b.test/").await;
    tab.click("form:has(input[name='url']) button").await;
    tab.wait_for("#yes").await;
    assert_eq!(count(&world, "SELECT count(*) FROM seeds").await, 1);
    tab.click("#yes").await;
    tab.wait_for(".done").await;
    assert_eq!(count(&world, "SELECT count(*) FROM seeds").await, 2);
    assert_eq!(
        tab.path().await,
        "/?lang=en",
        "loading it again does not tell it again"
    );
    tab.click(".letter input[value='drop'] ~ button").await;
    tab.wait_for("#yes").await;
    tab.click("#yes").await;
    tab.wait_for(".done").await;
    tab.wait("document.querySelectorAll('.letter').length === 3")
        .await;
    assert!(
        tab.console()
            .await
            .iter()
            .all(|said| said.source == "network")
    );
    tab.close().await;
    drop(browser);
    page.end().await;
    world.end().await;
}
