//! The way of one search: query → vector → nearest documents → their pages → answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tusou_contract::ImageId;
use tusou_contract::mapping::IMAGE_EMBEDDING;

use crate::answer::{Answer, Hit, Sighting, thumbnail_path};
use crate::app::App;
use crate::config::{CAPTIONS_OF_HIT, PAGES_OF_HIT};
use crate::error::SearchError;
use crate::knn::{self, Found};
use crate::metrics::{Step, timed};
use crate::models::{Loaded, Models};
use crate::query::{K, Query};
use crate::rows;

/// The longest wait for the pages of hits.
const ROWS_TIMEOUT: Duration = Duration::from_secs(5);
/// An alias that moves during a search is followed so often; nobody moves it faster.
const SEARCHES: usize = 4;

/// Answers a search with at most `k` hits, the nearest first.
pub(crate) async fn search(app: &App, query: Query, k: K) -> Result<Answer, SearchError> {
    let started = Instant::now();
    let models = app.models()?;
    app.database()?;
    let itself = match &query {
        Query::Like(id) => Some(*id),
        Query::Words(_) | Query::Picture(_) => None,
    };
    // A picture is nearest to itself, which nobody asks for.
    let wanted = k.get() + usize::from(itself.is_some());
    let mut found = nearest(app, models, &query, wanted).await?;
    found.retain(|found| Some(found.document.image_id) != itself);
    found.truncate(k.get());
    let images: Vec<ImageId> = found.iter().map(|found| found.document.image_id).collect();
    let mut pages = pages(app, &images, PAGES_OF_HIT).await?;
    let hits = found
        .into_iter()
        .map(|found| hit(found, &mut pages))
        .collect();
    Ok(Answer {
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        hits,
    })
}

/// The query as a vector of this model.
async fn vector(app: &App, model: &Loaded, query: &Query) -> Result<Vec<f32>, SearchError> {
    match query {
        Query::Words(words) => model.words(words.as_str()).await,
        Query::Picture(upload) => {
            let crop = app.uploads.crop(upload.clone(), model.input());
            model.image(crop.await?).await
        }
        Query::Like(id) => knn::vector(&app.elastic, &app.settings.alias, IMAGE_EMBEDDING, id)
            .await?
            .ok_or_else(|| not_indexed(id)),
    }
}

/// The nearest documents, by a vector of the index's own model. The alias may move between a look at
/// its mapping and the search: then it is looked at again, and searched once more, with the model
/// of the index that it points at now.
async fn nearest(
    app: &App,
    models: &Models,
    query: &Query,
    k: usize,
) -> Result<Vec<Found>, SearchError> {
    let alias = &app.settings.alias;
    let mut target = app.index.target()?;
    let mut made: Option<(String, Vec<f32>)> = None;
    for _ in 0..SEARCHES {
        let asked = match made.take() {
            Some(asked) if asked.0 == target.digest => asked,
            _ => {
                let model = models
                    .of(&target.digest)
                    .expect("an index of no loaded model is never a target");
                (target.digest.clone(), vector(app, model, query).await?)
            }
        };
        let answer = knn::nearest(&app.elastic, alias, IMAGE_EMBEDDING, &asked.1, k);
        match timed(Step::Knn, answer).await {
            Ok(found) if found.iter().all(|found| target.holds(&found.index)) => return Ok(found),
            Ok(_) => target = app.index.look(models.identities()).await?,
            Err(error @ SearchError::Away { .. }) => {
                app.index.look_soon();
                return Err(error);
            }
            // An index of another dimension refuses the vector: it may have come between.
            Err(error) => match app.index.look(models.identities()).await {
                Ok(now) if now != target => target = now,
                _ => return Err(error),
            },
        }
        made = Some(asked);
    }
    Err(SearchError::IndexNotReady(
        "the index is being replaced; try again in a moment".into(),
    ))
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
    timed(Step::Rows, tokio::time::timeout(ROWS_TIMEOUT, read))
        .await
        .map_err(|late| SearchError::Away {
            what: "the database",
            cause: late.into(),
        })?
}

fn hit(found: Found, pages: &mut HashMap<ImageId, Vec<Sighting>>) -> Hit {
    let mut document = found.document;
    document.captions.truncate(CAPTIONS_OF_HIT);
    Hit {
        score: found.cosine,
        thumbnail: thumbnail_path(&document.image_id),
        pages: pages.remove(&document.image_id).unwrap_or_default(),
        image_id: document.image_id,
        image_name: document.image_name,
        width: document.width,
        height: document.height,
        format: document.format,
        sightings: document.sightings,
        captions: document.captions,
        rights: document.rights,
    }
}

/// What is said of an id that the index does not hold.
pub(crate) fn not_indexed(id: &ImageId) -> SearchError {
    SearchError::NotFound(format!("no image {id} is indexed"))
}
