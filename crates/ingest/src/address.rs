//! Addresses of the web: parsed and normalised once, at the edge, and passed as a type from there on.
//!
//! Normalisation follows the WHATWG URL standard (as the `url` crate does) and goes as far as
//! RFC 3986 §6.2.2 allows without changing the meaning of a URL: two spellings of one address
//! are one [`Address`], so one row in the frontier and one fetch.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::{ParseError, Position, Url};

/// The longest address that is kept, in bytes of its normalised form (which is ASCII).
pub const MAX_LENGTH: usize = 2_048;

/// The longest text that is looked at: a fragment or dot segments may shrink to a short address.
const MAX_INPUT: usize = 32 * MAX_LENGTH;

/// How much of a refused text an error repeats, in characters.
const SHOWN: usize = 200;

/// The longest file name, in characters.
const MAX_FILE_NAME: usize = 255;

/// A normalised absolute `http` or `https` URL.
///
/// - No fragment, no default port, no user name or password.
/// - The host is lower-case, and punycode where it was not ASCII.
/// - The path begins with `/` and holds no dot segments; percent-encoded unreserved characters
///   are decoded (`%7E` is `~`), the other escapes have upper-case digits.
/// - The query stands as it was written.
/// - At most [`MAX_LENGTH`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(Url);

/// Why a text is not an address that can be fetched. The messages name the text, cut at 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL, or a relative one where an absolute one is needed.
    #[error("{input:?} is not a URL; write it whole, as in https://example.org/page")]
    Unparsable {
        /// The text, cut.
        input: String,
        /// What the URL parser found.
        #[source]
        source: ParseError,
    },
    /// Its scheme is neither `http` nor `https`.
    #[error("{input:?} has a scheme that is not fetched; only http and https are")]
    Scheme {
        /// The text, cut.
        input: String,
    },
    /// It carries a user name or a password.
    #[error("a URL for {host:?} carries a user name or password; leave them out")]
    UserInfo {
        /// The host only: a password must not reach a log.
        host: String,
    },
    /// It is longer than [`MAX_LENGTH`].
    #[error("{input:?}… is longer than {MAX_LENGTH} characters; shorten it")]
    TooLong {
        /// The text, cut.
        input: String,
    },
    /// It names no host.
    #[error("{input:?} names no host; write it whole, as in https://example.org/page")]
    NoHost {
        /// The text, cut.
        input: String,
    },
}

impl AddressError {
    /// The error as one stable word, for counters and for the states of rows.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unparsable { .. } => "unparsable",
            Self::Scheme { .. } => "scheme",
            Self::UserInfo { .. } => "userinfo",
            Self::TooLong { .. } => "too_long",
            Self::NoHost { .. } => "no_host",
        }
    }
}

impl Address {
    /// Parses and normalises an absolute URL. Spaces around it are ignored.
    ///
    /// # Errors
    /// [`AddressError`], with the text.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        Self::of(input, None)
    }

    /// Resolves `reference`, as it stands in a page whose base is `self`.
    ///
    /// # Errors
    /// [`AddressError`], with the reference.
    pub fn join(&self, reference: &str) -> Result<Self, AddressError> {
        Self::of(reference, Some(&self.0))
    }

    fn of(input: &str, base: Option<&Url>) -> Result<Self, AddressError> {
        let shown = || input.trim().chars().take(SHOWN).collect::<String>();
        let too_long = || AddressError::TooLong { input: shown() };
        if input.len() > MAX_INPUT {
            return Err(too_long());
        }
        let parsed = Url::options().base_url(base).parse(input);
        let mut url = parsed.map_err(|source| match source {
            ParseError::EmptyHost => AddressError::NoHost { input: shown() },
            source => AddressError::Unparsable {
                input: shown(),
                source,
            },
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme { input: shown() });
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(AddressError::NoHost { input: shown() });
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::UserInfo {
                host: host.to_owned(),
            });
        }
        url.set_fragment(None);
        if let Some(path) = normal_path(url.path()) {
            url.set_path(&path);
        }
        if url.as_str().len() > MAX_LENGTH {
            return Err(too_long());
        }
        Ok(Self(url))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL, for clients that take one.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// `http://host` or `http://host:port`, the port only where it is not the scheme's own: the key of a host.
    pub fn origin(&self) -> &str {
        &self.0[..Position::BeforePath]
    }

    /// The host without its port; an IPv6 address keeps its brackets.
    pub fn host_name(&self) -> &str {
        self.0.host_str().expect("an address has a host")
    }

    /// The path, percent-encoded, beginning with `/`.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The path and, where there is one, `?` and the query: what a request line carries and robots.txt judges.
    pub fn path_and_query(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }

    /// The same address with another path and another query, where they are given; an empty query is
    /// none at all. They are parts of a normalised address, and no longer than those they replace.
    pub(crate) fn replaced(&self, path: Option<&str>, query: Option<&str>) -> Self {
        let mut url = self.0.clone();
        if let Some(path) = path {
            url.set_path(path);
        }
        if let Some(query) = query {
            url.set_query(Some(query).filter(|query| !query.is_empty()));
        }
        Self(url)
    }

    /// The last segment of the path, percent-decoded, or the host where the path ends in `/`.
    ///
    /// For people to read, and safe as one name: control characters are left out, encoded
    /// slashes become `_`, what is not UTF-8 becomes U+FFFD, and it ends after 255 characters.
    pub fn file_name(&self) -> String {
        let segment = self.path().rsplit('/').next().unwrap_or_default();
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        let name: String = decoded
            .chars()
            .filter(|c| !c.is_control())
            .map(|c| if matches!(c, '/' | '\\') { '_' } else { c })
            .take(MAX_FILE_NAME)
            .collect();
        let name = name.trim();
        if name.is_empty() {
            self.host_name().to_owned()
        } else {
            name.to_owned()
        }
    }
}

