//! A connection as hyper reads and writes it: bytes are counted, and a peer that does not take what is written to it is
//! given up.
//!
//! Without the deadline a peer that stops reading holds its task, its file descriptor and, in engineioxide, the lock of its
//! session for as long as TCP is patient (15 minutes and more).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::per_client::PerClientPermit;
use crate::stats::{Now, Stats};
use crate::transport::Transport;

/// The places of a connection in the limits.
pub(crate) type Place = (OwnedSemaphorePermit, Option<PerClientPermit>);

/// See the module.
pub(crate) struct Wire {
    transport: Transport,
    /// Runs while a write is waiting.
    stall: Option<Box<Stall>>,
    patience: Duration,
    stats: Stats,
    _open: Now,
    /// Kept for as long as the connection lives: hyper gives it away when it becomes a websocket.
    _place: Place,
}

struct Stall {
    until: Pin<Box<Sleep>>,
    _now: Now,
}

impl Wire {
    pub(crate) fn new(transport: Transport, patience: Duration, stats: &Stats, place: Place) -> Self {
        Self { transport, stall: None, patience, stats: stats.clone(), _open: stats.open(), _place: place }
    }

    /// Counts what was written, or how long nothing could be.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let begin = || Box::new(Stall { until: Box::pin(sleep(self.patience)), _now: self.stats.stalling() });
        let stall = self.stall.get_or_insert_with(begin);
        ready!(stall.until.as_mut().poll(cx));
        // Once given up, it stays so.
        stall.until.as_mut().reset(Instant::now());
        self.stats.stalled();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.transport).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 {
            self.stats.received(read);
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = written {
            self.stats.sent(written);
        }
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(written)) = written {
            self.stats.sent(written);
        }
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.transport).poll_shutdown(cx);
        self.watch(cx, shut)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("stalled", &self.stall.is_some()).finish_non_exhaustive()
    }
}
