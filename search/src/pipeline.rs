//! The way of one search: what is asked → candidates → order, groups and counts → a page of hits with their pages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OnceCell;
use tusou_contract::ImageId;

use crate::access::deadline::Deadline;
use crate::answer::{Answer, Considered, Copy, Hit, Sighting, thumbnail_path};
use crate::app::App;
use crate::candidates::cursor::{self, Cursor, CursorError};
use crate::candidates::facets::{self, Facets};
use crate::candidates::group::{Group, group};
use crate::candidates::kept::Weigh;
use crate::candidates::{Candidate, MOST};
use crate::config::{CAPTIONS_OF_HIT, COPIES_OF_HIT, PAGES_OF_HIT, PICTURES_OF_GUESS};
use crate::error::SearchError;
use crate::find::{Found, find};
use crate::guess::{self, Guess};
use crate::metrics::{Step, timed};
use crate::query::{Ask, Mode, Subject};
use crate::requests::{self, Shown};
use crate::rows;

/// What a search came to: every page of it is a part of this.
#[derive(Debug)]
pub(crate) struct Ranked {
    mode: Mode,
    /// In the order that was asked for.
    groups: Vec<Group>,
    considered: Considered,
    /// Counted when somebody first wants them.
    facets: OnceCell<Facets>,
    /// The nearest pictures to a picture that was asked with, which tell what it shows.
    nearest: Vec<(ImageId, f32)>,
    /// What it shows, where that was needed to find more.
    guess: Option<Guess>,
}

impl Weigh for Ranked {
    fn weight(&self) -> usize {
        let groups = self.groups.len() * size_of::<Group>();
        let others: usize = self.groups.iter().map(|group| group.others.len()).sum();
        groups + others * size_of::<Candidate>() + size_of_val(&*self.nearest)
    }
}

impl Ranked {
    fn new(ask: &Ask, subject: &Subject, found: Found) -> Self {
        let by_picture = subject.picture.is_some() && subject.words.is_none();
        let nearest = if by_picture && found.guess.is_none() {
            near(&found.candidates)
        } else {
            Vec::new()
        };
        let count = found.candidates.len();
        let mut groups = if ask.group {
            group(found.candidates)
        } else {
            let alone = |best| Group {
                best,
                others: Vec::new(),
            };
            found.candidates.into_iter().map(alone).collect()
        };
        ask.sort.apply(&mut groups, |group| &group.best);
        Self {
            mode: ask.mode,
            considered: Considered {
                limit: MOST,
                found: count,
                hits: groups.len(),
                below: found.below,
                cut_off: found.cut_off,
            },
            facets: OnceCell::new(),
            groups,
            nearest,
            guess: found.guess,
        }
    }

    async fn facets(&self, app: &App) -> Result<&Facets, SearchError> {
        let count = async || {
            let members = self.groups.iter().flat_map(Group::members);
            let ids: Vec<ImageId> = members.map(|member| member.image_id).collect();
            Ok(facets::count(&requests::traits(app, &ids).await?))
        };
        self.facets.get_or_try_init(count).await
    }
}

/// Answers a search with a page of its hits, the best first.
pub(crate) async fn search(app: &App, ask: &Ask) -> Result<Answer, SearchError> {
    let started = Instant::now();
    app.database()?;
    let (ranked, mut cursor) = ranked(app, ask).await?;
    let from = usize::from(cursor.place);
    let until = ranked.groups.len().min(from + ask.k.get());
    let page = ranked.groups.get(from..until).unwrap_or_default();

    let images: Vec<ImageId> = page.iter().map(|group| group.best.image_id).collect();
    let nearest = if from == 0 { &*ranked.nearest } else { &[] };
    let mut wanted: HashSet<ImageId> = images.iter().copied().collect();
    wanted.extend(page.iter().flat_map(copies).map(|copy| copy.image_id));
    wanted.extend(nearest.iter().map(|(id, _)| *id));
    let wanted: Vec<ImageId> = wanted.into_iter().collect();
    let facets = async {
        match ask.facets {
            true => ranked.facets(app).await.map(Some),
            false => Ok(None),
        }
    };
    let (mut documents, mut pages, facets) = tokio::try_join!(
        requests::shown(app, &wanted),
        pages(app, &images, PAGES_OF_HIT),
        facets
    )?;
    let best_guess = match &ranked.guess {
        Some(guess) if from == 0 => Some(guess.clone()),
        _ => guess_of(nearest, &documents),
    };
    // A document that went meanwhile is no hit any more.
    let hits = page
        .iter()
        .filter_map(|group| {
            let shown = documents.remove(&group.best.image_id)?;
            let copies = copies(group).filter_map(|copy| documents.get(&copy.image_id));
            Some(hit(
                group,
                shown,
                copies.map(Copy::of).collect(),
                &mut pages,
            ))
        })
        .collect();
    cursor.place = u16::try_from(until).expect("there are at most a thousand groups");
    Ok(Answer {
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        mode: ranked.mode.name(),
        hits,
        considered: ranked.considered,
        facets: facets.cloned(),
        best_guess,
        next: (until < ranked.groups.len()).then(|| cursor.encode()),
    })
}

