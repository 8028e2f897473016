//! How well the `lite` pack finds pictures by words: the Tux Paint stamps by their own captions.
//!
//! A stamp is centred on a white square 1.1 times its longer side (stamps are cut-outs; a square
//! keeps them whole). Recall@10 is the share of captions whose own stamp is among the ten nearest
//! of all 372. The reference in Python reaches .492 in English, .443 in Chinese and .427 in
//! German; chance is .027.

mod common;
#[path = "common/stamps.rs"]
mod stamps;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use stamps::{KINDS, squared};

const BATCH: usize = 32;

struct Stamp {
    picture: PathBuf,
    /// By language; `en` is the file's first line.
    captions: HashMap<String, String>,
}

#[test]
fn words_find_their_stamps() {
    let (_, mut vision, mut text) = common::lite();
    let stamps = read_stamps(&common::stamps());
    assert_eq!(
        stamps.len(),
        372,
        "the stamps of tuxpaint-stamps-default 2022.06.04"
    );

    let mut images = Vec::new();
    for chunk in stamps.chunks(BATCH) {
        let picture = |stamp: &Stamp| squared(&common::read_stamp(&stamp.picture));
        let pictures: Vec<_> = chunk.iter().map(picture).collect();
        images.extend(vision.embed(&pictures).expect("pictures are encoded"));
    }

    for (language, floor) in [("en", 0.47), ("zh_CN", 0.42), ("de", 0.40)] {
        let (mut found, mut asked) = (0, 0);
        let captioned: Vec<(usize, String)> = stamps
            .iter()
            .enumerate()
            .filter_map(|(own, stamp)| Some((own, stamp.captions.get(language)?.clone())))
            .collect();
        for chunk in captioned.chunks(BATCH) {
            let texts: Vec<String> = chunk.iter().map(|(_, caption)| caption.clone()).collect();
            let vectors = text.embed(&texts).expect("texts are encoded");
            for ((own, _), query) in chunk.iter().zip(vectors) {
                let mine = common::cosine(&query, &images[*own]);
                let nearer = images
                    .iter()
                    .filter(|image| common::cosine(&query, image) > mine)
                    .count();
                found += usize::from(nearer < 10);
                asked += 1;
            }
        }
        let recall = f64::from(u32::try_from(found).expect("few")) / f64::from(asked);
        println!("{language}: recall@10 {recall:.3} of {asked} captions");
        assert!(
            recall >= floor,
            "{language}: recall@10 {recall:.3} is below {floor}"
        );
    }
}

fn read_stamps(folder: &Path) -> Vec<Stamp> {
    let mut files = Vec::new();
    for kind in KINDS {
        collect(&folder.join(kind), &mut files);
    }
    files.sort();
    files
        .iter()
        .filter_map(|caption_file| read_stamp(caption_file))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of stamps is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
}

fn read_stamp(caption_file: &Path) -> Option<Stamp> {
    let picture = caption_file.with_extension("png");
    if !picture.exists() || caption_file.to_string_lossy().contains("cartoon") {
        return None;
    }
    let text = std::fs::read_to_string(caption_file).expect("captions are UTF-8");
    let mut lines = text.split('\n');
    let english = lines.next()?.trim_start_matches('=').trim().to_owned();
    let others = lines
        .filter_map(|line| line.split_once(".utf8="))
        .map(|(language, caption)| (language.to_owned(), caption.trim().to_owned()))
        .filter(|(_, caption)| !caption.is_empty());
    let captions = std::iter::once(("en".to_owned(), english))
        .chain(others)
        .collect();
    Some(Stamp { picture, captions })
}
