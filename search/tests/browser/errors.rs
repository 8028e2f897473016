//! Whatever can go wrong for a person is told to that person, in both languages, with a way on.

use tusou_testkit::browser::{Browser, Look, Page};
use tusou_testkit::{Site, World, pictures};

use crate::gallery::the_pictures;
use crate::show::{LANGUAGES, Show, in_sight, well, well_but};
use crate::support::Search;

/// The page of an error is an answer with an error's status, of which the console tells.
const STATUS: [&str; 1] = ["network"];

async fn told(show: &Show, page: &Page<'_>, code: &str) {
    page.wait_for("[role=alert]").await;
    assert_eq!(page.all("[role=alert]", "data-code").await, [code]);
    let said = page
        .text("document.querySelector('[role=alert] p').textContent")
        .await;
    assert!(said.chars().count() >= 6, "{code}: {said}");
    // Nothing of the inside: no server's name, no Rust.
    for inner in ["lasticsearch", "ostgres", "Error", "::", "panicked"] {
        assert!(!said.contains(inner), "{code}: {said}");
    }
    if page.look.language.starts_with("zh") {
        let han = |letter: &char| ('\u{4E00}'..='\u{9FFF}').contains(letter);
        assert!(said.chars().filter(han).count() >= 5, "{code}: {said}");
        // The names of formats may stay as they are; English words may not.
        let english = said.split(|letter: char| !letter.is_ascii_lowercase());
        assert!(
            english
                .max_by_key(|word| word.len())
                .is_none_or(|word| word.len() < 4),
            "{code}: {said}"
        );
    }
    assert!(
        page.count("[role=alert] a[href]").await > 0,
        "{code}: a way on"
    );
    well_but(show, page, code, &STATUS).await;
}

#[tokio::test]
async fn what_cannot_be_searched_with_is_told() {
    let show = Show::open_with("browser_bad_input", |world| {
        world.config.search.max_upload_bytes = 100_000;
        world.config.search.max_image_pixels = 200_000;
    })
    .await;
    let site = Site::start().await;
    let whole = pictures::png(5);
    let files = [
        ("not_a_picture", show.file("words.png", b"these are words")),
        (
            "undecodable_picture",
            show.file("half.png", &whole[..whole.len() / 2]),
        ),
        (
            "picture_too_large",
            show.file("large.png", &[whole.clone(), vec![0; 200_000]].concat()),
        ),
        (
            "too_many_pixels",
            show.file(
                "wide.png",
                &pictures::compressed(
                    &image_of_one_colour(1_000, 1_000),
                    pictures::ImageFormat::Png,
                ),
            ),
        ),
        ("empty_picture", show.file("empty.png", b"")),
    ];
    let long = format!("/?q={}", "a".repeat(501));
    let missing = format!("/image/{}", "0".repeat(64));
    let gone = format!("/?url={}", site.url("/nothing.png"));
    let addresses = [
        ("empty_query", "/?q="),
        ("empty_query", "/?q=+++"),
        ("query_too_long", &long),
        ("control_characters", "/?q=bird%01"),
        ("invalid_id", "/?like=x"),
        ("invalid_id", "/image/x"),
        ("not_found", "/nowhere"),
        ("not_found", &missing),
        ("invalid_k", "/?q=bird&k=1000"),
        ("url_not_found", &gone),
        ("url_refused", "/?url=http://10.0.0.1/picture.png"),
    ];
    for (look, language) in [(Look::PHONE, LANGUAGES[1]), (Look::DESKTOP, LANGUAGES[0])] {
        let look = look.in_language(language);
        for (code, path) in addresses {
            let page = show.window(&look, path).await;
            told(&show, &page, code).await;
            page.close().await;
        }
        let page = show.window(&look, "/").await;
        for (code, file) in &files {
            page.upload("#image", file).await;
            page.wait(&format!(
                "document.querySelector('[role=alert]')?.dataset.code === '{code}'"
            ))
            .await;
            told(&show, &page, code).await;
        }
        // And then with a good one, on the same page.
        let good = show.file("good.png", &whole);
        page.upload("#image", &good).await;
        page.wait_for("#results .hit").await;
        page.close().await;
    }
    show.end().await;
}

