//! A reason for what is no request at all.
//!
//! What cannot be parsed never comes to a router: the HTTP library answers it with a bare status and closes. This
//! stands between the library and the socket, knows those answers by what ours never lack, puts a problem in
//! their place, and reads on for a moment, so that a client in the middle of a long address comes to read it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::error::SearchError;
use crate::problem::{MEDIA_TYPE, Problem};
use crate::routes::REQUEST_ID;

/// The most bytes that are read on, and the longest.
const MOST: usize = 4 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A connection whose bare refusals say why.
#[derive(Debug)]
pub(crate) struct Explained<T> {
    stream: T,
    /// What is written in place of a bare refusal, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
    /// After a refusal: how much was read on, and until when.
    lingering: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<T> Explained<T> {
    /// The connection.
    pub(crate) fn new(stream: T) -> Self {
        Self {
            stream,
            instead: None,
            lingering: None,
        }
    }
}

/// The problem that a bare refusal stands for.
fn explained(written: &[u8]) -> Option<Vec<u8>> {
    let status = written.strip_prefix(b"HTTP/1.1 4")?;
    let head = std::str::from_utf8(written).ok()?;
    // Each answer of ours has an id, and a body.
    if !head.contains("content-length: 0\r\n") || head.contains(REQUEST_ID.as_str()) {
        return None;
    }
    let error = match status.get(..2)? {
        b"00" => SearchError::Malformed,
        b"14" => SearchError::AddressTooLong,
        b"31" => SearchError::HeadTooLarge,
        _ => return None,
    };
    tracing::debug!(code = error.code(), "no request could be read");
    let problem = Problem::of(&error);
    let body = serde_json::to_string(&problem).expect("a problem holds only text");
    let line = head.lines().next().unwrap_or_default();
    Some(
        format!(
            "{line}\r\ncontent-type: {MEDIA_TYPE}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

impl<T: AsyncWrite + Unpin> Explained<T> {
    /// Whether this write is a bare refusal, or the rest of one; then it is written otherwise.
    fn explain(
        &mut self,
        context: &mut Context<'_>,
        written: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            self.instead = Some((explained(written)?, 0));
        }
        let (text, done) = self.instead.as_mut()?;
        while *done < text.len() {
            match Pin::new(&mut self.stream).poll_write(context, &text[*done..]) {
                Poll::Ready(Ok(0)) => {
                    return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(more)) => *done += more,
                other => return Some(other),
            }
        }
        self.instead = None;
        self.lingering = Some((0, Box::pin(tokio::time::sleep(LINGER))));
        Some(Poll::Ready(Ok(written.len())))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Explained<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Explained<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.explain(context, bytes) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        match first.and_then(|first| self.explain(context, first)) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        let Some((seen, end)) = &mut this.lingering else {
            return Poll::Ready(Ok(()));
        };
        let mut space = [0; 4 << 10];
        while *seen < MOST && end.as_mut().poll(context).is_pending() {
            let mut into = ReadBuf::new(&mut space);
            match Pin::new(&mut this.stream).poll_read(context, &mut into) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !into.filled().is_empty() => *seen += into.filled().len(),
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_are_explained() {
        let bare = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let text = String::from_utf8(explained(bare).expect("bare")).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{head}");
        let length = format!("content-length: {}", body.len());
        assert!(head.contains(&length), "{head}");
        assert!(
            body.contains("urn:tusou:problem:address_too_long"),
            "{body}"
        );
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(explained(other.as_bytes()), None, "{other}");
        }
    }
}
