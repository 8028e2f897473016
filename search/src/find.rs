//! What is found: the candidates of each way to ask, cut where they are no answer any more, fused to one list.

use std::collections::HashSet;

use serde_json::Value;
use tusou_contract::ImageId;
use tusou_contract::document::{phash_bands, phash_bits};
use tusou_contract::mapping::{IMAGE_EMBEDDING, since};
use tusou_contract::pack::COPY_EMBEDDING;
use tusou_model::{PictureInput, RgbImage, phash};

use crate::access::deadline::arrived;
use crate::app::App;
use crate::candidates::fuse::{List, fuse};
use crate::candidates::{Candidate, MOST};
use crate::error::SearchError;
use crate::guess::Guess;
use crate::index::Target;
use crate::models::{Loaded, Models};
use crate::query::{Ask, Mode, Picture, Subject};
use crate::requests::{self, Candidates};
use crate::upload::Prepared;
use crate::{pipeline, same};

/// An alias that moves during a search is followed so often; nobody moves it faster.
const SEARCHES: usize = 4;

/// Of what a picture is guessed to show, this much weighs beside the picture itself.
const GUESS_WEIGHT: f32 = 0.5;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The best first; at most [`MOST`].
    pub(crate) candidates: Vec<Candidate>,
    /// The least cosine of an answer, where one is known.
    pub(crate) cut_off: Option<f32>,
    /// How many pictures were looked at and are no answers.
    pub(crate) below: usize,
    /// What a picture shows, in the words of the captions of its like, where that was needed to find more.
    pub(crate) guess: Option<Guess>,
}

/// Why one try came to nothing.
enum Stop {
    /// The alias pointed at another index meanwhile.
    Moved,
    Failed(SearchError),
}

impl From<SearchError> for Stop {
    fn from(error: SearchError) -> Self {
        Self::Failed(error)
    }
}

