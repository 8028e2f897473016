//! The guide's own commands, as a reader types them: `docs/guide/*.md`.
//!
//! In a block marked `console` each line after `$ ` is run by a shell, in the order of `docs/SUMMARY.md`, over one world
//! with all services; what stands below it is what it must say. A line `…` stands for any lines, `…` within a line for
//! anything there. A block marked `sh` is not run: each of its lines stands in [`NOT_RUN`] with the reason.
//! `<!-- wait: … -->` before a block is for this test alone.

mod parsed;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;
use tusou_testkit::{Chain, Gallery, Service, World, binary, command, pictures, tusou};

use super::ran::text;

/// What the guide shows and this test does not do: its first words, and why not.
const NOT_RUN: [(&str, &str); 16] = [
    ("make up", "starts the stack that this test itself runs on"),
    ("make down", "would stop the stack that this test runs on"),
    (
        "make demo",
        "deploy/demo says for itself whether it went well",
    ),
    ("make models", "gets hundreds of megabytes"),
    ("eval ", "the test's world has its own settings"),
    ("export ", "the test's world has its own settings"),
    (
        "tusou-crawler",
        "started by the test, with the world's configuration",
    ),
    (
        "tusou-encoder",
        "started by the test, with the world's configuration",
    ),
    (
        "tusou-indexer",
        "started by the test, with the world's configuration",
    ),
    (
        "tusou-search",
        "started by the test, with the world's configuration",
    ),
    ("tusou operate", "stays; cli/tests/it/operate runs it"),
    (
        "tusou status --watch",
        "stays; cli/tests/it/watch.rs runs it",
    ),
    (
        "tusou models fetch",
        "wants the network; cli/src/models/tests has servers for it",
    ),
    (
        "tusou index rollback",
        "crates/testkit/tests/it/generations.rs goes back and forth",
    ),
    ("deploy/backup", "crates/testkit/tests/it/backup.rs runs it"),
    (
        "deploy/restore",
        "crates/testkit/tests/it/backup.rs runs it",
    ),
];

