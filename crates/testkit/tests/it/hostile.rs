//! Bad input: every piece of it is a counted outcome with its reason, and the crawl ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tusou_contract::{ImageId, Queue};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{Chain, Reply, Site, World, pictures, wait_until};

const GIB: u64 = 1 << 30;

fn counted(status: &Value, kind: &str, state: &str, reason: &str) -> u64 {
    status[kind][state][reason].as_u64().unwrap_or(0)
}

/// A PNG whose header promises 30,000 × 30,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut png = pictures::png(1);
    png[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    png[29..33].copy_from_slice(&0xE945_6FED_u32.to_be_bytes());
    png
}

#[tokio::test]
async fn each_bad_answer_is_counted_with_its_reason() {
    let site = Site::start().await;
    let mut world = World::new("bad_input").await;
    world.config.crawler.max_page_bytes = 2 << 20;
    world.config.crawler.max_image_bytes = 4 << 20;
    world.config.crawler.connect_timeout_ms = 500;
    world.config.crawler.read_timeout_ms = 1_000;
    world.config.crawler.fetch_timeout_ms = 5_000;
    world.config.crawler.max_attempts = 2;
    world.config.crawler.retry_after_ms = 200;

    let pages = [
        "/missing", "/loop", "/hop/0", "/text", "/large", "/silent", "/broken",
    ];
    let images = [
        "html.jpg",
        "empty.png",
        "truncated.png",
        "huge.png",
        "endless.jpg",
        "large.png",
        "silent.png",
        "good.png",
    ];
    let links: String = pages
        .iter()
        .map(|path| format!("<a href={path}>x</a>"))
        .collect();
    let shown: String = images
        .iter()
        .map(|name| format!("<img src=/{name}>"))
        .collect();
    // 192.0.2.0/24 is kept for documentation, 10.0.0.0/8 is private: the policy refuses both.
    let refused = "<img src=http://10.1.2.3/x.png><img src=http://[::1]:1/y.png>";
    let unparsable = "<a href=\"http://[::bad/\">x</a><img src=\"http://exa mple/z.png\">";
    let dead = format!(
        "<img src=http://127.0.0.1:{}/none.png>",
        tusou_testkit::free_port()
    );
    site.html("/", format!("{links}{shown}{refused}{unparsable}{dead}"));
    site.put("/loop", Reply::redirect("/loop2"));
    site.put("/loop2", Reply::redirect("/loop"));
    for hop in 0..20 {
        site.put(
            &format!("/hop/{hop}"),
            Reply::redirect(&format!("/hop/{}", hop + 1)),
        );
    }
    site.put("/text", Reply::bytes("text/plain", "no page"));
    site.put("/large", Reply::bytes("text/html", vec![b'x'; 50 << 20]));
    site.put("/silent", Reply::silence());
    site.put("/broken", Reply::broken_off("text/html", "<p>half"));
    site.put(
        "/html.jpg",
        Reply::bytes("image/jpeg", "<!doctype html><p>not found"),
    );
    site.put("/empty.png", Reply::bytes("image/png", ""));
    let whole = pictures::png(2);
    site.png("/truncated.png", &whole[..whole.len() / 2]);
    site.png("/huge.png", huge_png());
    site.put("/endless.jpg", Reply::endless("image/jpeg"));
    let mut large = pictures::png(4);
    large.resize(5 << 20, 0);
    site.png("/large.png", large);
    site.put("/silent.png", Reply::silence());
    site.png("/good.png", pictures::png(3));

    let mut chain = Chain::start(world).await;
    let publisher = chain
        .world
        .broker()
        .await
        .publisher()
        .await
        .expect("a channel");
    for queue in Queue::ALL {
        let foreign = Outgoing {
            queue,
            id: "foreign".into(),
            body: b"not ours".to_vec(),
            trace: None,
        };
        let taken = publisher
            .publish(&[foreign])
            .await
            .expect("the broker answers");
        assert_eq!(taken, [Ok(())]);
    }
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;

    let page = |state, reason| counted(&status, "pages", state, reason);
    assert_eq!(page("failed", "http_404"), 1, "{status:#}");
    assert_eq!(page("failed", "redirect_loop"), 1, "{status:#}");
    assert_eq!(page("failed", "too_many_redirects"), 1, "{status:#}");
    assert_eq!(page("failed", "too_large"), 1, "{status:#}");
    assert_eq!(page("failed", "timeout"), 1, "{status:#}");
    assert_eq!(page("failed", "broken"), 1, "{status:#}");
    assert_eq!(page("skipped", "not_html"), 1, "{status:#}");
    let image = |state, reason| counted(&status, "image_urls", state, reason);
    // One of them has no end, and is left at its beginning.
    assert_eq!(image("failed", "not_a_picture"), 2, "{status:#}");
    assert_eq!(image("failed", "empty_body"), 1, "{status:#}");
    assert_eq!(image("failed", "too_many_pixels"), 1, "{status:#}");
    assert_eq!(image("failed", "too_large"), 1, "{status:#}");
    assert_eq!(image("failed", "timeout"), 1, "{status:#}");
    assert_eq!(image("failed", "connect"), 1, "{status:#}");
    assert_eq!(image("skipped", "address_refused"), 2, "{status:#}");
    assert_eq!(status["unparsable_urls"], 2, "{status:#}");
    // The truncated picture is one by its header: the encoder finds out and says why.
    let failed: u64 = status["images"]["failed"]
        .as_object()
        .expect("reasons by name")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(
        (failed, &status["images"]["indexed"]),
        (1, &Value::from(1)),
        "{status:#}"
    );
    let documents = chain.world.documents().await;
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].image_id, ImageId::of(&pictures::png(3)));
    // A foreign message in each queue and the truncated picture's, each dead with its reason.
    wait_until(
        Duration::from_secs(30),
        "the dead letters to be counted",
        async || {
            let status = chain.status().await;
            let dead = status["dead"].as_array().expect("a list");
            let foreign = dead
                .iter()
                .filter(|dead| dead["reason"] == "foreign_message")
                .count();
            foreign == Queue::ALL.len()
                && dead
                    .iter()
                    .filter_map(|dead| dead["count"].as_u64())
                    .sum::<u64>()
                    == Queue::ALL.len() as u64 + 1
        },
    )
    .await;
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        assert!(service.is_running());
        assert!(service.peak_rss_bytes() < GIB);
    }
    chain.end().await;
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_name().is_some_and(|name| name != "README.md") {
            found.push(path);
        }
    }
    found.sort();
}

