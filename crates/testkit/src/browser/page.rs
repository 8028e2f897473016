//! A window with a page in it.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{Refusal, Wire};
use super::{Look, text};
use crate::wait_until;

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(45);

/// A window of a [`super::Browser`]. What cannot be done to it panics with the reason.
#[derive(Debug)]
pub struct Page<'a> {
    pub(super) wire: Wire,
    /// How it is looked at.
    pub look: Look,
    _browser: std::marker::PhantomData<&'a ()>,
}

impl Page<'_> {
    pub(super) fn new(wire: Wire, look: &Look) -> Self {
        Self {
            wire,
            look: *look,
            _browser: std::marker::PhantomData,
        }
    }

    /// Opens an address and waits until all of it is loaded.
    pub async fn go(&self, url: &str) {
        self.must("url", json!({"url": url})).await;
    }

    /// Goes back by the browser's own button.
    pub async fn back(&self) {
        self.must("back", json!({})).await;
    }

    /// Goes forward by the browser's own button.
    pub async fn forward(&self) {
        self.must("forward", json!({})).await;
    }

    /// Loads it again.
    pub async fn reload(&self) {
        self.must("refresh", json!({})).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        let url = self.wire.get("url").await;
        text(&url.unwrap_or_else(|refusal| panic!("{refusal}")))
    }

    /// What is left of the address without scheme and host.
    pub async fn path(&self) -> String {
        let url = url::Url::parse(&self.url().await).expect("an address");
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }

    /// What a function's body answers, with `arguments`. What it answers may be a promise.
    pub async fn run(&self, body: &str, arguments: Value) -> Value {
        let done = self.try_run(body, arguments).await;
        done.unwrap_or_else(|refusal| panic!("{refusal}\nin: {body}"))
    }

    async fn try_run(&self, body: &str, arguments: Value) -> Result<Value, Refusal> {
        let arguments = match arguments {
            Value::Array(list) => Value::Array(list),
            Value::Null => json!([]),
            one => json!([one]),
        };
        let body = json!({"script": body, "args": arguments});
        self.wire.post("execute/sync", &body).await
    }

    /// What an expression is.
    pub async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"), Value::Null)
            .await
    }

    /// The number that an expression is.
    pub async fn number(&self, expression: &str) -> f64 {
        let value = self.value(expression).await;
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is {value}, no number"))
    }

    /// The text that an expression is; empty where it is none.
    pub async fn text(&self, expression: &str) -> String {
        text(&self.value(expression).await)
    }

    /// Whether an expression holds.
    pub async fn holds(&self, expression: &str) -> bool {
        self.value(&format!("!!({expression})")).await == true
    }

    /// Waits until an expression holds; a page that is about to be replaced does not answer.
    pub async fn wait(&self, expression: &str) {
        let body = format!("return !!({expression});");
        let start = std::time::Instant::now();
        loop {
            let last = match self.try_run(&body, Value::Null).await {
                Ok(Value::Bool(true)) => return,
                Ok(value) => value.to_string(),
                Err(refusal) => refusal.to_string(),
            };
            if start.elapsed() > LIMIT {
                let shown = self.text("document.body.innerText").await;
                let url = self.url().await;
                self.keep().await;
                panic!("still waiting after {LIMIT:?}: {expression} is {last} at {url}\n{shown}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an element is there.
    pub async fn wait_for(&self, selector: &str) {
        let selector = serde_json::to_string(selector).expect("text is JSON");
        self.wait(&format!("document.querySelector({selector})"))
            .await;
    }

    /// How many elements there are.
    pub async fn count(&self, selector: &str) -> usize {
        let found = self
            .run(
                "return document.querySelectorAll(arguments[0]).length;",
                json!([selector]),
            )
            .await;
        usize::try_from(found.as_u64().expect("a length")).expect("few elements")
    }

    /// An attribute, or with a name that begins with a dot a property, of every such element.
    pub async fn all(&self, selector: &str, name: &str) -> Vec<String> {
        let found = self
            .run(
                "return Array.from(document.querySelectorAll(arguments[0]), e => \
                 String((arguments[1][0] === '.' ? e[arguments[1].slice(1)] : e.getAttribute(arguments[1])) ?? ''));",
                json!([selector, name]),
            )
            .await;
        found.as_array().into_iter().flatten().map(text).collect()
    }

    /// Waits until no picture in sight is under way and all fonts are there.
    pub async fn settle(&self) {
        self.wait(
            "document.readyState === 'complete' && document.fonts.status === 'loaded' && \
             !Array.from(document.images).some(i => !i.complete && \
             i.getBoundingClientRect().top < innerHeight && i.getBoundingClientRect().bottom > 0)",
        )
        .await;
    }

    /// What is in sight, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let shot = self.wire.get("screenshot").await;
        let shot = text(&shot.unwrap_or_else(|refusal| panic!("{refusal}")));
        STANDARD.decode(shot).expect("base64 of a PNG")
    }

    /// What is in sight, as WebP, a quarter of a PNG of pictures.
    pub async fn webp(&self) -> Vec<u8> {
        let format = json!({"format": "webp", "quality": 88});
        let shot = self.protocol("Page.captureScreenshot", format).await;
        STANDARD
            .decode(text(&shot["data"]))
            .expect("base64 of a picture")
    }

    /// What is in sight, into a file, as its ending says: `.png` or `.webp`. Its folder is made.
    pub async fn save(&self, file: &Path) {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).expect("the folder can be made");
        }
        let shot = match file.extension().and_then(|ending| ending.to_str()) {
            Some("webp") => self.webp().await,
            _ => self.screenshot().await,
        };
        std::fs::write(file, shot).expect("the file can be written");
    }

    /// Keeps what a failed test saw in the folder that `TUSOU_BROWSER_SHOTS` names, if it does.
    async fn keep(&self) {
        if let Some(folder) = std::env::var_os("TUSOU_BROWSER_SHOTS") {
            let test = std::thread::current()
                .name()
                .unwrap_or("test")
                .replace("::", "-");
            self.save(&Path::new(&folder).join(format!("{test}.png")))
                .await;
        }
    }

    /// Takes the network away, or gives it back.
    pub async fn offline(&self, away: bool) {
        let conditions = json!({
            "offline": away, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.protocol("Network.enable", json!({})).await;
        self.protocol("Network.emulateNetworkConditions", conditions)
            .await;
    }

    /// Makes the window this large, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let look = self.look.sized(width, height);
        let (command, parameters) = look.commands().swap_remove(0);
        self.protocol(command, parameters).await;
        wait_until(LIMIT, "the window has its new size", async || {
            self.number("innerWidth").await.round() == f64::from(width)
        })
        .await;
    }

    /// A command of Chromium's DevTools protocol.
    pub async fn protocol(&self, command: &str, parameters: Value) -> Value {
        let done = self.wire.protocol(command, parameters).await;
        done.unwrap_or_else(|refusal| panic!("{command}: {refusal}"))
    }

    /// Closes the window, and its browser with it.
    pub async fn close(self) {
        let _ = self.wire.delete().await;
    }

    pub(super) async fn must(&self, path: &str, body: Value) -> Value {
        let done = self.wire.post(path, &body).await;
        done.unwrap_or_else(|refusal| panic!("{path} {body}: {refusal}"))
    }
}
