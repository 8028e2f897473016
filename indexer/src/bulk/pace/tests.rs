//! The pace against servers that are only a formula, by a clock that is only a number.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const MOST: Most = Most {
    in_flight: 8,
    documents: 2_048,
    bytes: 8 << 20,
};

/// A server that works on `width` bulks at once: each costs `overhead`, and a share for each document.
struct Server {
    width: usize,
    overhead: Duration,
    /// Of a measured time: 0.1 for one that is up to a tenth off, either way.
    noise: f64,
    /// Refuses bulks beyond so many at once.
    refuses_above: usize,
    dice: u64,
}

impl Server {
    fn of(width: usize) -> Self {
        Self {
            width,
            overhead: Duration::from_millis(2),
            noise: 0.0,
            refuses_above: usize::MAX,
            dice: 7,
        }
    }

    /// A number of −1 to 1.
    fn throw(&mut self) -> f64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.dice >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// From one bulk's end to the next one's.
    fn between(&mut self, in_flight: usize, documents: usize) -> Duration {
        let work = self.overhead + Duration::from_micros(300) * documents as u32;
        let busy = in_flight.min(self.width) as u32;
        let noise = 1.0 + self.noise * self.throw();
        (work / busy).mul_f64(noise)
    }
}

/// Keeps as many bulks in flight as are allowed, for so many bulks.
fn run(pace: &mut Pace, server: &mut Server, bulks: usize, now: &mut Instant) {
    let mut under_way = VecDeque::new();
    for _ in 0..bulks {
        while let Some(ticket) = pace.start() {
            under_way.push_back((ticket, pace.limits().documents));
        }
        let refused = under_way.len() > server.refuses_above;
        let (ticket, documents) = under_way.pop_front().expect("one is always allowed");
        *now += server.between(under_way.len() + 1, documents);
        if refused {
            pace.overloaded(ticket);
        } else {
            pace.answered(ticket, documents, *now);
        }
        pace.end();
        check(pace);
    }
    for _ in under_way {
        pace.end();
    }
}

fn check(pace: &Pace) {
    let Limits {
        in_flight,
        documents,
        bytes,
    } = pace.limits();
    assert!((1..=MOST.in_flight).contains(&in_flight), "{in_flight}");
    assert!((1..=MOST.documents).contains(&documents), "{documents}");
    assert!((1..=MOST.bytes).contains(&bytes), "{bytes}");
}

#[test]
fn it_finds_how_many_bulks_a_server_works_on() {
    for width in 1..=8 {
        let (mut pace, mut server) = (Pace::new(MOST), Server::of(width));
        run(&mut pace, &mut server, 2_000, &mut Instant::now());
        assert_eq!(pace.limits().in_flight, width);
    }
}

#[test]
fn bulks_grow_where_a_request_costs_much_and_not_where_it_does_not() {
    let mut now = Instant::now();
    let (mut pace, mut dear) = (Pace::new(MOST), Server::of(2));
    dear.overhead = Duration::from_secs(1);
    run(&mut pace, &mut dear, 500, &mut now);
    assert_eq!(pace.limits().documents, MOST.documents);
    let (mut pace, mut cheap) = (Pace::new(MOST), Server::of(2));
    cheap.overhead = Duration::ZERO;
    run(&mut pace, &mut cheap, 500, &mut now);
    assert_eq!(pace.limits().documents, FIRST_DOCUMENTS);
}

#[test]
fn what_changes_at_the_server_is_found_out_later() {
    let mut now = Instant::now();
    let (mut pace, mut server) = (Pace::new(MOST), Server::of(2));
    run(&mut pace, &mut server, 3_000, &mut now);
    assert_eq!(pace.limits().in_flight, 2);
    server.width = 6;
    run(&mut pace, &mut server, 20_000, &mut now);
    assert_eq!(pace.limits().in_flight, 6);
    server.width = 1;
    run(&mut pace, &mut server, 20_000, &mut now);
    assert_eq!(pace.limits().in_flight, 1);
}

#[test]
fn noise_neither_drives_it_up_nor_holds_it_down() {
    for dice in 0..50 {
        let (mut pace, mut server) = (Pace::new(MOST), Server::of(3));
        (server.noise, server.dice) = (0.5, dice);
        let mut now = Instant::now();
        run(&mut pace, &mut server, 5_000, &mut now);
        // One trial may stand as it ends, so it is looked at for a while.
        let mut found = 0;
        for _ in 0..1_000 {
            run(&mut pace, &mut server, 5, &mut now);
            found += pace.limits().in_flight;
        }
        let found = found as f64 / 1_000.0;
        assert!((2.8..=5.0).contains(&found), "{found} for {dice}");
    }
}

