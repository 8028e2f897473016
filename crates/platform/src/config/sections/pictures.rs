//! `[pictures]`: which pictures are taken.

use serde::{Deserialize, Serialize};
use tusou_contract::ImageFormat;

/// The most patterns of a list.
pub(crate) const MAX_PATTERNS: usize = 256;
/// The longest pattern, in characters.
pub(crate) const MAX_PATTERN: usize = 256;

/// `[pictures]`; without it, everything that is decoded. A limit of 0 is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pictures {
    /// Formats, told by their first bytes: `jpeg`, `png`, `webp`, `gif`, `bmp`, `avif`.
    pub types: Vec<ImageFormat>,
    /// The fewest bytes of a picture.
    pub min_bytes: u64,
    /// The most bytes of a picture; `crawler.max_image_bytes` holds whatever stands here.
    pub max_bytes: u64,
    /// The fewest pixels across, once the picture is upright.
    pub min_width: u32,
    /// The fewest pixels down, once the picture is upright.
    pub min_height: u32,
    /// The most times that the longer side is as long as the shorter one: 4 leaves banners out.
    pub max_aspect: f64,
    /// Patterns of picture URLs; where there are any, one must stand for the URL. `*` stands for any
    /// characters, everything else for itself: `*.example.org/photos/*`.
    pub include: Vec<String>,
    /// Patterns of picture URLs that are not asked for, included or not.
    pub exclude: Vec<String>,
    /// Pictures taken from one page, at most: the first ones.
    pub max_per_page: u32,
    /// Picture URLs of one host that become known, at most.
    pub max_per_host: u64,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            types: ImageFormat::ALL.to_vec(),
            min_bytes: 0,
            max_bytes: 0,
            min_width: 0,
            min_height: 0,
            max_aspect: 0.0,
            include: Vec::new(),
            exclude: Vec::new(),
            max_per_page: 0,
            max_per_host: 0,
        }
    }
}

impl Pictures {
    /// Keys with values that cannot work, and why.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.types.is_empty() {
            let reason =
                "names no format, so nothing would be taken; give some, like [\"jpeg\", \"png\"]";
            faults.push(("pictures.types", reason.to_owned()));
        }
        if self.max_bytes > 0 && self.max_bytes < self.min_bytes {
            let reason =
                "is less than pictures.min_bytes, so nothing would be taken; give more, or 0";
            faults.push(("pictures.max_bytes", reason.to_owned()));
        }
        let aspect = self.max_aspect;
        if aspect != 0.0 && !(1.0..=1_000.0).contains(&aspect) {
            let reason = "is no number of times; give 1 to 1000, or 0 for any shape";
            faults.push(("pictures.max_aspect", reason.to_owned()));
        }
        for (key, patterns) in [
            ("pictures.include", &self.include),
            ("pictures.exclude", &self.exclude),
        ] {
            if patterns.len() > MAX_PATTERNS {
                let reason =
                    format!("holds more than {MAX_PATTERNS} patterns; let `*` stand for more");
                faults.push((key, reason));
            }
            let wrong = patterns.iter().find_map(|pattern| wrong_pattern(pattern));
            faults.extend(wrong.map(|reason| (key, reason)));
        }
        faults
    }
}

/// What is wrong with a pattern, which is named.
fn wrong_pattern(pattern: &str) -> Option<String> {
    const EXAMPLE: &str = "give one like \"*.example.org/photos/*\"";
    let shown: String = pattern.chars().take(40).collect();
    if pattern.is_empty() {
        return Some(format!("holds an empty pattern; {EXAMPLE}"));
    }
    if pattern.chars().count() > MAX_PATTERN {
        return Some(format!(
            "holds the pattern \"{shown}…\" of more than {MAX_PATTERN} characters; let `*` stand for a part of it"
        ));
    }
    if let Some(found) = pattern.chars().find(|c| !c.is_ascii_graphic()) {
        return Some(format!(
            "holds the pattern \"{shown}\" with {found:?}, which no URL has as it is asked for; write it %-encoded"
        ));
    }
    // A URL begins with its scheme: a pattern that cannot begin so stands for nothing.
    let begins = ["http://", "https://"].iter().any(|scheme| {
        let fixed = pattern.split('*').next().unwrap_or_default();
        fixed.starts_with(scheme) || (pattern.contains('*') && scheme.starts_with(fixed))
    });
    (!begins).then(|| {
        format!(
            "holds the pattern \"{shown}\", which stands for no whole URL; {EXAMPLE}, or put `*` before it"
        )
    })
}
