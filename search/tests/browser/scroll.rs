//! Further pictures as one scrolls, their addresses, and the way back.

use std::collections::HashSet;

use tusou_testkit::browser::{Look, Page};

use crate::show::{Show, in_sight, well};

async fn scroll_until(page: &Page<'_>, hits: usize) {
    for _ in 0..400 {
        if page.count("#results .hit").await >= hits {
            return;
        }
        page.scroll(500.0).await;
    }
    panic!("only {} pictures came", page.count("#results .hit").await);
}

#[tokio::test]
async fn further_pictures_come_their_address_can_be_shared_and_gone_back_to() {
    let show = Show::open("browser_scroll").await;
    for look in Look::BOTH {
        let page = show.window(&look, "/?q=a+small+bird&lang=en").await;
        let first = page.count("#results .hit").await;
        scroll_until(&page, first * 3).await;
        // To where the third page begins.
        let begins = format!("document.querySelectorAll('#results .hit')[{}]", first * 2);
        page.run(
            &format!("window.scrollTo(0, {begins}.getBoundingClientRect().top + scrollY - 10);"),
            serde_json::Value::Null,
        )
        .await;
        page.wait(&format!(
            "new URL(location).searchParams.get('from') === '{}'",
            first * 2
        ))
        .await;
        let ids = page.all("#results .hit", "data-id").await;
        let different: HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "no picture comes twice");
        let address = page.url().await;
        assert!(
            !address.contains("cursor"),
            "an address that is shared is not to go stale: {address}"
        );
        well(&show, &page, "further down").await;

        // Somebody else opens it.
        let other = show.browser.open(&look).await;
        other.go(&address).await;
        other.wait_for("#results .hit").await;
        let shared = other.all("#results .hit", "data-id").await;
        assert_eq!(shared[0], ids[first * 2]);
        well(&show, &other, "a shared place").await;
        other.click(".from a").await;
        other.wait("!location.search.includes('from')").await;
        other.wait_for("#results .hit").await;
        assert_eq!(show.first(&other).await, ids[0]);
        other.close().await;

        // To a picture and back to it.
        let chosen = in_sight(&page).await.swap_remove(2);
        page.click(&format!(".hit[data-id='{chosen}'] a.frame"))
            .await;
        page.wait_for(".picture-view").await;
        assert!(page.path().await.contains(&chosen));
        page.back().await;
        page.wait_for("#results > .grid .hit").await;
        page.settle().await;
        page.wait(&format!(
            "(box => box && box.bottom > 0 && box.top < innerHeight)\
             (document.querySelector(\".hit[data-id='{chosen}']\")?.getBoundingClientRect())"
        ))
        .await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn all_of_it_can_be_reached_and_its_end_too() {
    let show = Show::open("browser_to_the_end").await;
    let page = show
        .window(&Look::DESKTOP, "/?q=a+small+bird&lang=en")
        .await;
    // After some pages none comes by itself, so that the foot of the page can be reached; then it is asked for.
    for _ in 0..300 {
        if page.count("#results .more a[rel=next]").await == 0 {
            break;
        }
        page.scroll(4_000.0).await;
        if page
            .holds(
                "document.querySelector('footer').getBoundingClientRect().top < innerHeight && \
                    !document.querySelector('#results .more a[aria-busy]')",
            )
            .await
            && page.count("#results .more a[rel=next]").await > 0
        {
            page.run(
                "document.querySelector('#results .more a[rel=next]')?.click();",
                serde_json::Value::Null,
            )
            .await;
        }
    }
    let ids = page.all("#results .hit", "data-id").await;
    let told = page
        .text("document.querySelector('.count strong').textContent")
        .await;
    assert_eq!(format!("{} pictures", ids.len()), told);
    well(&show, &page, "the end").await;
    show.end().await;
}
