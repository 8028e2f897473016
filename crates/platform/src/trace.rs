//! Traces of single pictures, from the page that shows them to their document, for an OpenTelemetry collector.
//!
//! Off by default: without `traces.url` a [`Span`] is nothing and costs nothing. Where a trace goes from one process to
//! another, its [`TraceParent`] goes along: in the rows of the crawl, and in the header `traceparent` of messages
//! ([W3C Trace Context](https://www.w3.org/TR/trace-context/)). What is not sampled leaves nothing there.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tusou_contract::Queue;

use crate::config::Traces;
use crate::telemetry::build;

/// How long the collector has to take a batch of spans.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long the last spans have to go out when the process ends.
const LAST_WAIT: Duration = Duration::from_secs(2);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why traces cannot begin; names the key.
#[derive(Debug, thiserror::Error)]
#[error(
    "traces.url = {url:?} cannot be used: {reason}; give http://host:4318/v1/traces, or nothing"
)]
pub struct TraceError {
    url: String,
    reason: String,
}

/// What sends spans to the collector. [`Exporter::end`] sends the last.
#[derive(Debug)]
pub struct Exporter(Option<SdkTracerProvider>);

impl Exporter {
    /// Sends spans to `traces.url` from now on, in batches and beside the work; nothing where it is empty. While the
    /// collector is away spans are dropped. Headers that it wants are taken from the environment's
    /// `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,…`). Call it once, within the runtime.
    ///
    /// # Errors
    /// [`TraceError`] where the address cannot be used.
    pub fn start(service: &'static str, config: &Traces) -> Result<Self, TraceError> {
        if config.url.is_empty() {
            return Ok(Self(None));
        }
        let failed = |reason: String| TraceError {
            url: config.url.clone(),
            reason,
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_WAIT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let client = Collector {
            client,
            runtime: Handle::current(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&config.url)
            .with_timeout(ANSWER_WAIT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let about = [KeyValue::new("service.version", build())];
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attributes(about);
        let sampler = Sampler::TraceIdRatioBased(config.ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource.build())
            .build();
        // A second one would be a second call, and the first tracer stays.
        let _ = TRACER.set(provider.tracer("tusou"));
        tracing::info!(ratio = config.ratio, "traces are sent to a collector");
        Ok(Self(Some(provider)))
    }

    /// Sends what is left, for at most 2 s. Not within the runtime, whose threads do the sending.
    pub fn end(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST_WAIT)
        {
            tracing::warn!(%error, "the last spans of traces are lost");
        }
    }
}

/// Posts spans. The thread that makes batches of them is none of the runtime's.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok::<_, HttpError>(response)
        });
        sent.await?
    }
}

/// A place in a trace that is sampled, as it goes along with a row or message: `00-{trace}-{span}-01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.0.trace_id(), self.0.span_id())
    }
}

/// The text is no `traceparent` of version 00, or of a trace that is not sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no sampled `traceparent`")]
pub struct NoParent;

impl FromStr for TraceParent {
    type Err = NoParent;

    fn from_str(text: &str) -> Result<Self, NoParent> {
        let lower = |part: &str| {
            part.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut parts = text.split('-');
        let mut part = |length| {
            let part = parts
                .next()
                .filter(|part| part.len() == length && lower(part));
            part.ok_or(NoParent)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoParent)?;
        if version != "00" || parts.next().is_some() || flags & 1 == 0 {
            return Err(NoParent);
        }
        let context = SpanContext::new(
            TraceId::from_hex(trace).map_err(|_| NoParent)?,
            SpanId::from_hex(span).map_err(|_| NoParent)?,
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        context.is_valid().then_some(Self(context)).ok_or(NoParent)
    }
}

/// A piece of work in a trace. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span(Option<opentelemetry_sdk::trace::Span>);

impl Span {
    /// The beginning of a trace; whether it is sampled, `traces.ratio` decides.
    pub fn root(name: &'static str) -> Self {
        Self::begin(name, SpanKind::Internal, &Context::new())
    }

    /// A further piece of a trace; nothing where there is none.
    pub fn child(name: &'static str, parent: Option<&TraceParent>) -> Self {
        Self::of(name, SpanKind::Internal, parent)
    }

    /// The handling of a message that says where it comes from.
    pub(crate) fn consumer(queue: Queue, parent: Option<&TraceParent>) -> Self {
        let name = match queue {
            Queue::ImagesFetched => "process images.fetched",
            Queue::ImagesEmbedded => "process images.embedded",
            Queue::ImagesChanged => "process images.changed",
            Queue::ImagesReencode => "process images.reencode",
            Queue::ImagesReindex => "process images.reindex",
        };
        Self::of(name, SpanKind::Consumer, parent)
    }

    fn of(name: &'static str, kind: SpanKind, parent: Option<&TraceParent>) -> Self {
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent.0.clone()));
        parent.map_or_else(Self::default, |parent| Self::begin(name, kind, &parent))
    }

    fn begin(name: &'static str, kind: SpanKind, parent: &Context) -> Self {
        let span = TRACER.get().map(|tracer| {
            let builder = SpanBuilder::from_name(name).with_kind(kind);
            tracer.build_with_context(builder, parent)
        });
        Self(span.filter(|span| span.is_recording()))
    }

    /// Where it is in its trace; `None` where nobody records it.
    pub fn parent(&self) -> Option<TraceParent> {
        self.0
            .as_ref()
            .map(|span| TraceParent(span.span_context().clone()))
    }

    /// Says something of it. `value` is made only where somebody records it.
    pub fn say(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// Says that it failed, by the short word of its reason.
    pub fn fail(&mut self, reason: &'static str) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new("error.type", reason));
            span.set_status(Status::error(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_parent_is_read_as_it_is_written() {
        let parent: TraceParent = PARENT.parse().expect("it is one");
        assert_eq!(parent.to_string(), PARENT);
        let also: TraceParent = PARENT.replace("-01", "-03").parse().expect("it is sampled");
        assert_eq!(also, parent);
    }

    #[test]
    fn what_is_not_sampled_or_no_parent_is_none() {
        let upper = PARENT.to_uppercase();
        let zeros = PARENT.replace("b7ad6b7169203331", "0000000000000000");
        for text in [
            "",
            &PARENT.replace("-01", "-00"),
            &PARENT.replace("00-0", "01-0"),
            &format!("{PARENT}-01"),
            &PARENT[1..],
            &upper,
            &zeros,
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(NoParent), "{text}");
        }
    }

    #[test]
    fn without_a_collector_a_span_is_nothing() {
        let parent = PARENT.parse().expect("it is one");
        let mut span = Span::child("work", Some(&parent));
        span.say("key", || unreachable!("nobody records it"));
        assert_eq!(span.parent(), None);
        assert_eq!(Span::root("work").parent(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<TraceParent>();
        }
    }
}
