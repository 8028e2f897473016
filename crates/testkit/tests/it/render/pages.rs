//! What is found on pages that their scripts build, and what those scripts get to ask for.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tusou_testkit::{Reply, Service, Site, pictures};

use super::{command, done, ended, shown, site, world};

const DELAY: Duration = Duration::from_millis(120);
/// A gap is counted from the answer before, and the server notes a request when its task runs.
const JITTER: Duration = Duration::from_millis(5);

/// What only a browser shows: pictures made at once, later, from data, in shadow roots, in styles,
/// by a script alone, in a size chosen of several, and below the fold.
const APP: &str = r#"
const img = (src, parent) => parent.append(Object.assign(document.createElement('img'), { src, alt: 'of ' + src }));
const root = document.getElementById('root');
img('/at-once.png', root);
setTimeout(() => img('/later.png', root), 300);
fetch('/api/photos.json').then((answer) => answer.json()).then((photos) => {
  root.insertAdjacentHTML('beforeend', photos.map((p) => `<figure><img src="${p.src}"><figcaption>${p.words}</figcaption></figure>`).join(''));
});
customElements.define('x-gallery', class extends HTMLElement {
  connectedCallback() {
    const shadow = this.attachShadow({ mode: 'open' });
    img('/in-shadow.png', shadow);
    const inner = document.createElement('div');
    shadow.append(inner);
    img('/in-inner-shadow.png', inner.attachShadow({ mode: 'open' }));
  }
});
root.append(document.createElement('x-gallery'));
root.insertAdjacentHTML('beforeend', '<img srcset="/small.png 100w, /large.png 1800w" sizes="100vw"><div class=styled>x</div>');
new Image().src = '/by-script.png';
const filler = document.createElement('div');
filler.style.height = '9000px';
root.append(filler);
for (const n of [1, 2]) {
  const below = document.createElement('p');
  new IntersectionObserver(([seen], watch) => {
    if (seen.isIntersecting) { watch.disconnect(); img(`/below-${n}.png`, below); }
  }).observe(below);
  root.append(below, filler.cloneNode());
}
document.cookie = 'a=b';
fetch('/posted', { method: 'POST', body: 'x' }).catch(() => {});
"#;

fn shell(script: &str) -> String {
    format!(
        "<!doctype html><title>Shell</title><link rel=stylesheet href=/style.css>\
         <div id=root></div><noscript>Enable JavaScript.</noscript><script src={script}></script>"
    )
}

fn put_app(site: &Site) {
    let script = Reply::bytes("text/javascript", APP).header("set-cookie", "session=1; Path=/");
    site.put("/app.js", script);
    let photos = r#"[{"src": "/data-1.png", "words": "One of data"}, {"src": "/data-2.png", "words": "Two"}]"#;
    site.put("/api/photos.json", Reply::bytes("application/json", photos));
    let style = ".styled { background: url(/styled.png) }";
    site.put("/style.css", Reply::bytes("text/css", style));
    for (number, name) in (0..).zip(PICTURES) {
        let name = name.split(' ').next().expect("a name");
        site.png(&format!("/{name}"), pictures::png(number));
    }
}

const PICTURES: [&str; 11] = [
    "at-once.png img",
    "below-1.png img",
    "below-2.png img",
    "by-script.png rendered",
    "data-1.png img",
    "data-2.png img",
    "in-inner-shadow.png img",
    "in-shadow.png img",
    "large.png srcset",
    "later.png img",
    "styled.png rendered",
];

/// Answers TLS for a site by a certificate of an authority whose own one is returned, in PEM.
async fn with_tls(site: &Site) -> (u16, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority
        .self_signed(&authority_key)
        .expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    tusou_platform::telemetry::install_tls();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![leaf.der().clone()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a key of its certificate")));
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let behind = site.address();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut here) = acceptor.accept(stream).await else {
                    return;
                };
                let mut there = TcpStream::connect(behind).await.expect("the site listens");
                let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
            });
        }
    });
    let body = STANDARD.encode(root.der());
    (
        port,
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"),
    )
}

