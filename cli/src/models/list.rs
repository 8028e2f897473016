//! `tusou models list`

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tusou_contract::PackManifest;
use tusou_contract::mapping::IMAGE_EMBEDDING;
use tusou_contract::pack::MANIFEST;
use tusou_platform::config::Models;

use super::args::List;
use super::catalogue::{ALL, BuiltIn, From, Kind};
use super::error::ModelsError;
use crate::format::{json, number, one_line};

/// What there is.
#[derive(Debug, Serialize)]
struct Report {
    folder: String,
    models: Vec<Row>,
}

/// A model.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Absent for packs that are not known by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimension: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_megabytes: Option<u32>,
    licence: String,
    languages: String,
    description: String,
    source: String,
    /// The source in a word or two.
    #[serde(skip)]
    from: &'static str,
    state: State,
    /// The document's field that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// Whether it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It can be fetched.
    Absent,
    /// Its folder and manifest are here.
    Here,
    /// And `models.packs` names it.
    InUse,
    /// `models.packs` names it, and it is not here.
    Missing,
}

pub(super) fn run(models: &Models, list: &List, out: &mut dyn Write) -> Result<(), ModelsError> {
    let report = gather(models);
    let text = match list.json {
        true => json(&report) + "\n",
        false => text(&report),
    };
    out.write_all(text.as_bytes()).map_err(ModelsError::Output)
}

fn gather(models: &Models) -> Report {
    let mut rows: Vec<Row> = ALL.iter().map(|model| built_in(models, model)).collect();
    let known = |folder: &Path| {
        ALL.iter()
            .any(|model| folder == models.folder.join(model.name))
    };
    let mut others: Vec<_> = fs::read_dir(&models.folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(MANIFEST).is_file() && !is_hidden(folder))
        .collect();
    others.extend(models.packs.iter().cloned());
    others.sort();
    others.dedup();
    let others = others.iter().filter(|folder| !known(folder));
    rows.extend(others.map(|folder| other(models, folder)));
    Report {
        folder: models.folder.display().to_string(),
        models: rows,
    }
}

fn is_hidden(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| name.starts_with(b"."))
}

fn built_in(models: &Models, model: &BuiltIn) -> Row {
    let folder = models.folder.join(model.name);
    let (state, field) = state(models, &folder);
    let from = match &model.from {
        From::Hub(_) => "model hub",
        From::Wheel(_) => "PyPI",
        From::Build => "built here",
    };
    let source = match &model.from {
        From::Hub(repositories) => {
            let ids = repositories.iter().map(|repository| repository.id);
            ids.collect::<Vec<_>>().join(" + ")
        }
        From::Wheel(wheel) => format!("PyPI {}=={}", wheel.project, wheel.version),
        From::Build => "built from PyPI, by Python".to_owned(),
    };
    Row {
        name: model.name.to_owned(),
        kind: Some(model.kind),
        dimension: Some(model.dimension),
        download_megabytes: Some(model.megabytes),
        licence: model.licence.to_owned(),
        languages: model.languages.to_owned(),
        description: model.description.to_owned(),
        source,
        from,
        state,
        field: field.or_else(|| model.field.map(str::to_owned)),
    }
}

/// A pack that somebody added, or whose folder lies elsewhere.
fn other(models: &Models, folder: &Path) -> Row {
    let manifest = fs::read(folder.join(MANIFEST)).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
    let said = |key: &str| one_line(value[key].as_str().unwrap_or_default(), 200);
    let (state, field) = state(models, folder);
    Row {
        name: match said("name") {
            name if name.is_empty() => folder.display().to_string(),
            name => name,
        },
        kind: None,
        dimension: PackManifest::from_json(&manifest)
            .ok()
            .map(|pack| pack.dimension),
        download_megabytes: None,
        licence: said("licence"),
        languages: said("languages"),
        description: said("description"),
        source: match said("source") {
            source if source.is_empty() => folder.display().to_string(),
            source => source,
        },
        from: "a folder",
        state,
        field,
    }
}

