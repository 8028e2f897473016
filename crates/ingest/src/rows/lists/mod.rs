//! Lists and folders as they are known: what was read of them, and by whom they are read now.
//!
//! A list is a page that is never fetched. Its pictures are image URLs like those of any page, and
//! what it says of them are rows of `page_images`, marked with the reading that wrote them. A folder
//! is such a page too; its files are image URLs that no crawler asks for.

mod files;
mod named;

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::pool::PoolConnection;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres};
use time::OffsetDateTime;

use crate::list::{self, Fingerprint, Options, Position};

pub use files::{FilesRecorded, KnownFile, LookedAt, known_files, record_files, record_vanished};
pub use named::{Named, RowsRecorded, forget_unnamed, record_rows};

/// Held by whoever reads a list or folder, with its number: `list` in ASCII.
const LOCK: i64 = 0x6c69_7374 << 32;

/// A list or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file that names pictures.
    List,
    /// A folder of pictures.
    Folder,
}

impl Kind {
    /// The word of `pages.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Folder => "folder",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "folder" => Self::Folder,
            _ => Self::List,
        }
    }

    /// The origin that stands for all of them: no crawler leases it.
    fn origin(self) -> &'static str {
        match self {
            Self::List => "list:",
            Self::Folder => crate::folder::SCHEME,
        }
    }
}

/// How far the reading of a list or folder is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Rows or files, the bad ones included.
    pub rows: u64,
    /// Those that cannot be taken, by reason.
    pub bad: BTreeMap<String, u64>,
    /// Those that could be and are not (a removal, a second row of the same picture), by reason.
    pub left_out: BTreeMap<String, u64>,
    /// All before it is written.
    #[serde(skip)]
    pub position: Position,
    /// How much of the file that is, from 0 to 1.
    pub share: f64,
}

/// A list that is to be read.
#[derive(Debug, Clone)]
pub struct NewList<'a> {
    /// By what it is told from others.
    pub name: &'a str,
    /// Where it lies.
    pub path: &'a str,
    /// How it is read.
    pub options: &'a Options,
    /// Tells whether it is the file that is known by that name.
    pub file: &'a Fingerprint,
}

/// The right to read a list or folder, until it is dropped, and where it stands.
#[derive(Debug)]
pub struct Reading {
    /// Its row among the pages.
    pub page_id: i64,
    /// Which reading it is.
    pub pass: i32,
    /// How far it is.
    pub progress: Progress,
    /// Since when it is finished: there is nothing to do.
    pub finished_at: Option<OffsetDateTime>,
    _turn: PoolConnection<Postgres>,
}

/// A list or folder that cannot be read as asked.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// Another process reads it.
    #[error("{kind} {name:?} is being read by another process; wait until it has ended", kind = kind.as_str())]
    Busy {
        /// List or folder.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Another file is known by the name.
    #[error(
        "list {name:?} was read from {path} when it was another file: give --again where this is its new version \
         (what it no longer names is gone then), or --name where it is a list of its own"
    )]
    Changed {
        /// Its name.
        name: String,
        /// Where it lay.
        path: String,
    },
    /// It is read otherwise than before.
    #[error(
        "list {name:?} was begun with other columns, format or encoding: give the same ones, or --again to have it \
         read from its beginning"
    )]
    Otherwise {
        /// Its name.
        name: String,
    },
    /// Another folder is known by the name.
    #[error(
        "folder {name:?} was imported from {path}: give --moved where this is the same folder at another place, or \
         --name where it is one of its own"
    )]
    Elsewhere {
        /// Its name.
        name: String,
        /// Where it lay.
        path: String,
    },
    /// A statement failed.
    #[error("Postgres failed to look a list up")]
    Database(#[from] sqlx::Error),
}

#[derive(sqlx::FromRow)]
struct Row {
    path: String,
    options: Json<Options>,
    digest: Option<Vec<u8>>,
    pass: i32,
    position: i64,
    lines: i64,
    share: f64,
    rows: i64,
    bad: Json<BTreeMap<String, u64>>,
    left_out: Json<BTreeMap<String, u64>>,
    finished_at: Option<OffsetDateTime>,
}

