//! A walk over a folder: in the order of addresses, and bounded whatever lies in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tusou_ingest::folder::{Bounds, Found, Walk, address, relative_path};

const ALL: Bounds = Bounds {
    depth: 32,
    follow_links: false,
    hidden: false,
};

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("it can be made");
        fs::write(path, file).expect("it can be written");
    }
    folder
}

fn walk(folder: &Path, bounds: Bounds) -> Vec<Found> {
    let walk = Walk::open(folder, &address("f"), bounds).expect("the folder can be read");
    walk.collect()
}

/// Paths of files; of what is left, with the reason.
fn shown(found: &[Found]) -> Vec<String> {
    found
        .iter()
        .map(|found| match found {
            Found::File(file) => relative_path(&file.url).expect("an address"),
            Found::Left(left) => {
                let path = relative_path(&left.url).expect("an address");
                format!("{path}: {}", left.reason)
            }
        })
        .collect()
}

#[test]
fn files_come_in_the_order_of_their_addresses() {
    let folder = folder(&[
        "a/x.png",
        "a/b/y.png",
        "a-b.png",
        "a.png",
        "图/z.png",
        "B.png",
        "a b.png",
    ]);
    let found = walk(folder.path(), ALL);
    let urls: Vec<&String> = found
        .iter()
        .map(|found| match found {
            Found::File(file) => &file.url,
            Found::Left(left) => panic!("{left:?}"),
        })
        .collect();
    let mut sorted = urls.clone();
    sorted.sort_unstable();
    assert_eq!(urls, sorted);
    assert_eq!(urls.len(), 7);
}

#[test]
fn links_depth_and_hidden_names_are_bounded() {
    let folder = folder(&[
        "a/b/c/deep.png",
        "a/near.png",
        ".hidden/x.png",
        ".y.png",
        "z.png",
    ]);
    let root = folder.path();
    symlink(root, root.join("a/up")).expect("a link can be made");
    symlink(root.join("z.png"), root.join("link.png")).expect("a link can be made");
    symlink("nowhere", root.join("broken.png")).expect("a link can be made");
    let depth = Bounds { depth: 1, ..ALL };
    assert_eq!(
        shown(&walk(root, depth)),
        [
            ".hidden: hidden",
            ".y.png: hidden",
            "a/b: depth",
            "a/near.png",
            "a/up: link",
            "broken.png: link",
            "link.png: link",
            "z.png",
        ]
    );
    let followed = Bounds {
        follow_links: true,
        hidden: true,
        ..ALL
    };
    assert_eq!(
        shown(&walk(root, followed)),
        [
            ".hidden/x.png",
            ".y.png",
            "a/b/c/deep.png",
            "a/near.png",
            "a/up: link_loop",
            "broken.png: unreadable",
            "link.png",
            "z.png",
        ]
    );
}

#[test]
fn links_that_lead_to_each_other_many_times_over_end() {
    // Thirty folders, each with two links to the next: a billion ways to the last one.
    let folder = folder(&["30/picture.png"]);
    let root = folder.path();
    for n in 0..30 {
        fs::create_dir_all(root.join(n.to_string())).expect("it can be made");
        for link in ["x", "y"] {
            let next = root.join((n + 1).to_string());
            symlink(next, root.join(format!("{n}/{link}"))).expect("a link can be made");
        }
    }
    let bounds = Bounds {
        depth: 1_000,
        follow_links: true,
        ..ALL
    };
    let found = walk(root, bounds);
    assert!(found.len() < 1_000, "{} entries", found.len());
    assert!(shown(&found).contains(&"30/picture.png".to_owned()));
}

#[test]
fn a_name_that_is_no_utf_8_has_a_path_and_a_text_beside_a_picture_belongs_to_it() {
    let folder = folder(&["000.jpg", "000.txt", "000.json", "alone.txt"]);
    let name = OsStr::from_bytes(b"caf\xE9\n.png");
    fs::write(folder.path().join(name), "x").expect("this file system takes any name");
    let found = walk(folder.path(), ALL);
    let paths = [
        "000.jpg",
        "000.json",
        "000.txt",
        "alone.txt",
        "caf%E9%0A.png",
    ];
    assert_eq!(shown(&found), paths);
    let words = found.iter().map(|found| match found {
        Found::File(file) => file.words.is_some(),
        Found::Left(_) => false,
    });
    let words: Vec<bool> = words.collect();
    assert_eq!(words, [true, true, false, false, false]);
    let stamp = |found: &[Found]| match &found[0] {
        Found::File(file) => file.stamp.clone(),
        Found::Left(left) => panic!("{left:?}"),
    };
    let before = stamp(&found);
    fs::write(folder.path().join("000.txt"), "other words").expect("it can be written");
    assert_ne!(
        stamp(&walk(folder.path(), ALL)),
        before,
        "other words are a change"
    );
}

#[test]
fn a_path_that_is_too_long_and_what_is_no_file_are_left() {
    let folder = folder(&["x.png"]);
    let deep = folder
        .path()
        .join(format!("{0}/{0}/{0}/{0}", "图".repeat(80)));
    fs::create_dir_all(&deep).expect("it can be made");
    fs::write(deep.join("y.png"), "y").expect("it can be written");
    let pipe = std::process::Command::new("mkfifo")
        .arg(folder.path().join("pipe.png"))
        .status();
    assert!(pipe.expect("mkfifo is there").success());
    let found = shown(&walk(folder.path(), ALL));
    let reasons: Vec<&str> = found
        .iter()
        .filter_map(|found| found.split_once(": "))
        .map(|left| left.1)
        .collect();
    assert_eq!(reasons, ["name_too_long", "no_file"]);
    assert_eq!(found.len(), 3);
}
