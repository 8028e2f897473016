//! The browser's end: by itself, by its memory, with its crawler.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use tusou_testkit::{Reply, Service, pictures, wait_for, wait_until};

use super::{LIMIT, command, done, ended, shown, site, world};

/// Processes that descend from another one and are Chromium's; the one that has no such parent first.
fn browser_of(crawler: u32) -> Vec<i32> {
    let mut found: Vec<(i32, i32)> = Vec::new();
    let mut family = vec![crawler as i32];
    let all: Vec<(i32, i32)> = fs::read_dir("/proc")
        .expect("Linux has it")
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    while let Some(parent) = family.pop() {
        for (pid, _) in all.iter().filter(|(_, of)| *of == parent) {
            family.push(*pid);
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("tusou-render-") && !line.starts_with("/bin/sh") {
                found.push((i32::from(line.contains("--type=")), *pid));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

fn kill(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a process has a number");
    kill_process(pid, Signal::KILL).expect("it runs");
}

fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_browser_that_dies_costs_one_attempt_of_one_page() {
    let site = site(78).await;
    let page = "<script>document.write('<img src=/a.png>')</script><script src=/slow.js></script>";
    site.html("/page", page);
    site.html(
        "/after",
        "<script>document.write('<img src=/a.png>')</script>",
    );
    let script = Reply::bytes("text/javascript", "0").header("cache-control", "no-store");
    site.put_each("/slow.js", vec![script.clone().after(LIMIT), script]);
    site.png("/a.png", pictures::png(1));
    let mut world = world("render_dies").await;
    world.config.render.tabs = 1;
    let mut crawler = Service::spawn(&world, "tusou-crawler").await;
    command(&world, &["seed", "--depth", "0", &site.url("/page")]).await;
    wait_until(LIMIT, "the page to be in the browser", async || {
        site.hits("/slow.js") > 0
    })
    .await;
    let browser = browser_of(crawler.pid());
    assert!(
        browser.len() > 1,
        "it has processes of its own: {browser:?}"
    );
    kill(browser[0]);
    command(&world, &["seed", "--depth", "0", &site.url("/after")]).await;
    done(&world).await;
    assert_eq!(ended(&world, &site.url("/page")).await, "done 2");
    assert_eq!(ended(&world, &site.url("/after")).await, "done 1");
    assert_eq!(shown(&world, &site.url("/page")).await, ["a.png img"]);
    assert_eq!(crawler.metric("crawler_browser_starts_total").await, 2.0);
    wait_for(
        LIMIT,
        "the dead browser's processes to be gone",
        async || browser.iter().all(|pid| !runs(*pid)).then_some(()),
    )
    .await;

    // The next one goes with its crawler, however that ends.
    let browser = browser_of(crawler.pid());
    assert!(browser.len() > 1);
    crawler.kill().await;
    wait_for(LIMIT, "the browser to go with its crawler", async || {
        browser.iter().all(|pid| !runs(*pid)).then_some(())
    })
    .await;
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn memory_is_bounded_and_nobody_else_pays_for_it() {
    let site = site(79).await;
    // Outside of the script engine's own bound; and it is waited for, since it is never loaded.
    site.put("/never", Reply::silence());
    let hog = "<script>fetch('/never'); const held = []; setInterval(() => {
        const block = new Uint8Array(16 << 20); crypto.getRandomValues(block.subarray(0, 65536));
        held.push(block.fill(7)) }, 50)</script>";
    site.html("/hog", hog);
    let slow = "<script>setTimeout(() => document.body.innerHTML = '<img src=/a.png>', 400)</script><body>";
    for number in 0..4 {
        site.html(&format!("/{number}"), slow);
    }
    site.png("/a.png", pictures::png(1));
    let mut world = world("render_memory").await;
    world.config.render.max_memory_bytes = 900 << 20;
    world.config.render.timeout_ms = 20_000;
    world.config.crawler.max_attempts = 2;
    let mut crawler = Service::spawn(&world, "tusou-crawler").await;
    let seeds: Vec<String> = ["/hog", "/0", "/1", "/2"]
        .iter()
        .map(|path| site.url(path))
        .collect();
    let mut words = vec!["seed", "--depth", "0"];
    words.extend(seeds.iter().map(String::as_str));
    command(&world, &words).await;
    done(&world).await;
    for number in 0..3 {
        let page = site.url(&format!("/{number}"));
        assert_eq!(ended(&world, &page).await, "done 1");
        assert_eq!(shown(&world, &page).await, ["a.png img"]);
    }
    assert_eq!(ended(&world, &site.url("/hog")).await, "done 2");
    // The last one may have been ended with the page that took all: another page has one again.
    command(&world, &["seed", "--depth", "0", &site.url("/3")]).await;
    done(&world).await;
    assert_eq!(shown(&world, &site.url("/3")).await, ["a.png img"]);
    let browser = browser_of(crawler.pid());
    assert!(browser.len() > 1, "{browser:?}");
    let (status, took) = crawler.terminate().await;
    assert!(status.success(), "{status} after {took:?}");
    // They are killed before it ends; what holds this much memory takes a moment to give it back.
    wait_for(LIMIT, "the browser to go with its crawler", async || {
        browser.iter().all(|pid| !runs(*pid)).then_some(())
    })
    .await;
    drop(crawler);
    world.end().await;
}
