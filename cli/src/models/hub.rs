//! The model hub, or a mirror of it, or the hub's own cache in a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::tokio::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use sha1::{Digest as _, Sha1};
use tusou_model::pack::describe;
use tusou_platform::config::Models;

use super::catalogue::Repository;
use super::error::ModelsError;
use super::progress::Progress;
use super::staging::Staging;

const KEY: &str = "models.hub_url";

/// Pieces that are asked for at once, and how long each is: what a cut loses at most.
const PIECES: usize = 4;
const PIECE: usize = 8 << 20;

/// How often is asked again where nothing more has come.
const AGAIN: u32 = 3;

/// Where a file came from.
#[derive(Debug)]
pub(super) struct Got {
    /// The commit of the repository.
    pub(super) commit: String,
    /// Files for which the hub gives no checksum.
    pub(super) unchecked: usize,
}

/// Puts a repository's files into the pack, each checked against the hub's own checksum.
pub(super) async fn get(
    models: &Models,
    repository: &Repository,
    revision: &str,
    staging: &Staging,
    progress: &Progress,
) -> Result<Got, ModelsError> {
    let offline = !models.offline.as_os_str().is_empty();
    let (commit, files) = match offline {
        true => cached(&models.offline, repository, revision)?,
        false => {
            let hub = Hub::new(models, staging)?;
            hub.download(repository, revision, progress).await?
        }
    };
    let mut unchecked = 0;
    for (name, path) in files {
        let url = format!("{}@{commit}", repository.id);
        match check(&path, &name, &url) {
            Ok(checked) => unchecked += usize::from(!checked),
            Err(error) => {
                if !offline {
                    staging.abandon()?;
                }
                return Err(error);
            }
        }
        let to = staging.file(&format!("{}{name}", repository.into))?;
        // What was downloaded is not needed twice; what somebody else keeps is theirs.
        let from = path.canonicalize();
        let from = from.map_err(ModelsError::folder("read", &path))?;
        let put = match offline {
            true => fs::copy(&from, &to).map(drop),
            false => fs::hard_link(&from, &to),
        };
        put.map_err(ModelsError::folder("write", &to))?;
    }
    Ok(Got { commit, unchecked })
}

type Files = Vec<(String, PathBuf)>;

struct Hub<'a> {
    models: &'a Models,
    api: Api,
    cache: Cache,
}

impl<'a> Hub<'a> {
    fn new(models: &'a Models, staging: &Staging) -> Result<Self, ModelsError> {
        let folder = staging.downloads();
        fs::create_dir_all(&folder).map_err(ModelsError::folder("make the folder", &folder))?;
        let cache = Cache::new(folder);
        let token = Some(models.hub_token.clone()).filter(|token| !token.is_empty());
        let api = ApiBuilder::from_cache(cache.clone())
            .with_endpoint(models.hub_url.trim_end_matches('/').to_owned())
            .with_token(token)
            .with_progress(false)
            .with_user_agent("tusou", env!("CARGO_PKG_VERSION"))
            .with_max_files(PIECES)
            .with_chunk_size(Some(PIECE))
            .build();
        let api = api.map_err(|cause| away(&models.hub_url, cause))?;
        Ok(Self { models, api, cache })
    }

    async fn download(
        &self,
        repository: &Repository,
        revision: &str,
        progress: &Progress,
    ) -> Result<(String, Files), ModelsError> {
        let id = repository.id;
        let repo = |revision: &str| {
            Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned())
        };
        let named = repo(revision);
        let url = format!(
            "{}/api/{}",
            self.models.hub_url.trim_end_matches('/'),
            named.api_url()
        );
        let at_revision = self.api.repo(named);
        let info = progress.watch(at_revision.info()).await;
        let info = match info {
            // Not the hub's JSON: some other server, or a page that wants a log-in.
            Some(Err(ApiError::RequestError(cause))) if cause.is_decode() => {
                return Err(ModelsError::Answer {
                    url,
                    kind: "the model hub",
                    reason: cause.to_string(),
                    key: KEY,
                });
            }
            info => self.answer(&url, info)?,
        };
        let commit = info.sha;
        let files = info.siblings.into_iter().map(|file| file.rfilename);
        let files: Vec<String> = files
            .filter(|file| repository.takes(file) && is_inside(file))
            .collect();
        let lacking = repository.take.iter().find(|take| {
            let here =
                |file: &String| file == *take || take.ends_with('/') && file.starts_with(*take);
            !files.iter().any(here) && !is_optional(take)
        });
        if let Some(lacking) = lacking {
            return Err(ModelsError::Answer {
                url,
                kind: "the model hub",
                reason: format!("it names no file {lacking}"),
                key: KEY,
            });
        }