fn image_of_one_colour(width: u32, height: u32) -> tusou_model::RgbImage {
    tusou_model::RgbImage::from_pixel(width, height, [9, 90, 9].into())
}

#[tokio::test]
async fn too_many_searches_are_told_with_when_to_come_back() {
    let show = Show::open_with("browser_rate", |world| {
        world.config.search.rate_per_second = 1;
        world.config.search.rate_burst = 2;
    })
    .await;
    for (look, language) in [(Look::PHONE, LANGUAGES[1]), (Look::DESKTOP, LANGUAGES[0])] {
        let page = show.window(&look.in_language(language), "/?q=bird").await;
        let again = "return Promise.all([1, 2, 3, 4].map(() => fetch('/?q=bird'))).then((all) => \
                     all.some((one) => one.status === 429));";
        assert_eq!(page.run(again, serde_json::Value::Null).await, true);
        page.go(&show.search.url("/?q=bird")).await;
        told(&show, &page, "rate_limited").await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn a_service_and_an_index_that_are_away_are_told_and_found_again() {
    let browser = Browser::start().await;
    let mut world = World::new("browser_away").await;
    crate::gallery::hang(&world).await;
    let proxy = world.proxy_elasticsearch().await;
    world.config.search.timeout_ms = 3_000;
    let search = Search::ready(&world).await;
    let show = Show {
        browser,
        search,
        world,
    };
    let bird = show.file("bird.png", &the_pictures(&show.world.config).bird.png);
    for (look, language) in [(Look::PHONE, LANGUAGES[1]), (Look::DESKTOP, LANGUAGES[0])] {
        let page = show
            .window(&look.in_language(language), "/?q=a+small+bird")
            .await;
        page.wait_for("#results .hit").await;
        well(&show, &page, "before").await;

        proxy.cut();
        page.go(&show.search.url("/?q=a+sailing+ship")).await;
        page.wait_for("[role=alert]").await;
        let code = page.all("[role=alert]", "data-code").await.swap_remove(0);
        assert!(
            ["unavailable", "index_not_ready"].contains(&code.as_str()),
            "{code}"
        );
        told(&show, &page, &code).await;
        page.upload("#image", &bird).await;
        page.wait_for("#results [role=alert]").await;
        proxy.restore();
        show.search.wait_ready().await;
        page.go(&show.search.url("/?q=a+small+bird")).await;
        page.wait_for("#results .hit").await;
        page.console().await;

        // The network goes while somebody looks: what is there stays, and it is told.
        let seen = in_sight(&page).await;
        page.offline(true).await;
        page.upload("#image", &bird).await;
        page.wait("document.getElementById('said').textContent.length > 5 && !document.body.classList.contains('busy')").await;
        assert_eq!(in_sight(&page).await, seen);
        page.offline(false).await;
        well_but(&show, &page, "no network", &STATUS).await;
        page.upload("#image", &bird).await;
        page.wait_for("#asked:not([hidden])").await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn an_index_that_was_never_made_is_told() {
    let browser = Browser::start().await;
    let world = World::new("browser_no_index").await;
    let search = Search::start(&world).await;
    let show = Show {
        browser,
        search,
        world,
    };
    for (look, language) in [(Look::PHONE, LANGUAGES[1]), (Look::DESKTOP, LANGUAGES[0])] {
        let page = show.window(&look.in_language(language), "/").await;
        well(&show, &page, "the way in is there all the same").await;
        // The models may still be loading: that has a code of its own.
        tusou_testkit::wait_until(
            crate::support::LONG,
            "the index alone is missing",
            async || {
                page.go(&show.search.url("/?q=bird")).await;
                page.all("[role=alert]", "data-code").await == ["index_not_ready"]
            },
        )
        .await;
        told(&show, &page, "index_not_ready").await;
        page.close().await;
    }
    show.end().await;
}
