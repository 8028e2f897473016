//! The ways in: words in two languages, a picture however it comes, a part of it, and what narrows a search.

use tusou_testkit::browser::{Look, Page};

use crate::gallery::the_pictures;
use crate::show::{Show, well};

#[tokio::test]
async fn words_are_found_in_both_languages() {
    let show = Show::open("browser_words").await;
    let bird = the_pictures(&show.world.config).bird.id();
    for look in Look::BOTH {
        for (language, words, tag) in [
            ("en", "a small bird", "en"),
            ("zh-CN", "一只小鸟", "zh-Hans"),
        ] {
            let page = show.window(&look.in_language(language), "/").await;
            assert_eq!(page.text("document.documentElement.lang").await, tag);
            page.type_into("#q", words).await;
            if language == "en" {
                page.press(&["Enter"]).await;
            } else {
                page.click(".words button").await;
            }
            page.wait_for("#results .hit").await;
            assert_eq!(show.first(&page).await, bird, "{words}");
            assert!(page.text("document.title").await.starts_with(words));
            assert_eq!(page.all("#q", ".value").await, [words]);
            assert!(
                page.path().await.contains("q="),
                "the address says what was asked"
            );
            well(&show, &page, words).await;
            page.close().await;
        }
    }
    show.end().await;
}

async fn found(show: &Show, page: &Page<'_>, id: &str, how: &str) {
    page.wait(&format!(
        "document.querySelector('#results .hit')?.dataset.id === '{id}'"
    ))
    .await;
    assert!(
        page.holds("document.querySelector('#asked img').naturalWidth > 0")
            .await,
        "{how}: what was searched with is shown"
    );
    assert!(!page.holds("document.body.classList.contains('busy')").await);
    well(show, page, how).await;
}

#[tokio::test]
async fn a_picture_is_searched_with_however_it_comes() {
    let show = Show::open("browser_ways_in").await;
    let pictures = the_pictures(&show.world.config);
    let (left, right) = (
        show.file("left.png", &pictures.left.png),
        show.file("right.png", &pictures.right.png),
    );
    let note = show.file("note.txt", b"no picture");
    for look in Look::BOTH {
        let page = show.window(&look, "/").await;
        page.upload("#image", &left).await;
        found(&show, &page, &pictures.left.id(), "a file").await;
        page.drag_files(&[&right], true).await;
        found(&show, &page, &pictures.right.id(), "a drop onto results").await;
        page.paste_picture(&pictures.left.png).await;
        found(&show, &page, &pictures.left.id(), "a paste").await;

        // Back and forth between the three, though none has an address of its own.
        page.back().await;
        found(&show, &page, &pictures.right.id(), "back").await;
        page.back().await;
        found(&show, &page, &pictures.left.id(), "back again").await;
        page.back().await;
        page.wait_for("body.home").await;

        page.go(&show.search.url("/")).await;
        page.drag_files(&[&right], false).await;
        page.run(
            "document.body.dispatchEvent(new DragEvent('dragleave', { bubbles: true }));",
            serde_json::Value::Null,
        )
        .await;
        page.wait("document.getElementById('drop').hidden").await;
        assert!(page.holds("document.body.classList.contains('home')").await);
        page.drag_files(&[&note], true).await;
        page.wait("document.getElementById('said').textContent.includes('no picture')")
            .await;
        page.paste_picture(&pictures.right.png).await;
        found(&show, &page, &pictures.right.id(), "a paste at the start").await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn a_part_of_a_picture_is_chosen_by_pointer_and_by_keys() {
    let show = Show::open("browser_part").await;
    let pictures = the_pictures(&show.world.config);
    let pair = show.file("pair.png", &pictures.pair);
    for look in Look::BOTH {
        let page = show.window(&look, "/").await;
        page.upload("#image", &pair).await;
        page.wait_for("#asked:not([hidden]) img").await;
        page.settle().await;
        page.click("#asked .part summary").await;
        page.wait_for("#asked .part[open]").await;
        well(&show, &page, "a part is being chosen").await;
        // From inside the left half's rounded corner to its other one.
        let edge = |name: &str| {
            format!("document.querySelector('.stage-asked').getBoundingClientRect().{name}")
        };
        let (left, top) = (
            page.number(&edge("left")).await,
            page.number(&edge("top")).await,
        );
        let (width, height) = (
            page.number(&edge("width")).await,
            page.number(&edge("height")).await,
        );
        let at = |x: f64, y: f64| (left + x * width, top + y * height);
        page.drag(&[at(0.03, 0.06), at(0.3, 0.4), at(0.5, 0.96)])
            .await;
        found(
            &show,
            &page,
            &pictures.left.id(),
            "the left half, by the pointer",
        )
        .await;
        assert!(
            page.holds("document.querySelector('#asked .region').offsetWidth > 20")
                .await
        );

        // By keys alone: to the edge's slider, half way, to the button.
        page.run(
            "document.querySelector('#asked .part summary').focus();",
            serde_json::Value::Null,
        )
        .await;
        assert!(
            page.holds("document.querySelector('#asked .part').open")
                .await,
            "who chose a part may choose another"
        );
        page.press(&["Tab"]).await;
        assert!(page.focused().await.starts_with("input#edge-left"));
        // The right edge first: the left one stops before it.
        page.press(&["Tab", "End", "Shift+Tab", "Home"]).await;
        page.press(&["PageUp"; 5]).await;
        assert_eq!(page.all("#edge-left", ".value").await, ["50"]);
        page.press(&["Tab", "Tab", "Home", "Tab", "End", "Tab", "Enter"])
            .await;
        found(
            &show,
            &page,
            &pictures.right.id(),
            "the right half, by keys",
        )
        .await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn filters_narrow_a_search_and_are_taken_away_again() {
    let show = Show::open("browser_filter").await;
    for look in Look::BOTH {
        let page = show.window(&look, "/?q=a+small+bird&lang=en").await;
        let all = page
            .text("document.querySelector('.count strong').textContent")
            .await;
        page.click(".filters summary").await;
        page.wait_for(".filters[open]").await;
        well(&show, &page, "filters are open").await;
        page.type_into("#by-color", "Blue").await;
        page.type_into("#by-format", "jpeg").await;
        page.click(".filters button").await;
        page.wait("location.search.includes('color=blue')").await;
        page.wait_for("#results .hit").await;
        let path = page.path().await;
        assert!(
            path.contains("format=jpeg") && path.contains("q=a+small+bird"),
            "{path}"
        );
        let fewer = page
            .text("document.querySelector('.count strong').textContent")
            .await;
        let count = |text: &str| {
            text.split(' ')
                .next()
                .and_then(|number| number.parse::<u32>().ok())
        };
        assert!(count(&fewer) < count(&all), "{fewer} of {all}");
        assert_eq!(
            page.all(".filters option:checked", "value")
                .await
                .iter()
                .filter(|it| !it.is_empty())
                .count(),
            2
        );
        well(&show, &page, "two filters are set").await;
        page.click(".filters form a").await;
        page.wait("!location.search.includes('color')").await;
        page.wait_for("#results .hit").await;
        let again = page
            .text("document.querySelector('.count strong').textContent")
            .await;
        assert_eq!(again, all);
        page.close().await;
    }
    show.end().await;
}