#[tokio::test]
async fn the_hostile_corpora_crawl_to_the_end() {
    let folder = std::env::var("TUSOU_CORPORA")
        .expect("TUSOU_CORPORA names the folder of hostile files: see `make corpora`");
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    assert!(
        found.len() > 300,
        "{folder} holds only {} files",
        found.len()
    );
    let site = Site::start().await;
    let mut index = String::new();
    for (number, path) in found.iter().enumerate() {
        let body = std::fs::read(path).expect("a readable file");
        let name = path.to_string_lossy();
        let at = format!("/file/{number}");
        let encoding = ["gzip", "br", "zstd", "deflate"]
            .into_iter()
            .find(|encoding| name.ends_with(&format!("bomb-{encoding}.bin")));
        match encoding {
            // A page whose few bytes swell to many when they are decompressed.
            Some(encoding) => {
                let bomb = Reply::bytes("text/html", body).header("content-encoding", encoding);
                site.put(&at, bomb);
                index.push_str(&format!("<a href={at}>bomb</a>"));
            }
            None => {
                site.put(&at, Reply::bytes("image/jpeg", body));
                index.push_str(&format!("<img src={at} alt=\"file {number}\">"));
            }
        }
    }
    site.html("/", index);
    let mut chain = Chain::start(World::new("corpora").await).await;
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;
    let sum = |value: &Value| -> u64 {
        let reasons = value.as_object().expect("reasons by name");
        reasons.values().filter_map(Value::as_u64).sum()
    };
    let urls = &status["image_urls"];
    let done = urls["done"].as_u64().expect("a count");
    let pictures = found.len() as u64 - 4;
    assert_eq!(
        done + sum(&urls["failed"]) + sum(&urls["skipped"]),
        pictures,
        "{status:#}"
    );
    let images = &status["images"];
    assert_eq!(
        images["stored"].as_u64(),
        images["indexed"]
            .as_u64()
            .map(|indexed| indexed + sum(&images["failed"])),
        "{status:#}"
    );
    println!("{status:#}");
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        assert!(service.is_running());
        let peak = service.peak_rss_bytes();
        println!("peak {} MiB", peak >> 20);
        assert!(peak < GIB, "{peak}");
    }
    chain.end().await;
}
