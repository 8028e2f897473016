//! Postgres beside a real index, page by page, both ways.

use std::collections::BTreeMap;

use sqlx::PgPool;
use tusou_contract::ImageId;
use tusou_platform::elastic::Elastic;

use crate::error::Error;
use crate::rows::generations::Generation;
use crate::rows::walk::{Walked, look, walk};

/// A page of images beside an index. An image that is just being changed may be told as behind: look
/// again a few seconds later before it is called a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Where the next page of [`compare_registry`] begins; `None` after the last.
    pub next: Option<ImageId>,
    /// Images, or documents, looked at.
    pub seen: u64,
    /// Those that the index should hold and does, at their present revision or above.
    pub whole: Vec<ImageId>,
    /// Elasticsearch refused them at their present revision.
    pub refused: Vec<ImageId>,
    /// The index should hold them and does not.
    pub absent: Vec<ImageId>,
    /// The index holds an older revision.
    pub behind: Vec<ImageId>,
    /// The index holds them and should not.
    pub extra: Vec<ImageId>,
    /// Documents whose id is none of an image: somebody else put them there.
    pub foreign: u64,
    /// Recorded as held at their present revision, though they are absent or behind.
    pub claimed: Vec<ImageId>,
    /// Encoded, and yet without an embedding of one of the index's models that did not fail for them.
    pub lacking: Vec<ImageId>,
    /// Images that one of the index's models failed for.
    pub failed: u64,
}

impl Compared {
    /// Those that are not as they should be.
    pub fn wrong(&self) -> impl Iterator<Item = &ImageId> {
        self.absent.iter().chain(&self.behind).chain(&self.extra)
    }
}

/// The next `limit` images of Postgres after `after`, beside what the index really holds.
///
/// # Errors
/// Whatever is away.
pub async fn compare_registry(
    pool: &PgPool,
    elastic: &Elastic,
    generation: &Generation,
    after: Option<&ImageId>,
    limit: u32,
) -> Result<Compared, Error> {
    let walked = walk(pool, generation, after, limit).await?;
    let ids: Vec<String> = walked
        .iter()
        .map(|image| image.image_id.to_string())
        .collect();
    let versions = elastic.versions(&generation.index, &ids).await?;
    let mut compared = Compared {
        next: walked.last().map(|image| image.image_id),
        ..Compared::default()
    };
    for image in walked {
        let version = versions.get(&image.image_id.to_string()).copied();
        compared.add(&image, version);
    }
    Ok(compared)
}

/// These images, beside what the index really holds now.
///
/// # Errors
/// Whatever is away.
pub async fn compare_images(
    pool: &PgPool,
    elastic: &Elastic,
    generation: &Generation,
    ids: &[ImageId],
) -> Result<Compared, Error> {
    let walked = look(pool, generation, ids).await?;
    let names: Vec<String> = ids.iter().map(ImageId::to_string).collect();
    let mut versions = elastic.versions(&generation.index, &names).await?;
    let mut compared = Compared::default();
    for image in walked {
        let version = versions.remove(&image.image_id.to_string());
        compared.add(&image, version);
    }
    // What is left has no row at all.
    let rowless = ids
        .iter()
        .filter(|id| versions.contains_key(&id.to_string()));
    compared.extra.extend(rowless);
    Ok(compared)
}

/// The next `limit` documents of the index after `after`, beside Postgres, and where the next page
/// begins; `None` after the last. Asks for what was searchable at the index's last refresh.
///
/// # Errors
/// Whatever is away.
pub async fn compare_index(
    pool: &PgPool,
    elastic: &Elastic,
    generation: &Generation,
    after: Option<&str>,
    limit: u32,
) -> Result<(Compared, Option<String>), Error> {
    let (page, next) = elastic
        .page(&generation.index, after, limit as usize)
        .await?;
    let mut compared = Compared::default();
    let mut documents: BTreeMap<ImageId, i64> = BTreeMap::new();
    for (id, version) in &page {
        match id.parse::<ImageId>() {
            Ok(id) => drop(documents.insert(id, *version)),
            Err(_) => {
                compared.foreign += 1;
                tracing::warn!(index = generation.index, id, "a document of no image");
            }
        }
    }
    compared.seen += compared.foreign;
    let ids: Vec<ImageId> = documents.keys().copied().collect();
    for image in look(pool, generation, &ids).await? {
        let version = documents.remove(&image.image_id);
        compared.add(&image, version);
    }
    // What is left has no row at all.
    compared.seen += documents.len() as u64;
    compared.extra.extend(documents.into_keys());
    Ok((compared, next))
}

impl Compared {
    fn add(&mut self, image: &Walked, version: Option<i64>) {
        self.seen += 1;
        if image.lacks_embedding {
            self.lacking.push(image.image_id);
        }
        self.failed += u64::from(image.model_failed);
        let lost = version.is_none_or(|version| version < image.rev);
        if image.expected && lost && !image.refused && image.held >= Some(image.rev) {
            self.claimed.push(image.image_id);
        }
        let list = match version {
            Some(version) if image.expected && version >= image.rev => &mut self.whole,
            _ if image.expected && image.refused && image.held >= Some(image.rev) => {
                &mut self.refused
            }
            Some(_) if image.expected => &mut self.behind,
            None if image.expected => &mut self.absent,
            Some(_) => &mut self.extra,
            None => return,
        };
        list.push(image.image_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_its_place() {
        let image = |expected, held, refused| Walked {
            image_id: ImageId::of(b"x"),
            rev: 7,
            expected,
            lacks_embedding: false,
            model_failed: false,
            held,
            refused,
        };
        let place = |image: &Walked, version| {
            let mut compared = Compared::default();
            compared.add(image, version);
            let Compared {
                whole,
                refused,
                absent,
                behind,
                extra,
                ..
            } = compared;
            [whole, refused, absent, behind, extra].map(|list| list.len())
        };
        let held = image(true, Some(7), false);
        assert_eq!(place(&held, Some(7)), [1, 0, 0, 0, 0]);
        assert_eq!(place(&held, Some(9)), [1, 0, 0, 0, 0]);
        assert_eq!(place(&held, None), [0, 0, 1, 0, 0]);
        assert_eq!(place(&held, Some(6)), [0, 0, 0, 1, 0]);
        assert_eq!(place(&image(true, Some(7), true), None), [0, 1, 0, 0, 0]);
        // A refusal of an older revision says nothing of this one.
        assert_eq!(place(&image(true, Some(6), true), None), [0, 0, 1, 0, 0]);
        assert_eq!(place(&image(false, None, false), Some(7)), [0, 0, 0, 0, 1]);
        assert_eq!(place(&image(false, None, false), None), [0, 0, 0, 0, 0]);
    }
}
