//! The operator's page over real stores.

mod acts;
mod away;
mod browser;
mod guarded;
mod shows;

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scraper::{Html, Selector};
use tusou_platform::Config;
use tusou_testkit::{World, free_port, wait_for, wait_until};
use url::form_urlencoded;

use super::ran::command;

const LIMIT: Duration = Duration::from_secs(60);

/// A running page, as a browser that follows no redirect sees it.
pub(crate) struct Page {
    child: Child,
    address: SocketAddr,
    client: reqwest::Client,
    log: std::path::PathBuf,
}

/// An answer of it.
pub(crate) struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Page {
    /// Starts it and waits until it has looked at everything once that answers.
    pub(crate) async fn start(world: &World) -> Self {
        let page = Self::start_with(world, |_| {}).await;
        page.until("the first counting", |html| html.contains("id=\"crawl\""))
            .await;
        page
    }

    /// Starts it with a changed configuration, and waits until it is served.
    async fn start_with(world: &World, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = world.config.clone();
        config.operator.listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        config.operator.interval_ms = 300;
        change(&mut config);
        let address = config.operator.listen;
        let log = world.folder().join("operate.log");
        let output = std::fs::File::create(&log).expect("the world's folder can be written");
        let mut command = command(world, "operate.toml", &config);
        command
            .arg("operate")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        let redirect = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(redirect);
        let mut page = Self {
            child: command.spawn().expect("a built binary starts"),
            address,
            client: client.build().expect("a plain client can be made"),
            log,
        };
        wait_for(LIMIT, "the page to be served", async || {
            if let Some(status) = page.child.try_wait().expect("the child is ours") {
                panic!("it ended with {status}: {}", page.log());
            }
            let answer = page
                .client
                .get(page.url("/healthz/ready"))
                .send()
                .await
                .ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        page
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the page answers");
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("an answer is read"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    /// A form as a browser sends it from the page itself.
    fn form(&self, path: &str, fields: &[(String, String)]) -> reqwest::RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.client
            .post(self.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.url(""))
            .header("sec-fetch-site", "same-origin")
            .body(body)
    }

    async fn post(&self, path: &str, fields: &[(String, String)]) -> Answer {
        self.send(self.form(path, fields)).await
    }

    /// The page once it is as it is waited for.
    async fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        wait_for(LIMIT, what, async || {
            let html = self.get("/?lang=en").await.text;
            is_so(&html).then_some(html)
        })
        .await
    }

    /// The fields of a form of the page, with these set to others.
    fn fields(html: &str, selector: &str, set: &[(&str, &str)]) -> Vec<(String, String)> {
        let html = Html::parse_document(html);
        let form = html.select(&css(selector)).next();
        let form = form.unwrap_or_else(|| panic!("no form {selector} in {}", html.html()));
        let named = |name: &str| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        let mut fields: Vec<(String, String)> = Vec::new();
        for input in form.select(&css("input, select")) {
            let name = input.value().attr("name").expect("every field has a name");
            let value = named(name)
                .or(input.value().attr("value"))
                .unwrap_or("host");
            fields.push((name.to_owned(), value.to_owned()));
        }
        for (name, value) in set {
            if !fields.iter().any(|(known, _)| known == name) {
                fields.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        fields
    }

    /// Asks by a form of the page, says yes, and returns what the page then tells.
    async fn confirmed(&self, html: &str, selector: &str, set: &[(&str, &str)]) -> String {
        let asked = self.post("/ask", &Self::fields(html, selector, set)).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        assert!(asked.text.contains("Is this to be done?"), "{}", asked.text);
        let done = self
            .post("/do", &Self::fields(&asked.text, "form[action='/do']", &[]))
            .await;
        assert_eq!(done.status, 303, "{}", done.text);
        let there = done.headers["location"].to_str().expect("an address");
        let shown = self.get(there).await.text;
        assert!(shown.contains("class=\"done\""), "{shown}");
        assert!(
            !self.get(there).await.text.contains("class=\"done\""),
            "it is told once"
        );
        shown
    }

    pub(crate) async fn end(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a process id"), Signal::TERM)
            .expect("the child is ours");
        let status = wait_for(LIMIT, "the page to end", async || {
            self.child.try_wait().expect("the child is ours")
        })
        .await;
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn css(selector: &str) -> Selector {
    Selector::parse(selector).expect("a selector")
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

/// The words of what a selector finds, each with single spaces.
fn words(html: &str, selector: &str) -> Vec<String> {
    let html = Html::parse_document(html);
    let text = |element: scraper::ElementRef<'_>| {
        // Cells have no space between them.
        let text = element.text().collect::<Vec<_>>().join(" ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    html.select(&css(selector)).map(text).collect()
}

/// Queues are declared by whoever connects first, and the management API hears of them late.
async fn queues_are_known(world: &World) {
    wait_until(LIMIT, "the queues to be known", async || {
        world.queues().await.len() >= 15
    })
    .await;
}
