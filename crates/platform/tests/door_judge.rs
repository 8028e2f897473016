//! The door's judge: what is not wanted is not fetched to its end, and the server sees that.

use std::time::Duration;

use axum::http::HeaderMap;
use tusou_platform::config::Network;
use tusou_platform::door::{Answer, Door, FetchError, Judge, Judged, Limits, Longer, Reach};
use tusou_testkit::{Reply, Site};
use url::Url;

const LIMITS: Limits = Limits {
    max_bytes: 8 << 20,
    read_timeout: Duration::from_secs(30),
    total_timeout: Duration::from_secs(60),
};

/// A body of 4 MiB, which takes half a second to come.
const LENGTH: usize = 4 << 20;

/// Wants no more than a number of bytes, or nothing of a type or length.
#[derive(Default)]
struct UpTo {
    bytes: Option<usize>,
    take_at: Option<usize>,
    no_head: bool,
    /// Lengths of the beginnings that it was shown.
    shown: Vec<usize>,
    head: Option<(Option<String>, Option<u64>)>,
}

impl Judge for UpTo {
    fn head(&mut self, headers: &HeaderMap, length: Option<u64>) -> Judged {
        let kind = headers.get("content-type");
        let kind = kind.map(|kind| kind.to_str().expect("a text").to_owned());
        self.head = Some((kind, length));
        if self.no_head {
            Judged::Stop("headers")
        } else {
            Judged::More
        }
    }

    fn body(&mut self, come: &[u8]) -> Judged {
        self.shown.push(come.len());
        assert!(come.iter().all(|byte| *byte == b'x'));
        if self.take_at.is_some_and(|at| come.len() >= at) {
            Judged::Take
        } else if self.bytes.is_some_and(|most| come.len() >= most) {
            Judged::Stop("enough")
        } else {
            Judged::More
        }
    }
}

/// Wants nothing that begins with a blank.
struct Blanks;

impl Judge for Blanks {
    fn head(&mut self, _headers: &HeaderMap, length: Option<u64>) -> Judged {
        assert_eq!(length, None);
        Judged::More
    }

    fn body(&mut self, come: &[u8]) -> Judged {
        match come.first() {
            Some(b' ') => Judged::Stop("blank"),
            _ => Judged::More,
        }
    }
}

async fn fetch(site: &Site, path: &str, judge: &mut dyn Judge) -> Result<Answer, FetchError> {
    let network = Network {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
    };
    let patience = Duration::from_secs(10);
    let door = Door::new(&network, "tusoubot/0 (test)", patience, Reach::Anywhere);
    let url = Url::parse(&site.url(path)).expect("a URL");
    door.expect("a client")
        .ask_judged(
            &url,
            HeaderMap::new(),
            &LIMITS,
            Longer::Refuse,
            judge,
            || {},
        )
        .await
}

async fn site() -> Site {
    let site = Site::start().await;
    site.put("/long", Reply::trickling("image/png", vec![b'x'; LENGTH]));
    site.put("/short", Reply::bytes("image/png", vec![b'x'; 3_000]));
    site.put("/gone", Reply::status(404));
    site
}

#[tokio::test]
async fn the_rest_is_not_fetched() {
    let site = site().await;
    let mut judge = UpTo {
        bytes: Some(20_000),
        ..UpTo::default()
    };
    let stopped = fetch(&site, "/long", &mut judge).await.map(|_| ());
    let stopped = stopped.expect_err("it has enough");
    let FetchError::Stopped {
        reason: "enough",
        status: 200,
        came,
        saved: Some(saved),
    } = stopped
    else {
        panic!("{stopped:?}");
    };
    assert_eq!(stopped.reason(), "enough");
    assert!(!stopped.is_transient() && !stopped.is_unreached());
    assert_eq!(came + saved, LENGTH as u64);
    assert!((20_000..LENGTH as u64 / 4).contains(&came), "{came} came");
    assert!(judge.shown.is_sorted() && judge.shown.last().copied() == usize::try_from(came).ok());
    let told = (Some("image/png".to_owned()), Some(LENGTH as u64));
    assert_eq!(judge.head, Some(told));
    // The server could not get rid of it either.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let sent = site.trickled("/long");
    assert!(
        sent < LENGTH as u64 / 2,
        "{sent} of {LENGTH} bytes were sent"
    );
}

#[tokio::test]
async fn headers_are_enough_to_stop_at() {
    let site = site().await;
    let mut judge = UpTo {
        no_head: true,
        ..UpTo::default()
    };
    let stopped = fetch(&site, "/long", &mut judge).await.map(|_| ());
    assert!(
        matches!(stopped, Err(FetchError::Stopped { reason: "headers", came: 0, saved: Some(saved), .. })
            if saved == LENGTH as u64),
        "{stopped:?}"
    );
    assert!(judge.shown.is_empty());
}

#[tokio::test]
async fn a_small_rest_is_read_and_its_connection_used_again() {
    let site = site().await;
    let mut judge = UpTo {
        no_head: true,
        ..UpTo::default()
    };
    let stopped = fetch(&site, "/short", &mut judge).await.map(|_| ());
    assert!(
        matches!(
            stopped,
            Err(FetchError::Stopped {
                came: 3_000,
                saved: Some(0),
                ..
            })
        ),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn of_a_body_without_a_length_nothing_is_known_to_be_saved() {
    let site = Site::start().await;
    site.put("/endless", Reply::endless("image/png"));
    let mut judge = Blanks;
    let stopped = fetch(&site, "/endless", &mut judge).await.map(|_| ());
    assert!(
        matches!(stopped, Err(FetchError::Stopped { saved: None, .. })),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn what_is_taken_is_looked_at_no_more() {
    let site = site().await;
    let mut judge = UpTo {
        take_at: Some(1),
        bytes: Some(1),
        ..UpTo::default()
    };
    let answer = fetch(&site, "/long", &mut judge)
        .await
        .expect("it is taken");
    assert_eq!((answer.body.len(), judge.shown.len()), (LENGTH, 1));
    // One that never makes up its mind takes it.
    let mut judge = UpTo::default();
    let answer = fetch(&site, "/short", &mut judge)
        .await
        .expect("it is taken");
    assert_eq!(answer.body.len(), 3_000);
}

#[tokio::test]
async fn no_answer_but_a_success_is_judged() {
    let site = site().await;
    let mut judge = UpTo {
        no_head: true,
        ..UpTo::default()
    };
    let answer = fetch(&site, "/gone", &mut judge).await.expect("an answer");
    assert_eq!((answer.status, judge.head), (404, None));
}
