//! Reading what a client still sends before it is answered.
//!
//! A request may be refused before its body was read. Were the answer sent and the connection closed at once,
//! the system would reset it, for bytes that nobody read, and the client would never see the answer that
//! says why. So the rest is read and thrown away first.
//!
//! Source: RFC 9112, 9.6, on closing in stages; the wait for `100 (Continue)`: RFC 9110, 10.1.1.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// The longest wait for the end of a body that nobody wants.
const LINGER: Duration = Duration::from_secs(5);

/// Answers only once the body is at its end, or `most` bytes of it came.
pub(crate) async fn linger(State(most): State<usize>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits = request.headers().contains_key(EXPECT);
    let (head, body) = request.into_parts();
    let lent = Lent(Arc::new(Mutex::new(Incoming {
        body,
        seen: 0,
        asked: false,
    })));
    let given = Body::new(lent.clone());
    let response = next.run(Request::from_parts(head, given)).await;
    // Who waits for a word before sending, and was given none, sends nothing.
    if lent.lock().asked || !waits {
        // Time out, too much, or broken off: then it is closed all the same.
        let _ = tokio::time::timeout(LINGER, lent.rest(most)).await;
    }
    response
}

/// A body that is handed on, and can still be read once the one that had it is done.
#[derive(Debug, Clone)]
struct Lent(Arc<Mutex<Incoming>>);

#[derive(Debug)]
struct Incoming {
    body: Body,
    /// Bytes read so far.
    seen: usize,
    /// Whether anything was asked of it.
    asked: bool,
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn rest(mut self, most: usize) {
        while self.lock().seen <= most {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context));
            if !matches!(frame.await, Some(Ok(_))) {
                return;
            }
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut incoming = self.lock();
        incoming.asked = true;
        let polled = Pin::new(&mut incoming.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            incoming.seen += frame.data_ref().map_or(0, Bytes::len);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}
