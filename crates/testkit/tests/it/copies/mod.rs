//! Copies of a picture are found by `copy_embedding`, through the whole system: crawled, encoded, indexed,
//! searched. What was seen is in `docs/encoder.md`.

mod alike;
mod change;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use alike::alike;
use image::RgbImage;
use serde_json::json;
use tusou_contract::{ImageFormat, ImageId};
use tusou_model::decode::{self, Detail};
use tusou_model::{Device, Limits, Pack, Runtime, VisionModel};
use tusou_testkit::{Chain, Reply, Site, World, tusou};

/// Fixed before anything was measured: what is as near as this is called a copy.
const THRESHOLD: f32 = 0.5;
/// The part of all copies that is to be found.
const RECALL: f64 = 0.98;
/// Both sides are to be longer than so many pixels.
const SIDE: u32 = 200;
/// Every how many pictures one is taken, where [`EVERY`] says nothing: seconds.
const DEFAULT_EVERY: usize = 8;
/// The environment variable that says it; 1 takes all.
const EVERY: &str = "TUSOU_COPIES_EVERY";
/// Pictures of a page of the site.
const PAGE: usize = 50;

struct Original {
    /// `stamps/food/fruit/kiwi`, `handbook/ssh-L`: the same in every language.
    name: String,
    bytes: Vec<u8>,
    pixels: RgbImage,
}

/// As the crawler and the encoder see it: transparency over white.
fn decoded(bytes: &[u8], format: ImageFormat) -> RgbImage {
    let limits = Limits {
        max_pixels: 50_000_000,
        max_memory: 400 << 20,
    };
    decode::decode(bytes, format, &limits, Detail::Whole).expect("a good picture")
}

fn png_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            png_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "png") {
            found.push(path);
        }
    }
}

/// The distinct pictures of the stamps and of the handbook that are large enough, by their ids.
fn originals(every: usize) -> BTreeMap<ImageId, Original> {
    let mut originals = BTreeMap::new();
    for (variable, kind) in [("TUSOU_STAMPS", "stamps"), ("TUSOU_HANDBOOK", "handbook")] {
        let folder = std::env::var_os(variable).map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| panic!("{variable} names a folder: see `make env`"));
        let (mut files, mut large) = (Vec::new(), BTreeMap::new());
        png_files(&folder, &mut files);
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file).expect("the folder can be read");
            if ImageFormat::sniff(&bytes) != Some(ImageFormat::Png) {
                continue;
            }
            let pixels = decoded(&bytes, ImageFormat::Png);
            if pixels.width().min(pixels.height()) <= SIDE {
                continue;
            }
            let inner = file.strip_prefix(&folder).expect("it lies in there");
            let inner = match kind {
                "handbook" => Path::new(inner.file_name().expect("it is a file")),
                _ => inner,
            };
            let name = format!("{kind}/{}", inner.with_extension("").display());
            let id = ImageId::of(&bytes);
            large.entry(id).or_insert(Original {
                name,
                bytes,
                pixels,
            });
        }
        // Of the names in their order, so that pictures of a kind, which lie together, are all there.
        let mut large: Vec<_> = large.into_iter().collect();
        large.sort_by(|(one, a), (other, b)| (&a.name, one).cmp(&(&b.name, other)));
        originals.extend(large.into_iter().step_by(every));
    }
    originals
}

fn serve(site: &Site, originals: &BTreeMap<ImageId, Original>) {
    let mut pages = String::new();
    let all: Vec<_> = originals.iter().collect();
    for (number, part) in all.chunks(PAGE).enumerate() {
        let mut page = String::new();
        for (id, original) in part {
            let path = format!("/{id}.png");
            write!(page, "<img src={path} alt=\"{}\">", original.name).expect("memory is there");
            site.put(&path, Reply::bytes("image/png", original.bytes.clone()));
        }
        site.html(&format!("/page/{number}"), page);
        write!(pages, "<a href=/page/{number}>more</a>").expect("memory is there");
    }
    site.html("/", pages);
}

