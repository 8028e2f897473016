//! A picture's answer as it comes: what is not wanted is told by its headers and its first bytes.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tusou_ingest::Wanted;
use tusou_ingest::wanted::Beginning;
use tusou_platform::door::{Judge, Judged};

/// Looks at one answer.
pub(super) struct Sieve<'a> {
    wanted: &'a Wanted,
    media_type: Option<String>,
    /// Whether the number of its bytes has been looked at.
    counted: bool,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            media_type: None,
            counted: false,
        }
    }
}

impl Judge for Sieve<'_> {
    fn head(&mut self, headers: &HeaderMap, length: Option<u64>) -> Judged {
        let media_type = headers.get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        self.media_type = media_type.map(str::to_owned);
        self.counted = length.is_some();
        // Nothing at all has its own reason.
        match length.filter(|length| *length > 0) {
            Some(length) => match self.wanted.bytes(length) {
                Ok(()) => Judged::More,
                Err(unwanted) => Judged::Stop(unwanted.reason()),
            },
            None => Judged::More,
        }
    }

    fn body(&mut self, come: &[u8]) -> Judged {
        match self.wanted.beginning(come, self.media_type.as_deref()) {
            Beginning::More => Judged::More,
            Beginning::Count if self.counted => Judged::Take,
            Beginning::Count => Judged::More,
            Beginning::Take => Judged::Take,
            Beginning::Leave(unwanted) => Judged::Stop(unwanted.reason()),
        }
    }
}
