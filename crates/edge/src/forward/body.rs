//! The body of an owner's answer: it counts as under way until the client has it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// A body that holds a permit for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted<B> {
    body: B,
    _permit: OwnedSemaphorePermit,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, permit: OwnedSemaphorePermit) -> Self {
        Self { body, _permit: permit }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
