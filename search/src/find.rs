//! What is found: the candidates of each way to ask, cut where they are no answer any more, fused to one list.

use serde_json::Value;
use tusou_contract::ImageId;
use tusou_contract::document::phash_bands;
use tusou_contract::mapping::IMAGE_EMBEDDING;
use tusou_contract::pack::COPY_EMBEDDING;
use tusou_model::{RgbImage, phash};

use crate::access::deadline::{Deadline, arrived};
use crate::app::App;
use crate::candidates::fuse::{List, fuse};
use crate::candidates::kept::Weigh;
use crate::candidates::sort::Sort;
use crate::candidates::{self, Candidate, MOST, weight};
use crate::error::SearchError;
use crate::guess::Guess;
use crate::index::Target;
use crate::metrics::{Step, timed};
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
    /// In which sense.
    pub(crate) mode: Mode,
    /// In which order, and whether near-duplicates stand under the best of them: of every page the same.
    pub(crate) sort: Sort,
    pub(crate) group: bool,
    /// What a picture shows, in the words of the captions of its like, where that was needed to find more.
    pub(crate) guess: Option<Guess>,
}

impl Weigh for Found {
    fn weight(&self) -> usize {
        weight(&self.candidates)
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
            Ok(Some(found)) => return Ok(found),
            Ok(None) => target = app.index.look(models.identities()).await?,
            Err(error @ SearchError::Away { .. }) => {
                app.index.look_soon();
                return Err(error);
            }
            // An index of another dimension refuses the vector: it may have come between.
            Err(error @ SearchError::Internal(_)) => {
                match app.index.look(models.identities()).await {
                    Ok(now) if now != target => target = now,
                    _ => return Err(error),
                }
            }
            Err(error) => return Err(error),
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
    vector: Vec<f32>,
    /// Of the model that tells copies, where there is one and copies are asked for.
    copies: Option<Vec<f32>>,
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
    /// `None` where the alias pointed at another index meanwhile.
    async fn run(
        &self,
        subject: &Subject,
        picture: Option<&Picture>,
    ) -> Result<Option<Found>, SearchError> {
        if self.ask.filters.need_shape() && self.target.mapping_version < 2 {
            return Err(SearchError::IndexNotReady(
                "this index does not know sizes and shapes yet; search without `size` and `shape`, or have its \
                 operator build a new one (`tusou index create`)"
                    .into(),
            ));
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
        let weight = match (&subject.words, &seen) {
            (Some(_), Some(_)) => subject.weight,
            _ => 1.0,
        };
        if let Some(words) = &subject.words
            && weight > 0.0
            && !self.ask_words(words.as_str(), weight, &mut lists).await?
        {
            return Ok(None);
        }
        let share = if subject.words.is_some() {
            1.0 - weight
        } else {
            1.0
        };
        if let Some(seen) = &seen
            && share > 0.0
        {
            let near = self.by_vector(IMAGE_EMBEDDING, &seen.vector).await?;
            if !self.target.holds(&near.indexes) {
                return Ok(None);
            }
            let near = without(near, seen.itself);
            if self.ask.mode == Mode::Means && subject.words.is_none() {
                guess = pipeline::guess(self.app, &near).await?;
            }
            self.add(near, self.picture_cut_off(), share, &mut lists);
        }
        // What a picture shows is looked for by words too, where its like are spoken of.
        if let Some(guess) = &guess
            && !self
                .ask_words(&guess.words, GUESS_WEIGHT, &mut lists)
                .await?
        {
            return Ok(None);
        }
        let mut candidates = fuse(lists.lists, MOST);
        if let Some(itself) = seen.and_then(|seen| seen.itself) {
            candidates.retain(|candidate| candidate.image_id != itself);
        }
        Ok(Some(Found {
            candidates,
            cut_off: lists.cut_off,
            below: lists.below,
            mode: self.ask.mode,
            sort: self.ask.sort,
            group: self.ask.group,
            guess,
        }))
    }

    /// The picture's vectors and hash: made, or read from the index.
    async fn see(&self, picture: &Picture) -> Result<Seen, SearchError> {
        let wants_copies = self.ask.mode == Mode::Same && self.target.copies.is_some();
        let upload = match picture {
            Picture::Upload(upload) => upload.clone(),
            Picture::Url(_) => unreachable!("a picture with an address was fetched"),
            Picture::Like(id) => return self.read(id, wants_copies).await,
        };
        let copies = self.target.copies.as_deref().filter(|_| wants_copies);
        let copies = copies.and_then(|digest| self.models.of(digest));
        let model = self.model();
        let mut inputs = vec![model.input()];
        inputs.extend(copies.map(Loaded::input));
        let prepared = self.app.uploads.prepare(upload, &inputs).await?;
        let Prepared {
            crops,
            phash,
            small,
        } = prepared;
        let mut crops = crops.into_iter();
        let mut next = || crops.next().expect("there is a crop for each model");
        let crop = next();
        let seen = Seen {
            itself: None,
            // Copies are told by their own model.
            vector: match copies {
                Some(_) => Vec::new(),
                None => model.image(crop).await?,
            },
            copies: match copies {
                Some(copies) => Some(copies.image(next()).await?),
                None => None,
            },
            phash: Some(phash),
            small: Some(small),
        };
        Ok(seen)
    }

    async fn read(&self, id: &ImageId, wants_copies: bool) -> Result<Seen, SearchError> {
        let fields: &[&str] = if wants_copies {
            &[IMAGE_EMBEDDING, COPY_EMBEDDING]
        } else {
            &[IMAGE_EMBEDDING]
        };
        let (elastic, alias) = (&self.app.elastic, &self.app.settings.alias);
        let within = Deadline::current().left();
        let asked = requests::asked(elastic, alias, fields, id, within).await?;
        let mut asked = asked.ok_or_else(|| pipeline::not_indexed(id))?;
        Ok(Seen {
            itself: Some(*id),
            vector: asked.vectors.remove(IMAGE_EMBEDDING).unwrap_or_default(),
            copies: asked.vectors.remove(COPY_EMBEDDING),
            phash: asked.phash,
            small: None,
        })
    }

    /// Copies of a picture, by their own model and by their hashes. A list of each, and a rule on both.
    async fn copies(&self, seen: Seen) -> Result<Option<Found>, SearchError> {
        let mut found = Vec::new();
        if let Some(vector) = &seen.copies {
            let near = self.by_vector(COPY_EMBEDDING, vector).await?;
            if !self.target.holds(&near.indexes) {
                return Ok(None);
            }
            found = without(near, seen.itself);
        }
        let hash = seen.phash.as_deref().and_then(candidates::phash);
        if let Some(hash) = hash
            && self.target.mapping_version >= 2
        {
            let mut bands = phash_bands(&format!("{hash:016x}"));
            bands.extend(phash_bands(&format!("{:016x}", phash::mirrored(hash))));
            let (elastic, alias) = (&self.app.elastic, &self.app.settings.alias);
            let within = Deadline::current().left();
            let alike = requests::by_hash(elastic, alias, &bands, &self.filters, within);
            let alike = timed(Step::Hash, alike).await?;
            if !self.target.holds(&alike.indexes) {
                return Ok(None);
            }
            let known: std::collections::HashSet<ImageId> =
                found.iter().map(|candidate| candidate.image_id).collect();
            let alike = without(alike, seen.itself).into_iter();
            found.extend(alike.filter(|candidate| !known.contains(&candidate.image_id)));
        }
        let looked_at = found.len();
        let asked = same::Asked {
            hash,
            itself: seen.itself,
            small: seen.small,
        };
        let mut candidates = same::copies(self.app, found, asked, self.ask.all).await?;
        candidates.truncate(MOST);
        Ok(Some(Found {
            below: looked_at - candidates.len(),
            cut_off: (!self.ask.all).then_some(same::LEAST_COSINE),
            candidates,
            mode: self.ask.mode,
            sort: self.ask.sort,
            group: self.ask.group,
            guess: None,
        }))
    }

    /// Adds what the words find: by their vector, and where meaning counts by captions. `false` where the alias
    /// pointed at another index meanwhile.
    async fn ask_words(
        &self,
        words: &str,
        weight: f32,
        lists: &mut Lists,
    ) -> Result<bool, SearchError> {
        let model = self.model();
        let means = self.ask.mode == Mode::Means;
        // A model without words still has captions beside it.
        if model.has_words() || !means {
            let vector = model.words(words).await?;
            let near = self.by_vector(IMAGE_EMBEDDING, &vector).await?;
            if !self.target.holds(&near.indexes) {
                return Ok(false);
            }
            self.add(near.list, self.words_cut_off(), weight, lists);
        }
        if means {
            let (elastic, alias) = (&self.app.elastic, &self.app.settings.alias);
            let within = Deadline::current().left();
            let said = requests::by_captions(elastic, alias, words, &self.filters, within);
            let said = timed(Step::Captions, said).await?;
            if !self.target.holds(&said.indexes) {
                return Ok(false);
            }
            if !said.list.is_empty() {
                lists.lists.push(List {
                    weight,
                    candidates: said.list,
                });
            }
        }
        Ok(true)
    }

    async fn by_vector(&self, field: &str, vector: &[f32]) -> Result<Candidates, SearchError> {
        let (elastic, alias) = (&self.app.elastic, &self.app.settings.alias);
        let within = Deadline::current().left();
        let near = requests::by_vector(elastic, alias, (field, vector), &self.filters, within);
        timed(Step::Knn, near).await
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
fn without(mut candidates: Candidates, itself: Option<ImageId>) -> Vec<Candidate> {
    candidates
        .list
        .retain(|candidate| Some(candidate.image_id) != itself);
    candidates.list
}
