//! The one connection that listens. It lives in a loop: connect, subscribe to everything, listen until it breaks,
//! wait, again. So there is no state in which the node publishes but has lost its subscriptions.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Msg, PushInfo, PushKind, RedisError};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::counters::Counters;
use crate::routes::Routes;
use crate::status::Board;
use crate::wire::channel::Channels;

pub(crate) struct Subscriber {
    pub(crate) client: Client,
    pub(crate) routes: Arc<Routes>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) board: Arc<Board>,
    pub(crate) timeout: Duration,
    pub(crate) ping_interval: Duration,
}

impl Subscriber {
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::default();
        let mut failures: u64 = 0;
        loop {
            let error = match self.connect().await {
                Ok((connection, lost)) => {
                    backoff.reset();
                    failures = 0;
                    let error = self.listen(connection, &lost).await;
                    warn!(%error, "lost the connection to redis, local delivery goes on");
                    error
                }
                Err(error) => {
                    // The first of an outage, and then about one a minute.
                    if failures.is_multiple_of(60) {
                        warn!(%error, failures, "redis not reachable, local delivery goes on");
                    }
                    failures += 1;
                    error
                }
            };
            self.board.deaf(error.to_string());
            backoff.wait().await;
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Arc<Notify>), RedisError> {
        let lost = Arc::new(Notify::new());
        let (routes, signal) = (Arc::clone(&self.routes), Arc::clone(&lost));
        // Messages are handled right here, on the connection's own task: in order, and while one is handled no
        // more are read, so that nothing piles up between Redis and the clients.
        let on_push = move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                signal.notify_one();
            } else if let Some(message) = Msg::from_push_info(push) {
                routes.dispatch(&message);
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(on_push);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok((connection, lost))
    }

    /// Keeps the subscriptions up to date until the connection fails.
    async fn listen(&self, mut connection: MultiplexedConnection, lost: &Notify) -> RedisError {
        let mut subscribed = Vec::new();
        let mut first = true;
        loop {
            let changed = self.routes.changed();
            if let Err(error) = self.subscribe(&mut connection, &mut subscribed).await {
                return error;
            }
            if std::mem::take(&mut first) {
                Counters::add(&self.counters.connects, 1);
                self.board.hears();
                info!(namespaces = subscribed.len(), "subscribed to the bus");
            }
            tokio::select! {
                () = changed => {}
                () = lost.notified() => return std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
                () = tokio::time::sleep(self.ping_interval) => {
                    // A half-open connection says nothing and fails nothing; only an answer proves that it lives.
                    let pong: Result<(), RedisError> = redis::cmd("PING").query_async(&mut connection).await;
                    if let Err(error) = pong {
                        return error;
                    }
                }
            }
        }
    }

    /// Subscribes to what is new since the last time, and unsubscribes from what is gone.
    async fn subscribe(
        &self,
        connection: &mut MultiplexedConnection,
        subscribed: &mut Vec<Channels>,
    ) -> Result<(), RedisError> {
        let wanted = self.routes.channels();
        let known = |list: &[Channels], own: &str| list.iter().any(|c| c.own_response == own);
        for gone in subscribed.iter().filter(|channels| !known(&wanted, &channels.own_response)) {
            connection.punsubscribe(&gone.pattern).await?;
            connection.unsubscribe(&[&gone.request, &gone.response, &gone.own_response]).await?;
        }
        for new in wanted.iter().filter(|channels| !known(subscribed, &channels.own_response)) {
            connection.psubscribe(&new.pattern).await?;
            connection.subscribe(&[&new.request, &new.response, &new.own_response]).await?;
        }
        *subscribed = wanted;
        Ok(())
    }
}
