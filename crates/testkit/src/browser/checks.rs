//! What is asked of a page beyond what it shows.

use serde_json::{Value, json};

use super::{Page, part, text};

/// A line of the browser's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who said it: `javascript`, `network`, `security`, `console-api`, …
    pub source: String,
    /// What.
    pub message: String,
}

/// When an answer was there, and when its first picture was seen, in milliseconds of the page's own clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Painted {
    /// The last byte of the answer that holds the results.
    pub answered: f64,
    /// The frame that shows the first picture of them.
    pub painted: f64,
}

impl Painted {
    /// Between the two.
    pub fn milliseconds(self) -> f64 {
        self.painted - self.answered
    }
}

/// Every rule that axe-core has on by itself, and the one of WCAG 2.2 that is off by itself: the size of targets.
const AXE: &str = "
    return axe.run(document, {
        preload: false, resultTypes: ['violations'],
        rules: { 'target-size': { enabled: true } },
    }).then((found) => found.violations.flatMap((one) => one.nodes.map((node) =>
        `${one.id}: ${one.help} — ${node.html.slice(0, 200)} — ${node.failureSummary.replace(/\\s+/g, ' ')}`)));";

/// Targets of a pointer, smaller than WCAG 2.2 (2.5.8) lets them be. Links within a sentence and the browser's own controls
/// are excepted there.
const TARGETS: &str = "
    const inSight = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: false });
    const inSentence = (e) => e.localName === 'a' && getComputedStyle(e).display === 'inline' &&
        [...e.parentElement.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const targets = [...document.querySelectorAll(
        'a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [tabindex=\"0\"]')];
    return targets.filter((e) => inSight(e) && !inSentence(e)).flatMap((e) => {
        const label = e.id && document.querySelector(`label[for=\"${CSS.escape(e.id)}\"]`);
        const boxes = [e, ...(label && inSight(label) ? [label] : [])].map((one) => one.getBoundingClientRect());
        const large = boxes.some((box) => box.width >= 24 && box.height >= 24);
        // What is cut away until it has the focus is no target.
        const hidden = boxes.every((box) => box.width <= 1 || box.height <= 1 || box.right <= 0 || box.bottom + scrollY <= 0);
        const box = boxes[0];
        return large || hidden ? [] : [`${e.outerHTML.slice(0, 160)}: ${box.width.toFixed(1)} × ${box.height.toFixed(1)}`];
    });";

/// Results that came with the page have its own answer; those that a script fetched, the last fetch.
const PAINTED: &str = "
    const fetches = performance.getEntriesByType('resource').filter((one) => one.initiatorType === 'fetch');
    const own = performance.getEntriesByType('navigation')[0];
    const answers = [own, ...fetches].map((one) => one.responseEnd).filter((end) => end <= tusouSeen.painted);
    return [answers[answers.length - 1], tusouSeen.painted];";

impl Page<'_> {
    /// What axe-core finds against the page, in its words; nothing where it finds nothing.
    pub async fn axe(&self) -> Vec<String> {
        if !self.holds("window.axe").await {
            let source = std::fs::read_to_string(part("TUSOU_AXE")).expect("axe-core can be read");
            // By the DevTools, which no policy of the page binds.
            let evaluated = json!({"expression": source});
            self.protocol("Runtime.evaluate", evaluated).await;
        }
        lines(&self.run(AXE, Value::Null).await)
    }

    /// Targets that are too small for a finger, with their sizes; see WCAG 2.2, 2.5.8.
    pub async fn small_targets(&self) -> Vec<String> {
        lines(&self.run(TARGETS, Value::Null).await)
    }

    /// What moved by itself since the page was opened: the sum of its layout shifts, and each of them. Source: W3C Layout
    /// Instability; shifts within half a second of what a person did are none.
    pub async fn shifts(&self) -> (f64, Vec<String>) {
        let shifts = lines(&self.value("tusouSeen.shifts").await);
        (self.number("tusouSeen.shift").await, shifts)
    }

    /// How far the page can be moved sideways, in CSS pixels: none is to be (WCAG 1.4.10).
    pub async fn sideways(&self) -> f64 {
        self.number(
            "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - \
             document.documentElement.clientWidth",
        )
        .await
    }

    /// What the console said since the last call: errors and warnings, of the page's policy too.
    pub async fn console(&self) -> Vec<Said> {
        let entries = self.log("browser").await;
        let wrong = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let said = entries.iter().filter(wrong).map(|entry| Said {
            source: text(&entry["source"]),
            message: text(&entry["message"]),
        });
        said.collect()
    }

    /// The addresses that were asked for since the last call, whoever asked; but for those of the browser's own parts.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let events = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &event["message"];
            let asked = message["method"] == "Network.requestWillBeSent";
            asked.then(|| text(&message["params"]["request"]["url"]))
        });
        events.filter(|url| !url.starts_with("chrome")).collect()
    }

    /// When the results in the page were answered and painted. Waits until they are.
    pub async fn painted(&self) -> Painted {
        self.wait("tusouSeen.painted").await;
        let times = self.run(PAINTED, Value::Null).await;
        let time = |at: usize| times[at].as_f64().expect("a time");
        Painted {
            answered: time(0),
            painted: time(1),
        }
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.must("se/log", json!({"type": kind})).await;
        let Value::Array(entries) = entries else {
            panic!("a log is a list");
        };
        entries
    }
}

fn lines(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