/// What a search came to, and where in it the page begins. For a further page it is kept, or found again and must be
/// the same.
async fn ranked(app: &App, ask: &Ask) -> Result<(Arc<Ranked>, Cursor), SearchError> {
    let fingerprint = match (&ask.subject, ask.cursor) {
        (None, Some(cursor)) => cursor.fingerprint,
        _ => ask.fingerprint(),
    };
    if let Some(cursor) = ask.cursor {
        cursor.belongs_to(fingerprint)?;
        if let Some(kept) = app.kept.get(fingerprint, cursor.digest).await {
            return Ok((kept, cursor));
        }
    }
    let Some(subject) = &ask.subject else {
        return Err(CursorError::Stale.into());
    };
    let found = find(app, ask, subject).await?;
    let digest = cursor::digest(&found.candidates);
    if let Some(cursor) = ask.cursor {
        cursor.agrees_with(digest)?;
    }
    let ranked = Arc::new(Ranked::new(ask, subject, found));
    app.kept
        .insert(fingerprint, digest, Arc::clone(&ranked))
        .await;
    let is_there = usize::from(ask.from) < ranked.groups.len();
    let first = Cursor {
        fingerprint,
        digest,
        place: if is_there { ask.from } else { 0 },
    };
    Ok((ranked, ask.cursor.unwrap_or(first)))
}

fn near(candidates: &[Candidate]) -> Vec<(ImageId, f32)> {
    candidates
        .iter()
        .filter_map(|candidate| Some((candidate.image_id, candidate.cosine?)))
        .take(PICTURES_OF_GUESS)
        .collect()
}

/// What the nearest of these show, in the words of their captions.
pub(crate) async fn guess(app: &App, nearest: &[Candidate]) -> Result<Option<Guess>, SearchError> {
    let near = near(nearest);
    let ids: Vec<ImageId> = near.iter().map(|(id, _)| *id).collect();
    Ok(guess_of(&near, &requests::shown(app, &ids).await?))
}

fn guess_of(near: &[(ImageId, f32)], shown: &HashMap<ImageId, Shown>) -> Option<Guess> {
    let captions: Vec<(&[String], f32)> = near
        .iter()
        .filter_map(|(id, cosine)| Some((shown.get(id)?.captions.as_slice(), *cosine)))
        .collect();
    guess::guess(&captions)
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

/// The copies that are shown with a hit.
fn copies(group: &Group) -> impl Iterator<Item = &Candidate> {
    group.others.iter().take(COPIES_OF_HIT)
}

fn hit(
    group: &Group,
    mut shown: Shown,
    copies: Vec<Copy>,
    pages: &mut HashMap<ImageId, Vec<Sighting>>,
) -> Hit {
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
        copies,
        copies_total: group.others.len(),
    }
}

impl Copy {
    fn of(shown: &Shown) -> Self {
        Self {
            image_id: shown.image_id,
            width: shown.width,
            height: shown.height,
            format: shown.format.clone(),
            thumbnail: thumbnail_path(&shown.image_id),
        }
    }
}

/// What is said of an id that the index does not hold.
pub(crate) fn not_indexed(id: &ImageId) -> SearchError {
    SearchError::NotFound(format!("no image {id} is indexed"))
}
