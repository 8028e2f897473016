//! One page in one tab: loaded, scrolled through, and taken down as markup.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::Value;
use spider::chromiumoxide::Page;
use spider::chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use spider::chromiumoxide::cdp::browser_protocol::emulation::SetFocusEmulationEnabledParams;
use spider::chromiumoxide::cdp::browser_protocol::page::{
    AddScriptToEvaluateOnNewDocumentParams, CreateIsolatedWorldParams,
    EventJavascriptDialogOpening, FrameId, HandleJavaScriptDialogParams,
};
use spider::chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams, DisposeBrowserContextParams,
};
use spider::chromiumoxide::cdp::js_protocol::runtime::{EvaluateParams, ExecutionContextId};
use spider::chromiumoxide::error::CdpError;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::browser::Running;
use super::proxy::Visit;

/// How much longer than the page's time taking it down may last.
const GRACE: Duration = Duration::from_secs(10);
/// How long it may take until a browser's end is seen.
const HINDSIGHT: Duration = Duration::from_millis(500);
/// A page is loaded when nothing was asked for so long.
const QUIET: Duration = Duration::from_millis(500);
/// And after each step of scrolling.
const SHORT_QUIET: Duration = Duration::from_millis(150);
/// Steps of scrolling, at most: a page without an end is left there.
const STEPS: u32 = 60;

/// Runs in each document before its own scripts: nothing that a person would have to answer, no
/// window, and no way past the proxy.
const BEFORE: &str = include_str!("scripts/before.js");
/// Resolves once the document rests.
const CALM: &str = include_str!("scripts/calm.js");
/// Scrolls one step; `[at the end, height]`.
const SCROLL: &str = include_str!("scripts/scroll.js");
/// `[address, markup, what its elements show]`, open shadow roots included.
const TAKE: &str = include_str!("scripts/take.js");

/// A page as it stood.
#[derive(Debug)]
pub(super) struct Taken {
    /// The document's address, which scripts may have changed within its origin.
    pub(super) url: String,
    pub(super) markup: String,
    /// What its `img` elements show, each in the size that was chosen, and its icons.
    pub(super) shown: Vec<String>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The browser ended.
    Died,
    /// The page let nothing be done in its time.
    TimedOut,
    /// It did not load, or its process broke.
    Broke(CdpError),
}

impl From<CdpError> for NotTaken {
    fn from(cause: CdpError) -> Self {
        match cause {
            CdpError::Timeout => Self::TimedOut,
            cause => Self::Broke(cause),
        }
    }
}

/// Renders a page whose proxy listens at `proxy`.
pub(super) async fn take(
    running: &Arc<Running>,
    visit: &Visit,
    proxy: SocketAddr,
) -> Result<Taken, NotTaken> {
    let _open = running.life.open();
    let end = visit.until + GRACE;
    let opened = async { Ok(Context::open(running, proxy).await?) };
    let context = living(running, end, opened).await?;
    let taken = async { Tab::open(&context).await?.take(visit).await };
    let taken = living(running, end, taken).await;
    context.close().await;
    taken
}

/// The outcome, while the browser lives and there is time.
async fn living<T>(
    running: &Running,
    end: Instant,
    work: impl Future<Output = Result<T, NotTaken>>,
) -> Result<T, NotTaken> {
    let died = &running.life.died;
    let outcome = tokio::select! {
        biased;
        () = died.cancelled() => Err(NotTaken::Died),
        outcome = timeout_at(end.into(), work) => outcome.unwrap_or(Err(NotTaken::TimedOut)),
    };
    let Err(NotTaken::Broke(cause)) = outcome else {
        return outcome;
    };
    // Commands break before it is known that the browser is what broke.
    match timeout(HINDSIGHT, died.cancelled()).await {
        Ok(()) => Err(NotTaken::Died),
        Err(_) => Err(NotTaken::Broke(cause)),
    }
}

/// A store of cookies and the like that no other page knows, with a way out of its own. It is
/// thrown away with its tabs, whatever they do.
struct Context {
    running: Arc<Running>,
    id: Option<BrowserContextId>,
}

impl Context {
    async fn open(running: &Arc<Running>, proxy: SocketAddr) -> Result<Self, CdpError> {
        let params = CreateBrowserContextParams::builder()
            .dispose_on_detach(true)
            .proxy_server(format!("http://{proxy}"))
            .proxy_bypass_list("<-loopback>")
            .build();
        let made = running.client.execute(params).await?;
        let context = Self {
            running: Arc::clone(running),
            id: Some(made.result.browser_context_id),
        };
        let mut deny = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        deny.browser_context_id = context.id.clone();
        running.client.execute(deny).await?;
        Ok(context)
    }

