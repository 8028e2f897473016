//! How far a pack is from its reference implementation, for packs that are too large to be committed:
//! `cargo run --release --workspace --example parity -- FOLDER` (`make parity` makes the article's two towers and
//! runs it). The folder holds a pack as it comes from the hub, and `golden.json`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::process::ExitCode;

/// 1 - cosine: what is asked of every model.
const MOST: f64 = 1e-4;

#[expect(clippy::print_stdout, reason = "a program for eyes")]
fn main() -> ExitCode {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .expect("one argument: the pack's folder, with golden.json in it")
        .into();
    let compared = common::golden::compare(&folder);
    for (text, distance) in &compared.texts {
        println!(
            "{distance:9.1e}  {:?}",
            text.chars().take(60).collect::<String>()
        );
    }
    for one in &compared.pictures {
        let pixels = if one.same_pixels {
            ""
        } else {
            "  other pixels"
        };
        println!("{:9.1e}  {}{pixels}", one.distance, one.file);
    }
    let worst = compared
        .texts()
        .max(compared.pictures(true))
        .max(compared.pictures(false));
    println!(
        "1 - cosine at most {:.1e} for texts, {:.1e} for pictures, {:.1e} where pixels differ, {:.1e} between a batch and alone",
        compared.texts(),
        compared.pictures(true),
        compared.pictures(false),
        compared.mates
    );
    if worst > MOST {
        println!("more than {MOST:.0e}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
