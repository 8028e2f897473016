//! A real browser that looks at our pages: headless Chromium through its own driver, one at a time.
//!
//! The client of the W3C's WebDriver is ours: what the tests need of it is a dozen requests, and the crates that speak
//! all of it bring a score of others. Commands of the DevTools protocol go through the same driver.
//!
//! ```no_run
//! # async fn test() {
//! use tusou_testkit::browser::{Browser, Look};
//!
//! let browser = Browser::start().await;
//! let page = browser.open(&Look::PHONE.in_language("zh-CN").dark()).await;
//! page.go("http://127.0.0.1:8088/").await;
//! assert_eq!(page.axe().await, [""; 0]);
//! # }
//! ```

mod checks;
mod input;
mod look;
mod page;
mod process;
mod wire;

pub use self::checks::{Painted, Said};
pub use self::look::Look;
pub use self::page::Page;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::process::Driver;
use self::wire::Wire;

/// Two browsers at once on a few cores make each other's waits long.
static ONE: Semaphore = Semaphore::const_new(1);

/// What runs in every page before its own scripts.
const WATCH: &str = include_str!("watch.js");

/// A driver, whose sessions are browsers. All of them end when it is dropped, after a panic too.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    wire: Wire,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// Waits until no other test of this process has one, and starts one. Panics with the remedy where a part is missing.
    pub async fn start() -> Self {
        let place = ONE.acquire().await.expect("it is never closed");
        let driver = Driver::start();
        let wire = Wire::new(driver.port());
        wire.wait_ready().await;
        Self {
            driver,
            wire,
            _place: place,
        }
    }

    /// Opens a window with a profile of its own: no cookie, no history, nothing stored.
    pub async fn open(&self, look: &Look) -> Page<'_> {
        let profile = self.driver.new_profile();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "pageLoadStrategy": "normal",
            "timeouts": {"script": 60_000, "pageLoad": 60_000, "implicit": 0},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "binary": self.driver.browser(),
                "args": look.arguments(&profile),
                "prefs": {"intl.accept_languages": look.language},
            },
        }}});
        let opened = self.wire.post("session", &capabilities).await;
        let opened = opened.unwrap_or_else(|refusal| panic!("no browser: {refusal}"));
        let id = opened["sessionId"].as_str().expect("a session has an id");
        let page = Page::new(self.wire.of_session(id), look);
        page.protocol("Page.enable", json!({})).await;
        let watch = json!({"source": WATCH});
        page.protocol("Page.addScriptToEvaluateOnNewDocument", watch)
            .await;
        for (command, parameters) in look.commands() {
            page.protocol(command, parameters).await;
        }
        // What the browser showed by itself is nobody's.
        page.go("about:blank").await;
        page.requests().await;
        page.console().await;
        page
    }
}

/// A part of the environment that the local stack gives.
fn part(variable: &str) -> String {
    let remedy = "run `make test`, or `make pack` and then `eval \"$(make -s env)\"`";
    let value = std::env::var(variable).unwrap_or_default();
    assert!(!value.is_empty(), "{variable} is not set: {remedy}");
    assert!(
        std::path::Path::new(&value).exists(),
        "{value} ({variable}) is not there: {remedy}"
    );
    value
}

/// `null` and everything else that is no text is none.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