/// The path with its escapes normalised, or none where nothing is to be done.
fn normal_path(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let bytes = path.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    // Where the escapes written so far end: a `%` after it is a stray one.
    let mut settled = 0;
    let mut at = 0;
    while at < bytes.len() {
        let Some(value) = escape(&bytes[at..]) else {
            out.push(bytes[at]);
            at += 1;
            continue;
        };
        // A decoded digit after a stray `%` would make an escape that was not there.
        let stray = out[settled..]
            .iter()
            .rev()
            .take(2)
            .any(|&byte| byte == b'%');
        if is_unreserved(value) && !(stray && value.is_ascii_hexdigit()) {
            out.push(value);
        } else {
            out.extend([
                b'%',
                bytes[at + 1].to_ascii_uppercase(),
                bytes[at + 2].to_ascii_uppercase(),
            ]);
            settled = out.len();
        }
        at += 3;
    }
    Some(String::from_utf8(out).expect("a URL's path is ASCII"))
}

/// The octet that an escape (`%7E`) at the start of `bytes` stands for.
pub fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? * 16 + digit(low)?)
}

/// Whether an octet means the same escaped or not: RFC 3986 §2.3.
pub fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0.into()
    }
}

/// How far a crawl may go from its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The seed's host and port; `http` and `https` are one where both use their own port.
    #[default]
    Host,
    /// Every host and port below the seed's registrable domain (by the Public Suffix List).
    /// An IP address, `localhost` and a public suffix are domains of their own.
    Domain,
    /// As `Host`, and only paths that begin as the seed's does up to its last `/`.
    Prefix,
}

impl Scope {
    /// Every scope with its name.
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Host, "host"),
        (Self::Domain, "domain"),
        (Self::Prefix, "prefix"),
    ];

    /// Whether a crawl from `seed` may go to `candidate`.
    pub fn contains(self, seed: &Address, candidate: &Address) -> bool {
        match self {
            Self::Host => same_host(seed, candidate),
            Self::Domain => domain(seed) == domain(candidate),
            Self::Prefix => {
                let path = seed.path();
                let folder = &path[..=path.rfind('/').expect("a path begins with a slash")];
                same_host(seed, candidate) && candidate.path().starts_with(folder)
            }
        }
    }

    /// The scope's name, as it is written in configuration, rows and commands.
    pub fn as_str(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(scope, _)| *scope == self);
        named.expect("every scope has a name").1
    }
}

fn same_host(a: &Address, b: &Address) -> bool {
    a.host_name() == b.host_name() && a.0.port() == b.0.port()
}

fn domain(address: &Address) -> &str {
    match address.0.host() {
        Some(url::Host::Domain(name)) => psl::domain_str(name).unwrap_or(name),
        _ => address.host_name(),
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; write host, domain or prefix")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = Self::NAMES.iter().find(|(_, name)| *name == text);
        named
            .map(|(scope, _)| *scope)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
