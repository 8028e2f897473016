//! The way of one search: what is asked → candidates → order, groups and counts → a page of hits with their pages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tusou_contract::ImageId;

use crate::access::deadline::Deadline;
use crate::answer::{Answer, Considered, Copy, Hit, Sighting, thumbnail_path};
use crate::app::App;
use crate::candidates::cursor::{self, Cursor, CursorError};
use crate::candidates::group::{Group, group};
use crate::candidates::{Candidate, MOST, facets};
use crate::config::{CAPTIONS_OF_HIT, COPIES_OF_HIT, PAGES_OF_HIT, PICTURES_OF_GUESS};
use crate::error::SearchError;
use crate::find::{Found, find};
use crate::guess::{self, Guess};
use crate::metrics::{Step, timed};
use crate::query::Ask;
use crate::requests::{self, Shown};
use crate::rows;

/// Answers a search with a page of its hits, the best first.
pub(crate) async fn search(app: &App, ask: &Ask) -> Result<Answer, SearchError> {
    let started = Instant::now();
    app.database()?;
    let list = list(app, ask).await?;
    let found = &list.found;
    let facets = ask.facets.then(|| facets::count(&found.candidates));
    let groups = in_order(found);
    let until = groups.len().min(list.from + ask.k.get());
    let page = groups.get(list.from..until).unwrap_or_default();

    let images: Vec<ImageId> = page.iter().map(|group| group.best.image_id).collect();
    let guessed_of = guessed_of(ask, &list);
    let mut wanted = images.clone();
    let others = guessed_of.iter().map(|(id, _)| *id);
    wanted.extend(others.filter(|id| !images.contains(id)));
    let documents = shown(app, &wanted);
    let (documents, pages) = tokio::join!(documents, pages(app, &images, PAGES_OF_HIT));
    let (mut documents, mut pages) = (documents?, pages?);
    let best_guess = match &found.guess {
        Some(guess) if list.from == 0 => Some(guess.clone()),
        _ => guess_of(&guessed_of, &documents),
    };
    // A document that went meanwhile is no hit any more.
    let hits = page
        .iter()
        .filter_map(|group| {
            Some(hit(
                group,
                documents.remove(&group.best.image_id)?,
                &mut pages,
            ))
        })
        .collect();
    let cursor = |place| {
        let cursor = Cursor {
            fingerprint: list.fingerprint,
            digest: list.digest,
            place,
        };
        cursor.encode()
    };
    let next = u16::try_from(until).expect("there are at most a thousand groups");
    Ok(Answer {
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        mode: found.mode.name(),
        hits,
        considered: Considered {
            limit: MOST,
            found: found.candidates.len(),
            hits: groups.len(),
            below: found.below,
            cut_off: found.cut_off,
        },
        facets,
        best_guess,
        next: (until < groups.len()).then(|| cursor(next)),
    })
}

/// What a search found, the best first, and where in it the page begins.
struct List {
    fingerprint: u64,
    digest: u64,
    found: Arc<Found>,
    from: usize,
}

/// Finds what is asked for; for a further page what was found is kept, or found again and must be the same.
async fn list(app: &App, ask: &Ask) -> Result<List, SearchError> {
    let fingerprint = match (&ask.subject, ask.cursor) {
        (None, Some(cursor)) => cursor.fingerprint,
        _ => ask.fingerprint(),
    };
    let mut from = 0;
    if let Some(cursor) = ask.cursor {
        cursor.belongs_to(fingerprint)?;
        from = usize::from(cursor.place);
        if let Some(found) = app.kept.get(fingerprint, cursor.digest).await {
            return Ok(List {
                fingerprint,
                digest: cursor.digest,
                found,
                from,
            });
        }
    }
    let Some(subject) = &ask.subject else {
        return Err(CursorError::Stale.into());
    };
    let found = Arc::new(find(app, ask, subject).await?);
    let digest = cursor::digest(&found.candidates);
    if let Some(cursor) = ask.cursor {
        cursor.agrees_with(digest)?;
    }
    app.kept
        .insert(fingerprint, digest, Arc::clone(&found))
        .await;
    Ok(List {
        fingerprint,
        digest,
        found,
        from,
    })
}

