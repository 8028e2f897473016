//! What a person does with a page: by its mouse, its keys, its clipboard and its files.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Page, text};

/// The standard's name for an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Puts a picture on the clipboard, as another program does.
const COPY: &str = "
    const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
    const picture = new Blob([bytes], { type: 'image/png' });
    return navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]).then(() => true);";

impl Page<'_> {
    /// Clicks the middle of an element, once it is in sight; panics where another one covers it.
    pub async fn click(&self, selector: &str) {
        let id = self.element(selector).await;
        self.must(&format!("element/{id}/click"), json!({})).await;
    }

    /// Types into a field, behind what it holds.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let id = self.element(selector).await;
        let body = json!({"text": text});
        self.must(&format!("element/{id}/value"), body).await;
    }

    /// Chooses a file in a file field, hidden or not.
    pub async fn upload(&self, selector: &str, file: &Path) {
        self.type_into(selector, &file.to_string_lossy()).await;
    }

    /// Presses keys one after the other. A key's name is the standard's: `Tab`, `Enter`, `ArrowLeft`; `Shift+Tab` is both.
    pub async fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for chord in keys {
            let parts: Vec<&str> = match *chord {
                "+" => vec!["+"],
                chord => chord.split('+').collect(),
            };
            let down = parts
                .iter()
                .map(|key| json!({"type": "keyDown", "value": code(key)}));
            let up = parts.iter().rev();
            let up = up.map(|key| json!({"type": "keyUp", "value": code(key)}));
            actions.extend(down.chain(up));
        }
        let body = json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]});
        self.must("actions", body).await;
    }

    /// Presses the pointer at the first point, in CSS pixels of the window, moves it over the others and lets it go.
    pub async fn drag(&self, points: &[(f64, f64)]) {
        let mut actions = Vec::new();
        for (number, (x, y)) in points.iter().enumerate() {
            actions.push(json!({
                "type": "pointerMove", "duration": 20, "origin": "viewport",
                "x": x.round(), "y": y.round(),
            }));
            if number == 0 {
                actions.push(json!({"type": "pointerDown", "button": 0}));
            }
        }
        actions.push(json!({"type": "pointerUp", "button": 0}));
        let kind = if self.look.is_phone { "touch" } else { "mouse" };
        let body = json!({"actions": [{
            "type": "pointer", "id": "pointer", "parameters": {"pointerType": kind}, "actions": actions,
        }]});
        self.must("actions", body).await;
    }

    /// Pastes a PNG from the clipboard by Control and V.
    pub async fn paste_picture(&self, png: &[u8]) {
        let allowed = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        self.protocol("Browser.grantPermissions", allowed).await;
        self.protocol("Page.bringToFront", json!({})).await;
        let copied = self.run(COPY, json!([STANDARD.encode(png)])).await;
        assert_eq!(copied, true, "the clipboard takes a PNG");
        // The browser's own command: headless, no desktop turns the keys into it.
        let key = |kind: &str| {
            json!({
                "type": kind, "modifiers": 2, "key": "v", "code": "KeyV", "windowsVirtualKeyCode": 86,
                "commands": if kind == "rawKeyDown" { json!(["paste"]) } else { json!([]) },
            })
        };
        self.protocol("Input.dispatchKeyEvent", key("rawKeyDown"))
            .await;
        self.protocol("Input.dispatchKeyEvent", key("keyUp")).await;
    }

    /// Drags files over the page, and drops them in its middle if `lets_go`; else no page is told that they left.
    pub async fn drag_files(&self, files: &[&Path], lets_go: bool) {
        let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        let event = |kind: &str| {
            json!({
                "type": kind, "x": self.look.width / 2, "y": self.look.height / 2,
                "data": {"items": [], "files": files, "dragOperationsMask": 1},
            })
        };
        let last = if lets_go { "drop" } else { "dragCancel" };
        for kind in ["dragEnter", "dragOver", last] {
            self.protocol("Input.dispatchDragEvent", event(kind)).await;
        }
    }

    /// The element with the focus: its tag, with its id and its classes as a selector has them, and its words.
    pub async fn focused(&self) -> String {
        self.text(
            "(e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + \
             (typeof e.className === 'string' && e.className ? '.' + e.className.split(/\\s+/).join('.') : '') + \
             ' ' + (e.innerText || e.getAttribute('aria-label') || e.value || '').trim().slice(0, 40))\
             (document.activeElement)",
        )
        .await
    }

    /// Scrolls by so many CSS pixels, as a wheel does.
    pub async fn scroll(&self, pixels: f64) {
        let event = json!({
            "type": "mouseWheel", "x": self.look.width / 2, "y": self.look.height / 2,
            "deltaX": 0, "deltaY": pixels,
        });
        self.protocol("Input.dispatchMouseEvent", event).await;
    }

    async fn element(&self, selector: &str) -> String {
        let body = json!({"using": "css selector", "value": selector});
        text(&self.must("element", body).await[ELEMENT])
    }
}

/// A key as WebDriver writes it. Source: W3C WebDriver, "Keyboard actions".
fn code(key: &str) -> Value {
    let named = match key {
        "Shift" => '\u{E008}',
        "Control" => '\u{E009}',
        "Alt" => '\u{E00A}',
        "Backspace" => '\u{E003}',
        "Tab" => '\u{E004}',
        "Enter" => '\u{E007}',
        "Escape" => '\u{E00C}',
        "Space" => ' ',
        "PageUp" => '\u{E00E}',
        "PageDown" => '\u{E00F}',
        "End" => '\u{E010}',
        "Home" => '\u{E011}',
        "ArrowLeft" => '\u{E012}',
        "ArrowUp" => '\u{E013}',
        "ArrowRight" => '\u{E014}',
        "ArrowDown" => '\u{E015}',
        "Delete" => '\u{E017}',
        other => {
            let mut letters = other.chars();
            let letter = letters.next().expect("a key has a name");
            assert!(letters.next().is_none(), "`{other}` is no key");
            letter
        }
    };
    json!(named)
}