#[test]
fn many_refusals_of_one_moment_halve_it_once() {
    let mut pace = Pace::new(MOST);
    let limits = Limits {
        in_flight: 8,
        documents: 512,
        bytes: MOST.bytes,
    };
    pace.set(limits);
    let tickets: Vec<Ticket> = std::iter::from_fn(|| pace.start()).collect();
    assert_eq!(tickets.len(), 8);
    for ticket in tickets {
        pace.overloaded(ticket);
        pace.end();
    }
    assert_eq!(pace.limits().in_flight, 4);
    assert_eq!(pace.limits().documents, 512);
}

#[test]
fn with_one_in_flight_bulks_become_smaller_and_never_empty() {
    let mut pace = Pace::new(MOST);
    for _ in 0..30 {
        let ticket = pace.start().expect("one is always allowed");
        pace.overloaded(ticket);
        pace.end();
    }
    assert_eq!((pace.limits().in_flight, pace.limits().documents), (1, 1));
    // It comes back.
    run(&mut pace, &mut Server::of(2), 5_000, &mut Instant::now());
    assert_eq!(pace.limits().in_flight, 2);
    assert!(pace.limits().documents >= 32, "{:?}", pace.limits());
}

#[test]
fn a_server_that_refuses_is_not_asked_for_more_all_the_time() {
    let (mut pace, mut server) = (Pace::new(MOST), Server::of(8));
    server.refuses_above = 3;
    let mut now = Instant::now();
    run(&mut pace, &mut server, 200, &mut now);
    let mut above = 0;
    for _ in 0..5_000 {
        run(&mut pace, &mut server, 1, &mut now);
        above += usize::from(pace.limits().in_flight > 3);
    }
    assert!(above < 500, "{above}");
}

#[test]
fn with_little_to_do_nothing_is_changed() {
    let mut pace = Pace::new(MOST);
    let before = pace.limits();
    let mut now = Instant::now();
    for _ in 0..1_000 {
        // One at a time, where two are allowed.
        let ticket = pace.start().expect("one is always allowed");
        now += Duration::from_millis(10);
        pace.answered(ticket, 10, now);
        pace.end();
    }
    assert_eq!(pace.limits(), before);
}

#[test]
fn a_body_that_is_too_large_halves_the_bytes_and_the_documents_stay() {
    let mut pace = Pace::new(MOST);
    pace.too_large(6_000_000);
    assert_eq!(pace.limits().bytes, 3_000_000);
    // Another of the same size was under way.
    pace.too_large(6_000_000);
    assert_eq!(pace.limits().bytes, 3_000_000);
    run(&mut pace, &mut Server::of(4), 5_000, &mut Instant::now());
    assert_eq!(pace.limits().bytes, 3_000_000);
}

#[derive(Debug, Clone)]
enum Event {
    Start,
    Answer(usize, u64),
    Refuse,
    TooLarge(usize),
    Fail,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Start),
        4 => (0usize..1_000, 0u64..10_000).prop_map(|(documents, ms)| Event::Answer(documents, ms)),
        1 => Just(Event::Refuse),
        1 => (0usize..20_000_000).prop_map(Event::TooLarge),
        1 => Just(Event::Fail),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_its_limits_stay_sane(events in prop::collection::vec(event(), 0..2_000)) {
        let mut pace = Pace::new(MOST);
        let mut now = Instant::now();
        let mut under_way = VecDeque::new();
        for event in events {
            if let Event::Start = event {
                under_way.extend(pace.start());
                continue;
            }
            let Some(ticket) = under_way.pop_front() else { continue };
            match event {
                Event::Answer(documents, ms) => {
                    now += Duration::from_millis(ms);
                    pace.answered(ticket, documents, now);
                }
                Event::Refuse => pace.overloaded(ticket),
                Event::TooLarge(bytes) => pace.too_large(bytes),
                Event::Start | Event::Fail => {}
            }
            pace.end();
            check(&pace);
        }
        // None is lost: when all have ended, as many as allowed may start.
        for _ in under_way {
            pace.end();
        }
        let free = std::iter::from_fn(|| pace.start()).count();
        prop_assert_eq!(free, pace.limits().in_flight);
    }
}