/// In groups, where they are wanted, and in the order that is asked for.
fn in_order(found: &Found) -> Vec<Group> {
    let candidates = found.candidates.clone();
    let mut groups = if found.group {
        group(candidates)
    } else {
        let alone = |best| Group {
            best,
            others: Vec::new(),
        };
        candidates.into_iter().map(alone).collect()
    };
    found.sort.apply(&mut groups, |group| &group.best);
    groups
}

/// The pictures whose captions a guess is made of: the nearest ones to a picture, for its first page.
fn guessed_of(ask: &Ask, list: &List) -> Vec<(ImageId, f32)> {
    let subject = ask.subject.as_ref();
    let by_picture =
        subject.is_some_and(|subject| subject.picture.is_some() && subject.words.is_none());
    if by_picture && list.from == 0 && list.found.guess.is_none() {
        near(list.found.candidates.iter())
    } else {
        Vec::new()
    }
}

fn near<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<(ImageId, f32)> {
    candidates
        .filter_map(|candidate| Some((candidate.image_id, candidate.cosine?)))
        .take(PICTURES_OF_GUESS)
        .collect()
}

/// What the nearest of these show, in the words of their captions.
pub(crate) async fn guess(app: &App, nearest: &[Candidate]) -> Result<Option<Guess>, SearchError> {
    let near = near(nearest.iter());
    let ids: Vec<ImageId> = near.iter().map(|(id, _)| *id).collect();
    Ok(guess_of(&near, &shown(app, &ids).await?))
}

fn guess_of(near: &[(ImageId, f32)], shown: &HashMap<ImageId, Shown>) -> Option<Guess> {
    let captions: Vec<(&[String], f32)> = near
        .iter()
        .filter_map(|(id, cosine)| Some((shown.get(id)?.captions.as_slice(), *cosine)))
        .collect();
    guess::guess(&captions)
}

async fn shown(app: &App, ids: &[ImageId]) -> Result<HashMap<ImageId, Shown>, SearchError> {
    let within = Deadline::current().left();
    let shown = requests::shown(&app.elastic, &app.settings.alias, ids, within);
    timed(Step::Documents, shown).await
}

/// The first pages of each image.
pub(crate) async fn pages(
    app: &App,
    images: &[ImageId],
    limit: i64,
) -> Result<HashMap<ImageId, Vec<Sighting>>, SearchError> {
    if images.is_empty() {
        return Ok(HashMap::new());
    }
    let read = rows::sightings(app.database()?, images, limit);
    let left = Deadline::current().left();
    timed(Step::Rows, tokio::time::timeout(left, read))
        .await
        .map_err(|late| SearchError::Away {
            what: "the database",
            cause: late.into(),
        })?
}

fn hit(group: &Group, mut shown: Shown, pages: &mut HashMap<ImageId, Vec<Sighting>>) -> Hit {
    shown.captions.truncate(CAPTIONS_OF_HIT);
    Hit {
        score: group.best.cosine,
        relevance: group.best.relevance,
        thumbnail: thumbnail_path(&shown.image_id),
        pages: pages.remove(&shown.image_id).unwrap_or_default(),
        image_id: shown.image_id,
        image_name: shown.image_name,
        width: shown.width,
        height: shown.height,
        format: shown.format,
        sightings: shown.sightings,
        captions: shown.captions,
        rights: shown.rights,
        copies: group.others.iter().take(COPIES_OF_HIT).map(copy).collect(),
        copies_total: group.others.len(),
    }
}

fn copy(candidate: &Candidate) -> Copy {
    Copy {
        image_id: candidate.image_id,
        width: candidate.width,
        height: candidate.height,
        format: candidate.format.to_string(),
        thumbnail: thumbnail_path(&candidate.image_id),
    }
}

/// What is said of an id that the index does not hold.
pub(crate) fn not_indexed(id: &ImageId) -> SearchError {
    SearchError::NotFound(format!("no image {id} is indexed"))
}
