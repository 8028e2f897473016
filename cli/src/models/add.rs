//! `tusou models add`

use std::io::Write;

use tusou_model::pack::describe::{About, describe};
use tusou_platform::config::Models;

use super::args::Add;
use super::error::ModelsError;
use super::{is_name, say, write_manifest};

pub(super) fn run(models: &Models, add: &Add, out: &mut dyn Write) -> Result<(), ModelsError> {
    let folder = add.folder.canonicalize();
    let folder = folder.map_err(ModelsError::folder("read the folder", &add.folder))?;
    let own = || {
        folder
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
    };
    let name = add.name.clone().or_else(own).unwrap_or_default();
    if !is_name(&name) {
        return Err(ModelsError::Name { name });
    }
    let about = About {
        name,
        licence: add.licence.clone(),
        source: add.source.clone(),
        field: add.field.clone(),
        dimension: add.dimension.map(usize::from),
    };
    let manifest = describe(&folder, &about)?;
    write_manifest(&folder, &manifest, &[])?;
    let words = match &manifest.textual {
        Some(text) if text.pooling.is_some() => "pictures and words (sentence-transformers)",
        Some(_) => "pictures and words (open_clip)",
        None => "pictures only",
    };
    say(
        out,
        &format!(
            "{} is usable: {words}, {} numbers a vector, {} files",
            manifest.name,
            manifest.dimension,
            manifest.files.len()
        ),
    )?;
    // By its name where that is enough.
    let pack = match folder.parent() == models.folder.canonicalize().ok().as_deref()
        && folder
            .file_name()
            .is_some_and(|name| name == manifest.name.as_str())
    {
        true => manifest.name.clone(),
        false => folder.display().to_string(),
    };
    say(
        out,
        &format!("`tusou models check {pack}` runs it; to use it, put {pack:?} into models.packs"),
    )
}
