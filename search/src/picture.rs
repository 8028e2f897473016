//! All that is known of one picture: its document, where it is seen, its copies and its like.

use serde::Deserialize;
use time::OffsetDateTime;
use tusou_contract::ImageId;

use crate::access::deadline::Deadline;
use crate::answer::{Answer, Hit, Sightings};
use crate::app::App;
use crate::error::SearchError;
use crate::guess::Guess;
use crate::metrics::{Step, timed};
use crate::pipeline;
use crate::query::{Ask, Parameters, SIMILAR};
use crate::requests::{self, Shown};
use crate::rows::oldest::{self, Place};

/// Each copy by itself, none under another.
const COPIES: &str = "mode=same&group=off&k=24";
const ALIKE: &str = "mode=looks&k=24";
/// Sightings of a page of its time line.
const LINE: i64 = 20;

/// What the index says of a picture.
#[derive(Debug, Deserialize)]
pub(crate) struct Facts {
    /// What hits show too.
    #[serde(flatten)]
    pub(crate) shown: Shown,
    /// Size of the original in bytes.
    pub(crate) bytes: u64,
    /// Its main colours by name.
    #[serde(default)]
    pub(crate) colors: Vec<String>,
    /// When it was taken, by its own account.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(crate) taken_at: Option<OffsetDateTime>,
}

/// A picture with everything around it.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) facts: Facts,
    /// A page of where it is seen, the oldest first.
    pub(crate) sightings: Sightings,
    /// The same picture in other files.
    pub(crate) copies: Vec<Hit>,
    /// Pictures that look like it, and are no copies.
    pub(crate) alike: Vec<Hit>,
    /// What it shows, in the words of its like.
    pub(crate) guess: Option<Guess>,
}

/// Gathers it; its time line from that cursor on.
///
/// # Errors
/// [`SearchError::NotFound`] where the index does not hold it, and those of a search.
pub(crate) async fn picture(
    app: &App,
    id: ImageId,
    cursor: Option<&str>,
) -> Result<Picture, SearchError> {
    app.index.target()?;
    let document = requests::document(app, &id).await?;
    let document = document.ok_or_else(|| pipeline::not_indexed(&id))?;
    let facts: Facts = serde_json::from_value(document).map_err(SearchError::internal)?;
    let (sightings, copies, alike) = tokio::try_join!(
        sightings(app, id, cursor, LINE),
        neighbours(app, id, COPIES),
        neighbours(app, id, ALIKE),
    )?;
    let is_copy = |hit: &Hit| copies.hits.iter().any(|copy| copy.image_id == hit.image_id);
    let guess = alike.best_guess;
    let alike = alike.hits.into_iter().filter(|hit| !is_copy(hit)).collect();
    Ok(Picture {
        facts,
        sightings,
        copies: copies.hits,
        alike,
        guess,
    })
}

async fn neighbours(app: &App, id: ImageId, query: &'static str) -> Result<Answer, SearchError> {
    let parameters = Parameters::read(Some(query), SIMILAR)?;
    let ask = Ask::like(id, &parameters, &app.settings)?;
    pipeline::search(app, &ask).await
}

/// Where a picture is seen, the oldest first, from that cursor on. A picture that no page shows has none.
///
/// # Errors
/// A problem with `cursor`, or that the database does not answer in time.
pub(crate) async fn sightings(
    app: &App,
    id: ImageId,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Sightings, SearchError> {
    let after = cursor.map(|text| Place::decode(&id, text)).transpose()?;
    let read = oldest::page(app.database()?, &id, after, limit);
    let left = Deadline::current().left();
    let page = timed(Step::Rows, tokio::time::timeout(left, read))
        .await
        .map_err(|_| SearchError::Timeout)??;
    Ok(Sightings {
        sightings: page.sightings,
        live: page.live,
        gone: page.gone,
        next: page.next.map(|place| place.encode(&id)),
    })
}