/// The pack that finds copies, beside the first one; fetched where it is not there yet.
async fn copy_pack(world: &mut World) -> PathBuf {
    let lite = &world.config.models.packs[0];
    let folder = lite.parent().expect("a pack is in a folder").to_owned();
    let pack = folder.join("sscd-distilled");
    world.config.models.folder = folder;
    if !pack.join("pack.json").is_file() {
        let output = tusou(world, &["models", "fetch", "sscd-distilled"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
    world.config.models.packs.push(pack.clone());
    pack
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Counts the pairs of different originals that the threshold calls copies, by what they are; all must
/// have been looked at.
fn check_pairs(
    originals: &BTreeMap<ImageId, Original>,
    vectors: &HashMap<ImageId, Vec<f32>>,
) -> BTreeMap<&'static str, usize> {
    let all: Vec<_> = originals.iter().collect();
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (position, (id, one)) in all.iter().enumerate() {
        for (other_id, other) in &all[..position] {
            let near = cosine(&vectors[*id], &vectors[*other_id]);
            if near < THRESHOLD {
                continue;
            }
            let what = if one.name == other.name {
                Some("translated")
            } else {
                alike(&one.name, &other.name)
            };
            match what {
                Some(what) => *counts.entry(what).or_default() += 1,
                None => unknown.push(format!("{near:.3} {} {}", one.name, other.name)),
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "nobody has looked at these pairs of different pictures: {unknown:#?}"
    );
    counts
}

#[tokio::test]
async fn copies_are_found_and_different_pictures_are_not() {
    let every = std::env::var(EVERY).map_or(DEFAULT_EVERY, |text| {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.unwrap_or_else(|| panic!("{EVERY} is {text:?}; write a number from 1"))
    });
    let originals = originals(every);
    let site = Site::start().await;
    serve(&site, &originals);
    let mut world = World::new("copies").await;
    let pack = copy_pack(&mut world).await;
    world.config.encoder.sessions = 2;
    let chain = Chain::start(world).await;
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;
    assert_eq!(status["images"]["indexed"], originals.len(), "{status:#}");

    let mut vectors = HashMap::new();
    for mut document in chain.world.documents().await {
        let vector = document.embeddings.remove("copy_embedding");
        vectors.insert(document.image_id, vector.expect("each has one"));
    }
    let runtime = Runtime::load(&chain.world.config.models.runtime).expect("it runs already");
    let pack = Pack::open(pack).expect("the encoder has it open");
    let mut model = VisionModel::load(&runtime, &pack, Device::Cpu, 2).expect("so it loads");
    let (elastic, alias) = (
        chain.world.elastic(),
        &chain.world.config.elasticsearch.alias,
    );
    let (mut found, mut missed) = (BTreeMap::<&str, [usize; 2]>::new(), Vec::new());
    for (id, original) in &originals {
        let copies = change::KINDS.map(|(_, change)| change(&original.pixels));
        let copies = model.embed(&copies).expect("the model works");
        for ((kind, _), vector) in change::KINDS.into_iter().zip(copies) {
            let request = json!({
                "size": 400, "_source": false,
                "knn": {"field": "copy_embedding", "k": 400, "num_candidates": 800,
                        "similarity": THRESHOLD, "query_vector": vector},
            });
            let answer = elastic.search(alias, &request).await;
            let answer = answer.expect("Elasticsearch answers");
            let hits = answer["hits"]["hits"].as_array().expect("a list");
            let place = hits.iter().position(|hit| hit["_id"] == id.to_string());
            let [all, first] = found.entry(kind).or_default();
            match place {
                Some(place) => {
                    *all += 1;
                    *first += usize::from(place == 0);
                }
                None => {
                    let near = cosine(&vector, &vectors[id]);
                    missed.push(format!("{kind}: {} at {near:.3}", original.name));
                }
            }
        }
    }
    let pictures = originals.len();
    let part = |count: usize, of: usize| count as f64 / of as f64;
    for (kind, [all, first]) in &found {
        println!(
            "{kind}: {:.4} found, {:.4} as the first",
            part(*all, pictures),
            part(*first, pictures)
        );
    }
    let all: usize = found.values().map(|[all, _]| all).sum();
    let recall = part(all, pictures * change::KINDS.len());
    println!("of {pictures} pictures' copies {recall:.4} are found; not: {missed:#?}");
    assert!(recall >= RECALL, "{recall}: {missed:#?}");
    let pairs = pictures * (pictures - 1) / 2;
    let near = check_pairs(&originals, &vectors);
    println!("of {pairs} pairs of originals these are as near as {THRESHOLD}: {near:?}");
    chain.end().await;
}
