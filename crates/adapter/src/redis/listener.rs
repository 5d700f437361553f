//! One connection that listens, and what Redis says it is subscribed to.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, Msg, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::{Notify, watch};

use super::dialer::{Dialer, no_answer};
use super::target::Address;
use crate::routes::{Routes, Subscription};

/// What happens on listening connections without having been asked for; each is known by its number.
#[derive(Debug, Default)]
pub(super) struct Events {
    happened: Mutex<Happened>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Happened {
    /// Connections that have broken.
    pub(super) lost: HashSet<u64>,
    /// Connections on which Redis has ended subscriptions: their server has given the channels' slot away.
    pub(super) moved: HashSet<u64>,
}

impl Events {
    fn note(&self, note: impl FnOnce(&mut Happened)) {
        note(&mut self.happened.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    pub(super) fn take(&self) -> Happened {
        std::mem::take(&mut *self.happened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

pub(super) struct Listener {
    /// No two connections of a process have the same.
    pub(super) number: u64,
    /// By which Redis knows it.
    pub(super) id: i64,
    connection: MultiplexedConnection,
    heard: Arc<Heard>,
    /// What this connection is to be subscribed to.
    wanted: HashSet<Subscription>,
    /// The channel on which the node hears itself, and the number of the last probe.
    probe_channel: Option<String>,
    probe: u64,
}

/// What the connection's own task writes down.
struct Heard {
    confirmed: Mutex<HashSet<(Kind, String)>>,
    /// Channels that this node is giving up itself.
    leaving: Mutex<HashSet<String>>,
    probe: watch::Sender<u64>,
    probe_channel: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Pattern,
    Channel,
    Shard,
}

impl Kind {
    fn of(subscription: &Subscription) -> (Self, &str) {
        match subscription {
            Subscription::Pattern(name) => (Self::Pattern, name),
            Subscription::Channel(name) => (Self::Channel, name),
            Subscription::Shard(name) => (Self::Shard, name),
        }
    }

    fn command(self, on: bool) -> &'static str {
        match (self, on) {
            (Self::Pattern, true) => "PSUBSCRIBE",
            (Self::Channel, true) => "SUBSCRIBE",
            (Self::Shard, true) => "SSUBSCRIBE",
            (Self::Pattern, false) => "PUNSUBSCRIBE",
            (Self::Channel, false) => "UNSUBSCRIBE",
            (Self::Shard, false) => "SUNSUBSCRIBE",
        }
    }
}

impl Heard {
    fn confirmed(&self) -> std::sync::MutexGuard<'_, HashSet<(Kind, String)>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, kind: Kind, on: bool, data: &[Value]) -> bool {
        let Some(Value::BulkString(name)) = data.first() else { return false };
        let Ok(name) = std::str::from_utf8(name) else { return false };
        let entry = (kind, name.to_owned());
        if on { self.confirmed().insert(entry) } else { self.confirmed().remove(&entry) }
    }

    fn leaving(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, data: &[Value]) -> bool {
        let Some(Value::BulkString(name)) = data.first() else { return false };
        std::str::from_utf8(name).is_ok_and(|name| self.leaving().remove(name))
    }
}

impl Listener {
    pub(super) async fn connect(
        dialer: &Dialer,
        address: &Address,
        probe_channel: Option<String>,
        routes: &Arc<Routes>,
        events: &Arc<Events>,
    ) -> Result<Self, RedisError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let heard = Arc::new(Heard {
            confirmed: Mutex::default(),
            leaving: Mutex::default(),
            probe: watch::Sender::new(0),
            probe_channel: probe_channel.clone(),
        });
        let (writer, routes, events) = (Arc::clone(&heard), Arc::clone(routes), Arc::clone(events));
        // Messages are handled right here, on the connection's own task: in order, and while one is handled no more
        // are read, so that nothing piles up between Redis and the clients.
        let on_push = move |push: PushInfo| {
            match push.kind {
                PushKind::Disconnection => events.note(|happened| _ = happened.lost.insert(number)),
                PushKind::PSubscribe => _ = writer.changed(Kind::Pattern, true, &push.data),
                PushKind::Subscribe => _ = writer.changed(Kind::Channel, true, &push.data),
                PushKind::SSubscribe => _ = writer.changed(Kind::Shard, true, &push.data),
                PushKind::PUnsubscribe => _ = writer.changed(Kind::Pattern, false, &push.data),
                PushKind::Unsubscribe => _ = writer.changed(Kind::Channel, false, &push.data),
                PushKind::SUnsubscribe => {
                    if writer.changed(Kind::Shard, false, &push.data) && !writer.left(&push.data) {
                        events.note(|happened| _ = happened.moved.insert(number));
                    }
                }
                _ => {
                    if let Some(message) = Msg::from_push_info(push) {
                        let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
                        if writer.probe_channel.as_deref() == Some(channel) {
                            let number = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
                            writer.probe.send_replace(number.unwrap_or(0));
                        } else {
                            let pattern = message.get_pattern::<Option<String>>().ok().flatten();
                            routes.dispatch(pattern.as_deref(), channel, payload);
                        }
                    }
                }
            }
            Ok(())
        };
        let mut connection = dialer.listen(address, on_push).await?;
        // Who may not ask for it cannot end it either, and waits until Redis does.
        let id = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await.unwrap_or(0);
        Ok(Self { number, id, connection, heard, wanted: HashSet::new(), probe_channel, probe: 0 })
    }

    pub(super) fn wanted(&self) -> &HashSet<Subscription> {
        &self.wanted
    }

    /// Subscribes and unsubscribes, and waits until Redis has confirmed it.
    pub(super) async fn change(
        &mut self,
        add: Vec<Subscription>,
        remove: Vec<Subscription>,
    ) -> Result<(), RedisError> {
        // Many at a time, but not so many that the limit for an answer is too short for them.
        const AT_A_TIME: usize = 500;
        for (on, list) in [(false, remove), (true, add)] {
            for part in list.chunks(AT_A_TIME) {
                let mut pipeline = Pipeline::with_capacity(part.len());
                for subscription in part {
                    let (kind, name) = Kind::of(subscription);
                    pipeline.cmd(kind.command(on)).arg(name);
                    if !on {
                        self.wanted.remove(subscription);
                        if kind == Kind::Shard {
                            self.heard.leaving().insert(name.to_owned());
                        }
                    }
                }
                pipeline.ignore_errors();
                let replies: Vec<redis::RedisResult<Value>> =
                    pipeline.query_async(&mut self.connection).await?;
                if on {
                    self.check(part, replies)?;
                }
            }
        }
        Ok(())
    }

    /// Redis says what it has subscribed this connection to by itself, and that is what counts: a reply may be taken
    /// for the wrong command when it ends subscriptions at the same moment.
    fn check(
        &mut self,
        asked: &[Subscription],
        replies: Vec<redis::RedisResult<Value>>,
    ) -> Result<(), RedisError> {
        let confirmed = self.heard.confirmed();
        let is_confirmed = |subscription: &&Subscription| {
            let (kind, name) = Kind::of(subscription);
            confirmed.contains(&(kind, name.to_owned()))
        };
        let before = self.wanted.len();
        self.wanted.extend(asked.iter().filter(is_confirmed).cloned());
        if self.wanted.len() - before == asked.len() {
            return Ok(());
        }
        let refusal = replies.into_iter().find_map(Result::err);
        Err(refusal.unwrap_or_else(|| {
            RedisError::from((ErrorKind::UnexpectedReturnType, "a subscription was not confirmed"))
        }))
    }

    /// Forgets what Redis has ended by itself; tells how much that was.
    pub(super) fn take_ended(&mut self) -> usize {
        let confirmed = self.heard.confirmed();
        let ended = |wanted: &Subscription| {
            let (kind, name) = Kind::of(wanted);
            !confirmed.contains(&(kind, name.to_owned()))
        };
        self.wanted.extract_if(ended).count()
    }

    /// Whether the node hears on this connection what it publishes on another one.
    pub(super) async fn prove(
        &mut self,
        dialer: &Dialer,
        at: &Address,
        sharded: bool,
        within: Duration,
    ) -> Result<Proof, RedisError> {
        let Some(channel) = &self.probe_channel else { return Ok(Proof::Hears) };
        self.probe += 1;
        let mut heard = self.heard.probe.subscribe();
        let mut publish = redis::cmd(if sharded { "SPUBLISH" } else { "PUBLISH" });
        publish.arg(channel).arg(self.probe);
        // Who takes longer than that stands still, or is far too busy.
        let published = tokio::time::timeout(within / 2, dialer.query::<()>(at, &publish)).await;
        published.unwrap_or_else(|_| Err(no_answer(at)))?;
        let echo = heard.wait_for(|number| *number >= self.probe);
        Ok(if tokio::time::timeout(within, echo).await.is_ok() { Proof::Hears } else { Proof::Deaf })
    }

    /// The subscription that the probe needs.
    pub(super) fn probe_subscription(&self, sharded: bool) -> Option<Subscription> {
        let channel = self.probe_channel.clone()?;
        Some(if sharded { Subscription::Shard(channel) } else { Subscription::Channel(channel) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Hears,
    /// What was published did not come back.
    Deaf,
}
