//! That the browser's eyes see: each page has one fault, or none.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::process::users_of;
use super::*;
use crate::{Reply, Site, pictures};

/// No fault: two languages' letters, a picture with its size, a large enough target.
const GOOD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Good</title>\
    <meta name=viewport content='width=device-width'><main><h1>Good 好</h1>\
    <div class=hit><img src=/red.png alt=red width=96 height=64></div>\
    <p><button id=b style='min-height:44px'>A large enough button</button></p></main>";

async fn site() -> Site {
    let site = Site::start().await;
    site.png("/red.png", pictures::png(1));
    site.html("/good", GOOD);
    site
}

#[tokio::test]
async fn a_page_without_a_fault_has_none_and_is_seen_as_its_reader_prefers() {
    let (browser, site) = (Browser::start().await, site().await);
    let look = Look::PHONE.dark().still().in_language("zh-CN,zh");
    let page = browser.open(&look).await;
    page.go(&site.url("/good")).await;
    page.settle().await;
    let matches = "['(prefers-color-scheme: dark)', '(prefers-reduced-motion: reduce)']\
                   .every(q => matchMedia(q).matches)";
    assert!(page.holds(matches).await);
    assert_eq!(page.number("innerWidth").await, 390.0);
    assert_eq!(page.text("navigator.language").await, "zh-CN");
    assert_eq!(page.axe().await, [""; 0]);
    assert_eq!(page.small_targets().await, [""; 0]);
    assert_eq!(page.shifts().await, (0.0, Vec::new()));
    assert_eq!(page.sideways().await, 0.0);
    let asked = page.requests().await;
    assert!(asked.contains(&site.url("/red.png")), "{asked:?}");
    let painted = page.painted().await;
    assert!(painted.answered > 0.0 && painted.milliseconds() > 0.0);
    let shot = image::load_from_memory(&page.screenshot().await).expect("a PNG");
    assert_eq!((shot.width(), shot.height()), (390, 844));
    page.go(&site.url("/red.png")).await;
    page.back().await;
    assert_eq!(page.path().await, "/good");
    let faults = page.console().await;
    assert!(
        faults.iter().all(|said| said.message.contains("favicon")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn every_fault_is_seen() {
    let (browser, site) = (Browser::start().await, site().await);
    let foreign = format!("{}/red.png", site.url("").replace("127.0.0.1", "localhost"));
    site.put(
        "/bad",
        Reply::html(format!(
            "<!doctype html><html><title>Bad</title><body><div id=late style='height:10px'></div>\
             <img src='{foreign}'><p style='width:3000px'>wide</p><a id=tiny href=/>x</a>\
             <script>document.title = 'it ran'</script><script src=/bad.js></script>"
        ))
        .header("content-security-policy", "script-src 'self'; img-src *"),
    );
    site.put(
        "/bad.js",
        Reply::bytes(
            "text/javascript",
            "setTimeout(() => { document.getElementById('late').style.height = '400px'; \
             throw new Error('on purpose'); }, 200)",
        ),
    );
    let page = browser.open(&Look::DESKTOP).await;
    page.go(&site.url("/bad")).await;
    page.wait("tusouSeen.shift > 0").await;
    assert_eq!(page.text("document.title").await, "Bad");
    assert!(page.sideways().await > 1_000.0);
    let small = page.small_targets().await;
    assert!(small.iter().any(|one| one.contains("tiny")), "{small:?}");
    let axe = page.axe().await.join("\n");
    assert!(
        axe.contains("image-alt") && axe.contains("html-has-lang"),
        "{axe}"
    );
    let asked = page.requests().await;
    assert!(asked.contains(&foreign), "{asked:?}");
    let said = page.console().await;
    for fault in ["Content Security Policy", "on purpose"] {
        assert!(
            said.iter().any(|one| one.message.contains(fault)),
            "{said:?}"
        );
    }

    let page = browser.open(&Look::DESKTOP.without_scripts()).await;
    page.go(&site.url("/bad")).await;
    assert_eq!(
        page.number("document.getElementById('late').offsetHeight")
            .await,
        10.0
    );
}

#[tokio::test]
async fn what_a_person_does_arrives() {
    let (browser, site) = (Browser::start().await, site().await);
    site.html(
        "/form",
        "<!doctype html><html lang=en><title>Form</title><meta name=viewport content='width=device-width'>\
         <input id=words><input id=file type=file><p id=pad style='width:300px;height:200px;background:#ccc'>\
         <script>window.events = []; for (const kind of ['paste', 'drop', 'dragover', 'pointerdown', 'pointerup', 'keydown'])\
         document.addEventListener(kind, e => { if (kind.startsWith('d')) e.preventDefault();\
         const d = e.clipboardData || e.dataTransfer; events.push([kind, e.key || (d && d.files.length) || '', e.shiftKey]); });\
         </script>",
    );
    let file = tempfile::Builder::new()
        .suffix(".png")
        .tempfile()
        .expect("a file");
    std::fs::write(file.path(), pictures::png(2)).expect("the file can be written");
    for look in Look::BOTH {
        let page = browser.open(&look).await;
        page.go(&site.url("/form")).await;
        page.click("#words").await;
        page.type_into("#words", "红 red").await;
        assert_eq!(page.all("#words", ".value").await, ["红 red"]);
        page.press(&["Tab", "Shift+Tab"]).await;
        assert_eq!(page.focused().await, "input#words 红 red");
        page.upload("#file", file.path()).await;
        assert_eq!(
            page.number("document.querySelector('#file').files[0].size")
                .await,
            pictures::png(2).len() as f64
        );
        page.drag(&[(50.0, 100.0), (80.0, 120.0), (120.0, 150.0)])
            .await;
        page.drag_files(&[file.path()], true).await;
        page.paste_picture(&pictures::png(3)).await;
        for event in [
            r#"["pointerdown""#,
            r#"["pointerup""#,
            r#"["drop",1"#,
            r#"["paste",1"#,
            r#"["keydown","Tab",true"#,
        ] {
            page.wait(&format!("JSON.stringify(events).includes({event:?})"))
                .await;
        }
        page.offline(true).await;
        let fetched = "return fetch('/good').then(() => 'here', () => 'away');";
        assert_eq!(page.run(fetched, Value::Null).await, "away");
        page.offline(false).await;
        assert_eq!(page.run(fetched, Value::Null).await, "here");
        page.close().await;
    }
}

#[tokio::test]
async fn nothing_outlives_a_test_that_fails() {
    let failing = AssertUnwindSafe(async {
        let browser = Browser::start().await;
        let page = browser.open(&Look::DESKTOP).await;
        page.go("about:blank").await;
        let folder = browser.driver.folder().to_owned();
        assert!(users_of(&folder.to_string_lossy()).len() > 1);
        std::panic::panic_any(folder);
    });
    let panic = failing.catch_unwind().await.expect_err("it panics");
    let folder = panic.downcast::<std::path::PathBuf>().expect("the folder");
    assert!(!folder.exists());
    assert_eq!(users_of(&folder.to_string_lossy()), []);
}