    async fn close(mut self) {
        if let Some(id) = self.id.take() {
            close(&self.running, id).await;
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let running = Arc::clone(&self.running);
            tokio::spawn(async move { close(&running, id).await });
        }
    }
}

async fn close(running: &Running, id: BrowserContextId) {
    let closed = running.client.execute(DisposeBrowserContextParams::new(id));
    let _ = timeout(GRACE, closed).await;
}

struct Tab {
    page: Page,
    _dialogs: AbortOnDropHandle<()>,
}

impl Tab {
    async fn open(context: &Context) -> Result<Self, CdpError> {
        let mut params = CreateTargetParams::new("about:blank");
        params.browser_context_id = context.id.clone();
        let page = context.running.client.new_page(params).await?;
        let mut dialogs = page
            .event_listener::<EventJavascriptDialogOpening>()
            .await?;
        let answering = page.clone();
        let answers = tokio::spawn(async move {
            while dialogs.next().await.is_some() {
                let _ = answering
                    .execute(HandleJavaScriptDialogParams::new(true))
                    .await;
            }
        });
        let dialogs = AbortOnDropHandle::new(answers);
        page.execute(SetFocusEmulationEnabledParams::new(true))
            .await?;
        page.execute(AddScriptToEvaluateOnNewDocumentParams::new(BEFORE))
            .await?;
        Ok(Self {
            page,
            _dialogs: dialogs,
        })
    }

    async fn take(&self, visit: &Visit) -> Result<Taken, NotTaken> {
        let loaded = async {
            self.page.goto(visit.page.as_str()).await?;
            Ok::<_, CdpError>(())
        };
        // What has not come by then is done without.
        if let Ok(loaded) = timeout_at(visit.until.into(), loaded).await {
            loaded?;
        }
        let frame = FrameId::new(self.page.target_id().inner().clone());
        let world = self
            .page
            .execute(CreateIsolatedWorldParams::new(frame))
            .await?;
        let world = world.result.execution_context_id;
        let shown = async {
            self.rest(visit, world, QUIET).await?;
            self.scroll(visit, world).await
        };
        if let Ok(shown) = timeout_at(visit.until.into(), shown).await {
            shown?;
        }
        let taken = self.run(world, TAKE).await?;
        match taken.as_array().map(Vec::as_slice) {
            Some(
                [
                    Value::String(url),
                    Value::String(markup),
                    Value::Array(shown),
                ],
            ) => Ok(Taken {
                url: url.clone(),
                markup: markup.clone(),
                shown: shown
                    .iter()
                    .filter_map(|url| Some(url.as_str()?.to_owned()))
                    .collect(),
            }),
            _ => Err(NotTaken::Broke(CdpError::NotFound)),
        }
    }

    /// Waits until nothing is asked for and the document rests.
    async fn rest(
        &self,
        visit: &Visit,
        world: ExecutionContextId,
        quiet: Duration,
    ) -> Result<(), CdpError> {
        visit.trace.quiet(quiet).await;
        self.run(world, CALM).await?;
        visit.trace.quiet(quiet).await;
        Ok(())
    }

    /// To the end, which may move away.
    async fn scroll(&self, visit: &Visit, world: ExecutionContextId) -> Result<(), CdpError> {
        for _ in 0..STEPS {
            if Instant::now() >= visit.until {
                return Ok(());
            }
            let before = self.run(world, SCROLL).await?;
            visit.trace.quiet(SHORT_QUIET).await;
            if before[0] == Value::Bool(true) {
                self.rest(visit, world, QUIET).await?;
                let after = self.run(world, SCROLL).await?;
                if after == before {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The value of an expression, or of its promise, in a world that the page's scripts cannot
    /// change.
    async fn run(&self, world: ExecutionContextId, expression: &str) -> Result<Value, CdpError> {
        let mut params = EvaluateParams::new(expression);
        params.context_id = Some(world);
        params.await_promise = Some(true);
        params.return_by_value = Some(true);
        let done = self.page.execute(params).await?.result;
        match done.exception_details {
            Some(exception) => Err(CdpError::JavascriptException(Box::new(exception))),
            None => Ok(done.result.value.unwrap_or_default()),
        }
    }
}
