//! How soon a browser shows what was found, beside a bare page of the same thumbnails: no style, no script, no words.

use std::fmt::Write as _;

use serde_json::Value;
use tusou_testkit::browser::{Browser, Look, Page};
use tusou_testkit::{Service, Site};

use super::load;
use crate::report::{self, Figure};

/// Of each kind, in turns.
const TURNS: usize = 15;
/// From the answer's last byte to the frame with the first picture: what the project promises at 1440 pixels.
const PROMISED_MS: f64 = 300.0;
/// What style, script and words may cost beside the bare page.
const GOAL: f64 = 3.0;
const WORDS: &str = "a bird";

/// Asks in a real browser for words that find a full page.
pub(super) async fn beside_a_bare_page(search: &Service) -> anyhow::Result<Vec<Figure>> {
    let site = Site::start().await;
    site.html("/bare", bare(search).await?);
    let mut ours = url::Url::parse(&search.url("/"))?;
    ours.query_pairs_mut()
        .append_pair("q", WORDS)
        .append_pair("all", "on");
    let browser = Browser::start().await;
    let (mut pairs, mut times) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let painted = painted(&browser, ours.as_str()).await;
        let bare = self::painted(&browser, &site.url("/bare")).await;
        // The first of each has the font cache to fill.
        if turn > 0 {
            pairs.push((painted, bare));
            times.push(painted);
        }
    }
    times.sort_by(f64::total_cmp);
    let (painted, bare) = report::middle(pairs);
    let slowest = times[times.len() - 1];
    report::note(&format!(
        "search page: {painted:.0} ms from the answer to the first picture, {bare:.0} ms on a bare page, {slowest:.0} ms at worst"
    ));
    Ok(vec![
        Figure::growth("search.page_paint", painted, bare, "ms", GOAL),
        Figure::below("search.page_paint_slowest", slowest, "ms", PROMISED_MS),
    ])
}

/// In a profile of its own, so that nothing is kept from the time before.
async fn painted(browser: &Browser, url: &str) -> f64 {
    let page: Page<'_> = browser.open(&Look::DESKTOP).await;
    page.go(url).await;
    let painted = page.painted().await.milliseconds();
    page.close().await;
    painted
}

/// The thumbnails of the same answer, and the least that makes them results.
async fn bare(search: &Service) -> anyhow::Result<String> {
    let mut url = url::Url::parse(&search.url("/v1/search"))?;
    url.query_pairs_mut()
        .append_pair("q", WORDS)
        .append_pair("all", "on");
    let answer = load::client()?.get(url).send().await?;
    let answer: Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
    let hits = answer["hits"].as_array();
    let mut page = "<!doctype html><main>".to_owned();
    for hit in hits.into_iter().flatten() {
        let thumbnail = hit["thumbnail"].as_str().unwrap_or_default();
        let url = search.url(thumbnail);
        write!(page, "<p class=hit><img src=\"{url}\" height=190>").expect("memory is there");
    }
    anyhow::ensure!(page.contains("<img"), "nothing was found: {answer:#}");
    Ok(page)
}
