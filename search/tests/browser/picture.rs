//! A picture's own page: where it comes from, its copies and its like.

use tusou_testkit::browser::Look;

use crate::gallery::the_pictures;
use crate::show::{Show, well};

#[tokio::test]
async fn a_picture_s_page_tells_its_source_its_history_its_rights_its_copies_and_its_like() {
    let show = Show::open("browser_picture").await;
    let pictures = the_pictures(&show.world.config);
    let (bird, small) = (pictures.bird.id(), pictures.small_bird.id());
    for look in Look::BOTH {
        let page = show.window(&look, "/?q=a+small+bird&lang=en").await;
        page.click("#results .hit:first-child a.frame").await;
        page.wait_for(".picture-view").await;
        assert_eq!(page.path().await, format!("/image/{bird}?lang=en"));
        well(&show, &page, "a picture's own page").await;

        // The way to the source is in sight at once, without scrolling: that is what people come for.
        let source = "document.querySelector('.about .source a')";
        assert!(
            page.holds(&format!(
                "{source}.getBoundingClientRect().bottom < innerHeight"
            ))
            .await
        );
        assert_eq!(
            page.text(&format!("{source}.href")).await,
            "https://gallery.example/page/6"
        );

        let years = page.all(".line .year", ".textContent").await;
        let mut sorted = years.clone();
        sorted.sort();
        assert_eq!((years.len(), &years), (7, &sorted), "the oldest first");
        assert_eq!(page.count(".line li.gone-by").await, 1);
        assert_eq!(
            page.all(".line .facts a", "href").await.len(),
            7,
            "the way to each original"
        );
        assert!(
            page.text("document.querySelector('.about .rights').textContent")
                .await
                .contains("Ann Example")
        );

        let copies = page
            .all("section:has(> h2) > .grid .hit[id^=c]", "data-id")
            .await;
        assert_eq!(copies, [small.as_str()]);
        assert!(page.count("section > .grid .hit[id^=h]").await > 10);

        page.click(".of-picture ~ .ways a").await;
        page.wait_for("#asked").await;
        assert!(page.path().await.starts_with(&format!("/?like={bird}")));
        well(&show, &page, "all that is like it").await;
        let senses = page.all(".senses a", "href").await;
        let same = senses
            .iter()
            .find(|sense| sense.contains("mode=same"))
            .expect("that sense is offered");
        page.click(&format!(".senses a[href='{same}']")).await;
        page.wait("location.search.includes('mode=same')").await;
        page.wait_for("#results .hit").await;
        assert_eq!(page.all("#results .hit", "data-id").await, [small.as_str()]);
        well(&show, &page, "the same picture").await;
        page.close().await;
    }
    show.end().await;
}

#[tokio::test]
async fn language_and_theme_are_the_reader_s_and_stay_with_the_search() {
    let show = Show::open("browser_language").await;
    let bird = the_pictures(&show.world.config).bird.id();
    for look in Look::BOTH {
        for path in ["/", "/?q=a+small+bird&color=red", &format!("/image/{bird}")] {
            let page = show
                .window(&look.in_language("zh-CN,zh;q=0.9,en;q=0.5"), path)
                .await;
            assert_eq!(
                page.text("document.documentElement.lang").await,
                "zh-Hans",
                "{path}"
            );
            page.click("a.language").await;
            page.wait("document.documentElement.lang === 'en'").await;
            let there = page.path().await;
            assert_eq!(
                there.contains("q=a+small+bird&color=red"),
                path.contains("q="),
                "{there}"
            );
            assert_eq!(there.contains(&bird), path.contains(&bird), "{there}");
            page.close().await;
        }
        let ground = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)\
                      .reduce((a, b) => a + b)";
        let light = show.window(&look, "/").await;
        assert!(light.number(ground).await > 3.0 * 200.0);
        light.close().await;
        let dark = show.window(&look.dark(), "/").await;
        assert!(dark.number(ground).await < 3.0 * 60.0);
        dark.close().await;
    }
    show.end().await;
}
