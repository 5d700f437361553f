//! The task that listens. It compares, again and again, what the namespaces want to hear with what the connections are
//! subscribed to, and makes them the same: at the start, when a namespace or a room comes or goes, when a connection
//! breaks, when a cluster changes. So there is no state in which the node publishes but has lost its subscriptions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, info, warn};

use super::Shared;
use super::explain::explain;
use super::listener::{Events, Listener, Proof};
use super::target::Address;
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::routes::Subscription;

/// How long what is published may take to come back.
const ECHO: Duration = Duration::from_secs(2);
/// How soon to look again when something is wrong.
const SOON: Duration = Duration::from_millis(250);

pub(super) async fn run(shared: Arc<Shared>) {
    Subscriber {
        shared,
        listeners: HashMap::new(),
        events: Arc::default(),
        outage: false,
        complete: false,
        failures: 0,
    }
    .run()
    .await;
}

struct Subscriber {
    shared: Arc<Shared>,
    listeners: HashMap<Address, Listener>,
    events: Arc<Events>,
    /// There was a time without subscriptions since they were last complete.
    outage: bool,
    complete: bool,
    failures: u64,
}

impl Subscriber {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut stale = false;
        let every = self.shared.probe_interval;
        let mut tick = interval_at(Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut topology = self.shared.dialer.topology();
        loop {
            topology.mark_unchanged();
            let (shared, events) = (Arc::clone(&self.shared), Arc::clone(&self.events));
            let changed = shared.routes.changed();
            match self.reconcile(std::mem::take(&mut stale)).await {
                // Before there is a namespace there is no connection either.
                Ok(()) if self.listeners.is_empty() => {}
                Ok(()) => {
                    backoff.reset();
                    self.whole();
                }
                Err(error) => {
                    self.broken(&error);
                    stale = true;
                    backoff.wait().await;
                    self.note();
                    continue;
                }
            }
            tokio::select! {
                () = changed => {}
                () = events.changed() => stale = self.note(),
                // The publisher has found out about it.
                Ok(()) = topology.changed() => stale = true,
                _ = tick.tick() => {
                    stale = self.prove().await;
                    if stale && !self.shared.dialer.is_sentinel() {
                        // Something is wrong, and maybe over soon: another server takes over.
                        tick.reset_after(SOON.min(every));
                    }
                }
            }
        }
    }