/// What the guide's addresses stand for.
struct Places(Vec<(&'static str, String)>);

impl Places {
    /// What is typed, with this run's addresses.
    fn here(&self, text: &str) -> String {
        let told = |text: String, (there, here): &(&str, String)| text.replace(there, here);
        self.0.iter().fold(text.to_owned(), told)
    }

    /// What was said, with the guide's.
    fn there(&self, text: &str) -> String {
        let told = |text: String, (there, here): &(&str, String)| text.replace(here, there);
        self.0.iter().fold(text.to_owned(), told)
    }
}

#[tokio::test]
async fn the_guides_commands_do_what_it_says() {
    let gallery = Gallery::open(6, Duration::ZERO).await;
    gallery.site.robots("User-agent: *\nDisallow: /private/\n");
    let chain = Chain::start(World::new("guide").await).await;
    let search = Service::spawn(&chain.world, "tusou-search").await;
    let folder = files(&chain.world, &gallery);
    let site = gallery.site.url("");
    let site = site.trim_end_matches('/');
    let bare = site.trim_start_matches("http://").to_owned();
    let url = |service: &Service| service.url("");
    let places = Places(vec![
        ("https://example.org", site.to_owned()),
        ("example.org", bare),
        ("http://127.0.0.1:9181", url(&chain.crawler)),
        ("http://127.0.0.1:9182", url(&chain.encoder)),
        ("http://127.0.0.1:9183", url(&chain.indexer)),
        ("http://127.0.0.1:8088", url(&search)),
    ]);
    let mut wrong = Vec::new();
    for page in parsed::pages() {
        for block in &page.blocks {
            if block.marked == "sh" {
                wrong.extend(
                    block
                        .lines
                        .iter()
                        .filter_map(|line| unlisted(&page.name, line)),
                );
            }
            if block.waits {
                chain.done().await;
            }
            for step in block.steps() {
                let ran = run(&chain.world, &folder, &places.here(&step.typed)).await;
                let said = places.there(&text(&ran.stdout)) + &places.there(&text(&ran.stderr));
                if !ran.status.success() || !parsed::agrees(&step.shown, &said) {
                    let (name, status) = (&page.name, ran.status);
                    wrong.push(format!("{name}: $ {}\n({status})\n{said}", step.typed));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n────\n"));
    drop(search);
    chain.end().await;
}

/// A line that is neither run nor listed.
fn unlisted(page: &str, line: &str) -> Option<String> {
    let line = line.trim();
    let listed = NOT_RUN.iter().any(|(words, _)| line.starts_with(words));
    (!line.is_empty() && !line.starts_with('#') && !listed)
        .then(|| format!("{page}: `{line}` is not run and does not stand in NOT_RUN"))
}

/// What the guide's reader has at hand: a picture, a folder of pictures, a list.
fn files(world: &World, gallery: &Gallery) -> PathBuf {
    let folder = world.folder().join("reader");
    let photos = folder.join("photos");
    std::fs::create_dir_all(&photos).expect("the world's folder can be written");
    let write = |path: PathBuf, bytes: Vec<u8>| {
        std::fs::write(path, bytes).expect("the world's folder can be written");
    };
    write(folder.join("fox.jpg"), pictures::jpeg(4));
    write(photos.join("harbour.jpg"), pictures::jpeg(101));
    write(
        photos.join("harbour.txt"),
        b"The harbour in the morning".to_vec(),
    );
    write(photos.join("hill.jpg"), pictures::jpeg(102));
    let row = |page: u32| {
        format!(
            "{}\tA picture of the list\n",
            gallery.site.url(&format!("/own/{page}.jpg"))
        )
    };
    let rows: String = (0..3).map(row).collect();
    write(
        folder.join("photos.tsv"),
        format!("url\tcaption\n{rows}").into_bytes(),
    );
    folder
}

/// Runs a line as a shell does in the reader's folder, with `tusou` in the path and the world's configuration.
async fn run(world: &World, folder: &Path, line: &str) -> Output {
    let config = world.folder().join("tusou.toml");
    let text = toml::to_string(&world.config).expect("a configuration is TOML");
    std::fs::write(&config, text).expect("the world's folder can be written");
    let programs = binary("tusou");
    let programs = programs.parent().expect("a program lies in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::from(command("sh"));
    command
        .arg("-c")
        .arg(line)
        .current_dir(folder)
        .kill_on_drop(true);
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.env("TUSOU_CONFIG", config);
    let ran = tokio::time::timeout(Duration::from_secs(180), command.output()).await;
    ran.unwrap_or_else(|_| panic!("`{line}` does not end"))
        .expect("there is a shell")
}

/// Every line of `tusou` in the documents can be typed: its words are those of the command as it stands.
#[test]
fn every_command_in_the_documents_can_be_typed() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, line, words) in parsed::commands() {
        seen += 1;
        if let Some(refused) = parsed::refusal(&words) {
            wrong.push(format!("{file}:{line}: {}\n{refused}", words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "only {seen} commands were found");
}

#[tokio::test]
async fn what_a_guide_says_wrongly_is_seen() {
    assert!(parsed::agrees(&["a", "…", "c …"], "a\nb\nb\nc 12\n"));
    assert!(!parsed::agrees(&["a", "c"], "a\nb\nc\n"));
    assert!(!parsed::agrees(&["a …z"], "a b\n"));
    assert!(parsed::agrees(&[], "anything"));
    assert!(unlisted("p", "tusou seed remove 1").is_some());
    let refused = ["tusou", "seed", "--no-such-option"].map(str::to_owned);
    assert!(parsed::refusal(&refused).is_some());
    // The world's own way to run `tusou` finds the same fault.
    let world = World::new("guide_wrong").await;
    assert!(
        !tusou(&world, &["seed", "--no-such-option"])
            .await
            .status
            .success()
    );
    world.end().await;
}