/// Finds what is asked for, in an index of one of the service's own models. The alias may move between a look at
/// its mapping and the search: then it is looked at again, and searched once more, with the model of the index
/// that it points at now.
pub(crate) async fn find(app: &App, ask: &Ask, subject: &Subject) -> Result<Found, SearchError> {
    let models = app.models()?;
    let mut target = app.index.target()?;
    let picture = fetched(app, subject).await?;
    arrived()?;
    for _ in 0..SEARCHES {
        let search = Search {
            app,
            models,
            target: &target,
            ask,
            filters: ask.filters.clauses(models.are_scored),
        };
        match search.run(subject, picture.as_ref()).await {
            Ok(found) => return Ok(found),
            Err(Stop::Moved) => target = app.index.look(models.identities()).await?,
            Err(Stop::Failed(error @ SearchError::Away { .. })) => {
                app.index.look_soon();
                return Err(error);
            }
            // An index of another dimension refuses the vector: it may have come between.
            Err(Stop::Failed(error @ SearchError::Internal(_))) => {
                match app.index.look(models.identities()).await {
                    Ok(now) if now != target => target = now,
                    _ => return Err(error),
                }
            }
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    Err(SearchError::IndexNotReady(
        "the index is being replaced; try again in a moment".into(),
    ))
}

/// The picture that is asked with, with its bytes where it has an address.
async fn fetched(app: &App, subject: &Subject) -> Result<Option<Picture>, SearchError> {
    match &subject.picture {
        Some(Picture::Url(url)) => {
            let upload = app.fetcher.fetch(&app.uploads, url).await?;
            Ok(Some(Picture::Upload(upload)))
        }
        other => Ok(other.clone()),
    }
}

/// A picture as it is asked with.
#[derive(Debug, Default)]
struct Seen {
    itself: Option<ImageId>,
    /// Of the field that the mode asks.
    vector: Option<Vec<f32>>,
    phash: Option<String>,
    /// As small as a thumbnail; of a picture of the index its thumbnail tells.
    small: Option<RgbImage>,
}

/// One try, on the index that the alias is thought to point at.
struct Search<'a> {
    app: &'a App,
    models: &'a Models,
    target: &'a Target,
    ask: &'a Ask,
    filters: Vec<Value>,
}

/// Lists that become one, and what was left out of them.
#[derive(Debug, Default)]
struct Lists {
    lists: Vec<List>,
    below: usize,
    cut_off: Option<f32>,
}

impl Search<'_> {
    async fn run(&self, subject: &Subject, picture: Option<&Picture>) -> Result<Found, Stop> {
        if self.ask.filters.need_shape() && self.target.mapping_version < since("pixels") {
            return Err(Stop::Failed(SearchError::IndexNotReady(
                "this index does not know sizes and shapes yet; search without `size` and `shape`, or have its \
                 operator build a new one (`tusou index create`)"
                    .into(),
            )));
        }
        let seen = match picture {
            Some(picture) => Some(self.see(picture).await?),
            None => None,
        };
        if self.ask.mode == Mode::Same
            && let Some(seen) = seen
        {
            return self.copies(seen).await;
        }
        let mut lists = Lists::default();
        let mut guess = None;
        let (of_words, of_picture) = match (&subject.words, &seen) {
            (Some(_), Some(_)) => (subject.weight, 1.0 - subject.weight),
            _ => (1.0, 1.0),
        };
        if let Some(words) = &subject.words
            && of_words > 0.0
        {
            self.ask_words(words.as_str(), of_words, &mut lists).await?;
        }
        if let Some(seen) = &seen
            && of_picture > 0.0
        {
            let vector = seen.vector.as_deref().unwrap_or_default();
            let near = self.by_vector(IMAGE_EMBEDDING, vector).await?;
            let near = without(near, seen.itself);
            if self.ask.mode == Mode::Means && subject.words.is_none() {
                guess = pipeline::guess(self.app, &near).await?;
            }
            self.add(near, self.picture_cut_off(), of_picture, &mut lists);
        }
        // What a picture shows is looked for by words too, where its like are spoken of.
        if let Some(guess) = &guess {
            self.ask_words(&guess.words, GUESS_WEIGHT, &mut lists)
                .await?;
        }
        let candidates = fuse(lists.lists, MOST);
        Ok(Found {
            candidates: without(candidates, seen.and_then(|seen| seen.itself)),
            cut_off: lists.cut_off,
            below: lists.below,
            guess,
        })
    }

    /// The picture's vector and hash: made, or read from the index.
    async fn see(&self, picture: &Picture) -> Result<Seen, SearchError> {
        let upload = match picture {
            Picture::Upload(upload) => upload.clone(),
            Picture::Url(_) => unreachable!("a picture with an address was fetched"),
            Picture::Like(id) => return self.read(id).await,
        };
        let same = self.ask.mode == Mode::Same;
        let copies = self.target.copies.as_deref().filter(|_| same);
        let copies = copies.and_then(|digest| self.models.of(digest));
        // Decoded for both: a hash of fewer pixels is another one than the encoder made.
        let mut models = vec![self.model()];
        models.extend(copies);
        let inputs: Vec<&PictureInput> = models.iter().map(|model| model.input()).collect();
        let prepared = self.app.uploads.prepare(upload, &inputs, same).await?;
        let Prepared { mut crops, small } = prepared;
        let crop = crops.pop().expect("there is a crop for each model");
        let (small, phash) = small.unzip();
        Ok(Seen {
            itself: None,
            vector: match (same, copies) {
                // Copies are told by their own model, or by the hash alone.
                (true, None) => None,
                (true, Some(copies)) => Some(copies.image(crop).await?),
                (false, _) => Some(self.model().image(crop).await?),
            },
            phash,
            small,
        })
    }

    async fn read(&self, id: &ImageId) -> Result<Seen, SearchError> {
        let field = match self.ask.mode {
            Mode::Same => COPY_EMBEDDING,
            Mode::Looks | Mode::Means => IMAGE_EMBEDDING,
        };
        let asked = requests::asked(self.app, field, id).await?;
        let asked = asked.ok_or_else(|| pipeline::not_indexed(id))?;
        Ok(Seen {
            itself: Some(*id),
            vector: asked.vector,
            phash: asked.phash,
            small: None,
        })
    }

    /// Copies of a picture, by their own model and by their hashes. A list of each, and a rule on both.
    async fn copies(&self, seen: Seen) -> Result<Found, Stop> {
        let mut found = Vec::new();
        if let Some(vector) = &seen.vector
            && self.target.copies.is_some()
        {
            let near = self.by_vector(COPY_EMBEDDING, vector).await?;
            found = without(near, seen.itself);
        }
        let hash = seen.phash.as_deref().and_then(phash_bits);
        if let Some(hash) = hash
            && self.target.mapping_version >= since("phash_bands")
        {
            let bands =
                [hash, phash::mirrored(hash)].map(|hash| phash_bands(&format!("{hash:016x}")));
            let alike = requests::by_hash(self.app, &bands.concat(), &self.filters).await?;
            let alike = without(self.of_target(alike)?, seen.itself);
            let known: HashSet<ImageId> =
                found.iter().map(|candidate| candidate.image_id).collect();
            found.extend(
                alike
                    .into_iter()
                    .filter(|candidate| !known.contains(&candidate.image_id)),
            );
        }
        let looked_at = found.len();
        let asked = same::Asked {
            hash,
            itself: seen.itself,
            small: seen.small,
        };
        let mut candidates = same::copies(self.app, found, asked, self.ask.all).await?;
        candidates.truncate(MOST);
        Ok(Found {
            below: looked_at - candidates.len(),
            cut_off: (!self.ask.all).then_some(same::LEAST_COSINE),
            candidates,
            guess: None,
        })
    }

    /// Adds what the words find: by their vector, and where meaning counts by captions.
    async fn ask_words(&self, words: &str, weight: f32, lists: &mut Lists) -> Result<(), Stop> {
        let model = self.model();
        let means = self.ask.mode == Mode::Means;
        // A model without words still has captions beside it.
        if model.has_words() || !means {
            let vector = model.words(words).await?;
            let near = self.by_vector(IMAGE_EMBEDDING, &vector).await?;
            self.add(near, self.words_cut_off(), weight, lists);
        }
        if means {
            let said = requests::by_captions(self.app, words, &self.filters).await?;
            let candidates = self.of_target(said)?;
            if !candidates.is_empty() {
                lists.lists.push(List { weight, candidates });
            }
        }
        Ok(())
    }

    async fn by_vector(&self, field: &str, vector: &[f32]) -> Result<Vec<Candidate>, Stop> {
        let near = requests::by_vector(self.app, field, vector, &self.filters).await?;
        self.of_target(near)
    }

    /// The candidates, where they are of the very indexes that were looked at.
    fn of_target(&self, candidates: Candidates) -> Result<Vec<Candidate>, Stop> {
        if self.target.holds(&candidates.indexes) {
            Ok(candidates.list)
        } else {
            Err(Stop::Moved)
        }
    }

    /// Adds a list as far as it is an answer.
    fn add(&self, mut near: Vec<Candidate>, cut_off: Option<f32>, weight: f32, lists: &mut Lists) {
        if let Some(least) = cut_off.filter(|_| !self.ask.all) {
            let looked_at = near.len();
            near.retain(|candidate| candidate.cosine.is_none_or(|cosine| cosine >= least));
            lists.below += looked_at - near.len();
            lists.cut_off = lists.cut_off.or(Some(least));
        }
        lists.lists.push(List {
            weight,
            candidates: near,
        });
    }

    fn model(&self) -> &Loaded {
        self.models
            .of(&self.target.digest)
            .expect("an index of no loaded model is never a target")
    }

    fn words_cut_off(&self) -> Option<f32> {
        let own = self.model().relevance.words;
        self.app.settings.words_cut_off.or(own)
    }

    fn picture_cut_off(&self) -> Option<f32> {
        let own = self.model().relevance.picture;
        self.app.settings.picture_cut_off.or(own)
    }
}

/// A picture is nearest to itself, which nobody asks for.
fn without(mut candidates: Vec<Candidate>, itself: Option<ImageId>) -> Vec<Candidate> {
    candidates.retain(|candidate| Some(candidate.image_id) != itself);
    candidates
}
