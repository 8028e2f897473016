//! Adding and checking folders, with the real ONNX Runtime.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tusou_platform::config;

use super::Machine;
use crate::models::args::Command;
use crate::models::error::ModelsError;
use crate::models::{add, check};

#[derive(Parser)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

/// Runs `tusou models add` or `check` as it would be typed.
fn run(machine: &Machine, typed: &[&str]) -> Result<String, ModelsError> {
    let typed = ["tusou"].iter().chain(typed);
    let mut out = Vec::new();
    match Typed::parse_from(typed).command {
        Command::Add(add) => add::run(&machine.models, &add, &mut out)?,
        Command::Check(check) => check::run(&machine.models, &check, &mut out)?,
        other => panic!("{other:?} is tried elsewhere"),
    }
    Ok(machine.plain(&String::from_utf8(out).expect("it is text")))
}

/// A machine with ONNX Runtime, and one of the packs that Python made, without what Python says of it.
fn machine(pack: &str) -> (Machine, PathBuf) {
    let mut machine = Machine::new();
    let (config, _) = config::load(None).expect("the local stack is configured");
    machine.models.runtime = config.models.runtime;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/model/tests/golden/packs");
    let folder = machine.pack("ours");
    copy(&golden.join(pack), &folder);
    (machine, folder)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary folder is made");
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let to = to.join(path.file_name().expect("it has a name"));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).expect("it can be copied")),
        }
    }
}

#[test]
fn a_folder_is_added_and_runs() {
    for pack in ["open-clip", "sentence"] {
        let (machine, folder) = machine(pack);
        let place = folder.display().to_string();
        let told = run(&machine, &["add", &place, "--licence", "CC0-1.0"]).expect("it is whole");
        insta::assert_snapshot!(pack, told);
        let told = run(&machine, &["check", "ours", "--json"]).expect("it runs");
        let told: Value = serde_json::from_str(&told).expect("it is JSON");
        assert_eq!(told[0]["dimension"], 24, "{told}");
        assert_eq!(told[0]["licence"], "CC0-1.0", "{told}");
        for tower in ["pictures", "words"] {
            let device = told[0][tower]["device"].as_str();
            assert!(matches!(device, Some("cpu" | "cuda")), "{told}");
        }
        assert!(
            run(&machine, &["check", "ours"])
                .expect("it runs")
                .contains("24 numbers a vector")
        );
    }
}

#[test]
fn what_is_changed_or_no_model_is_told() {
    let (mut machine, folder) = machine("open-clip");
    let place = folder.display().to_string();
    let error = run(&machine, &["check", "ours"]).expect_err("nothing is written yet");
    let mut told = vec![error.to_string()];
    let error = run(&machine, &["add", &place, "--name", "Ours!"]).expect_err("it is no name");
    assert_eq!(error.exit_code(), 2);
    told.push(error.to_string());
    run(&machine, &["add", &place]).expect("it is whole");
    fs::write(folder.join("textual/tokenizer.json"), "{}").expect("it is writable");
    let error = run(&machine, &["check", &place]).expect_err("a file has changed");
    assert!(
        error.to_string().contains("textual/tokenizer.json"),
        "{error}"
    );
    machine.models.packs = vec![folder, machine.pack("lite")];
    told.push(
        run(&machine, &["check"])
            .expect_err("both are of no use")
            .to_string(),
    );
    fs::remove_dir_all(machine.pack("ours").join("visual")).expect("it is there");
    let error = run(&machine, &["add", &place]).expect_err("a tower is missing");
    told.push(error.to_string());
    insta::assert_snapshot!(machine.plain(&told.join("\n")));
}
