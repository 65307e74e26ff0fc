//! A stream with a write timeout and a lingering close: a peer that does not read is disconnected,
//! and a peer that still sends when the connection is closed can read its answer before a reset.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a caller may send after its connection was shut down, so that it can read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Fails a write that makes no progress within a timeout. Reads are not limited.
pub(crate) struct WriteTimeout<I> {
    io: I,
    timeout: Duration,
    /// Runs while a write waits.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while input after the shutdown is discarded.
    drain_timer: Option<Pin<Box<Sleep>>>,
}

impl<I> WriteTimeout<I> {
    pub(crate) fn new(io: I, timeout: Duration) -> Self {
        Self {
            io,
            timeout,
            write_timer: None,
            drain_timer: None,
        }
    }

    /// Discards input until the caller closes too: closing a socket with unread input resets the
    /// connection, and the caller loses the answer (RFC 9112 §9.6).
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()>
    where
        I: AsyncRead + Unpin,
    {
        let mut scratch = [0; 8192];
        let timer = self
            .drain_timer
            .get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while timer.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = Pin::new(&mut self.io).poll_read(context, &mut buffer);
            match std::task::ready!(read) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // The end of the stream, or an error.
                _ => break,
            }
        }
        Poll::Ready(())
    }

    fn apply_timeout<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.write_timer = None;
            return done;
        }
        let timeout = self.timeout;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // A further write fails at once.
        timer.as_mut().reset(Instant::now());
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WriteTimeout<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WriteTimeout<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(context, bytes);
        self.apply_timeout(done, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(context);
        self.apply_timeout(done, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.drain_timer.is_none() {
            let done = Pin::new(&mut self.io).poll_shutdown(context);
            std::task::ready!(self.apply_timeout(done, context)?);
        }
        self.poll_drain(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_ends_and_one_that_is_read_slowly_does_not() {
        let timeout = Duration::from_secs(30);
        let (mine, mut theirs) = tokio::io::duplex(8);
        let mut mine = WriteTimeout::new(mine, timeout);
        let reader = tokio::spawn(async move {
            let mut byte = [0];
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut byte).await.expect("a byte");
            }
            theirs
        });
        mine.write_all(&[7; 20]).await.expect("it is read");
        let theirs = reader.await.expect("ended");
        let begun = Instant::now();
        let stalled = mine.write_all(&[7; 20]).await.expect_err("nobody reads");
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), timeout.as_secs());
        drop(theirs);
    }
}
