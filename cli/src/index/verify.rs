//! `tusou index verify`: the real index beside Postgres, both ways, and asked for its own vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tusou_contract::ImageId;
use tusou_projection::{Generation, Walked};

use super::args;
use super::context::Context;
use super::error::IndexError;
use crate::error::Error;
use crate::format::{json, number};
use crate::reconcile::Found;

/// Images or documents looked at at once.
const PAGE: u32 = 1_000;
/// Images that are asked for by their own vectors.
const SAMPLE: usize = 25;
/// Hits of such a search: pictures that are alike have vectors that are alike.
const HITS: usize = 10;
/// From this score on two vectors are one: (1 + cosine) / 2, as Elasticsearch has it.
const SAME: f64 = 0.999_9;
/// Images in doubt are looked at again, since they may be just changing: until so many looks in a row
/// made none of them right.
const LOOKS: u32 = 15;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Images in doubt that are held for another look; those beyond are counted as they were found.
const HELD: usize = 100_000;

/// What an index was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// The index.
    index: String,
    /// Images that it holds as it should.
    pub(super) whole: u64,
    /// Images whose documents Elasticsearch refused.
    pub(super) refused: u64,
    /// Images that lack an embedding of one of its models: not its fault.
    lacking: u64,
    /// Images that one of its models failed for: nothing is owed for them.
    failed: u64,
    /// Images that it lacks.
    absent: Found,
    /// Images that it holds in an older revision.
    behind: Found,
    /// Images that it should not hold.
    extra: Found,
    /// Documents that are of no image.
    foreign: u64,
    /// Images that were asked for by their own vectors.
    asked: usize,
    /// Those of them that did not find themselves.
    lost: Vec<ImageId>,
}

impl Report {
    pub(super) fn is_whole(&self) -> bool {
        self.absent.count == 0 && self.only_misses()
    }

    /// Whether nothing is wrong but images that it lacks.
    pub(super) fn only_misses(&self) -> bool {
        self.behind.count == 0 && self.extra.count == 0 && self.foreign == 0 && self.lost.is_empty()
    }

    pub(super) fn error(&self, generation: &Generation) -> IndexError {
        IndexError::Broken {
            name: generation.index.clone(),
            absent: self.absent.count,
            behind: self.behind.count,
            extra: self.extra.count,
            foreign: self.foreign,
            lost: self.lost.len(),
        }
    }
}

pub(super) async fn run(
    context: &Context<'_>,
    args: &args::Verify,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let generation = context.chosen(args.name.as_deref())?;
    if !tusou_projection::is_there(&context.elastic, generation).await? {
        return Err(IndexError::NotThere {
            name: generation.index.clone(),
        }
        .into());
    }
    let report = verify(context, generation).await?;
    if args.json {
        writeln!(out, "{}", json(&report))?;
    } else {
        writeln!(
            out,
            "index {}: {} images whole, {} refused, {} missing, {} out of date, {} too many, {} of no image; {} of {} found themselves",
            generation.index,
            number(report.whole),
            number(report.refused),
            number(report.absent.count),
            number(report.behind.count),
            number(report.extra.count),
            number(report.foreign),
            report.asked - report.lost.len(),
            report.asked,
        )?;
        if report.lacking + report.failed > 0 {
            writeln!(
                out,
                "a model of it has not encoded {} images, and failed for {}: `tusou status` shows which",
                number(report.lacking),
                number(report.failed)
            )?;
        }
    }
    if !report.is_whole() {
        return Err(report.error(generation).into());
    }
    tusou_projection::set_verified(&context.pool, generation.generation_id).await?;
    Ok(())
}

