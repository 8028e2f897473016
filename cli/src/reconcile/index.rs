//! One index beside Postgres, both ways.

use std::collections::BTreeSet;

use sqlx::PgPool;
use tusou_contract::{ImageId, Queue};
use tusou_platform::elastic::Elastic;
use tusou_projection::{Compared, Generation};

use super::encode::Encoder;
use super::report::{Index, Report};
use super::suspects::Suspects;
use crate::args;
use crate::error::Error;
use crate::outbox::Room;
use crate::rows::{repair, walk};

/// Images or documents read at once.
const BATCH: u32 = 1_000;

/// What a reconciliation works with.
pub(super) struct Work<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) elastic: &'a Elastic,
    pub(super) args: &'a args::Reconcile,
    pub(super) room: Room<'a>,
    pub(super) encoder: Encoder<'a>,
}

impl Work<'_> {
    /// Whether repairs are written.
    pub(super) fn writes(&self) -> bool {
        self.args.repair && !self.args.dry_run
    }

    /// Compares one index, and repairs what differs where that is asked for.
    pub(super) async fn index(
        &self,
        generation: &Generation,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut index = Index {
            index: generation.index.clone(),
            state: generation.state.to_string(),
            ..Index::default()
        };
        if tusou_projection::is_there(self.elastic, generation).await? {
            self.elastic.refresh(&generation.index).await?;
            self.rows(generation, &mut index, report).await?;
            self.documents(generation, &mut index, report).await?;
        } else {
            index.lost = true;
        }
        report.indexes.push(index);
        Ok(())
    }

    /// Every image that has a row, beside the index.
    async fn rows(
        &self,
        generation: &Generation,
        index: &mut Index,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut suspects = Suspects::new(self.args.second_look);
        let mut after = None;
        loop {
            let page = tusou_projection::compare_registry(
                self.pool,
                self.elastic,
                generation,
                after.as_ref(),
                BATCH,
            )
            .await?;
            index.whole += page.whole.len() as u64;
            index.refused += page.refused.len() as u64;
            index.failed += page.failed;
            suspects.add(page.wrong().chain(&page.lacking).copied());
            after = page.next;
            if after.is_none() || suspects.is_full() {
                self.look_again(generation, suspects.take().await, index, report)
                    .await?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Every document of the index that has no row.
    async fn documents(
        &self,
        generation: &Generation,
        index: &mut Index,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut suspects = Suspects::new(self.args.second_look);
        let mut after: Option<String> = None;
        loop {
            let (page, next) = tusou_projection::compare_index(
                self.pool,
                self.elastic,
                generation,
                after.as_deref(),
                BATCH,
            )
            .await?;
            index.documents += page.seen;
            index.foreign += page.foreign;
            // Those that have a row were counted on the way over the rows.
            let known = tusou_projection::look(self.pool, generation, &page.extra).await?;
            let known: BTreeSet<ImageId> = known.iter().map(|image| image.image_id).collect();
            suspects.add(page.extra.iter().copied().filter(|id| !known.contains(id)));
            after = next;
            if after.is_none() || suspects.is_full() {
                self.look_again(generation, suspects.take().await, index, report)
                    .await?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn look_again(
        &self,
        generation: &Generation,
        suspects: BTreeSet<ImageId>,
        index: &mut Index,
        report: &mut Report,
    ) -> Result<(), Error> {
        let suspects: Vec<ImageId> = suspects.into_iter().collect();
        for ids in suspects.chunks(BATCH as usize) {
            let now =
                tusou_projection::compare_images(self.pool, self.elastic, generation, ids).await?;
            let wrong: BTreeSet<ImageId> = now.wrong().chain(&now.lacking).copied().collect();
            let owed = walk::owed(self.pool, &wrong).await?;
            report.came_right += (ids.len() - wrong.len()) as u64;
            report.on_their_way += owed.len() as u64;
            report.differences += (wrong.len() - owed.len()) as u64;
            let others = |list: &[ImageId]| -> Vec<ImageId> {
                list.iter()
                    .filter(|id| !owed.contains(id))
                    .copied()
                    .collect()
            };
            let rest = Compared {
                absent: others(&now.absent),
                behind: others(&now.behind),
                extra: others(&now.extra),
                claimed: others(&now.claimed),
                lacking: others(&now.lacking),
                ..Compared::default()
            };
            index.missing.add(&rest.absent);
            index.stale.add(&rest.behind);
            index.extra.add(&rest.extra);
            index.lacking.add(&rest.lacking);
            index.false_claims += rest.claimed.len() as u64;
            if self.args.repair {
                self.repair(generation, &rest, report).await?;
            }
        }
        Ok(())
    }

    /// Owes what brings the images right.
    async fn repair(
        &self,
        generation: &Generation,
        rest: &Compared,
        report: &mut Report,
    ) -> Result<(), Error> {
        let changed: BTreeSet<ImageId> = rest.wrong().copied().collect();
        let lacking: BTreeSet<ImageId> = rest.lacking.iter().copied().collect();
        if self.writes() {
            self.room.wait().await?;
            // First the claims: whoever asks how far it is must not be told that it is done.
            tusou_projection::forget(self.pool, generation, &rest.claimed).await?;
            report.owed += repair::owe_changed(self.pool, Queue::ImagesReindex, &changed).await?;
        } else {
            report.owed += changed.len() as u64;
        }
        self.encoder
            .encode(Queue::ImagesReencode, &lacking, report)
            .await
    }
}
