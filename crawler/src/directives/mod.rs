//! What a site's owner asks of crawlers beyond robots.txt: by `<meta name=robots>`, by the
//! `X-Robots-Tag` header, and by the TDM Reservation Protocol.
//!
//! Pure: any text is read, nothing fails, and the work is bounded by the text's length.

mod date;
mod header;
mod list;
pub mod tdm;

use time::OffsetDateTime;

pub use header::from_headers;

/// What the owner of a page or a picture asks. Several sources are obeyed together: a thing is
/// forbidden where any of them forbids it, except that of reservations the nearest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// Nothing of it is to be found by a search.
    pub noindex: bool,
    /// A page's links are not to be followed.
    pub nofollow: bool,
    /// A page's pictures are not to be found by a search; a picture itself neither.
    pub noimageindex: bool,
    /// It is not for machine learning.
    pub noai: bool,
    /// A page's pictures are not for machine learning; a picture itself neither.
    pub noimageai: bool,
    /// From then on it is as with [`Self::noindex`]; of several times, the earliest.
    pub unavailable_after: Option<OffsetDateTime>,
    /// Whether the rights to text and data mining are reserved, where that is said.
    pub tdm_reserved: Option<bool>,
}

/// What this crawler's operator lets it obey beside what is always obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obey {
    /// `noai` and `noimageai`.
    pub noai: bool,
    /// Reservations by the TDM Reservation Protocol.
    pub tdm: bool,
}

impl Directives {
    /// Adds the content of a `<meta name=robots>`, as `noindex, nofollow`, as far as it is for the
    /// crawler named `agent`.
    pub fn add(&mut self, content: &str, agent: &str) {
        list::read(content, agent, |directive| self.obey(directive));
    }

    /// Adds the value of a `tdm-reservation`: `1` or `0`; of several, `1`.
    pub fn reserve(&mut self, value: &str) {
        for value in value.split(',') {
            let reserved = value.trim().parse().ok().and_then(tdm::reservation);
            self.tdm_reserved = self.tdm_reserved.max(reserved);
        }
    }

    /// Adds what is said nearer to the thing: a page's own metadata to its answer's headers.
    ///
    /// Its reservation supersedes (TDM Reservation Protocol, "Processing priority").
    pub fn and_nearer(mut self, nearer: &Self) -> Self {
        self.noindex |= nearer.noindex;
        self.nofollow |= nearer.nofollow;
        self.noimageindex |= nearer.noimageindex;
        self.noai |= nearer.noai;
        self.noimageai |= nearer.noimageai;
        if let Some(time) = nearer.unavailable_after {
            self.end_at(time);
        }
        self.tdm_reserved = nearer.tdm_reserved.or(self.tdm_reserved);
        self
    }

    /// Why a picture is not to be taken: from a page that asks this, or at all where its own answer
    /// asks it. One word, as rows and counters have it; none where it may be taken.
    ///
    /// `reserved_by_file` is what the server's `tdmrep.json` says; what is said nearer supersedes it.
    pub fn refusal(
        &self,
        obey: Obey,
        reserved_by_file: bool,
        now: OffsetDateTime,
    ) -> Option<&'static str> {
        let refusals = [
            (self.noindex, "noindex"),
            (self.noimageindex, "noimageindex"),
            (obey.noai && (self.noai || self.noimageai), "noai"),
            (
                self.unavailable_after.is_some_and(|end| end <= now),
                "unavailable",
            ),
            (
                obey.tdm && self.tdm_reserved.unwrap_or(reserved_by_file),
                "tdm_reserved",
            ),
        ];
        let refusal = refusals.into_iter().find(|(applies, _)| *applies);
        refusal.map(|(_, word)| word)
    }

    fn obey(&mut self, directive: list::Directive) {
        use list::Directive;
        match directive {
            Directive::Noindex => self.noindex = true,
            Directive::Nofollow => self.nofollow = true,
            Directive::None => (self.noindex, self.nofollow) = (true, true),
            Directive::Noimageindex => self.noimageindex = true,
            Directive::Noai => self.noai = true,
            Directive::Noimageai => self.noimageai = true,
            Directive::UnavailableAfter(time) => self.end_at(time),
        }
    }

    fn end_at(&mut self, time: OffsetDateTime) {
        let earliest = self.unavailable_after.map_or(time, |known| known.min(time));
        self.unavailable_after = Some(earliest);
    }
}