/// Looks at every image and every document.
pub(super) async fn verify(
    context: &Context<'_>,
    generation: &Generation,
) -> Result<Report, Error> {
    let (pool, elastic) = (&context.pool, &context.elastic);
    let mut report = Report {
        index: generation.index.clone(),
        ..Report::default()
    };
    let mut doubtful = BTreeMap::new();
    let mut sample = BTreeSet::new();
    let mut after = None;
    loop {
        let page =
            tusou_projection::compare_registry(pool, elastic, generation, after.as_ref(), PAGE)
                .await?;
        report.whole += page.whole.len() as u64;
        report.refused += page.refused.len() as u64;
        report.lacking += page.lacking.len() as u64;
        report.failed += page.failed;
        if doubtful.len() < HELD {
            doubtful.extend(page.wrong().map(|id| (*id, Doubt::default())));
        } else {
            report.absent.add(&page.absent);
            report.behind.add(&page.behind);
            report.extra.add(&page.extra);
        }
        // Ids are digests: the first ones are as good a sample as any.
        let room = SAMPLE.saturating_sub(sample.len());
        sample.extend(page.whole.iter().copied().take(room));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    elastic.refresh(&generation.index).await?;
    let mut after: Option<String> = None;
    loop {
        let (page, next) =
            tusou_projection::compare_index(pool, elastic, generation, after.as_deref(), PAGE)
                .await?;
        report.foreign += page.foreign;
        after = next;
        if doubtful.len() >= HELD {
            // Those that have a row were counted on the way over the rows.
            let known = tusou_projection::look(pool, generation, &page.extra).await?;
            let known: BTreeSet<ImageId> = known.iter().map(|image| image.image_id).collect();
            let unseen = |id: &&ImageId| !known.contains(id) && !doubtful.contains_key(id);
            report.extra.add(page.extra.iter().filter(unseen));
            if after.is_none() {
                break;
            }
            continue;
        }
        for id in page.wrong() {
            // Counted above, unless it was in doubt there too.
            let counted = Doubt {
                rev: None,
                counted: true,
            };
            doubtful.entry(*id).or_insert(counted);
        }
        if after.is_none() {
            break;
        }
    }
    look_again(context, generation, doubtful, &mut report).await?;
    ask(context, generation, &sample, &mut report).await?;
    Ok(report)
}

/// What is known of an image in doubt.
#[derive(Debug, Clone, Copy, Default)]
struct Doubt {
    /// What it was at the first look: one that changes all the time is no fault.
    rev: Option<i64>,
    /// Whether it is among the whole ones already.
    counted: bool,
}

/// Looks at images in doubt until they are as they should have been at the first look.
async fn look_again(
    context: &Context<'_>,
    generation: &Generation,
    mut doubtful: BTreeMap<ImageId, Doubt>,
    report: &mut Report,
) -> Result<(), Error> {
    let counted = (
        report.absent.clone(),
        report.behind.clone(),
        report.extra.clone(),
    );
    let mut idle = 0;
    while !doubtful.is_empty() {
        let before = doubtful.len();
        (report.absent, report.behind, report.extra) = counted.clone();
        let ids: Vec<ImageId> = doubtful.keys().copied().collect();
        for ids in ids.chunks(PAGE as usize) {
            let walked = tusou_projection::look(&context.pool, generation, ids).await?;
            let mut walked: BTreeMap<ImageId, Walked> = walked
                .into_iter()
                .map(|image| (image.image_id, image))
                .collect();
            let names: Vec<String> = ids.iter().map(ImageId::to_string).collect();
            let versions = context.elastic.versions(&generation.index, &names).await?;
            for (id, name) in ids.iter().zip(&names) {
                let image = walked.remove(id);
                let doubt = doubtful.entry(*id).or_default();
                let now = image.as_ref().map_or(0, |image| image.rev);
                let rev = *doubt.rev.get_or_insert(now);
                let version = versions.get(name).copied();
                match judge(image.as_ref(), version, rev) {
                    Judged::Right => {
                        report.whole += u64::from(version.is_some() && !doubt.counted);
                        doubtful.remove(id);
                    }
                    Judged::Absent => report.absent.add([id]),
                    Judged::Behind => report.behind.add([id]),
                    Judged::Extra => report.extra.add([id]),
                }
            }
        }
        idle = if doubtful.len() < before { 0 } else { idle + 1 };
        if doubtful.is_empty() || idle >= LOOKS {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Right,
    Absent,
    Behind,
    Extra,
}

fn judge(image: Option<&Walked>, version: Option<i64>, rev: i64) -> Judged {
    let expected = image.filter(|image| image.expected);
    match (expected, version) {
        (Some(_), Some(version)) if version >= rev => Judged::Right,
        (Some(image), _) if image.refused && image.held >= Some(rev) => Judged::Right,
        (Some(_), Some(_)) => Judged::Behind,
        (Some(_), None) => Judged::Absent,
        (None, Some(_)) => Judged::Extra,
        (None, None) => Judged::Right,
    }
}

/// Asks the index for some images by their own vectors, in every field.
async fn ask(
    context: &Context<'_>,
    generation: &Generation,
    sample: &BTreeSet<ImageId>,
    report: &mut Report,
) -> Result<(), Error> {
    let snapshot = tusou_projection::snapshot(&context.pool, sample, generation.keep_gone).await?;
    for id in sample {
        let Some(image) = snapshot.images.get(id) else {
            continue;
        };
        let mut found = true;
        for model in &generation.models {
            if let Some(vector) = image.embeddings.get(&model.digest) {
                found &= finds_itself(context, generation, &model.field, vector, id).await?;
            }
        }
        report.asked += 1;
        if !found {
            report.lost.push(*id);
        }
    }
    Ok(())
}

async fn finds_itself(
    context: &Context<'_>,
    generation: &Generation,
    field: &str,
    vector: &[f32],
    id: &ImageId,
) -> Result<bool, Error> {
    let body = json!({
        "size": HITS, "_source": false,
        "knn": {"field": field, "query_vector": vector, "k": HITS, "num_candidates": 20 * HITS},
    });
    let answer = context.elastic.search(&generation.index, &body).await?;
    let hits = answer["hits"]["hits"].as_array();
    let hits = hits.map(Vec::as_slice).unwrap_or_default();
    let name = id.to_string();
    let itself = hits.iter().any(|hit| hit["_id"] == name.as_str());
    // So many pictures of the same vector that this one has no room among the first.
    let crowded = hits.len() == HITS
        && hits
            .iter()
            .all(|hit| hit["_score"].as_f64().unwrap_or_default() >= SAME);
    Ok(itself || crowded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_wrong_is_a_fault() {
        let image = |expected, held, refused| Walked {
            image_id: ImageId::of(b"x"),
            rev: 9,
            expected,
            lacks_embedding: false,
            model_failed: false,
            held,
            refused,
        };
        let held = image(true, Some(7), false);
        // It changed again since the first look, which saw 7.
        assert_eq!(judge(Some(&held), Some(8), 7), Judged::Right);
        assert_eq!(judge(Some(&held), Some(6), 7), Judged::Behind);
        assert_eq!(judge(Some(&held), None, 7), Judged::Absent);
        let refused = image(true, Some(9), true);
        assert_eq!(judge(Some(&refused), None, 9), Judged::Right);
        let unseen = image(false, None, false);
        assert_eq!(judge(Some(&unseen), Some(9), 9), Judged::Extra);
        assert_eq!(judge(None, Some(9), 0), Judged::Extra);
        assert_eq!(judge(None, None, 0), Judged::Right);
    }
}
