//! How much of what the model can find the service finds: captioned stamps, crawled as a site, asked for in eight
//! languages.
//!
//! "The pack's own" is exact: a caption's vector with the vectors of the same PNGs, by the pack's own towers; found is
//! what fewer than ten pictures are nearer than (`docs/search.md`).

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::task::block_in_place;
use tusou_contract::ImageId;
use tusou_model::Runtime;
use tusou_testkit::{Chain, Reply, Service, Site, World, pictures};

use super::stamps::Stamp;
use super::towers::{Towers, cosine};
use super::vectors::captions::LANGUAGES;
use super::{load, page};
use crate::encoder::ours::runtime;
use crate::report::{self, Figure};

const FOUND: usize = 10;
const PAGE: usize = 31;
const GOAL: f64 = 0.98;

/// What is crawled.
struct Gallery {
    stamps: Vec<Stamp>,
    pngs: Vec<Vec<u8>>,
    ids: Vec<ImageId>,
    vectors: Vec<Vec<f32>>,
}

/// How many of a language's captions find their stamp.
#[derive(Debug, Default, Clone, Copy)]
struct Recall {
    asked: usize,
    own: usize,
    looks: usize,
    means: usize,
}

impl Recall {
    fn of(self, found: usize) -> f64 {
        found as f64 / self.asked.max(1) as f64
    }
}

pub(super) async fn run() -> anyhow::Result<Vec<Figure>> {
    let (gallery, words) = block_in_place(|| -> anyhow::Result<_> {
        let mut towers = Towers::load(&Runtime::load(&runtime()?)?, "lite")?;
        let gallery = Gallery::of(&mut towers)?;
        let mut words = Vec::new();
        for language in 0..LANGUAGES.len() {
            let captions = gallery
                .stamps
                .iter()
                .map(|stamp| stamp.captions[language].clone());
            let captions: Vec<String> = captions.map(Option::unwrap_or_default).collect();
            words.push(towers.words(&captions)?);
        }
        Ok((gallery, words))
    })?;
    let site = Site::start().await;
    gallery.serve(&site);
    let mut world = World::new("bench_quality").await;
    world.config.search.rate_per_second = 0;
    world.config.encoder.sessions = 2;
    report::note(&format!("search: crawling {} stamps", gallery.stamps.len()));
    let chain = Chain::start(world).await;
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;
    let distinct: std::collections::BTreeSet<_> = gallery.ids.iter().collect();
    ensure!(
        status["images"]["indexed"] == distinct.len(),
        "not all stamps are indexed: {status:#}"
    );
    let service = Service::spawn(&chain.world, "tusou-search").await;
    let client = load::client()?;
    let mut recalls = Vec::new();
    for (language, name) in LANGUAGES.iter().enumerate() {
        let mut recall = Recall::default();
        for (place, stamp) in gallery.stamps.iter().enumerate() {
            let Some(caption) = &stamp.captions[language] else {
                continue;
            };
            let id = &gallery.ids[place];
            recall.asked += 1;
            recall.own += usize::from(gallery.is_near(&words[language][place], place));
            for (mode, found) in [("looks", &mut recall.looks), ("means", &mut recall.means)] {
                *found += usize::from(finds(&client, &service, mode, caption, id).await?);
            }
        }
        report::note(&format!(
            "search {name}: {} captions, recall@{FOUND} of the pack {:.3}, of the service {:.3}, with captions {:.3}",
            recall.asked,
            recall.of(recall.own),
            recall.of(recall.looks),
            recall.of(recall.means)
        ));
        recalls.push(recall);
    }
    let mut figures = figures(&recalls);
    figures.extend(page::beside_a_bare_page(&service).await?);
    drop(service);
    chain.end().await;
    Ok(figures)
}

fn figures(recalls: &[Recall]) -> Vec<Figure> {
    let mean = |found: fn(&Recall) -> usize| {
        let sum: f64 = recalls.iter().map(|one| one.of(found(one))).sum();
        sum / recalls.len() as f64
    };
    let unit = "recall@10";
    let mut figures = vec![
        Figure::rate(
            "search.quality",
            mean(|one| one.looks),
            mean(|one| one.own),
            unit,
            GOAL,
        )
        .beside(&[("with_captions", mean(|one| one.means))]),
    ];
    for (language, recall) in LANGUAGES.iter().zip(recalls) {
        let name = format!("search.quality.{}", language.to_lowercase());
        let (ours, own) = (recall.of(recall.looks), recall.of(recall.own));
        figures.push(
            Figure::rate(&name, ours, own, unit, GOAL)
                .beside(&[("with_captions", recall.of(recall.means))]),
        );
    }
    figures
}

impl Gallery {
    fn of(towers: &mut Towers) -> anyhow::Result<Self> {
        let stamps = Stamp::all()?;
        let (mut pngs, mut ids) = (Vec::new(), Vec::new());
        let pixels = stamps.iter().map(|stamp| {
            let square = stamp.square()?;
            let png = pictures::compressed(&square, pictures::ImageFormat::Png);
            ids.push(ImageId::of(&png));
            pngs.push(png);
            Ok(square)
        });
        let vectors = towers.pictures(pixels)?;
        Ok(Self {
            stamps,
            pngs,
            ids,
            vectors,
        })
    }

    /// Pages in English: the captions of the other languages are nowhere.
    fn serve(&self, site: &Site) {
        let mut links = String::new();
        let all: Vec<_> = self.stamps.iter().zip(&self.pngs).enumerate().collect();
        for (number, part) in all.chunks(PAGE).enumerate() {
            let mut page = "<!doctype html><html lang=en>".to_owned();
            for (place, (stamp, png)) in part {
                let path = format!("/{place}.png");
                let caption = stamp.captions[0].as_deref().unwrap_or_default();
                let caption = caption.replace('&', "&amp;").replace('"', "&quot;");
                write!(page, "<p><img src={path} alt=\"{caption}\"></p>").expect("memory is there");
                site.put(&path, Reply::bytes("image/png", (*png).clone()));
            }
            site.html(&format!("/page/{number}"), page);
            write!(links, "<a href=/page/{number}>more</a>").expect("memory is there");
        }
        site.html("/", links);
    }

    /// Whether fewer than ten pictures are nearer to the words than their own.
    fn is_near(&self, words: &[f32], place: usize) -> bool {
        let own = cosine(words, &self.vectors[place]);
        let nearer = self.vectors.iter().filter(|one| cosine(words, one) > own);
        nearer.count() < FOUND
    }
}

async fn finds(
    client: &reqwest::Client,
    service: &Service,
    mode: &str,
    words: &str,
    id: &ImageId,
) -> anyhow::Result<bool> {
    let mut url = url::Url::parse(&service.url("/v1/search"))?;
    url.query_pairs_mut()
        .append_pair("q", words)
        .append_pair("mode", mode)
        .append_pair("k", &FOUND.to_string())
        .append_pair("all", "on")
        .append_pair("group", "off");
    let answer = client.get(url).send().await?;
    let status = answer.status();
    let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
    ensure!(status.is_success(), "{words:?}: {status}: {answer}");
    let hits = answer["hits"].as_array().context("an answer has hits")?;
    let id = id.to_string();
    Ok(hits.iter().any(|hit| hit["image_id"] == id.as_str()))
}
