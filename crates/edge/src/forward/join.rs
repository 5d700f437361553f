//! A client's websocket and that of the owner become one.
//!
//! Before this node stops it ends them in order: the owner is told, between two messages, that the client closes its
//! session; it sends what is queued and closes the websocket, so that the client comes back by itself.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::debug;

use super::held::Hold;
use crate::frames::{CLOSE_PACKET, Frames};

/// What is read at once. Two of them live as long as the websocket.
const BUFFER: usize = 4096;

/// When one side has ended, the other has so long to say its last words: in a websocket, to return the close frame.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Passes bytes both ways until one side ends. A side that takes nothing for `patience` counts as ended.
pub(super) async fn upgraded(
    client: OnUpgrade,
    owner: OnUpgrade,
    patience: Duration,
    hold: Hold,
    permit: OwnedSemaphorePermit,
) {
    match tokio::try_join!(client, owner) {
        Ok((client, owner)) => {
            let ended = join(TokioIo::new(client), TokioIo::new(owner), patience, hold.let_go()).await;
            debug!(error = ended.err().map(tracing::field::display), "forwarded websocket ended");
        }
        Err(error) => debug!(%error, "websocket not forwarded"),
    }
    drop((hold, permit));
}

/// As `tokio::io::copy_bidirectional`, which would wait for ever for a side that never closes or does not read.
async fn join<A, B>(
    client: A,
    owner: B,
    patience: Duration,
    let_go: impl Future<Output = ()>,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (client_reader, client_writer) = tokio::io::split(client);
    let (owner_reader, owner_writer) = tokio::io::split(owner);
    let mut up = std::pin::pin!(pass_up(client_reader, owner_writer, patience, let_go));
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
        write(&mut to, &buffer[..length], patience).await?;
    }
}

/// From client to owner; when it is let go of, the session's end follows the message that is passing.
async fn pass_up(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    patience: Duration,
    let_go: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut let_go = std::pin::pin!(let_go);
    let (mut frames, mut is_last) = (Frames::default(), false);
    let mut buffer = vec![0; BUFFER];
    while !(is_last && frames.is_between_messages()) {
        let length = tokio::select! {
            biased;
            () = &mut let_go, if !is_last => {
                is_last = true;
                continue;
            }
            length = from.read(&mut buffer) => length?,
        };
        if length == 0 {
            return to.shutdown().await;
        }
        frames.pass(&buffer[..length]);
        write(&mut to, &buffer[..length], patience).await?;
    }
    write(&mut to, &CLOSE_PACKET, patience).await?;
    // The owner closes now; what the client still says is read, lest it cannot read.
    while from.read(&mut buffer).await? > 0 {}
    to.shutdown().await
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], patience: Duration) -> io::Result<()> {
    timeout(patience, async {
        to.write_all(bytes).await?;
        to.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The client's end, the owner's end, and what joins them.
    fn joined() -> (DuplexStream, DuplexStream, JoinHandle<io::Result<()>>) {
        let (client, client_end) = duplex(64);
        let (owner, owner_end) = duplex(64);
        (client, owner, tokio::spawn(join(client_end, owner_end, PATIENCE, pending())))
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
    async fn it_is_let_go_of_between_two_messages() {
        let (mut client, client_end) = duplex(64);
        let (mut owner, owner_end) = duplex(64);
        let (let_go, is_let_go) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(join(client_end, owner_end, PATIENCE, async { drop(is_let_go.await) }));
        let mut heard = [0; 7];
        // a frame of two bytes, of which one is still to come
        client.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4']).await.unwrap();
        owner.read_exact(&mut heard).await.unwrap();
        drop(let_go);
        client.write_all(b"0").await.unwrap();
        assert_eq!(owner.read_u8().await.unwrap(), b'0');
        owner.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, CLOSE_PACKET);
        client.write_all(b"unheard").await.unwrap();
        owner.write_all(b"the rest").await.unwrap();
        drop(owner);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"the rest");
        task.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_let_go_of_at_once() {
        let (_client, client_end) = duplex(64);
        let (mut owner, owner_end) = duplex(64);
        let task = tokio::spawn(join(client_end, owner_end, PATIENCE, ready(())));
        let mut heard = [0; 7];
        owner.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, CLOSE_PACKET);
        drop(owner);
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
