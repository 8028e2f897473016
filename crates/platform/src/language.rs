//! Which of a page's languages its reader wants.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// Ranges of the header that are read.
const MOST: usize = 32;

/// The first that the page has in order of the reader's preference; `known` tells a language by its primary subtag in
/// lower case.
///
/// Source: RFC 9110 §12.5.4, `Accept-Language`.
pub fn preferred<T>(headers: &HeaderMap, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(T, f32)> = None;
    for range in header.split(',').take(MOST) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let primary = tag.split('-').next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        let Some(language) = known(&primary.to_ascii_lowercase()) else {
            continue;
        };
        if weight > 0.0 && best.as_ref().is_none_or(|(_, most)| weight > *most) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_s_preference_decides() {
        for (header, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some("zh")),
            ("en-GB;q=0.5, ZH;q=0.7", Some("zh")),
            ("fr, en;q=0.3", Some("en")),
            ("zh; q=0.2, en; q=0.7", Some("en")),
            ("zh;q=0, en;q=0.1", Some("en")),
            ("fr", None),
            (";;q=,", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, header.parse().expect("a value"));
            let known = |tag: &str| ["en", "zh"].into_iter().find(|known| *known == tag);
            assert_eq!(preferred(&headers, known), expected, "{header}");
        }
    }
}
