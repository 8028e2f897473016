//! What a person may ask to have removed.

use std::fmt;

use tusou_contract::ImageId;

use crate::address::{Address, AddressError};

/// What is removed and kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A picture, wherever it was seen: its bytes never come in again, by whatever URL.
    Image(ImageId),
    /// One URL, as a page, as a picture or as both.
    Url(Address),
    /// Every URL of a host: `http` and `https`, and all its ports. Its subdomains are hosts of their own.
    Host(String),
}

impl Subject {
    /// Reads an image id (64 hexadecimal digits), a URL (`https://example.org/page`) or a host: a name
    /// (`example.org`, with or without a port), or an origin (`https://example.org`, without a path).
    ///
    /// # Errors
    /// [`AddressError`], with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Image(id));
        }
        let after = ['/', '\\', '?', '#'];
        if let Some((_, rest)) = text.split_once("://") {
            let address = Address::parse(text)?;
            return Ok(if rest.contains(after) {
                Self::Url(address)
            } else {
                Self::Host(address.host_name().to_owned())
            });
        }
        if text.contains(after) {
            // A URL without its scheme: which of two is meant is not for us to guess.
            return Address::parse(text).map(Self::Url);
        }
        let address = Address::parse(&format!("http://{text}/"))?;
        Ok(Self::Host(address.host_name().to_owned()))
    }

    /// `image`, `url` or `host`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Url(_) => "url",
            Self::Host(_) => "host",
        }
    }

    /// The id, the normalised URL or the host's name, as the row has it.
    pub fn text(&self) -> String {
        match self {
            Self::Image(id) => id.to_string(),
            Self::Url(address) => address.to_string(),
            Self::Host(name) => name.clone(),
        }
    }

    /// Whether the URL, which is normalised, is among what is kept out.
    pub fn covers(&self, url: &str) -> bool {
        match self {
            Self::Image(_) => false,
            Self::Url(address) => address.as_str() == url,
            Self::Host(name) => super::keep_out::host_name(url) == name,
        }
    }
}

/// How it was understood, for people.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(id) => write!(f, "the picture {id}, by whatever URL"),
            Self::Url(address) => write!(f, "the URL {address}, as a page and as a picture"),
            Self::Host(name) => write!(
                f,
                "the host {name}: all its URLs, http and https, on every port"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_a_url_and_a_host_are_told_apart() {
        let url = |text: &str| Subject::Url(Address::parse(text).expect("an address"));
        let host = |text: &str| Subject::Host(text.to_owned());
        let id = ImageId::of(b"x");
        for (text, wanted) in [
            (id.to_string(), Subject::Image(id)),
            (id.to_string().to_uppercase(), Subject::Image(id)),
            (
                format!("http://a.test/{id}"),
                url(&format!("http://a.test/{id}")),
            ),
            ("HTTP://A.test/%7Ex#top".into(), url("http://a.test/~x")),
            ("https://a.test/".into(), url("https://a.test/")),
            ("https://a.test?q".into(), url("https://a.test/?q")),
            ("https://A.test".into(), host("a.test")),
            ("https://a.test:8443".into(), host("a.test")),
            ("a.test".into(), host("a.test")),
            (" A.TEST:8080 ".into(), host("a.test")),
            ("127.0.0.2:81".into(), host("127.0.0.2")),
            ("[::1]:81".into(), host("[::1]")),
        ] {
            assert_eq!(Subject::parse(&text), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "a.test/page",
            "a.test/",
            "two words",
            "ftp://a.test/",
            "http://user@a.test",
            "user@a.test",
        ] {
            assert!(Subject::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_covers_its_origins_and_no_subdomain() {
        let subject = Subject::parse("a.test").expect("a host");
        for url in ["http://a.test/", "https://a.test:8443/x?y"] {
            assert!(subject.covers(url), "{url}");
        }
        for url in ["http://www.a.test/", "http://b.test/?http://a.test/"] {
            assert!(!subject.covers(url), "{url}");
        }
    }
}
