//! A browser before a service before a gallery.

use std::path::PathBuf;

use serde_json::{Value, json};
use tusou_testkit::World;
use tusou_testkit::browser::{Browser, Look, Page};

use crate::gallery;
use crate::support::Search;

/// English and Chinese, by what a browser asks for.
pub(crate) const LANGUAGES: [&str; 2] = ["en-GB,en", "zh-CN,zh"];

/// All of it.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) browser: Browser,
    pub(crate) search: Search,
    pub(crate) world: World,
}

impl Show {
    /// Opens one with the whole gallery.
    pub(crate) async fn open(name: &str) -> Self {
        Self::open_with(name, |_| {}).await
    }

    /// As [`Show::open`], with what the test wants changed in the service's world.
    pub(crate) async fn open_with(name: &str, change: impl FnOnce(&mut World)) -> Self {
        // The browser first: whoever has none waits for it without holding stores.
        let browser = Browser::start().await;
        let mut world = World::new(name).await;
        change(&mut world);
        gallery::hang(&world).await;
        let search = Search::ready(&world).await;
        Self {
            browser,
            search,
            world,
        }
    }

    /// A window at this path.
    pub(crate) async fn window(&self, look: &Look, path: &str) -> Page<'_> {
        let page = self.browser.open(look).await;
        page.go(&self.search.url(path)).await;
        page
    }

    /// A file that holds these bytes, by that name.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.world.folder().join(name);
        std::fs::write(&file, bytes).expect("the world's folder can be written");
        file
    }

    /// The id of the first hit that is shown.
    pub(crate) async fn first(&self, page: &Page<'_>) -> String {
        page.all("#results .hit", "data-id").await.swap_remove(0)
    }

    /// Ends it all.
    pub(crate) async fn end(self) {
        drop(self.browser);
        self.search.stop().await;
        self.world.end().await;
    }
}

/// Everything that may never be wrong, whatever is shown: what axe-core finds, targets that a finger misses, what moves
/// by itself, what only a sideways scroll shows, requests to others, and what the console says. `at` names the state.
pub(crate) async fn well(show: &Show, page: &Page<'_>, at: &str) {
    well_but(show, page, at, &[]).await;
}

/// As [`well`], but for lines of the console from these sources: a test that takes the network away hears of it.
pub(crate) async fn well_but(show: &Show, page: &Page<'_>, at: &str, sources: &[&str]) {
    let wrong = faults(show, page, sources).await;
    let look = page.look;
    assert!(
        wrong.is_empty(),
        "{at}, {} px, {}, dark: {}:\n{}",
        look.width,
        look.language,
        look.is_dark,
        wrong.join("\n")
    );
}

/// What is wrong, in words.
pub(crate) async fn faults(show: &Show, page: &Page<'_>, sources: &[&str]) -> Vec<String> {
    page.settle().await;
    let mut wrong: Vec<String> = page.axe().await;
    wrong.extend(page.small_targets().await);
    let (shift, shifts) = page.shifts().await;
    if shift > 0.0 {
        wrong.push(format!("moved by itself, {shift}: {shifts:?}"));
    }
    let sideways = page.sideways().await;
    if sideways > 0.0 {
        wrong.push(format!("{sideways} px stand out sideways"));
    }
    let own = show.search.url("/");
    let strange = page.requests().await.into_iter();
    let known = |url: &String| {
        url.starts_with(&own) || url.starts_with("blob:") || url.starts_with("data:")
    };
    wrong.extend(
        strange
            .filter(|url| !known(url))
            .map(|url| format!("asked for {url}")),
    );
    let said = page.console().await.into_iter();
    let said = said.filter(|said| !sources.contains(&said.source.as_str()));
    wrong.extend(said.map(|said| format!("the console: {}: {}", said.source, said.message)));
    wrong
}

/// The hits in sight, by id.
pub(crate) async fn in_sight(page: &Page<'_>) -> Vec<String> {
    let seen = page
        .run(
            "return [...document.querySelectorAll('#results .hit')].filter((hit) => { \
             const box = hit.getBoundingClientRect(); \
             return box.bottom > 0 && box.top < innerHeight; }).map((hit) => hit.dataset.id);",
            json!([]),
        )
        .await;
    let seen = seen.as_array().into_iter().flatten();
    seen.filter_map(Value::as_str).map(str::to_owned).collect()
}
