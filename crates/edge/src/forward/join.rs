//! A client's websocket and that of the owner become one.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::debug;

/// What is read at once. Two of them live as long as the websocket.
const BUFFER: usize = 4096;

/// When one side has ended, the other has so long to say its last words: in a websocket, to return the close frame.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Passes bytes both ways until one side ends. A side that takes nothing for `patience` counts as ended.
pub(super) async fn upgraded(
    client: OnUpgrade,
    owner: OnUpgrade,
    patience: Duration,
    permit: OwnedSemaphorePermit,
) {
    match tokio::try_join!(client, owner) {
        Ok((client, owner)) => {
            let ended = join(TokioIo::new(client), TokioIo::new(owner), patience).await;
            debug!(error = ended.err().map(tracing::field::display), "forwarded websocket ended");
        }
        Err(error) => debug!(%error, "websocket not forwarded"),
    }
    drop(permit);
}

/// As `tokio::io::copy_bidirectional`, which would wait for ever for a side that never closes or does not read.
async fn join<A, B>(client: A, owner: B, patience: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (client_reader, client_writer) = tokio::io::split(client);
    let (owner_reader, owner_writer) = tokio::io::split(owner);
    let mut up = std::pin::pin!(pass(client_reader, owner_writer, patience));
    let mut down = std::pin::pin!(pass(owner_reader, client_writer, patience));
    let rest = tokio::select! {
        ended = &mut up => { ended?; timeout(LAST_WORDS, down).await }
        ended = &mut down => { ended?; timeout(LAST_WORDS, up).await }
    };
    // That there are no last words is no error.
    rest.unwrap_or(Ok(()))
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    patience: Duration,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        timeout(patience, async {
            to.write_all(&buffer[..length]).await?;
            to.flush().await
        })
        .await??;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The client's end, the owner's end, and what joins them.
    fn joined() -> (DuplexStream, DuplexStream, JoinHandle<io::Result<()>>) {
        let (client, client_end) = duplex(64);
        let (owner, owner_end) = duplex(64);
        (client, owner, tokio::spawn(join(client_end, owner_end, PATIENCE)))
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_words_of_the_other_side_still_pass() {
        let (mut client, mut owner, task) = joined();
        client.write_all(b"bye").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        owner.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"bye");
        owner.write_all(b"farewell").await.unwrap();
        drop(owner);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"farewell");
        task.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_never_closes_is_not_waited_for() {
        let (client, mut owner, task) = joined();
        let start = Instant::now();
        owner.shutdown().await.unwrap();
        task.await.unwrap().unwrap();
        assert_eq!(start.elapsed().as_secs(), LAST_WORDS.as_secs());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_read_is_given_up_and_the_other_closed_at_once() {
        let (client, owner, task) = joined();
        silent(client, owner, task).await;
        let (client, owner, task) = joined();
        silent(owner, client, task).await;
    }

    async fn silent(deaf: DuplexStream, mut other: DuplexStream, task: JoinHandle<io::Result<()>>) {
        let start = Instant::now();
        // Ends with an error when the other end is gone.
        while other.write_all(&[0; 64]).await.is_ok() {}
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!(task.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(deaf);
    }
}
