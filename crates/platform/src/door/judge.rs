//! Looking at an answer as it comes: what is not wanted is not fetched to its end.

use reqwest::header::HeaderMap;

/// What is to become of an answer, by what has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// More of it must come before that can be said.
    More,
    /// It is wanted whole: it is not looked at again.
    Take,
    /// It is not wanted, for this reason, a short word: no more of it is fetched.
    Stop(&'static str),
}

/// Looks at a successful answer (200 to 299) while it comes.
pub trait Judge: Send {
    /// Its headers have come. `length` is the body's, where that is known: it is as long on its way as
    /// in the end.
    fn head(&mut self, headers: &HeaderMap, length: Option<u64>) -> Judged;

    /// This is its body so far; asked as often as more of it comes, while it answers [`Judged::More`].
    fn body(&mut self, come: &[u8]) -> Judged;
}

/// Takes every answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TakeAll;

impl Judge for TakeAll {
    fn head(&mut self, _headers: &HeaderMap, _length: Option<u64>) -> Judged {
        Judged::Take
    }

    fn body(&mut self, _come: &[u8]) -> Judged {
        Judged::Take
    }
}
