//! A headless Chromium, driven by its DevTools protocol: which pictures it asks for as it loads and
//! scrolls a page.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tusou_testkit::wait_for;

/// The longest that a browser takes for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// A running browser. It ends when dropped.
pub(crate) struct Chromium {
    child: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The number of the last command.
    last: u64,
    /// What came beside the answers that were waited for.
    events: Vec<Value>,
    _profile: TempDir,
}

/// What a browser did with a page.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The pictures that it asked for, without fragments.
    pub(crate) pictures: BTreeSet<String>,
    /// The pictures that the style of a laid-out element names.
    pub(crate) styled: BTreeSet<String>,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let program = program();
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let child = Command::new(&program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--window-size=1280,800",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|cause| panic!("{} does not start: {cause}", program.display()));
        let address = wait_for(LIMIT, "Chromium listens", async || {
            listens_at(&profile.path().join("DevToolsActivePort"))
        })
        .await;
        let (socket, _) = tokio_tungstenite::connect_async(&address)
            .await
            .expect("the browser takes its own protocol");
        Self {
            child,
            socket,
            last: 0,
            events: Vec::new(),
            _profile: profile,
        }
    }

    /// Loads a page, scrolls it from top to bottom, and waits until nothing is under way.
    pub(crate) async fn look(&mut self, url: &str, scripts: bool) -> Seen {
        self.events.clear();
        let target = self
            .ask(None, "Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let target = target["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        let session = self.ask(None, "Target.attachToTarget", attach).await;
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let of = Some(session.as_str());
        self.ask(of, "Page.enable", json!({})).await;
        self.ask(of, "Network.enable", json!({})).await;
        let uncached = json!({"cacheDisabled": true});
        self.ask(of, "Network.setCacheDisabled", uncached).await;
        if !scripts {
            let off = json!({"value": true});
            self.ask(of, "Emulation.setScriptExecutionDisabled", off)
                .await;
        }
        self.ask(of, "Page.navigate", json!({"url": url})).await;
        self.until(|events| {
            events
                .iter()
                .any(|it| it["method"] == "Page.loadEventFired")
        })
        .await;
        let mut styled = BTreeSet::new();
        if scripts {
            self.evaluate(of, SCROLL).await;
            self.until(is_at_rest).await;
            self.evaluate(of, SETTLE).await;
            let names = self.evaluate(of, STYLED).await;
            let names = names.as_array().cloned().unwrap_or_default();
            styled.extend(names.iter().filter_map(|name| Some(plain(name.as_str()?))));
        }
        self.until(is_at_rest).await;
        let asked = self.events.iter().filter(|it| {
            it["method"] == "Network.requestWillBeSent" && it["params"]["type"] == "Image"
        });
        let asked = asked.filter_map(|it| it["params"]["request"]["url"].as_str());
        let pictures = asked
            .filter(|url| url.starts_with("http"))
            .map(plain)
            .collect();
        self.ask(None, "Target.closeTarget", json!({"targetId": target}))
            .await;
        Seen { pictures, styled }
    }

    async fn evaluate(&mut self, session: Option<&str>, script: &str) -> Value {
        let script = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask(session, "Runtime.evaluate", script).await;
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Sends a command and waits for its answer.
    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let text = Message::text(command.to_string());
        self.socket.send(text).await.expect("the browser listens");
        loop {
            let message = self.next().await;
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Gathers events until they are as wanted.
    async fn until(&mut self, are_wanted: impl Fn(&[Value]) -> bool) {
        while !are_wanted(&self.events) {
            let event = self.next().await;
            self.events.push(event);
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(LIMIT, self.socket.next())
                .await
                .expect("the browser goes on")
                .expect("the browser is there")
                .expect("a whole message");
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).expect("the protocol is JSON");
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let named = std::env::var_os("TUSOU_RENDER_CHROMIUM").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "/usr/bin/chromium".into());
    assert!(
        program.exists(),
        "there is no Chromium at {}: `make ready` gets one, or TUSOU_RENDER_CHROMIUM names yours",
        program.display()
    );
    program
}

/// Port and path, which a browser writes into its profile once it listens.
fn listens_at(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let (port, path) = text.trim_end().split_once('\n')?;
    Some(format!("ws://127.0.0.1:{port}{path}"))
}

/// Whether every request has come to its end.
fn is_at_rest(events: &[Value]) -> bool {
    let mut open = HashSet::new();
    for event in events {
        let request = event["params"]["requestId"].as_str().unwrap_or_default();
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => _ = open.insert(request),
            "Network.loadingFinished" | "Network.loadingFailed" => _ = open.remove(request),
            _ => {}
        }
    }
    open.is_empty()
}

fn plain(url: &str) -> String {
    url.split('#').next().unwrap_or_default().to_owned()
}

const SCROLL: &str = "(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
        scrollTo(0, y);
        await frame();
        await frame();
    }
    await frame();
})()";

/// Until what scripts have begun to load is there.
const SETTLE: &str = "(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await Promise.all([...document.images].map(it => it.decode().catch(() => null)));
    await frame();
    await frame();
})()";

/// What the computed styles of laid-out elements name, pseudo-elements and shadow trees included.
const STYLED: &str = "(() => {
    const names = new Set();
    const properties = ['backgroundImage', 'listStyleImage', 'content', 'borderImageSource', 'maskImage', 'cursor'];
    const walk = root => {
        for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) walk(element.shadowRoot);
            if (!element.getClientRects().length) continue;
            for (const pseudo of [null, '::before', '::after', '::marker']) {
                const style = getComputedStyle(element, pseudo);
                for (const property of properties)
                    for (const found of (style[property] || '').matchAll(/url\\(\"([^\"]+)\"\\)/g)) names.add(found[1]);
            }
        }
    };
    walk(document);
    return [...names];
})()";
