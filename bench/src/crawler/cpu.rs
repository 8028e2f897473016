//! Processor time, user and system, as `/proc` has it (proc_pid_stat(5)). It is counted in ticks of
//! a hundredth of a second a process.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::PgPool;

/// What `/proc/PID/stat` says of a process: all its threads together.
struct Stat {
    name: String,
    parent: u32,
    own: u64,
    /// Of children that have ended and were waited for.
    ended_children: u64,
}

/// Of a process, from its start.
pub(crate) fn of_process(pid: u32) -> anyhow::Result<Duration> {
    Ok(duration(stat(pid)?.own))
}

/// The Postgres that a database is kept by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Postgres {
    postmaster: u32,
}

impl Postgres {
    /// Finds its first process by way of a connection's.
    pub(crate) async fn find(pool: &PgPool) -> anyhow::Result<Self> {
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(pool)
            .await?;
        let elsewhere = "what Postgres costs can be counted only where it runs on this machine";
        let backend = stat(u32::try_from(backend)?).context(elsewhere)?;
        let postmaster = backend.parent;
        ensure!(
            backend.name == "postgres" && stat(postmaster)?.name == "postgres",
            "{elsewhere}"
        );
        alone(pool).await?;
        Ok(Self { postmaster })
    }

    /// Of all its processes. One that has ended meanwhile counts as well: what it took went over
    /// to its parent when that waited for it.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let first = stat(self.postmaster)?;
        let mut ticks = first.own + first.ended_children;
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that has just ended is no longer there.
            match stat(pid) {
                Ok(process) if process.parent == self.postmaster => ticks += process.own,
                _ => {}
            }
        }
        Ok(duration(ticks))
    }
}

/// Whether Postgres serves this database alone.
///
/// # Errors
/// Where another one is in use, whose work would count as this one's.
pub(crate) async fn alone(pool: &PgPool) -> anyhow::Result<()> {
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT datname::text FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND datname <> current_database()",
    )
    .fetch_all(pool)
    .await?;
    ensure!(
        others.is_empty(),
        "Postgres serves {others:?} as well, and what it costs counts as a whole: \
         stop the services and the tests that use it"
    );
    Ok(())
}

fn duration(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn stat(pid: u32) -> anyhow::Result<Stat> {
    let file = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(Path::new(&file)).with_context(|| file.clone())?;
    parse(&text).with_context(|| format!("{file} is not as proc_pid_stat(5) has it"))
}

/// `PID (NAME) STATE PARENT …`; the name may hold spaces and brackets.
fn parse(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    // The state, which is field 3 of the manual's, is the first here.
    let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
    Some(Stat {
        name: before.split_once('(')?.1.to_owned(),
        parent: u32::try_from(number(4)?).ok()?,
        own: number(14)? + number(15)?,
        ended_children: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_by_the_manuals_numbers() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194304 9 8 7 6 11 12 13 14 20 0 1 0";
        let stat = parse(line).expect("a line as the manual has it");
        assert_eq!(
            (
                stat.name.as_str(),
                stat.parent,
                stat.own,
                stat.ended_children
            ),
            ("a (b) c", 3, 23, 27)
        );
        assert!(parse("7 (cut").is_none());
        assert!(of_process(std::process::id()).is_ok());
    }
}
