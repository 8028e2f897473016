//! Scripts and style sheets kept in memory for a while, so that what all pages of a site load is not
//! asked for with each of them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use tokio::sync::MutexGuard;
use tusou_ingest::Address;
use tusou_platform::door::Answer;

/// How long an answer is used again, unless it says `no-store`.
const KEEP: Duration = Duration::from_secs(600);
/// Bytes in memory, at most, and of one answer.
const TOGETHER: usize = 64 << 20;
const EACH: usize = 4 << 20;
/// Answers in memory, at most.
const ANSWERS: usize = 2_000;

/// Turns of asking, by address.
const TURNS: usize = 64;

/// Kept answers. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelf: Mutex<Shelf>,
    turns: [tokio::sync::Mutex<()>; TURNS],
    hasher: RandomState,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            shelf: Mutex::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the address and the origin that asked: to another one it may be closed.
    answers: HashMap<(Address, String), (Instant, HeaderMap, Bytes)>,
    bytes: usize,
}

impl Kept {
    /// Held by whoever asks for what may be kept, so that pages which want it at once ask once.
    pub(super) async fn turn(&self, address: &Address) -> MutexGuard<'_, ()> {
        let turn = self.0.hasher.hash_one(address) as usize % TURNS;
        self.0.turns[turn].lock().await
    }

    pub(super) fn get(&self, address: &Address, origin: &str) -> Option<Answer> {
        let shelf = self.0.shelf.lock().expect("no holder of this lock panics");
        let (since, headers, body) = shelf.answers.get(&(address.clone(), origin.to_owned()))?;
        (since.elapsed() < KEEP).then(|| Answer {
            status: 200,
            headers: headers.clone(),
            body: body.clone(),
        })
    }

    /// Keeps a script or a style sheet, as far as it lets itself be kept.
    pub(super) fn put(&self, address: &Address, origin: &str, answer: &Answer) {
        if answer.status != 200 || answer.body.len() > EACH || !may_be_kept(&answer.headers) {
            return;
        }
        let mut shelf = self.0.shelf.lock().expect("no holder of this lock panics");
        if shelf.bytes + answer.body.len() > TOGETHER || shelf.answers.len() >= ANSWERS {
            *shelf = Shelf::default();
        }
        let entry = (Instant::now(), answer.headers.clone(), answer.body.clone());
        shelf.bytes += answer.body.len();
        let before = shelf
            .answers
            .insert((address.clone(), origin.to_owned()), entry);
        shelf.bytes -= before.map_or(0, |(_, _, body)| body.len());
    }
}

fn may_be_kept(headers: &HeaderMap) -> bool {
    let said = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let kind = said(CONTENT_TYPE).to_ascii_lowercase();
    let is_code = ["javascript", "ecmascript", "text/css"]
        .iter()
        .any(|code| kind.contains(code));
    is_code
        && !said(CACHE_CONTROL)
            .to_ascii_lowercase()
            .contains("no-store")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn answer(kind: &'static str, control: &'static str, bytes: usize) -> Answer {
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(kind)),
            (CACHE_CONTROL, HeaderValue::from_static(control)),
        ]);
        Answer {
            status: 200,
            headers,
            body: vec![b'x'; bytes].into(),
        }
    }

    #[test]
    fn scripts_and_sheets_are_kept_within_bounds() {
        let kept = Kept::default();
        let address =
            |n: usize| Address::parse(&format!("https://a.test/{n}")).expect("an address");
        for (number, kind, control, is_kept) in [
            (1, "text/javascript; charset=utf-8", "no-cache", true),
            (2, "text/css", "", true),
            (3, "application/javascript", "private, No-Store", false),
            (4, "application/json", "max-age=600", false),
        ] {
            kept.put(&address(number), "", &answer(kind, control, 10));
            assert_eq!(
                kept.get(&address(number), "").is_some(),
                is_kept,
                "{kind} {control}"
            );
        }
        assert!(
            kept.get(&address(1), "https://b.test").is_none(),
            "another origin asks itself"
        );
        kept.put(&address(5), "", &answer("text/css", "", EACH + 1));
        assert!(kept.get(&address(5), "").is_none());
        for number in 10..10 + 2 * TOGETHER / EACH {
            kept.put(&address(number), "", &answer("text/css", "", EACH));
            kept.put(&address(number), "", &answer("text/css", "", EACH));
            assert!(kept.0.shelf.lock().expect("a lock").bytes <= TOGETHER);
            assert!(kept.get(&address(number), "").is_some());
        }
    }
}
