//! A best guess in words at what a picture shows: what the captions of the nearest pictures agree on.
//!
//! Each picture votes for phrases: its captions where they are short, and runs of one to three words of all; of
//! scripts that are written without spaces, pieces between particles, and runs of two to six characters. A phrase
//! weighs what the pictures weigh that say it, each once, however often it says it. A picture weighs by how much
//! its cosine is above that of the furthest one, which stands for the background. What stands on every page
//! (`the`, `photo`, `IMG_1234`) begins and ends no phrase.
//!
//! It does not know words: of Chinese it may cut one in two, and it counts what is said, not what is true.

mod phrases;
mod words;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use self::phrases::{Phrase, phrases};

/// The most pictures that vote, and the most captions of each.
const PICTURES: usize = 32;
const CAPTIONS: usize = 8;
/// The most phrases of one picture.
const PHRASES: usize = 256;
/// The most votes that are shown.
const VOTES: usize = 5;
/// From this cosine on one picture may be believed alone: it is nearly the same.
const NEARLY_SAME: f32 = 0.9;
/// What the furthest picture weighs; the others weigh their lead on it besides.
const LEAST_WEIGHT: f32 = 0.02;

/// A best guess, with the votes that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Guess {
    /// The guess: the words of the first vote.
    pub(crate) words: String,
    /// What was said most, the weightiest first; at most 5.
    pub(crate) votes: Vec<Vote>,
}

/// Words that several of the nearest pictures are called by, or one that is nearly the same picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Vote {
    /// The words, as the nearest of these pictures has them.
    pub(crate) words: String,
    /// The share of these pictures in the weight of all, 0 to 1.
    pub(crate) weight: f32,
    /// How many pictures are called so.
    pub(crate) pictures: u32,
}

/// What is known of one phrase.
#[derive(Debug)]
struct Tally {
    phrase: Phrase,
    /// A bit for each picture that says it, the nearest lowest.
    pictures: u32,
    weight: f32,
    /// How many phrases were said before it.
    order: usize,
}

/// A guess from the captions of each near picture, the most said first, with the picture's cosine, the nearest
/// first; at most 8 captions of 32 pictures are read. `None` where no two pictures agree and none is nearly the
/// same (a cosine of 0.9). Of such a one the first caption that is short counts, said by nobody else or not.
pub(crate) fn guess(captions: &[(&[String], f32)]) -> Option<Guess> {
    let near = &captions[..captions.len().min(PICTURES)];
    let furthest = near.iter().map(|(_, cosine)| *cosine).fold(1.0, f32::min);
    let mut all = 0.0;
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    let mut alone = HashSet::new();
    for (number, (captions, cosine)) in near.iter().enumerate() {
        let weight = LEAST_WEIGHT + (cosine - furthest).max(0.0);
        // Those that say nothing count too: silence is no agreement.
        all += weight;
        let (wholes, phrases) = said(captions);
        if *cosine >= NEARLY_SAME && wholes > 0 {
            alone.insert(phrases[0].key.clone());
        }
        for phrase in phrases {
            let order = tallies.len();
            let tally = tallies.entry(phrase.key.clone()).or_insert(Tally {
                phrase,
                pictures: 0,
                weight: 0.0,
                order,
            });
            if tally.pictures & 1 << number == 0 {
                tally.pictures |= 1 << number;
                tally.weight += weight;
            }
        }
    }
    let believed = |tally: &Tally| {
        tally.pictures.count_ones() > 1 || alone.contains(tally.phrase.key.as_str())
    };
    let votes: Vec<Vote> = chosen(tallies.into_values().filter(believed).collect())
        .into_iter()
        .map(|tally| Vote {
            words: tally.phrase.shown,
            weight: (tally.weight / all).clamp(0.0, 1.0),
            pictures: tally.pictures.count_ones(),
        })
        .collect();
    Some(Guess {
        words: votes.first()?.words.clone(),
        votes,
    })
}

/// The phrases of a picture, those that are whole captions first, and how many of these there are.
fn said(captions: &[String]) -> (usize, Vec<Phrase>) {
    let (mut said, mut parts) = (Vec::new(), Vec::new());
    for caption in captions.iter().take(CAPTIONS) {
        let phrases = phrases(caption, PHRASES.saturating_sub(parts.len()));
        said.extend(phrases.whole);
        parts.extend(phrases.parts);
    }
    let wholes = said.len();
    said.append(&mut parts);
    said.truncate(PHRASES);
    (wholes, said)
}

/// The votes to show, the weightiest first; of those that the same pictures say, the longest. A part of a vote
/// is shown where further pictures say it.
fn chosen(mut tallies: Vec<Tally>) -> Vec<Tally> {
    tallies.sort_unstable_by(|a, b| {
        let rank = |tally: &Tally| (Reverse(tally.phrase.length), tally.order);
        b.weight
            .total_cmp(&a.weight)
            .then_with(|| rank(a).cmp(&rank(b)))
    });
    let mut chosen: Vec<Tally> = Vec::with_capacity(VOTES);
    for tally in tallies {
        let is_told = chosen.iter().any(|longer| {
            tally.pictures & !longer.pictures == 0 && is_part(&tally.phrase.key, &longer.phrase.key)
        });
        if !is_told {
            chosen.push(tally);
        }
        if chosen.len() == VOTES {
            break;
        }
    }
    chosen
}

/// Whether a phrase is within another: whole words of it, or characters of a script without spaces.
fn is_part(part: &str, of: &str) -> bool {
    if part.chars().any(words::is_unspaced) {
        return of.contains(part);
    }
    format!(" {of} ").contains(&format!(" {part} "))
}

#[cfg(test)]
mod tests;