#[tokio::test]
async fn a_page_shows_what_its_scripts_make_and_gets_no_further_than_the_crawler() {
    let (app, inside, secure) = (site(71).await, site(72).await, Site::start().await);
    let (port, authority) = with_tls(&secure).await;
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a loopback port is free");
    datagrams.set_nonblocking(true).expect("a socket");

    put_app(&app);
    app.html("/", shell("/app.js"));
    app.html("/second", shell("/app.js"));
    // What it shows without scripts is enough, so none is run.
    let told = "<img src=/told.png><script>document.write('<img src=/untold.png>')</script>";
    app.html("/plain", told);
    app.png("/told.png", pictures::png(50));
    let breakout = format!(
        "<div id=root></div><script src=/private/spy.js></script><script>
         const inside = '{}', bare = '{}', root = document.getElementById('root');
         for (const host of [inside, 'http://169.254.169.254', 'http://[::ffff:127.0.0.72]:{}']) {{
           fetch(host + '/stolen.json').catch(() => {{}});
           fetch(host + '/posted', {{ method: 'POST', mode: 'no-cors', body: 'x' }}).catch(() => {{}});
           navigator.sendBeacon(host + '/beacon', 'x');
           root.append(Object.assign(document.createElement('script'), {{ src: host + '/script.js' }}));
           root.append(Object.assign(document.createElement('iframe'), {{ src: host + '/frame' }}));
         }}
         fetch('/leads-inside').catch(() => {{}});
         new WebSocket('ws://' + bare + '/socket').onerror = () => {{}};
         new WebSocket('wss://' + bare + '/socket').onerror = () => {{}};
         try {{
           const peer = new RTCPeerConnection({{ iceServers: [{{ urls: 'stun:127.0.0.1:{}' }}] }});
           peer.createDataChannel('x');
           peer.createOffer().then((offer) => peer.setLocalDescription(offer));
         }} catch {{}}
         root.insertAdjacentHTML('beforeend', '<img src=/end.png>');
         setTimeout(() => location.assign('/plain'), 200);
         </script>",
        inside.url(""),
        inside.address(),
        inside.address().port(),
        datagrams.local_addr().expect("it is bound").port(),
    );
    app.html("/breakout", breakout);
    app.put("/leads-inside", Reply::redirect(&inside.url("/led.json")));
    app.robots("User-agent: *\nDisallow: /private/\n");
    app.put(
        "/private/spy.js",
        Reply::bytes("text/javascript", "document.title = 'spied'"),
    );
    app.png("/end.png", pictures::png(51));
    let script = "document.body.innerHTML = '<img src=/secure.png>'";
    secure.html("/", "<body><script src=/a.js></script>");
    secure.put("/a.js", Reply::bytes("text/javascript", script));
    secure.png("/secure.png", pictures::png(52));

    let mut world = world("render").await;
    let allow = |range: &str| range.parse().expect("a range");
    world.config.network.allow = vec![allow("127.0.0.71/32"), allow("127.0.0.1/32")];
    world.config.crawler.host_delay_ms = DELAY.as_millis() as u64;
    let file = world.folder().join("authority.pem");
    std::fs::write(&file, authority).expect("the world's folder can be written");
    let file = file.to_str().expect("the folder's name is text");
    let crawler = Service::spawn_in(&world, "tusou-crawler", &[("SSL_CERT_FILE", file)]).await;
    let secure_page = format!("https://127.0.0.1:{port}/");
    for path in ["/", "/second", "/breakout"] {
        command(&world, &["seed", &app.url(path), "--depth", "0"]).await;
    }
    command(&world, &["seed", &app.url("/plain"), "--depth", "0"]).await;
    command(&world, &["seed", &secure_page]).await;
    done(&world).await;

    assert_eq!(shown(&world, &app.url("/")).await, PICTURES);
    assert_eq!(shown(&world, &app.url("/second")).await, PICTURES);
    assert_eq!(shown(&world, &app.url("/plain")).await, ["told.png img"]);
    assert_eq!(shown(&world, &app.url("/breakout")).await, ["end.png img"]);
    assert_eq!(shown(&world, &secure_page).await, ["secure.png img"]);
    let images: i64 = sqlx::query_scalar("SELECT count(*) FROM images")
        .fetch_one(world.pool())
        .await
        .expect("the world's database answers");
    assert_eq!(images, 14);
    let caption: String = sqlx::query_scalar(
        "SELECT caption FROM page_images JOIN image_urls USING (image_url_id) WHERE url = $1 LIMIT 1",
    )
    .bind(app.url("/data-1.png"))
    .fetch_one(world.pool())
    .await
    .expect("the world's database answers");
    assert_eq!(caption, "One of data");

    // By whatever way they tried.
    let reached: Vec<String> = inside
        .requests()
        .into_iter()
        .map(|asked| asked.path)
        .collect();
    assert_eq!(reached, [""; 0]);
    let mut datagram = [0; 64];
    assert!(
        datagrams.recv_from(&mut datagram).is_err(),
        "a datagram came"
    );
    let asked = app.requests();
    for path in ["/private/spy.js", "/posted", "/untold.png"] {
        assert_eq!(app.hits(path), 0, "{path}");
    }
    // Each once: what was fetched before is not asked for by the browser, nor are pictures, and
    // what two pages load is kept.
    for path in [
        "/",
        "/second",
        "/app.js",
        "/style.css",
        "/at-once.png",
        "/styled.png",
    ] {
        assert_eq!(app.hits(path), 1, "{path}");
    }
    assert_eq!(app.hits("/small.png"), 0);
    assert_eq!(app.hits("/api/photos.json"), 2, "data is asked for anew");
    for request in &asked {
        assert_eq!(request.method, "GET", "{}", request.path);
        let agent = request.headers["user-agent"].to_str().expect("text");
        assert!(agent.starts_with("tusoubot/"), "{agent}");
        assert!(request.headers.get("cookie").is_none(), "{}", request.path);
        assert!(request.headers.get("sec-fetch-dest").is_none());
    }
    // The pace holds for all that was asked of the host, by whomever.
    for pair in asked.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        let (before, after) = (&pair[0].path, &pair[1].path);
        assert!(gap + JITTER >= DELAY, "{after} came {gap:?} after {before}");
    }

    // A change of the rule reads its pages again.
    let listed = command(&world, &["seed", "list"]).await;
    assert!(listed.contains("auto"), "{listed}");
    let seeds: Vec<(i64, String)> = sqlx::query_as("SELECT seed_id, url FROM seeds")
        .fetch_all(world.pool())
        .await
        .expect("the world's database answers");
    for (path, rule) in [("/second", "never"), ("/plain", "always")] {
        let seed = seeds.iter().find(|(_, url)| *url == app.url(path));
        let id = seed.expect("it was seeded").0.to_string();
        let edited = command(&world, &["seed", "edit", &id, "--render", rule]).await;
        assert!(edited.contains("1 of its pages are read again"), "{edited}");
    }
    done(&world).await;
    // What its style sheet names is found without a browser, too.
    assert_eq!(shown(&world, &app.url("/second")).await, ["styled.png css"]);
    let written = ["told.png img", "untold.png img"];
    assert_eq!(shown(&world, &app.url("/plain")).await, written);
    assert_eq!(ended(&world, &app.url("/plain")).await, "done 1");
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn without_a_browser_pages_that_need_one_are_counted_and_read_as_they_are() {
    let site = site(73).await;
    site.html("/", "<div id=app></div><script src=/app.js></script>");
    let mut world = world("render_off").await;
    world.config.render.chromium = Default::default();
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let said = command(&world, &["seed", &site.url("/"), "--render", "always"]).await;
    assert!(said.contains("render.chromium"), "{said}");
    done(&world).await;
    assert_eq!(ended(&world, &site.url("/")).await, "done 1");
    assert_eq!(site.hits("/app.js"), 0);
    let counted = crawler.metric("crawler_pages_not_rendered_total").await;
    assert_eq!(counted, 1.0);
    drop(crawler);
    world.end().await;
}
