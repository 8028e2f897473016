//! The services under a supervisor that starts again what is down, as every machine has one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex as PlainMutex};
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::task::AbortOnDropHandle;

use super::plan::Part;
use crate::{Service, World, binary, command};

/// Between two looks of the supervisor.
const LOOK: Duration = Duration::from_millis(500);
/// A service ends within 30 s of SIGTERM, on a machine that does nothing else.
const END_LIMIT: Duration = Duration::from_secs(60);
/// Lines of a log that a report shows, and the most characters of each.
const LOG_LINES: usize = 8;
const LINE_CHARS: usize = 300;

/// The three services of a crawl.
#[derive(Debug)]
pub(super) struct Services {
    slots: Arc<Vec<Slot>>,
    notes: Arc<PlainMutex<BTreeMap<String, u64>>>,
    config_file: PathBuf,
    _supervisor: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Slot {
    part: Part,
    service: Mutex<Service>,
}

impl Services {
    /// Starts those and their supervisor.
    pub(super) async fn start(world: &World, parts: &[Part]) -> anyhow::Result<Self> {
        let mut slots = Vec::new();
        for part in parts {
            let service = Mutex::new(Service::spawn_unready(world, part.binary()).await);
            slots.push(Slot {
                part: *part,
                service,
            });
        }
        for slot in &slots {
            slot.service.lock().await.wait_ready().await;
        }
        let (slots, notes) = (
            Arc::new(slots),
            Arc::<PlainMutex<BTreeMap<String, u64>>>::default(),
        );
        let supervisor = tokio::spawn(supervise(Arc::clone(&slots), Arc::clone(&notes)));
        let config_file = world.folder().join("tusou.toml");
        std::fs::write(&config_file, toml::to_string(&world.config)?)?;
        Ok(Self {
            slots,
            notes,
            config_file,
            _supervisor: AbortOnDropHandle::new(supervisor),
        })
    }

    /// A service, for as long as nobody else may touch it.
    pub(super) async fn of(&self, part: Part) -> MutexGuard<'_, Service> {
        let slot = self.slots.iter().find(|slot| slot.part == part);
        slot.expect("every part was started").service.lock().await
    }

    /// SIGTERM, and its status; killed, with a note, where it does not end.
    pub(super) async fn terminate(&self, part: Part, service: &mut Service) -> Option<ExitStatus> {
        let status = service.end_within(END_LIMIT).await;
        match status {
            None => {
                self.note(format!(
                    "{} did not end within {} s of SIGTERM; it was killed",
                    part.binary(),
                    END_LIMIT.as_secs()
                ));
                service.kill().await;
            }
            Some(status) if !status.success() => {
                self.note(format!(
                    "{} ended with {status} after SIGTERM",
                    part.binary()
                ));
            }
            Some(_) => {}
        }
        status
    }

    /// What a report is to mention.
    pub(super) fn note(&self, text: String) {
        note(&self.notes, text);
    }

    /// Everything noted so far, each once.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = self.notes.lock().expect("no holder of this lock panics");
        let often = |(text, times): (&String, &u64)| match times {
            1 => text.clone(),
            times => format!("{text} ({times} times)"),
        };
        notes.iter().map(often).collect()
    }

    /// Resident memory of those that run, bytes.
    pub(super) async fn rss(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for slot in self.slots.iter() {
            let mut service = slot.service.lock().await;
            if service.is_running() {
                found.insert(slot.part.binary().to_owned(), service.rss_bytes());
            }
        }
        found
    }

    /// What is not well with each, as its health says: `tusou-indexer: elasticsearch: …`.
    pub(super) async fn health(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for slot in self.slots.iter() {
            let name = slot.part.binary();
            let unwell = slot.service.lock().await.unwell().await;
            lines.extend(unwell.into_iter().map(|line| format!("{name}: {line}")));
        }
        lines
    }

    /// The last lines of each log.
    pub(super) async fn logs(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for slot in self.slots.iter() {
            let service = slot.service.lock().await;
            lines.push(format!("{}:", slot.part.binary()));
            lines.extend(last_lines(&service));
        }
        lines
    }

    /// Runs `tusou`; what it printed. A run that takes longer than `limit` is ended.
    pub(super) async fn tusou(
        &self,
        limit: Duration,
        arguments: &[&str],
    ) -> anyhow::Result<Output> {
        let mut command = Command::from(command(binary("tusou")));
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.config_file);
        let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(limit, running)
            .await
            .with_context(|| format!("tusou {arguments:?} takes longer than {limit:?}"))?;
        Ok(output?)
    }
}

fn note(notes: &PlainMutex<BTreeMap<String, u64>>, text: String) {
    let mut notes = notes.lock().expect("no holder of this lock panics");
    *notes.entry(text).or_default() += 1;
}

fn last_lines(service: &Service) -> Vec<String> {
    let log = service.log();
    let lines: Vec<&str> = log.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES)..];
    let cut = |line: &&str| line.chars().take(LINE_CHARS).collect::<String>();
    shown
        .iter()
        .map(|line| format!("    {}", cut(line)))
        .collect()
}

/// Starts what ended by itself. What a fault holds is the fault's.
async fn supervise(slots: Arc<Vec<Slot>>, notes: Arc<PlainMutex<BTreeMap<String, u64>>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        for slot in slots.iter() {
            let Ok(mut service) = slot.service.try_lock() else {
                continue;
            };
            if !service.is_running() {
                let said = last_lines(&service).pop().unwrap_or_default();
                // Without its time, so that the same end is the same note.
                let said = said.trim().split_once(' ').map_or("", |(_, said)| said);
                let name = slot.part.binary();
                note(
                    &notes,
                    format!("{name} ended by itself and was started again: {said}"),
                );
                service.start_again();
            }
        }
    }
}