impl Row {
    fn progress(&self) -> Progress {
        Progress {
            rows: self.rows.unsigned_abs(),
            bad: self.bad.0.clone(),
            left_out: self.left_out.0.clone(),
            position: Position {
                at: self.position.unsigned_abs(),
                lines: self.lines.unsigned_abs(),
            },
            share: self.share,
        }
    }
}

/// Begins a list, or goes on with it where it was left. `again` reads one that was read to its end, or
/// that has changed, from its beginning.
///
/// # Errors
/// [`ListsError`], with the remedy.
pub async fn begin_list(
    pool: &PgPool,
    list: &NewList<'_>,
    again: bool,
) -> Result<Reading, ListsError> {
    let mut turn = pool.acquire().await?;
    let page_id = make(&mut turn, Kind::List, list.name, list.path).await?;
    let turn = take(turn, Kind::List, list.name, page_id).await?;
    let row = row(pool, page_id).await?;
    // One of which not a row was taken is mended by whoever tries again.
    let bad: u64 = row.bad.0.values().sum();
    let is_new = row.digest.is_none() || (row.pass == 1 && row.rows.unsigned_abs() == bad);
    let same_file = row.digest.as_deref() == Some(&list.file.digest[..]);
    let same_options = row.options.0 == *list.options;
    let goes_on = same_file && same_options && (!again || row.finished_at.is_none());
    if goes_on {
        if row.path != list.path {
            found_at(pool, page_id, list.path).await?;
        }
        return Ok(Reading {
            page_id,
            pass: row.pass,
            progress: row.progress(),
            finished_at: row.finished_at,
            _turn: turn,
        });
    }
    let name = list.name.to_owned();
    if !is_new && !again {
        return Err(if same_file {
            ListsError::Otherwise { name }
        } else {
            let path = row.path;
            ListsError::Changed { name, path }
        });
    }
    let pass = if is_new { row.pass } else { row.pass + 1 };
    sqlx::query(
        "UPDATE lists SET path = $2, options = $3, bytes = $4, digest = $5, pass = $6, position = 0, lines = 0,
                share = 0, rows = 0, bad = '{}', left_out = '{}', began_at = now(), written_at = now(),
                finished_at = NULL
         WHERE page_id = $1",
    )
    .bind(page_id)
    .bind(list.path)
    .bind(Json(list.options))
    .bind(i64::try_from(list.file.bytes).unwrap_or(i64::MAX))
    .bind(&list.file.digest[..])
    .bind(pass)
    .execute(pool)
    .await?;
    Ok(Reading {
        page_id,
        pass,
        progress: Progress::default(),
        finished_at: None,
        _turn: turn,
    })
}

/// Begins a walk over a folder. `moved` says that it is the known one, at another place.
///
/// # Errors
/// [`ListsError`], with the remedy.
pub async fn begin_folder(
    pool: &PgPool,
    name: &str,
    path: &str,
    moved: bool,
) -> Result<Reading, ListsError> {
    let mut turn = pool.acquire().await?;
    let page_id = make(&mut turn, Kind::Folder, name, path).await?;
    let turn = take(turn, Kind::Folder, name, page_id).await?;
    let row = row(pool, page_id).await?;
    if row.path != path && !moved {
        return Err(ListsError::Elsewhere {
            name: name.to_owned(),
            path: row.path,
        });
    }
    sqlx::query(
        "UPDATE lists SET path = $2, pass = pass + 1, share = 0, began_at = now(), finished_at = NULL
         WHERE page_id = $1",
    )
    .bind(page_id)
    .bind(path)
    .execute(pool)
    .await?;
    Ok(Reading {
        page_id,
        pass: row.pass,
        progress: Progress::default(),
        finished_at: None,
        _turn: turn,
    })
}

/// Writes how far it is, and that it has ended.
pub async fn finish(pool: &PgPool, reading: &Reading) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    write_progress(&mut connection, reading.page_id, &reading.progress).await?;
    sqlx::query("UPDATE lists SET share = 1, finished_at = now() WHERE page_id = $1")
        .bind(reading.page_id)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// A list or folder as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListState {
    /// List or folder.
    pub kind: Kind,
    /// By what it is told from others.
    pub name: String,
    /// Where it lay when it was last read.
    pub path: String,
    /// How far its reading is.
    #[serde(flatten)]
    pub progress: Progress,
    /// When it was read to its end; none where that is still to come.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Its row among the pages.
    #[serde(skip)]
    pub page_id: i64,
}

