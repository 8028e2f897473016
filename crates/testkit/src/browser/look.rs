//! How a page is looked at.

use std::path::Path;

use serde_json::{Value, json};

/// A window, and what its reader prefers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Of the screen: device pixels of a CSS pixel.
    pub scale: f64,
    /// What `Accept-Language` says, the best first.
    pub language: &'static str,
    /// `prefers-color-scheme: dark`.
    pub is_dark: bool,
    /// `prefers-reduced-motion: reduce`.
    pub is_still: bool,
    /// Whether pages may run scripts.
    pub scripts: bool,
    /// A touch screen, whose browser obeys a page's `viewport`.
    pub is_phone: bool,
}

impl Look {
    /// A desk's screen.
    pub const DESKTOP: Self = Self {
        width: 1440,
        height: 900,
        scale: 1.0,
        language: "en-GB,en",
        is_dark: false,
        is_still: false,
        scripts: true,
        is_phone: false,
    };

    /// A phone held upright.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        is_phone: true,
        ..Self::DESKTOP
    };

    /// Both, for what must hold on either.
    pub const BOTH: [Self; 2] = [Self::PHONE, Self::DESKTOP];

    /// In this language.
    pub const fn in_language(self, language: &'static str) -> Self {
        Self { language, ..self }
    }

    /// In the dark theme.
    pub const fn dark(self) -> Self {
        Self {
            is_dark: true,
            ..self
        }
    }

    /// With as little motion as there can be.
    pub const fn still(self) -> Self {
        Self {
            is_still: true,
            ..self
        }
    }

    /// Without scripts.
    pub const fn without_scripts(self) -> Self {
        Self {
            scripts: false,
            ..self
        }
    }

    /// In a window of this many CSS pixels.
    pub const fn sized(self, width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            ..self
        }
    }

    /// On a screen of this many device pixels to a CSS pixel.
    pub const fn scaled(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// What the browser is started with. Nothing leaves this machine but what a page asks for.
    pub(super) fn arguments(&self, profile: &Path) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-domain-reliability",
            "--disable-extensions",
            "--disable-sync",
            "--metrics-recording-only",
            "--no-pings",
            "--mute-audio",
            "--hide-scrollbars",
            "--password-store=basic",
            "--force-color-profile=srgb",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--window-size={},{}", self.width, self.height));
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments
    }

    /// What the browser is told before it opens anything.
    pub(super) fn commands(&self) -> Vec<(&'static str, Value)> {
        let scheme = if self.is_dark { "dark" } else { "light" };
        let motion = if self.is_still {
            "reduce"
        } else {
            "no-preference"
        };
        vec![
            (
                "Emulation.setDeviceMetricsOverride",
                json!({
                    "width": self.width, "height": self.height,
                    "deviceScaleFactor": self.scale, "mobile": self.is_phone,
                }),
            ),
            (
                "Emulation.setTouchEmulationEnabled",
                json!({"enabled": self.is_phone}),
            ),
            (
                "Emulation.setEmulatedMedia",
                json!({"features": [
                    {"name": "prefers-color-scheme", "value": scheme},
                    {"name": "prefers-reduced-motion", "value": motion},
                ]}),
            ),
            (
                "Emulation.setScriptExecutionDisabled",
                json!({"value": !self.scripts}),
            ),
        ]
    }
}