fn state(models: &Models, folder: &Path) -> (State, Option<String>) {
    let manifest = fs::read(folder.join(MANIFEST)).ok();
    let position = models.packs.iter().position(|pack| pack == folder);
    let state = match (&manifest, position) {
        (None, None) => State::Absent,
        (None, Some(_)) => State::Missing,
        (Some(_), None) => State::Here,
        (Some(_), Some(_)) => State::InUse,
    };
    let field = position.and_then(|position| match position {
        0 => Some(IMAGE_EMBEDDING.to_owned()),
        position => Some(PackManifest::from_json(&manifest?).ok()?.field(position)),
    });
    (state, field)
}

fn text(report: &Report) -> String {
    let mut rows = vec![
        [
            "NAME",
            "FOR",
            "NUMBERS",
            "DOWNLOAD",
            "FROM",
            "LANGUAGES",
            "LICENCE",
            "STATE",
        ]
        .map(str::to_owned),
    ];
    rows.extend(report.models.iter().map(cells));
    let mut text = format!("models in {}\n\n", report.folder);
    text.push_str(&columns(&rows));
    text.push('\n');
    let missing = report
        .models
        .iter()
        .filter(|row| row.state == State::Missing);
    for row in missing {
        text.push_str(&format!(
            "{} is in models.packs and not here: `tusou models fetch {}`\n",
            row.name, row.name
        ));
    }
    if report.models.iter().all(|row| row.state != State::Missing) {
        text.push_str("`tusou models fetch NAME` gets one; models.packs says which are in use, the first for image_embedding\n");
    }
    text
}

fn cells(row: &Row) -> [String; 8] {
    let or = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    // Terms of several lines are told when it is fetched.
    let licence = match row.licence.split_once("; ") {
        Some(_) => "its own terms".to_owned(),
        None => one_line(&row.licence, 36),
    };
    let field = row.field.as_deref().unwrap_or(IMAGE_EMBEDDING);
    [
        row.name.clone(),
        or(row.kind.map(|kind| kind.in_words().to_owned())),
        or(row.dimension.map(|dimension| dimension.to_string())),
        or(row
            .download_megabytes
            .map(|size| format!("{} MB", number(size.into())))),
        row.from.to_owned(),
        row.languages.clone(),
        licence,
        match row.state {
            State::Absent => String::new(),
            State::Here => "here".to_owned(),
            State::InUse => format!("in use: {field}"),
            State::Missing => "in use and not here".to_owned(),
        },
    ]
}

/// Columns as wide as their widest cell, numbers to the right.
fn columns(rows: &[[String; 8]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..8).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let cell = match column {
                2 | 3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            };
            line.push_str("  ");
            line.push_str(&cell);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_as_recorded() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let models = Models {
            folder: folder.path().to_owned(),
            packs: ["lite", "sscd-distilled"]
                .map(|name| folder.path().join(name))
                .into(),
            ..Models::default()
        };
        let sum = "ab".repeat(32);
        for (name, more) in [
            ("lite", ""),
            ("nsfw", ""),
            ("ours", r#""licence":"CC0-1.0","source":"https://a.test/","#),
        ] {
            let place = folder.path().join(name);
            fs::create_dir(&place).expect("a folder is made");
            let manifest = format!(
                r#"{{"name":"{name}",{more}"dimension":4,"files":{{"model.onnx":"{sum}"}}}}"#
            );
            fs::write(place.join(MANIFEST), manifest).expect("it is writable");
        }
        fs::create_dir(folder.path().join("empty")).expect("a folder is made");
        let report = gather(&models);
        let plain = |text: String| text.replace(&folder.path().display().to_string(), "/models");
        insta::assert_snapshot!("text", plain(text(&report)));
        insta::assert_snapshot!("json", plain(json(&report)));
    }
}