    /// Makes the subscriptions what they should be.
    async fn reconcile(&mut self, stale: bool) -> Result<(), RedisError> {
        let dialer = &self.shared.dialer;
        let asked = if stale { dialer.refresh().await } else { dialer.known().await };
        let topology = match asked {
            // Nobody tells, but as far as is known everything is in place.
            Err(error) if self.complete => {
                debug!(%error, "cannot find out about the servers");
                dialer.known().await?
            }
            asked => asked?,
        };
        // Only the first time, and after something was lost, everything is gone through; rooms come and go often.
        let news = self.shared.routes.take_changes();
        let full = !self.complete || stale;
        let (wanted, gone) = if full {
            (self.shared.routes.subscriptions(), HashSet::new())
        } else {
            (news.added, news.removed)
        };

        let mut plan: HashMap<Address, (Vec<Subscription>, Vec<Subscription>)> = HashMap::new();
        let mut homeless = None;
        for subscription in wanted {
            let Some(server) = self.place(&topology, &subscription) else {
                homeless = Some(subscription);
                continue;
            };
            plan.entry(server.clone()).or_default().0.push(subscription);
        }
        if full {
            for (address, listener) in &self.listeners {
                let keep =
                    plan.get(address).map(|(add, _)| add.iter().collect::<HashSet<_>>()).unwrap_or_default();
                let probe = listener.probe_subscription(self.shared.sharded);
                let excess =
                    listener.wanted().iter().filter(|has| !keep.contains(has) && probe.as_ref() != Some(has));
                let excess: Vec<_> = excess.cloned().collect();
                plan.entry(address.clone()).or_default().1 = excess;
            }
        } else {
            for subscription in gone {
                if let Some(server) = self.place(&topology, &subscription).cloned() {
                    plan.entry(server).or_default().1.push(subscription);
                }
            }
        }
        // What is given up goes first: a message that came on two connections would be delivered twice.
        let mut plan: Vec<_> = plan.into_iter().collect();
        plan.sort_by_key(|(_, (add, _))| !add.is_empty());
        let mut failure = None;
        for (address, (add, remove)) in plan {
            if let Err(error) = self.change(&topology, &address, add, remove, full).await {
                debug!(%error, server = %address, "cannot subscribe");
                // A slot that has just moved is no fault of the connection.
                let moved = matches!(
                    error.kind(),
                    ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ClusterDown)
                );
                if !moved {
                    self.shared.dialer.avoid(&address);
                    self.listeners.remove(&address);
                }
                failure = Some(error);
            }
        }
        match (failure, homeless) {
            (Some(error), _) => Err(error),
            (None, Some(subscription)) => Err(RedisError::from((
                ErrorKind::Server(ServerErrorKind::ClusterDown),
                "nobody has the hash slot of a channel",
                format!("{subscription:?}"),
            ))),
            (None, None) => Ok(()),
        }
    }

    fn place<'a>(&self, topology: &'a Topology, subscription: &Subscription) -> Option<&'a Address> {
        match subscription {
            Subscription::Shard(name) => topology.owner(name),
            // Where the others of this kind are already, if that server is still one of them.
            Subscription::Pattern(_) | Subscription::Channel(_) => {
                let current = topology.masters.iter().find(|master| self.listeners.contains_key(*master));
                current.or_else(|| Some(self.shared.dialer.any(topology, &self.shared.node_id)))
            }
        }
    }

    async fn change(
        &mut self,
        topology: &Topology,
        address: &Address,
        mut add: Vec<Subscription>,
        remove: Vec<Subscription>,
        full: bool,
    ) -> Result<(), RedisError> {
        if full && add.is_empty() && !topology.masters.contains(address) {
            // This server has nothing for us any more.
            self.listeners.remove(address);
            return Ok(());
        }
        if !self.listeners.contains_key(address) {
            // What this server has for us does not arrive until then.
            self.lose_if_complete();
            let stem = format!("{}-probe#{}#", self.shared.prefix, self.shared.node_id);
            let probe = topology.name_on(address, &stem).filter(|_| self.shared.sharded).or(
                // Ordinary channels are everywhere.
                (!self.shared.sharded).then_some(stem),
            );
            let Shared { dialer, routes, .. } = &*self.shared;
            let listener = Listener::connect(dialer, address, probe, routes, &self.events).await?;
            add.extend(listener.probe_subscription(self.shared.sharded));
            self.listeners.insert(address.clone(), listener);
        }
        let Some(listener) = self.listeners.get_mut(address) else { return Ok(()) };
        // Also what it is subscribed to already: it may have gone and come again before anybody looked.
        let asked = add.clone();
        add.retain(|subscription| !listener.wanted().contains(subscription));
        let result = listener.change(add, remove).await;
        if result.is_ok() {
            self.shared.routes.are_active(asked);
        }
        result
    }

    /// Everything is in place.
    fn whole(&mut self) {
        if std::mem::replace(&mut self.complete, true) {
            return;
        }
        self.failures = 0;
        self.shared.metrics.subscribed();
        self.shared.board.hears();
        self.shared.gate.open(std::mem::take(&mut self.outage));
        info!(connections = self.listeners.len(), "subscribed to the bus");
    }

    /// Something is missing.
    fn broken(&mut self, error: &RedisError) {
        let reason = explain(error);
        self.lose_if_complete();
        // The first of an outage, and then about one a minute.
        if self.failures.is_multiple_of(120) {
            warn!(reason, failures = self.failures, "no connection to redis, local delivery goes on");
        }
        self.failures += 1;
        self.outage = true;
        if self.listeners.is_empty() {
            self.shared.board.lost(reason);
        } else {
            self.shared.board.partial(reason);
        }
    }

    /// Subscriptions were lost: what is published now would not come back.
    fn lose(&mut self) {
        self.outage = true;
        self.complete = false;
        self.shared.gate.close();
    }

    fn lose_if_complete(&mut self) {
        if self.complete {
            self.lose();
        }
    }

    /// Takes note of what has happened; `true` if the servers are to be asked for anew.
    fn note(&mut self) -> bool {
        let happened = self.events.take();
        let lost = self.listeners.extract_if(|_, listener| happened.lost.contains(&listener.number));
        let lost: Vec<Address> = lost.map(|(address, _)| address).collect();
        for address in &lost {
            self.shared.dialer.avoid(address);
            warn!(server = %address, "lost a connection to redis, local delivery goes on");
            let reason = format!("lost the connection to {address}");
            if self.listeners.is_empty() {
                self.shared.board.lost(reason);
            } else {
                self.shared.board.partial(reason);
            }
        }
        let mut ended = 0;
        for listener in
            self.listeners.values_mut().filter(|listener| happened.moved.contains(&listener.number))
        {
            ended += listener.take_ended();
        }
        if ended > 0 {
            info!(channels = ended, "redis has moved channels to another server");
        }
        let stale = ended > 0 || !lost.is_empty();
        if stale {
            self.lose();
        }
        stale
    }

    /// Proves for each connection that the node hears on it what it publishes; `true` if the servers are to be asked for
    /// anew.
    async fn prove(&mut self) -> bool {
        let Shared { dialer, board, sharded, .. } = &*self.shared;
        let proofs = self.listeners.iter_mut().map(async |(address, listener)| {
            (address.clone(), listener.prove(dialer, address, *sharded, ECHO).await)
        });
        let mut failure = None;
        let mut deaf = Vec::new();
        for (address, proof) in futures_util::future::join_all(proofs).await {
            match proof {
                Ok(Proof::Hears) => {}
                Ok(Proof::Deaf) => deaf.push(address),
                // Redis stands still, or does not let this node publish. The connection may be well, and dropping it
                // would lose what Redis still has for us.
                Err(error) => failure = Some(format!("no answer: {}", explain(&error))),
            }
        }
        // Sentinels are asked each time: they do not tell when they have chosen another master.
        let mut stale = failure.is_some() || dialer.is_sentinel();
        board.proof(failure);
        for address in deaf {
            warn!(server = %address, "what is published does not come back, connecting anew");
            self.shared.board.lost(format!("what is published does not come back from {address}"));
            self.shared.dialer.avoid(&address);
            if let Some(listener) = self.listeners.remove(&address) {
                // Redis may take it for a listener for minutes, and with that for a server that should answer.
                let (shared, id) = (Arc::clone(&self.shared), listener.id);
                tokio::spawn(async move {
                    let mut kill = redis::cmd("CLIENT");
                    kill.arg("KILL").arg("ID").arg(id);
                    if let Err(error) = shared.dialer.query::<()>(&address, &kill).await {
                        debug!(%error, server = %address, "cannot end the deaf connection");
                    }
                });
            }
            self.lose();
            stale = true;
        }
        stale
    }
}
