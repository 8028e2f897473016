//! What a browser's request is for: by Fetch Metadata (<https://www.w3.org/TR/fetch-metadata/>), and
//! where an origin is none that is told that, by what it accepts.

use reqwest::header::{ACCEPT, HeaderMap, RANGE};
use tusou_ingest::Address;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A page: the tab's own, another, or a frame's.
    Page,
    /// A picture: noted, and not asked for.
    Picture,
    /// What no picture comes of: sounds, films, fonts.
    Nothing,
    /// A script or a style sheet, which may be kept for other pages.
    Code,
    /// Data.
    Resource,
}

const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "avif", "bmp", "svg"];
const CODE: [&str; 3] = ["js", "mjs", "css"];
const OTHERS: [&str; 14] = [
    "woff", "woff2", "ttf", "otf", "eot", "mp4", "webm", "mov", "m4s", "mp3", "m4a", "ogg", "wav",
    "m3u8",
];

impl Wanted {
    pub(super) fn by(headers: &HeaderMap, address: &Address) -> Self {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if said("sec-purpose").is_some_and(|purpose| purpose.contains("prefetch")) {
            return Self::Nothing;
        }
        // No element names that one, and no page shows it.
        if address.path() == "/favicon.ico" {
            return Self::Nothing;
        }
        let ending = ending(address);
        let ends_in = |endings: &[&str]| endings.contains(&ending.as_str());
        let by_ending = if ends_in(&PICTURES) {
            Self::Picture
        } else if ends_in(&OTHERS) {
            Self::Nothing
        } else if ends_in(&CODE) {
            Self::Code
        } else {
            Self::Resource
        };
        match said("sec-fetch-dest") {
            Some("document" | "iframe" | "frame" | "fencedframe") => Self::Page,
            Some("image") => Self::Picture,
            Some("object" | "embed") if by_ending == Self::Picture => Self::Picture,
            Some("object" | "embed") => Self::Nothing,
            Some("audio" | "video" | "track" | "font" | "manifest") => Self::Nothing,
            Some("script" | "style" | "worker" | "sharedworker" | "serviceworker" | "xslt") => {
                Self::Code
            }
            // What a script fetches: data, or the bytes of a picture.
            Some(_) => by_ending,
            None => {
                let accepted = said(ACCEPT.as_str()).unwrap_or_default();
                if accepted.starts_with("text/html") {
                    Self::Page
                } else if accepted.starts_with("image/") {
                    Self::Picture
                } else if headers.contains_key(RANGE) {
                    Self::Nothing
                } else {
                    by_ending
                }
            }
        }
    }
}

fn ending(address: &Address) -> String {
    let name = address.path().rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ending.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_a_request_is_for_is_told_with_and_without_metadata() {
        use Wanted::{Code, Nothing, Page, Picture, Resource};
        for (header, value, path, wanted) in [
            ("sec-fetch-dest", "document", "/", Page),
            ("sec-fetch-dest", "iframe", "/a.png", Page),
            ("sec-fetch-dest", "image", "/picture?id=1", Picture),
            ("sec-fetch-dest", "image", "/favicon.ico", Nothing),
            ("sec-fetch-dest", "script", "/a.png", Code),
            ("sec-fetch-dest", "style", "/a", Code),
            ("sec-fetch-dest", "font", "/a", Nothing),
            ("sec-fetch-dest", "object", "/a.PNG", Picture),
            ("sec-fetch-dest", "object", "/a.swf", Nothing),
            ("sec-fetch-dest", "empty", "/api/photos", Resource),
            ("sec-fetch-dest", "empty", "/a.jpeg", Picture),
            ("sec-purpose", "prefetch;prerender", "/", Nothing),
            (
                "accept",
                "text/html,application/xhtml+xml,*/*;q=0.8",
                "/",
                Page,
            ),
            ("accept", "image/avif,image/webp,*/*;q=0.8", "/x", Picture),
            ("accept", "text/css,*/*;q=0.1", "/x", Resource),
            ("accept", "*/*", "/a.woff2", Nothing),
            ("accept", "*/*", "/data.json", Resource),
            ("accept", "*/*", "/app.js", Code),
            ("range", "bytes=0-", "/film", Nothing),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static(header),
                HeaderValue::from_static(value),
            )]);
            let address = Address::parse(&format!("http://a.test{path}")).expect("an address");
            assert_eq!(
                Wanted::by(&headers, &address),
                wanted,
                "{header}: {value} {path}"
            );
        }
    }
}