/// Every list and folder, the oldest first.
pub async fn all(db: &mut PgConnection) -> Result<Vec<ListState>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Whole {
        page_id: i64,
        kind: String,
        name: String,
        #[sqlx(flatten)]
        row: Row,
    }
    let rows: Vec<Whole> = sqlx::query_as(
        "SELECT page_id, kind, name, path, options, digest, pass, position, lines, share, rows, bad, lists.left_out,
                finished_at
         FROM lists JOIN pages USING (page_id) ORDER BY page_id",
    )
    .fetch_all(db)
    .await?;
    let state = |whole: Whole| ListState {
        kind: Kind::of(&whole.kind),
        name: whole.name,
        progress: whole.row.progress(),
        path: whole.row.path,
        finished_at: whole.row.finished_at,
        page_id: whole.page_id,
    };
    Ok(rows.into_iter().map(state).collect())
}

/// Makes the rows that stand for a list or folder, where they are not there.
async fn make(
    db: &mut PgConnection,
    kind: Kind,
    name: &str,
    path: &str,
) -> Result<i64, sqlx::Error> {
    let url = match kind {
        Kind::List => list::address(name),
        Kind::Folder => crate::folder::address(name),
    };
    sqlx::query("INSERT INTO hosts (origin) VALUES ($1) ON CONFLICT (origin) DO NOTHING")
        .bind(kind.origin())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO pages (host_id, url, depth, state, kind, title)
         SELECT host_id, $2, 0, 'done', $3, $4 FROM hosts WHERE origin = $1 ON CONFLICT (url) DO NOTHING",
    )
    .bind(kind.origin())
    .bind(&url)
    .bind(kind.as_str())
    .bind(name)
    .execute(&mut *db)
    .await?;
    let page_id: i64 = sqlx::query_scalar("SELECT page_id FROM pages WHERE url = $1")
        .bind(&url)
        .fetch_one(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO lists (page_id, name, path) VALUES ($1, $2, $3) ON CONFLICT (page_id) DO NOTHING",
    )
    .bind(page_id)
    .bind(name)
    .bind(path)
    .execute(&mut *db)
    .await?;
    Ok(page_id)
}

/// Takes the right to read it, which is the session's: the connection is closed with it.
async fn take(
    mut turn: PoolConnection<Postgres>,
    kind: Kind,
    name: &str,
    page_id: i64,
) -> Result<PoolConnection<Postgres>, ListsError> {
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK | page_id)
        .fetch_one(&mut *turn)
        .await?;
    if !taken {
        let name = name.to_owned();
        return Err(ListsError::Busy { kind, name });
    }
    turn.close_on_drop();
    Ok(turn)
}

async fn row(pool: &PgPool, page_id: i64) -> Result<Row, sqlx::Error> {
    sqlx::query_as(
        "SELECT path, options, digest, pass, position, lines, share, rows, bad, left_out, finished_at
         FROM lists WHERE page_id = $1",
    )
    .bind(page_id)
    .fetch_one(pool)
    .await
}

async fn found_at(pool: &PgPool, page_id: i64, path: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE lists SET path = $2 WHERE page_id = $1")
        .bind(page_id)
        .bind(path)
        .execute(pool)
        .await?;
    Ok(())
}

/// Locks the page that stands for it: nobody writes what it shows but who holds this.
async fn lock_page(tx: &mut PgConnection, page_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM pages WHERE page_id = $1 FOR NO KEY UPDATE")
        .bind(page_id)
        .fetch_one(tx)
        .await?;
    Ok(())
}

async fn write_progress(
    db: &mut PgConnection,
    page_id: i64,
    progress: &Progress,
) -> Result<(), sqlx::Error> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE lists SET position = $2, lines = $3, share = $4, rows = $5, bad = $6, left_out = $7,
                written_at = now()
         WHERE page_id = $1",
    )
    .bind(page_id)
    .bind(signed(progress.position.at))
    .bind(signed(progress.position.lines))
    .bind(progress.share)
    .bind(signed(progress.rows))
    .bind(Json(&progress.bad))
    .bind(Json(&progress.left_out))
    .execute(db)
    .await?;
    Ok(())
}
