//! What holds in every state of the page: in both themes and languages, on a phone and at a desk, enlarged, and still.

use serde_json::Value;
use tusou_testkit::browser::{Look, Page};

use crate::gallery::the_pictures;
use crate::show::{LANGUAGES, Show, faults, well, well_but};

/// Opens each state in this window, and says what it is.
async fn each_state(show: &Show, page: &Page<'_>, mut look_at: impl AsyncFnMut(&str)) {
    let pictures = the_pictures(&show.world.config);
    let (bird, left) = (
        pictures.bird.id(),
        show.file("left.png", &pictures.left.png),
    );
    let like = format!("/?like={bird}");
    let own = format!("/image/{bird}");
    for (state, path) in [
        ("the way in", "/"),
        ("results", "/?q=a+small+bird"),
        ("nothing found", "/?q=a+small+bird&color=purple"),
        ("like one", &like),
        ("a picture's own page", &own),
        ("an error", "/?q="),
    ] {
        page.go(&show.search.url(path)).await;
        look_at(state).await;
    }
    page.go(&show.search.url("/?q=a+small+bird")).await;
    page.click(".filters summary").await;
    page.wait_for(".filters[open]").await;
    look_at("filters are open").await;
    page.go(&show.search.url("/")).await;
    page.upload("#image", &left).await;
    page.wait_for("#asked:not([hidden])").await;
    page.click("#asked .part summary").await;
    look_at("results of an upload, its part open").await;
}

#[tokio::test]
async fn nothing_keeps_anybody_out_in_any_state_theme_language_or_window() {
    let show = Show::open("browser_everywhere").await;
    let mut wrong = Vec::new();
    for look in Look::BOTH {
        for language in LANGUAGES {
            for look in [
                look.in_language(language),
                look.in_language(language).dark(),
            ] {
                let page = show.browser.open(&look).await;
                each_state(&show, &page, async |state: &str| {
                    let found = faults(&show, &page, &["network"]).await.into_iter();
                    wrong.extend(found.map(|fault| format!("{state}, {look:?}: {fault}")));
                })
                .await;
                page.close().await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    show.end().await;
}

/// 320 CSS pixels are what a window of 1280 is when it is enlarged four times. Source: WCAG 2.2, 1.4.10.
#[tokio::test]
async fn enlarged_four_times_nothing_needs_a_sideways_scroll() {
    let show = Show::open("browser_enlarged").await;
    for language in LANGUAGES {
        let look = Look::DESKTOP
            .sized(320, 256)
            .scaled(4.0)
            .in_language(language);
        let page = show.browser.open(&look).await;
        each_state(&show, &page, async |state: &str| {
            well_but(&show, &page, state, &["network"]).await;
            // Nothing that is said is cut off at the side either.
            let cut = page
                .run(
                    "return [...document.querySelectorAll('h1, h2, p, a, button, label, summary')].filter((e) => { \
                     const box = e.getBoundingClientRect(); \
                     if (getComputedStyle(e.parentElement).textOverflow === 'ellipsis') return false; \
                     return e.checkVisibility() && box.width > 1 && box.right > innerWidth + 1 && box.left < innerWidth; }) \
                     .map((e) => e.outerHTML.slice(0, 120));",
                    Value::Null,
                )
                .await;
            assert_eq!(cut, serde_json::json!([]), "{state}, {language}");
        })
        .await;
        page.close().await;
    }
    show.end().await;
}

/// Text twice as large as the browser's own, at a desk: a phone with it is narrower than any width that is asked for.
/// Source: WCAG 2.2, 1.4.4.
#[tokio::test]
async fn text_twice_as_large_stays_readable() {
    let show = Show::open("browser_large_text").await;
    let page = show.browser.open(&Look::DESKTOP).await;
    each_state(&show, &page, async |state: &str| {
        page.run(
            "document.documentElement.style.fontSize = '200%';",
            Value::Null,
        )
        .await;
        let sideways = page.sideways().await;
        assert_eq!(sideways, 0.0, "{state}");
    })
    .await;
    page.close().await;
    show.end().await;
}

#[tokio::test]
async fn who_wants_no_motion_gets_none() {
    let show = Show::open("browser_still").await;
    let page = show.browser.open(&Look::DESKTOP.still()).await;
    each_state(&show, &page, async |state: &str| {
        let moving = page
            .run(
                "return [...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e); \
                 return s.transitionDuration.split(', ').some((d) => parseFloat(d) > 0) \
                 || (s.animationName !== 'none' && parseFloat(s.animationDuration) > 0) \
                 || s.scrollBehavior === 'smooth'; }).map((e) => e.outerHTML.slice(0, 120)) \
                 .concat(document.getAnimations().map(String));",
                Value::Null,
            )
            .await;
        assert_eq!(moving, serde_json::json!([]), "{state}");
    })
    .await;
    page.close().await;
    show.end().await;
}

/// Every name that a screen reader says first: one heading of the first rank, landmarks, and results that are announced.
#[tokio::test]
async fn a_screen_reader_finds_its_way() {
    let show = Show::open("browser_screen_reader").await;
    let page = show.browser.open(&Look::DESKTOP).await;
    each_state(&show, &page, async |state: &str| {
        assert_eq!(page.count("h1").await, 1, "{state}");
        assert_eq!(page.count("main").await, 1, "{state}");
        assert_eq!(page.count("[role=search]").await, 1, "{state}");
        assert_eq!(
            page.count("[role=status][aria-live=polite]").await,
            1,
            "{state}"
        );
        assert_eq!(page.count("img:not([alt])").await, 0, "{state}");
        assert!(
            page.text("document.title").await.contains("Tusou"),
            "{state}"
        );
    })
    .await;
    page.close().await;
    show.end().await;
}

/// Well, also right after a picture was dropped on it while the answer was under way.
#[tokio::test]
async fn a_drag_over_the_page_says_what_will_happen() {
    let show = Show::open("browser_drag").await;
    let bird = show.file("bird.png", &the_pictures(&show.world.config).bird.png);
    for look in [
        Look::DESKTOP,
        Look::DESKTOP.dark().in_language(LANGUAGES[1]),
    ] {
        let page = show.window(&look, "/").await;
        page.run(
            "const event = new DragEvent('dragenter', { bubbles: true, dataTransfer: new DataTransfer() }); \
             event.dataTransfer.items.add(new File(['x'], 'x.png', { type: 'image/png' })); \
             document.body.dispatchEvent(event);",
            Value::Null,
        )
        .await;
        page.wait("!document.getElementById('drop').hidden").await;
        well(&show, &page, "a file is dragged over it").await;
        page.drag_files(&[&bird], true).await;
        page.wait_for("#results .hit").await;
        assert!(page.holds("document.getElementById('drop').hidden").await);
        page.close().await;
    }
    show.end().await;
}