        let at_commit = self.api.repo(repo(&commit));
        let kept = self.cache.repo(repo(&commit));
        let mut paths = Files::new();
        for file in files {
            if let Some(path) = kept.get(&file) {
                paths.push((file, path));
                continue;
            }
            let (mut tries, mut kept) = (0, 0);
            let path = loop {
                let download = at_commit.download_with_progress(&file, progress.clone());
                let got = progress.watch(download).await;
                // Pieces that came whole are kept, and the next try goes on behind them.
                tries = if progress.kept() > kept { 1 } else { tries + 1 };
                kept = progress.kept();
                match self.answer(&at_commit.url(&file), got) {
                    Err(ModelsError::Away { .. }) if tries <= AGAIN => {
                        tokio::time::sleep(Duration::from_millis(300 << tries)).await;
                    }
                    other => break other?,
                }
            };
            paths.push((file, path));
        }
        Ok((commit, paths))
    }

    /// The hub's answer, its failure in words.
    fn answer<T>(&self, url: &str, answer: Option<Result<T, ApiError>>) -> Result<T, ModelsError> {
        let cause = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(cause)) => cause,
            None => {
                let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
                return Err(away(url, silent));
            }
        };
        let url = url.to_owned();
        let status = match &cause {
            ApiError::RequestError(cause) => cause.status().map(|status| status.as_u16()),
            _ => None,
        };
        Err(match (status, cause) {
            (Some(status @ (401 | 403)), _) => ModelsError::Refused { url, status },
            (Some(429 | 500..=599) | None, cause @ ApiError::RequestError(_)) => away(&url, cause),
            (Some(status), _) => ModelsError::Status {
                url,
                status,
                key: KEY,
            },
            (None, ApiError::IoError(cause)) => {
                ModelsError::folder("write what is downloaded to", self.cache.path())(cause)
            }
            (None, cause) => ModelsError::Answer {
                url,
                kind: "the model hub",
                reason: cause.to_string(),
                key: KEY,
            },
        })
    }
}

/// Older repositories say in another file what is taken from this one.
fn is_optional(file: &str) -> bool {
    ["sentence_bert_config.json", "tokenizer_config.json"].contains(&file)
}

/// A path that stays below the folder that it is put in.
fn is_inside(file: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    file.split('/').all(plain) && !file.contains('\\')
}

fn away(url: &str, cause: impl std::error::Error + Send + Sync + 'static) -> ModelsError {
    ModelsError::Away {
        url: url.to_owned(),
        key: KEY,
        by_hand: "the hub's own cache, as another machine has it in ~/.cache/huggingface/hub"
            .into(),
        cause: Box::new(cause),
    }
}

/// A repository's files in the hub's own cache.
fn cached(
    folder: &Path,
    repository: &Repository,
    revision: &str,
) -> Result<(String, Files), ModelsError> {
    let repo = Repo::with_revision(
        repository.id.to_owned(),
        RepoType::Model,
        revision.to_owned(),
    );
    let kept = folder.join(repo.folder_name());
    let absent = || ModelsError::NotOffline {
        what: format!("{} at {revision}", repository.id),
        folder: folder.to_owned(),
        remedy: format!(
            "copy {} there from ~/.cache/huggingface/hub of a machine that has downloaded it",
            repo.folder_name()
        ),
    };
    // A branch's commit stands in a file of its name; a commit is a snapshot's own.
    let commit = fs::read_to_string(kept.join("refs").join(revision));
    let commit = commit.map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
    let snapshot = kept.join("snapshots").join(&commit);
    if !is_inside(&commit) || !snapshot.is_dir() {
        return Err(absent());
    }
    let mut files = Files::new();
    walk(&snapshot, "", &mut files).map_err(ModelsError::folder("read the folder", &snapshot))?;
    files.retain(|(name, _)| repository.takes(name));
    files.sort();
    if files.is_empty() {
        return Err(absent());
    }
    Ok((commit, files))
}

fn walk(folder: &Path, below: &str, files: &mut Files) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let name = format!("{below}{name}");
        match path.is_dir() {
            true => walk(&path, &format!("{name}/"), files)?,
            false => files.push((name, path)),
        }
    }
    Ok(())
}

/// Checks a file against its name in the cache, which is the hub's ETag: the SHA-256 of large files, git's own
/// of small ones. `false` where the server gave another kind of ETag.
fn check(path: &Path, name: &str, url: &str) -> Result<bool, ModelsError> {
    let unread = |cause| ModelsError::folder("read", path)(cause);
    let blob = path.canonicalize().map_err(unread)?;
    let expected = blob
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let hexadecimal = expected.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = match (hexadecimal, expected.len()) {
        (true, 64) => describe::sha256(&blob).map_err(unread)?,
        (true, 40) => {
            let bytes = fs::read(&blob).map_err(unread)?;
            let mut hasher = Sha1::new();
            hasher.update(format!("blob {}\0", bytes.len()));
            hasher.update(&bytes);
            hex::encode(hasher.finalize())
        }
        _ => return Ok(false),
    };
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(true),
        false => Err(ModelsError::Checksum {
            file: name.to_owned(),
            url: url.to_owned(),
            found,
            expected: expected.to_owned(),
            key: KEY,
        }),
    }
}
