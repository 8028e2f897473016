//! Thousands of broken pictures through the encoder's process: an outcome each, no crash, bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tusou_contract::{ImageFormat, ImageId};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{Mutants, Service, World};

use crate::support::{corpora, files, next, ours, reason, results, send, stored};

/// Mutants where [`COUNT`] says nothing: seconds, for every run of the tests.
const DEFAULT_COUNT: u64 = 1_500;
/// The environment variable that says how many there are.
const COUNT: &str = "TUSOU_MUTATIONS";
/// The environment variable that says at which the run begins.
const FIRST: &str = "TUSOU_MUTATIONS_FIRST";
/// How many wait for their outcome at once: these may be what broke it.
const AT_ONCE: u64 = 250;
/// Longer pictures are not bred from, so that 10,000 are minutes.
const LONG: u64 = 256 << 10;
/// Bounds a test that failed: no picture may take longer than its time to decode.
const LIMIT: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is {text:?}; write a number"))
    })
}

/// The pictures to breed from, with their formats.
fn seeds() -> Vec<(ImageFormat, Vec<u8>)> {
    let golden = ["decode", "avif", "packs/pictures"]
        .map(|folder| ours("../crates/model/tests/golden").join(folder));
    let mut seeds = Vec::new();
    for folder in golden.into_iter().chain([corpora()]) {
        for file in files(&folder) {
            let bytes = std::fs::read(&file).expect("the folder can be read");
            let Some(format) = ImageFormat::sniff(&bytes) else {
                continue;
            };
            // `420.jpg.png` is what `420.jpg` is decoded to.
            let made = file.file_stem().is_some_and(|stem| {
                file.extension().is_some_and(|ending| ending == "png")
                    && stem.to_string_lossy().contains('.')
            });
            if bytes.len() as u64 <= LONG && !made {
                seeds.push((format, bytes));
            }
        }
    }
    seeds
}

#[tokio::test]
async fn mutants_of_pictures_have_an_outcome_each() {
    let (first, count) = (number(FIRST, 0), number(COUNT, DEFAULT_COUNT));
    let seeds = seeds();
    let formats: Vec<ImageFormat> = seeds.iter().map(|(format, _)| *format).collect();
    let mutants = Mutants::of(seeds.into_iter().map(|(_, bytes)| bytes).collect());
    println!("{count} mutants of {} pictures from {first}", formats.len());

    let mut world = World::new("encode_mutants").await;
    world.config.encoder.decode_threads = 4;
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = HashMap::new();
    let (mut case, end) = (first, first + count);
    while case < end {
        let mut waiting: HashMap<ImageId, u64> = HashMap::new();
        let mut messages = Vec::new();
        for case in case..end.min(case + AT_ONCE) {
            let (parent, bytes) = mutants.get(case);
            if all.insert(ImageId::of(&bytes), case).is_some() {
                *counts.entry("the same as another".to_owned()).or_default() += 1;
                continue;
            }
            let format = ImageFormat::sniff(&bytes).unwrap_or(formats[parent]);
            let message = stored(&world, bytes, format).await;
            waiting.insert(message.image_id, case);
            messages.push(Outgoing::of(&message));
        }
        send(&broker, &messages).await;
        while !waiting.is_empty() {
            let Some((image_id, outcome)) = next(&mut results, LIMIT).await else {
                let mut cases: Vec<_> = waiting.into_values().collect();
                cases.sort_unstable();
                panic!("no outcome of the mutants {cases:?} ({FIRST} is the number of the first)");
            };
            assert!(waiting.remove(&image_id).is_some(), "one result a picture");
            *counts.entry(reason(&outcome).to_owned()).or_default() += 1;
        }
        assert!(
            encoder.is_running(),
            "it ended of one from {case} to {}",
            case + AT_ONCE
        );
        case += AT_ONCE;
    }
    let peak = encoder.peak_rss_bytes();
    println!("{counts:?}, at most {} MiB", peak >> 20);
    // What no decoder refuses, and what they do.
    for outcome in ["encoded", "truncated", "decode_failed"] {
        let found = counts.get(outcome).copied().unwrap_or_default();
        assert!(found > count / 50, "{outcome}: {counts:?}");
    }
    assert!(!counts.contains_key("prepare_panicked"), "{counts:?}");
    assert!(encoder.is_ready().await);
    assert!(peak < GIB, "{peak}");
    drop(encoder);
    world.end().await;
}
