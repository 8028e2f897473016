//! Pages without an end, and pages that hold their browser up.

use tusou_testkit::{Service, pictures};

use super::{command, done, ended, shown, site, world};

#[tokio::test]
async fn a_page_without_an_end_is_left_with_what_it_shows() {
    let site = site(76).await;
    let begin = "<div id=root></div><script>
        const add = (src) => document.getElementById('root').append(Object.assign(document.createElement('img'), { src }));
        add('/first.png');";
    for (path, script) in [
        ("/alerts", "setInterval(() => { alert('a'); confirm('b'); prompt('c') }, 5); onbeforeunload = () => 'stay';"),
        ("/windows", "setInterval(() => { for (let n = 0; n < 50; n++) { window.open('/' + n); } }, 5);"),
        ("/reloads", "setInterval(() => { location.reload(); location.href = '/?' + Math.random() }, 20);"),
        ("/scrolls", "let n = 0; addEventListener('scroll', () => {
            document.body.append(Object.assign(document.createElement('div'), { style: 'height: 3000px' }));
            if (n++ < 3) add(`/more-${n}.png`); });
            document.body.append(Object.assign(document.createElement('div'), { style: 'height: 3000px' }));"),
        ("/asks", "setInterval(() => fetch('/data?' + Math.random()).catch(() => {}), 1);"),
        ("/console", "setInterval(() => { for (let n = 0; n < 1000; n++) console.log('x'.repeat(10000)) }, 1);"),
        ("/grows", "setInterval(() => document.body.append('x'.repeat(1000)), 5);"),
    ] {
        site.html(path, format!("{begin}{script}</script>"));
    }
    // This one lets nothing be done: what was sent is read, in the end.
    let loops = "<noscript><img src=/first.png></noscript><script>for (;;) {}</script>";
    site.html("/loops", loops);
    site.png("/first.png", pictures::png(1));
    for number in 1..=3 {
        site.png(&format!("/more-{number}.png"), pictures::png(10 + number));
    }
    let mut world = world("render_endless").await;
    world.config.render.timeout_ms = 6_000;
    world.config.render.max_requests = 20;
    world.config.crawler.max_attempts = 2;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let paths = [
        "/alerts", "/windows", "/reloads", "/scrolls", "/asks", "/console", "/grows",
    ];
    let mut seeds: Vec<String> = paths.iter().map(|path| site.url(path)).collect();
    seeds.push(site.url("/loops"));
    let mut words = vec!["seed", "--depth", "0", "--render", "always"];
    words.extend(seeds.iter().map(String::as_str));
    command(&world, &words).await;
    done(&world).await;
    for path in paths {
        let pictures = shown(&world, &site.url(path)).await;
        assert!(
            pictures.contains(&"first.png img".to_owned()),
            "{path}: {pictures:?}"
        );
        let ended = ended(&world, &site.url(path)).await;
        assert_eq!(ended, "done 1", "{path}");
    }
    let scrolled = [
        "first.png img",
        "more-1.png img",
        "more-2.png img",
        "more-3.png img",
    ];
    assert_eq!(shown(&world, &site.url("/scrolls")).await, scrolled);
    let data = site
        .requests()
        .into_iter()
        .filter(|asked| asked.path.starts_with("/data?"));
    assert_eq!(data.count(), 20, "a page has so many requests");
    assert_eq!(ended(&world, &site.url("/loops")).await, "done 2");
    assert_eq!(
        crawler.metric("crawler_pages_not_rendered_total").await,
        1.0
    );
    assert_eq!(
        crawler.metric("crawler_browser_starts_total").await,
        1.0,
        "no page ended it"
    );
    drop(crawler);
    world.end().await;
}
