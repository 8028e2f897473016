//! Words: captions of stamps that are there, and words for what is not.

use super::rates::{Foreign, HEAD, Known, Rates, choose, separation, steps};
use super::{Towers, chooses, cosine, say};
use crate::search::stamps::{Stamp, large};
use crate::search::vectors::captions::LANGUAGES;
use crate::search::vectors::sources::handbook_folder;

/// Language, kind and words, by tabs.
const OUTSIDE: &str = include_str!("../outside.txt");
/// Icons of the handbook are no pictures.
const SIDE: u32 = 100;
/// What the service considers of an answer's list.
const CANDIDATES: usize = 1_000;
const FOUND: usize = 10;

/// What may tell an answer from none.
#[derive(Debug, Clone, Copy)]
enum Evidence {
    Cosine,
    /// Above the mean of the candidates.
    Margin,
    /// The same in their standard deviations.
    Deviations,
}

/// A query's cosines with every picture; of a known one, its own picture.
struct Scored {
    cosines: Vec<f32>,
    own: Option<usize>,
    /// Of [`LANGUAGES`], or of `OUTSIDE`.
    language: String,
    kind: String,
    chooses: bool,
}

pub(super) fn run(model: &mut Towers) -> anyhow::Result<()> {
    let stamps = Stamp::all()?;
    let mut indexed = model.pictures(stamps.iter().map(Stamp::square))?;
    let handbook = large(&handbook_folder()?, SIDE)?;
    let screens = handbook.len();
    indexed.extend(model.pictures(handbook.into_iter().map(|(_, pixels)| Ok(pixels)))?);

    let mut known = Vec::new();
    let mut texts = Vec::new();
    for (own, stamp) in stamps.iter().enumerate() {
        for (language, caption) in LANGUAGES.iter().zip(&stamp.captions) {
            if let Some(caption) = caption {
                texts.push(caption.clone());
                // All captions of a stamp are in one half.
                known.push((
                    Some(own),
                    (*language).to_owned(),
                    String::new(),
                    chooses(&stamp.name),
                ));
            }
        }
    }
    let mut foreign = Vec::new();
    for line in OUTSIDE.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split('\t');
        let mut next = || parts.next().expect("a line has three parts").to_owned();
        let (language, kind, words) = (next(), next(), next());
        foreign.push((None, language, kind, chooses(&words)));
        texts.push(words);
    }
    let vectors = model.words(&texts)?;
    say(&format!(
        "## Words\n\n{} stamps and {screens} pictures of the handbook; {} captions in {} languages, {} foreign queries\n",
        stamps.len(),
        known.len(),
        LANGUAGES.len(),
        foreign.len()
    ));
    let scored: Vec<Scored> = known
        .into_iter()
        .chain(foreign)
        .zip(&vectors)
        .map(|((own, language, kind, chooses), vector)| Scored {
            cosines: indexed.iter().map(|one| cosine(vector, one)).collect(),
            own,
            language,
            kind,
            chooses,
        })
        .collect();
    compare(&scored, stamps.len());
    let (known, foreign) = evidence(&scored, indexed.len(), Evidence::Cosine);
    let (chosen, judged) = choose(&known, &foreign, &steps(0.0, 0.8, 80));
    say(&format!("\nAll queries, by the cosine:\n\n{HEAD}"));
    for step in steps(0.2, 0.5, 15) {
        say(&Rates::at(step, &known, &foreign).row());
    }
    say(&format!(
        "\nChosen on one half: {chosen:.2}; on the other half:\n\n{HEAD}\n{}",
        judged.row()
    ));
    by_part(&scored, indexed.len(), chosen);
    Ok(())
}

/// Which evidence separates, in an index of one kind of pictures and in a mixed one.
fn compare(scored: &[Scored], stamps: usize) {
    say(
        "| evidence | pictures | separation | chosen | false accepts | false rejects | nothing found |\n|---|---|---|---|---|---|---|",
    );
    let all = scored[0].cosines.len();
    for (name, evidence_of, highest) in [
        ("cosine", Evidence::Cosine, 1.0),
        ("above the candidates' mean", Evidence::Margin, 1.0),
        ("the same, in deviations", Evidence::Deviations, 10.0),
    ] {
        for pictures in [stamps, all] {
            let (known, foreign) = evidence(scored, pictures, evidence_of);
            let (chosen, judged) = choose(&known, &foreign, &steps(0.0, highest, 100));
            say(&format!(
                "| {name} | {pictures} | {:.3} | {chosen:.2} | {:.3} | {:.3} | {:.3} |",
                separation(&known, &foreign),
                judged.accepts,
                judged.rejects,
                judged.empty
            ));
        }
    }
}

/// Of an index of the first so many pictures.
fn evidence(scored: &[Scored], pictures: usize, what: Evidence) -> (Vec<Known>, Vec<Foreign>) {
    let (mut known, mut foreign) = (Vec::new(), Vec::new());
    for query in scored {
        let cosines = &query.cosines[..pictures];
        let mut sorted = cosines.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let nearest = sorted[0];
        sorted.truncate(CANDIDATES);
        let count = sorted.len() as f32;
        let mean = sorted.iter().sum::<f32>() / count;
        let square = sorted.iter().map(|one| (one - mean).powi(2)).sum::<f32>() / count;
        let of = |cosine: f32| match what {
            Evidence::Cosine => cosine,
            Evidence::Margin => cosine - mean,
            Evidence::Deviations => (cosine - mean) / square.sqrt(),
        };
        match query.own {
            Some(own) => {
                let before = cosines.iter().filter(|one| **one > cosines[own]).count();
                known.push(Known {
                    own: of(cosines[own]),
                    nearest: of(nearest),
                    found: before < FOUND,
                    chooses: query.chooses,
                });
            }
            None => foreign.push(Foreign {
                nearest: of(nearest),
                chooses: query.chooses,
            }),
        }
    }
    (known, foreign)
}

/// At the chosen threshold: each language, and each kind of foreign query.
fn by_part(scored: &[Scored], pictures: usize, chosen: f32) {
    let (known, foreign) = evidence(scored, pictures, Evidence::Cosine);
    let all: Vec<&Scored> = scored.iter().collect();
    let (own, others) = all.split_at(known.len());
    say(&format!(
        "\nAt {chosen:.2}, all queries:\n\n| language | false accepts | false rejects |\n|---|---|---|"
    ));
    for language in LANGUAGES {
        let some: Vec<Known> = of_part(own, &known, |one| one.language == language);
        // `zh_CN` in one list is `zh` in the other.
        let strangers: Vec<Foreign> =
            of_part(others, &foreign, |one| one.language == language[..2]);
        let rates = Rates::at(chosen, &some, &strangers);
        say(&format!(
            "| {language} | {:.3} | {:.3} |",
            rates.accepts, rates.rejects
        ));
    }
    say("\n| foreign queries | count | false accepts |\n|---|---|---|");
    for kind in [
        "abstract", "name", "office", "place", "object", "talk", "noise",
    ] {
        let some: Vec<Foreign> = of_part(others, &foreign, |one| one.kind == kind);
        let rates = Rates::at(chosen, &[], &some);
        say(&format!(
            "| {kind} | {} | {:.3} |",
            some.len(),
            rates.accepts
        ));
    }
}

fn of_part<T: Copy>(scored: &[&Scored], values: &[T], belongs: impl Fn(&Scored) -> bool) -> Vec<T> {
    let both = scored.iter().zip(values);
    both.filter(|(one, _)| belongs(one))
        .map(|(_, value)| *value)
        .collect()
}
