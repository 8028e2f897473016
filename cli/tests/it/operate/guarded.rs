//! Who is turned away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tusou_testkit::{World, tusou};

use super::super::ran::text;
use super::{Page, count};

#[tokio::test]
async fn nothing_is_done_for_another_page_or_without_the_token() {
    let world = World::new("operate_guard").await;
    let page = Page::start(&world).await;
    let html = page.get("/?lang=en").await.text;
    let form = "form:has(select[name='what'])";
    let fields = Page::fields(
        &html,
        form,
        &[("what", "crawl"), ("do", "pause"), ("host", "")],
    );
    let without = |name: &str, value: &str| -> Vec<(String, String)> {
        let mut fields: Vec<_> = fields
            .iter()
            .filter(|(known, _)| known != name)
            .cloned()
            .collect();
        if !value.is_empty() {
            fields.push((name.to_owned(), value.to_owned()));
        }
        fields
    };
    for path in ["/ask", "/do"] {
        for token in ["", "0123456789abcdef0123456789abcdef"] {
            let refused = page.post(path, &without("token", token)).await;
            assert!(
                refused.status == 403 && refused.text.contains("out of date"),
                "{}",
                refused.text
            );
        }
        let foreign = [
            ("origin", "http://evil.test"),
            ("sec-fetch-site", "cross-site"),
            ("origin", "null"),
        ];
        for (name, value) in foreign {
            let mut request = page.form(path, &fields).build().expect("a request");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a value"));
            let answer = page
                .client
                .execute(request)
                .await
                .expect("the page answers");
            assert_eq!(answer.status().as_u16(), 403, "{name}: {value}");
        }
        let mut request = page.form(path, &fields).build().expect("a request");
        request.headers_mut().remove("origin");
        request.headers_mut().remove("sec-fetch-site");
        let answer = page
            .client
            .execute(request)
            .await
            .expect("the page answers");
        assert_eq!(answer.status().as_u16(), 403, "nobody says where it stood");
        let refused = page.post(path, &without("do", "forget")).await;
        assert_eq!(refused.status, 422);
    }
    // By GET nothing is done, whatever the address says.
    let query: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    for path in ["/ask", "/do"] {
        assert_eq!(
            page.get(&format!("{path}?{}", query.join("&")))
                .await
                .status,
            303
        );
    }
    for host in ["evil.test", "127.0.0.1.evil.test:80"] {
        let answer = page
            .send(page.client.get(page.url("/")).header("host", host))
            .await;
        assert!(
            answer.status == 421 && answer.text.contains("operator.hosts"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("token"));
    }
    let long = vec![("why".to_owned(), "x".repeat(34_000))];
    assert_eq!(page.post("/do", &long).await.status, 413);
    assert_eq!(count(&world, "SELECT count(*) FROM pauses").await, 0);
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn the_password_is_asked_for_and_guesses_wait() {
    let world = World::new("operate_password").await;
    let page = Page::start_with(&world, |config| {
        config.operator.password = "a long enough one".into();
        config.operator.hosts = vec!["ops.example.org".into()];
    })
    .await;
    let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
    let with = async |credentials: &str| {
        let request = page
            .client
            .get(page.url("/"))
            .header("host", "ops.example.org");
        page.send(request.header("authorization", basic(credentials)))
            .await
    };
    for path in ["/", "/assets/operate.css", "/picture/00", "/nowhere"] {
        let asked = page.get(path).await;
        assert_eq!(asked.status, 401, "{path}");
        assert!(
            asked.headers["www-authenticate"]
                .to_str()
                .is_ok_and(|ask| ask.starts_with("Basic "))
        );
    }
    assert_eq!(with("operator:a long enough one").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(with("operator:a wrong one").await.status);
    }
    assert_eq!(statuses[0], 401, "{statuses:?}");
    assert_eq!(statuses[7], 429, "{statuses:?}");
    let late = with("operator:a long enough one").await;
    let wait: u64 = late.headers["retry-after"]
        .to_str()
        .ok()
        .and_then(|wait| wait.parse().ok())
        .expect("seconds");
    assert!(late.status == 429 && (1..=60).contains(&wait), "{wait}");
    let log = page.log();
    assert!(
        !log.contains("long enough") && !log.contains("wrong one"),
        "{log}"
    );
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn it_does_not_start_open_to_everybody() {
    let mut world = World::new("operate_open").await;
    world.config.operator.listen = ([0, 0, 0, 0], tusou_testkit::free_port()).into();
    let ran = tusou(&world, &["operate"]).await;
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains("operator.listen")
            && said.contains("operator.password")
            && said.contains("127.0.0.1"),
        "{said}"
    );
    world.config.operator.password = "short".into();
    let said = text(&tusou(&world, &["operate"]).await.stderr);
    assert!(
        said.contains("operator.password")
            && said.contains("12 characters")
            && !said.contains("\"short\""),
        "{said}"
    );

    // An address that somebody else has.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    world.config.operator.password = String::new();
    world.config.operator.listen = taken.local_addr().expect("an address");
    let ran = tusou(&world, &["operate"]).await;
    let said = text(&ran.stderr);
    assert!(
        ran.status.code() == Some(1) && said.contains("operator.listen"),
        "{said}"
    );
    world.end().await;
}
