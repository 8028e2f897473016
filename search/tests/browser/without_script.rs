//! The page in a browser that runs no script.

use tusou_testkit::browser::Look;

use crate::gallery::the_pictures;
use crate::show::Show;

#[tokio::test]
async fn words_uploads_filters_and_further_pages_need_no_script() {
    let show = Show::open("browser_no_script").await;
    let pictures = the_pictures(&show.world.config);
    let left = show.file("left.png", &pictures.left.png);
    for look in Look::BOTH.map(Look::without_scripts) {
        let page = show.window(&look, "/?lang=en").await;
        assert!(
            !page
                .holds("document.documentElement.classList.contains('js')")
                .await
        );
        page.type_into("#q", "a small bird").await;
        page.press(&["Enter"]).await;
        page.wait_for("#results .hit").await;
        assert_eq!(show.first(&page).await, pictures.bird.id());
        // Every picture has its shape before it is there.
        let shapes = "[...document.querySelectorAll('.hit')].every((hit) => \
                      Math.abs(getComputedStyle(hit).getPropertyValue('--a') - hit.dataset.aspect) < 1e-3)";
        assert!(page.holds(shapes).await);
        page.click("a[rel=next]").await;
        page.wait("location.search.includes('from=')").await;
        page.wait_for("#results .hit").await;
        assert_ne!(show.first(&page).await, pictures.bird.id());
        page.back().await;
        page.wait_for("#results .hit").await;

        page.click(".filters summary").await;
        page.type_into("#by-color", "Blue").await;
        page.click(".filters button").await;
        page.wait("location.search.includes('color=blue')").await;
        page.click("#results .hit:first-child a.frame").await;
        page.wait_for(".picture-view").await;

        // Nothing that only a script can do is offered.
        assert!(!page.holds("[...document.querySelectorAll('.with-script')].some((e) => e.checkVisibility())").await);
        page.upload("#image", &left).await;
        page.click("#by-picture button").await;
        // The view that is left has hits too: its neighbours.
        page.wait_for("#results > .count").await;
        assert_eq!(show.first(&page).await, pictures.left.id());
        assert_eq!(page.sideways().await, 0.0);
        page.close().await;
    }
    show.end().await;
}
