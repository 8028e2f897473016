//! What a search's candidates are, counted: formats, colours, hosts, sizes, shapes, licences, years.

mod classes;

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

pub(crate) use classes::{Shape, SizeClass};

use tusou_contract::document::{aspect, pixels};

/// The most hosts and the most licences that are told.
const MOST: usize = 20;
/// What stands for no licence.
pub(crate) const NO_LICENSE: &str = "none";

/// What is counted of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traits {
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// Format of the original.
    pub(crate) format: String,
    /// Main colours by name.
    pub(crate) colors: Vec<String>,
    /// Host names of pages and pictures.
    pub(crate) hosts: Vec<String>,
    /// Address of the licence.
    pub(crate) license: Option<String>,
    /// The first sighting, in milliseconds since 1970 (UTC).
    pub(crate) first_seen_ms: i64,
}

/// The candidates of a search, counted. Each list has the most frequent first, ties by value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Facets {
    /// Formats of originals.
    pub(crate) format: Vec<Facet>,
    /// Main colours; a picture has up to five.
    pub(crate) color: Vec<Facet>,
    /// The 20 most frequent hosts; a picture has up to 64.
    pub(crate) host: Vec<Facet>,
    /// Sizes: small, medium, large, huge.
    pub(crate) size: Vec<Facet>,
    /// Shapes: tall, square, wide, panorama.
    pub(crate) shape: Vec<Facet>,
    /// The 20 most frequent licences by address, and `none`.
    pub(crate) license: Vec<Facet>,
    /// Years of the first sightings (UTC).
    pub(crate) year: Vec<Facet>,
}

/// How many candidates have one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Facet {
    /// The value, as a filter takes it.
    pub(crate) value: String,
    /// How many candidates have it.
    pub(crate) count: u32,
}

/// Counts the candidates, each value once a candidate.
pub(crate) fn count(candidates: &[Traits]) -> Facets {
    let (mut format, mut color, mut host) = (Tally::default(), Tally::default(), Tally::default());
    let (mut size, mut shape, mut license) = (Tally::default(), Tally::default(), Tally::default());
    let mut years: HashMap<i32, u32> = HashMap::new();
    for (number, candidate) in candidates.iter().enumerate() {
        format.add(number, &candidate.format);
        for name in &candidate.colors {
            color.add(number, name);
        }
        for name in &candidate.hosts {
            host.add(number, name);
        }
        let (width, height) = (candidate.width, candidate.height);
        size.add(number, SizeClass::of(pixels(width, height)).name());
        shape.add(number, Shape::of(aspect(width, height)).name());
        license.add(number, candidate.license.as_deref().unwrap_or(NO_LICENSE));
        *years.entry(year(candidate.first_seen_ms)).or_default() += 1;
    }
    let years = years.into_iter().map(|(year, count)| Facet {
        value: year.to_string(),
        count,
    });
    let mut license = license.facets();
    // However rare, pictures without a licence are told: it is what a filter is for.
    let mut room = MOST;
    license.retain(|facet| {
        let is_kept = facet.value == NO_LICENSE || room > 0;
        room = room.saturating_sub(usize::from(facet.value != NO_LICENSE));
        is_kept
    });
    let mut host = host.facets();
    host.truncate(MOST);
    Facets {
        format: format.facets(),
        color: color.facets(),
        host,
        size: size.facets(),
        shape: shape.facets(),
        license,
        year: in_order(years.collect()),
    }
}

/// The year of a time in milliseconds since 1970 (UTC). One that no date can have is of 1970.
fn year(milliseconds: i64) -> i32 {
    OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .year()
}

/// How many candidates have each value, and the last that was counted for it.
#[derive(Debug, Default)]
struct Tally<'a>(HashMap<&'a str, (u32, usize)>);

impl<'a> Tally<'a> {
    /// Counts the value for that candidate, unless it was.
    fn add(&mut self, number: usize, value: &'a str) {
        let (count, last) = self.0.entry(value).or_insert((0, usize::MAX));
        if *last != number {
            (*count, *last) = (*count + 1, number);
        }
    }

    fn facets(&self) -> Vec<Facet> {
        let facets = self.0.iter().map(|(value, (count, _))| Facet {
            value: (*value).to_owned(),
            count: *count,
        });
        in_order(facets.collect())
    }
}

fn in_order(mut facets: Vec<Facet>) -> Vec<Facet> {
    facets.sort_unstable_by(|a, b| {
        let most_first = Reverse(a.count).cmp(&Reverse(b.count));
        most_first.then_with(|| a.value.cmp(&b.value))
    });
    facets
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn plain() -> Traits {
        Traits {
            width: 640,
            height: 480,
            format: "jpeg".into(),
            colors: Vec::new(),
            hosts: Vec::new(),
            license: None,
            first_seen_ms: 0,
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn told(facets: &[Facet]) -> Vec<(&str, u32)> {
        facets
            .iter()
            .map(|facet| (facet.value.as_str(), facet.count))
            .collect()
    }

    #[test]
    fn each_value_is_counted_once_a_candidate_the_most_frequent_first() {
        let milliseconds = |at: OffsetDateTime| at.unix_timestamp() * 1_000;
        let list = [
            Traits {
                colors: texts(&["red", "blue"]),
                hosts: texts(&["b.org", "a.org", "b.org"]),
                license: Some("https://example.org/by".into()),
                first_seen_ms: milliseconds(datetime!(2025-12-31 23:59 UTC)) + 59_999,
                ..plain()
            },
            Traits {
                colors: texts(&["red"]),
                hosts: texts(&["a.org"]),
                width: 4_000,
                height: 3_000,
                format: "png".into(),
                first_seen_ms: milliseconds(datetime!(2026-01-01 00:00 UTC)),
                ..plain()
            },
            Traits {
                width: 100,
                height: 200,
                first_seen_ms: -1,
                ..plain()
            },
        ];
        let facets = count(&list);
        assert_eq!(told(&facets.format), [("jpeg", 2), ("png", 1)]);
        assert_eq!(told(&facets.color), [("red", 2), ("blue", 1)]);
        assert_eq!(told(&facets.host), [("a.org", 2), ("b.org", 1)]);
        assert_eq!(
            told(&facets.size),
            [("huge", 1), ("medium", 1), ("small", 1)]
        );
        assert_eq!(told(&facets.shape), [("wide", 2), ("tall", 1)]);
        assert_eq!(
            told(&facets.license),
            [("none", 2), ("https://example.org/by", 1)]
        );
        assert_eq!(told(&facets.year), [("1969", 1), ("2025", 1), ("2026", 1)]);
        assert_eq!(count(&[]), Facets::default());
    }

    #[test]
    fn the_many_are_cut_and_no_licence_is_told_however_rare() {
        let mut list = Vec::new();
        for number in 0..30 {
            let one = Traits {
                hosts: vec![format!("h{number:02}")],
                license: Some(format!("l{number:02}")),
                ..plain()
            };
            list.extend([one.clone(), one]);
        }
        assert_eq!(count(&list).license.len(), 20);
        list.push(plain());
        let facets = count(&list);
        assert_eq!(facets.host.len(), 20);
        assert_eq!(facets.host[19].value, "h19");
        assert_eq!(facets.license.len(), 21);
        assert_eq!(told(&facets.license)[19..], [("l19", 2), ("none", 1)]);
    }
}
