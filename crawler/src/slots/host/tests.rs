use super::*;
use crate::pace::PaceLimits;

fn host(wait: Duration, crashed: Option<Duration>, failures: u32) -> Arc<HostSlot> {
    let leased = Leased {
        lease: HostLease {
            host_id: 1,
            origin: "http://x.test".to_owned(),
            token: 1,
        },
        asked_at: Instant::now(),
        wait,
        crashed,
        delay: Duration::ZERO,
        failures,
        busy: 0,
    };
    let limits = SlotLimits {
        pace: PaceLimits {
            least: Duration::from_secs(3600),
            most: Duration::from_secs(7200),
            concurrency: 2,
        },
        lease: Duration::from_secs(60),
        retry_after: Duration::from_secs(1),
    };
    Arc::new(HostSlot::new(leased, limits, false))
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Result<Answer, FetchError> {
    let headers = headers.iter().map(|(name, value)| {
        let name = name.parse::<reqwest::header::HeaderName>();
        (name.expect("a name"), value.parse().expect("a value"))
    });
    Ok(Answer {
        status,
        headers: headers.collect(),
        body: Default::default(),
    })
}

fn ended(host: &HostSlot, outcome: &Result<Answer, FetchError>) {
    let now = Instant::now();
    host.ended(now, outcome.is_ok().then_some(now), outcome);
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn who_leases_a_host_takes_over_its_pace() {
    let minute = Duration::from_secs(60);
    assert!(host(Duration::ZERO, None, 0).wait().is_zero());
    let rested = host(minute, None, 0).wait();
    assert!(rested <= minute && rested > minute / 2, "{rested:?}");
    // A crashed holder may have asked up to the end of its lease.
    let crashed = host(Duration::ZERO, Some(minute), 0).wait();
    assert!(
        crashed <= HOUR - minute && crashed > HOUR - 2 * minute,
        "{crashed:?}"
    );

    let host = host(Duration::ZERO, None, 0);
    drop(host.begin().await.expect("the first start is free"));
    let kept = host.parting(Duration::ZERO);
    assert!(kept.wait <= HOUR && kept.wait > HOUR - minute, "{kept:?}");
    assert!(kept.delay.is_zero(), "the configured delay is not kept");
}

#[tokio::test]
async fn no_request_begins_after_the_lease_or_within_a_rest() {
    let lost = host(Duration::ZERO, None, 0);
    lost.inner().valid_until = Instant::now();
    let refused = lost.begin().await.expect_err("it is over");
    assert!(matches!(
        refused,
        SlotRefused::Failed(CrawlError::LeaseLost)
    ));
    lost.renewed(Instant::now());
    assert!(lost.begin().await.is_ok());

    let rests = host(Duration::ZERO, None, 0);
    ended(&rests, &answer(503, &[("retry-after", "120")]));
    let refused = rests.begin().await.expect_err("it rests");
    assert!(matches!(refused, SlotRefused::Busy(_)), "{refused:?}");
    assert!(matches!(rests.state(), State::Rests(_)));
    rests.close();
    assert!(rests.begin().await.is_err());
}

#[test]
fn three_requests_without_an_answer_are_out_of_reach() {
    let silence = || Err(FetchError::Timeout("connection"));
    let host = host(Duration::ZERO, None, 4);
    ended(&host, &silence());
    assert!(host.is_silent() && host.failures() == 5);
    ended(&host, &answer(404, &[]));
    assert!(!host.is_silent() && host.failures() == 0);
    ended(&host, &silence());
    ended(&host, &silence());
    assert_eq!((host.state(), host.failures()), (State::Well, 0));
    ended(&host, &silence());
    assert_eq!((host.state(), host.failures()), (State::OutOfReach, 1));
    ended(&host, &Err(FetchError::AddressRefused(String::new())));
    assert_eq!(host.state(), State::OutOfReach, "nobody was asked");
    ended(&host, &answer(500, &[]));
    assert_eq!(host.state(), State::Well, "any answer is one");
    host.bar();
    assert_eq!(host.failures(), 5);
}

#[test]
fn rests_double_up_to_an_hour_unless_the_host_says_how_long() {
    let second = Duration::from_secs(1);
    assert_eq!(doubled(second, 0), second);
    assert_eq!(doubled(second, 3), 8 * second);
    assert_eq!(doubled(second, 30), HOUR);
    for (header, least, most) in [
        ("7", 6, 7),
        ("99999999", 86_000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_000, 86_400),
    ] {
        let host = host(Duration::ZERO, None, 0);
        ended(&host, &answer(429, &[("retry-after", header)]));
        let State::Rests(rest) = host.state() else {
            panic!("{header}: it does not rest");
        };
        assert!(
            rest > least * second && rest <= most * second,
            "{header}: {rest:?}"
        );
        assert_eq!(host.parting(Duration::ZERO).busy, 1, "{header}");
    }
}
