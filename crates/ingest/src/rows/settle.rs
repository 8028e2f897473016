//! URLs that brought nothing to write beside their own row: the same as before, a failure, a wait.

use std::time::Duration as Wait;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::budget::Budgets;
use super::limits::PictureLimits;

/// By what rules outcomes are written.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long "this image has changed" rests in the outbox, so that many changes are one.
    pub coalesce: Duration,
    /// The shortest time after which a settled URL is looked at again, in seconds.
    pub revisit_min_seconds: u32,
    /// The longest, in seconds; 0: none is looked at again by itself.
    pub revisit_max_seconds: u32,
    /// How many pages of a host may become known.
    pub budgets: Budgets,
    /// Which pictures of pages become known.
    pub pictures: PictureLimits,
}

impl Terms {
    /// Shortest and longest, as the statements take them.
    pub(super) fn revisits(&self) -> (i32, i32) {
        let seconds = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX / 2);
        (
            seconds(self.revisit_min_seconds),
            seconds(self.revisit_max_seconds),
        )
    }
}

/// How a URL ended that brought nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It answers as before: what was taken from it stands.
    Unchanged,
    /// Given up.
    Failed,
    /// Not to be fetched, or its answer not to be used.
    Skipped,
    /// To be fetched again after this wait.
    Postponed(Wait),
}

/// A URL that brought nothing new.
#[derive(Debug, Clone)]
pub struct Ended {
    /// `page_id` or `image_url_id`.
    pub id: i64,
    /// When it was due, as the lease read it. A URL that became due again meanwhile stays due.
    pub due_at: OffsetDateTime,
    /// HTTP status; none where no answer came.
    pub status: Option<u16>,
    /// Why it brought nothing; none where it answers as before.
    pub reason: Option<String>,
    /// What becomes of it.
    pub end: End,
    /// Whether its answer replaces what was known of it: what it showed is gone since now.
    pub gone: bool,
}

impl Ended {
    fn state(&self) -> &'static str {
        match self.end {
            End::Unchanged => "done",
            End::Failed => "failed",
            End::Skipped => "skipped",
            End::Postponed(_) => "due",
        }
    }

    fn wait(&self) -> Option<f64> {
        match self.end {
            End::Postponed(wait) => Some(wait.as_secs_f64()),
            _ => None,
        }
    }
}

/// The time in seconds until a settled row of `$table` is looked at again: a week at first, half
/// as long as before where it has `$changed`, else twice as long; between `$1` and `$2`.
macro_rules! next_look {
    ($table:literal, $changed:literal) => {
        concat!(
            "LEAST(GREATEST(CASE WHEN ",
            $table,
            ".revisit_seconds IS NULL THEN 604800 WHEN ",
            $changed,
            " THEN ",
            $table,
            ".revisit_seconds / 2 ELSE ",
            $table,
            ".revisit_seconds * 2 END, $1), $2)"
        )
    };
}
pub(super) use next_look;

/// Postponed rows stay as they are but for their time; one that was taken from the frontier
/// meanwhile is not put back. What a gone URL was known by goes too, or it would be taken for
/// unchanged when it comes back.
macro_rules! end_statement {
    ($table:literal, $key:literal, $more:literal) => {
        concat!(
            "UPDATE ", $table, " AS url SET
                state = CASE WHEN url.due_at = ended.due_at AND ended.state <> 'due'
                             THEN ended.state::url_state ELSE url.state END,
                due_at = CASE WHEN url.due_at = ended.due_at AND ended.wait IS NOT NULL
                              THEN now() + make_interval(secs => ended.wait) ELSE url.due_at END,
                reason = ended.reason, status = ended.status, fetched_at = now(),
                attempts = url.attempts + 1,
                etag = CASE WHEN ended.gone THEN NULL ELSE url.etag END,
                last_modified = CASE WHEN ended.gone THEN NULL ELSE url.last_modified END,
                ", $more, ",
                revisit_seconds = CASE WHEN $2 = 0 OR ended.state = 'due' THEN url.revisit_seconds
                                       ELSE ", next_look!("url", "false"), " END,
                revisit_at = CASE WHEN $2 > 0 AND ended.state <> 'due' AND url.due_at = ended.due_at
                                  THEN now() + make_interval(secs => ", next_look!("url", "false"), ") END
             FROM unnest($3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::int[], $8::float8[],
                         $9::bool[])
                  AS ended (id, due_at, state, reason, status, wait, gone)
             WHERE url.", $key, " = ended.id AND (ended.state <> 'due' OR url.state = 'due')"
        )
    };
}

/// Ends pages, whose rows are locked.
pub(super) async fn end_pages(
    tx: &mut PgConnection,
    ended: &[&Ended],
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = end_statement!(
        "pages",
        "page_id",
        "content_hash = CASE WHEN ended.gone THEN NULL ELSE url.content_hash END,
                pictures_left = CASE WHEN ended.gone THEN '{}' ELSE url.pictures_left END"
    );
    end(tx, STATEMENT, ended, terms).await
}

/// Ends image URLs, whose rows are locked.
pub(super) async fn end_image_urls(
    tx: &mut PgConnection,
    ended: &[&Ended],
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    // Or the next page that shows the URL would see the old picture there.
    const STATEMENT: &str = end_statement!(
        "image_urls",
        "image_url_id",
        "image_id = CASE WHEN ended.gone THEN NULL ELSE url.image_id END"
    );
    end(tx, STATEMENT, ended, terms).await
}

async fn end(
    tx: &mut PgConnection,
    statement: &'static str,
    ended: &[&Ended],
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    if ended.is_empty() {
        return Ok(());
    }
    let (min, max) = terms.revisits();
    sqlx::query(statement)
        .bind(min)
        .bind(max)
        .bind(ended.iter().map(|url| url.id).collect::<Vec<_>>())
        .bind(ended.iter().map(|url| url.due_at).collect::<Vec<_>>())
        .bind(ended.iter().map(|url| url.state()).collect::<Vec<_>>())
        .bind(
            ended
                .iter()
                .map(|url| url.reason.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(
            ended
                .iter()
                .map(|url| url.status.map(i32::from))
                .collect::<Vec<_>>(),
        )
        .bind(ended.iter().map(|url| url.wait()).collect::<Vec<_>>())
        .bind(ended.iter().map(|url| url.gone).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
