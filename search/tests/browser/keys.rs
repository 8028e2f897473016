//! By keys alone.

use std::collections::HashSet;

use serde_json::Value;
use tusou_testkit::browser::{Look, Page};

use crate::gallery::the_pictures;
use crate::show::{Show, well};

/// How the element with the focus shows it; nothing where it does not.
const SHOWN: &str = "
    const e = document.activeElement;
    if (e === document.body) return 'the page';
    const label = e.id && document.querySelector(`label[for='${e.id}']`);
    for (const one of [e, ...(label ? [label] : [])]) {
        const style = getComputedStyle(one), box = one.getBoundingClientRect();
        const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
        if (outlined && box.width > 8 && box.bottom > 0 && box.top < innerHeight) return style.outlineWidth;
    }
    return '';";

/// Presses Tab until the focus is where it was before, and says where it was: all that can be reached. Each stop is to be
/// seen.
async fn stops(page: &Page<'_>, most: usize) -> Vec<String> {
    let mut stops = Vec::new();
    for _ in 0..most {
        page.press(&["Tab"]).await;
        if page.holds("document.activeElement === document.body").await {
            break;
        }
        let stop = page.focused().await;
        let shown = page.run(SHOWN, Value::Null).await;
        assert_ne!(shown, "", "the focus is not seen at {stop}");
        stops.push(stop);
    }
    stops
}

#[tokio::test]
async fn everything_is_reached_by_tab_in_the_order_in_which_it_is_read() {
    let show = Show::open("browser_tab").await;
    for look in Look::BOTH {
        let page = show.window(&look, "/?lang=en").await;
        let stops = stops(&page, 30).await;
        let at = |what: &str| {
            let found = stops.iter().position(|stop| stop.contains(what));
            found.unwrap_or_else(|| panic!("{what} cannot be reached: {stops:?}"))
        };
        assert_eq!(at("a.skip"), 0, "{stops:?}");
        assert!(at("a.brand") < at("input#q"), "{stops:?}");
        assert!(at("input#q") < at("Search"), "{stops:?}");
        assert!(at("Search") < at("input#image"), "{stops:?}");
        let different: HashSet<_> = stops.iter().collect();
        assert_eq!(different.len(), stops.len(), "{stops:?}");

        // With results: no stop is a trap, and the pictures come after the way to narrow them.
        let page_of_results = show.window(&look, "/?q=a+small+bird&lang=en").await;
        let stops = self::stops(&page_of_results, 30).await;
        let first = stops.iter().position(|stop| stop.starts_with("a.frame"));
        let filters = stops.iter().position(|stop| stop.contains("Filters"));
        assert!(filters < first && first.is_some(), "{stops:?}");
        page_of_results.close().await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn a_source_is_found_without_a_pointer() {
    let show = Show::open("browser_keys").await;
    let bird = the_pictures(&show.world.config).bird.id();
    for look in Look::BOTH {
        let page = show.window(&look, "/?lang=en").await;
        page.press(&["Tab", "Tab", "Tab"]).await;
        assert!(page.focused().await.starts_with("input#q"));
        page.press(&["b", "i", "r", "d", "Enter"]).await;
        page.wait_for("#results .hit").await;
        // The first stop of a page leads past everything that is the same on each.
        page.press(&["Tab", "Enter"]).await;
        page.wait("document.activeElement.id === 'results'").await;
        well(&show, &page, "at the results").await;
        for _ in 0..12 {
            page.press(&["Tab"]).await;
            if page.focused().await.starts_with("a.frame") {
                break;
            }
        }
        assert!(
            page.focused().await.starts_with("a.frame"),
            "{}",
            page.focused().await
        );
        page.press(&["Enter"]).await;
        page.wait_for(".picture-view").await;
        page.go(&show.search.url(&format!("/image/{bird}?lang=en")))
            .await;
        let reached = stops(&page, 12).await;
        assert!(
            reached.iter().any(|stop| stop.contains("Gallery, page")),
            "{reached:?}"
        );
        page.close().await;
    }
    show.end().await;
}
