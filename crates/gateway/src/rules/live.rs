//! The rules in effect, and an event's way through them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use roomcast_adapter::{Bus, Node};
use serde_json::Value;
use tokio::sync::watch;

use super::crowds::Crowds;
use super::event::Answer;
use super::{BUILT_IN, Refusal, Rules, RulesError, presence, requests, room};
use crate::codes::Code;
use crate::config::{LimitAction, NamespaceSettings, To};
use crate::limits::{Limit, Verdict};
use crate::metrics::NamespaceMetrics;
use crate::sockets::{Event, Flow, Handler, Refused, Socket};

/// The rules of a namespace, which can be replaced while it is in use: an event is handled by those that were in effect
/// when it came.
#[derive(Debug)]
pub(crate) struct LiveRules {
    current: ArcSwap<Rules>,
    node: String,
    /// With other nodes; `None` for a node alone.
    bus: Option<Bus>,
    nodes: watch::Receiver<Arc<Vec<Node>>>,
    crowds: Crowds,
    metrics: NamespaceMetrics,
}

impl LiveRules {
    /// # Errors
    /// [`RulesError`] for rules that make no sense.
    pub(crate) fn new(
        node: &str,
        settings: &NamespaceSettings,
        bus: &Bus,
        has_peers: bool,
        metrics: NamespaceMetrics,
    ) -> Result<Arc<Self>, RulesError> {
        let shared = has_peers.then(|| bus.clone());
        let rules = Rules::new(node, settings, shared.as_ref(), &metrics, None)?;
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(rules),
            node: node.to_owned(),
            bus: shared,
            nodes: bus.nodes(),
            crowds: Crowds::default(),
            metrics,
        }))
    }

    /// Compiles rules that may take the place of these.
    ///
    /// # Errors
    /// [`RulesError`] for rules that make no sense.
    pub(crate) fn prepare(&self, settings: &NamespaceSettings) -> Result<Rules, RulesError> {
        Rules::new(&self.node, settings, self.bus.as_ref(), &self.metrics, Some(&self.current()))
    }

    /// From now on these hold. What clients have already, such as the rooms that they are in, they keep.
    pub(crate) fn install(&self, rules: Rules) {
        self.current.store(Arc::new(rules));
    }

    pub(crate) fn current(&self) -> Arc<Rules> {
        self.current.load_full()
    }

    /// To how many clients of the cluster an event goes, as far as this node can tell.
    fn receivers(&self, rules: &Rules, socket: &Socket, event: &Event) -> usize {
        let Some(rule) = event.name().ok().and_then(|name| rules.events.get(name.as_ref())) else { return 1 };
        let here = match rule.settings.to {
            To::Namespace => usize::try_from(self.metrics.sockets.get()).unwrap_or_default(),
            To::Room => {
                // What is no room is refused later; its length is the client's choice, and nothing to be kept.
                let Some(room) = event.first_text().filter(|room| room::check(room).is_ok()) else {
                    return 1;
                };
                if let Some(members) = socket.presence().and_then(|presence| presence.count(&room)) {
                    return members;
                }
                self.crowds.size(&room, || socket.adapter().members(&room))
            }
        };
        here.saturating_mul(self.nodes.borrow().len().max(1))
    }

    /// Handles an event that waits for the cluster's word on a limit.
    async fn asked(self: Arc<Self>, rules: Arc<Rules>, socket: Socket, event: Event, mut at: usize) {
        // Its name was read before.
        let name = event.name().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let receivers = || self.receivers(&rules, &socket, &event);
        loop {
            if let Some((limit, wait)) = rules.limits.ask(at, |per| socket.subject(per), receivers).await {
                return exceeded(&socket, &event, limit, wait);
            }
            match rules.limits.count(&name, at + 1, |per| socket.subject(per), receivers) {
                Verdict::Passed => break,
                Verdict::Exceeded(limit, wait) => return exceeded(&socket, &event, limit, wait),
                Verdict::Ask(next) => at = next,
            }
        }
        if let Flow::Later(rest) = rules.answer(&socket, &event) {
            rest.await;
        }
    }
}

impl Handler for Arc<LiveRules> {
    fn events(&self) -> Vec<String> {
        let rules = self.current.load();
        let configured = rules.settings.events.iter().map(|event| event.name.as_str());
        BUILT_IN.into_iter().chain(configured).map(str::to_owned).collect()
    }

    /// Puts the client into the rooms that it is in from the beginning, before anybody knows of it.
    fn admit(&self, socket: &Socket, _: &Value) -> BoxFuture<'static, Result<(), Refused>> {
        Box::pin(std::future::ready(self.current.load().auto_join(socket)))
    }

    fn event(&self, socket: &Socket, event: Event) -> Flow {
        let rules = self.current.load();
        let verdict = match event.name() {
            Ok(name) => {
                let receivers = || self.receivers(&rules, socket, &event);
                rules.limits.count(&name, 0, |per| socket.subject(per), receivers)
            }
            Err(error) => {
                socket.refuse(event.ack(), Code::InvalidArguments, &error.to_string());
                return Flow::Done;
            }
        };
        match verdict {
            Verdict::Passed => rules.answer(socket, &event),
            Verdict::Exceeded(limit, wait) => {
                exceeded(socket, &event, limit, wait);
                Flow::Done
            }
            Verdict::Ask(at) => {
                let rules = Arc::clone(&rules);
                Flow::Later(Box::pin(Arc::clone(self).asked(rules, socket.clone(), event, at)))
            }
        }
    }
}

impl Rules {
    fn auto_join(&self, socket: &Socket) -> Result<(), Refused> {
        let identity = socket.identity();
        let claims = identity.as_ref().map(|identity| &identity.claims);
        let rooms = self.auto_join.iter().flat_map(|pattern| pattern.expanded(claims));
        let most = self.settings.max_rooms_per_socket.saturating_add(1);
        let mut joined = rooms.map(|room| socket.join_up_to(&room, most));
        match joined.find_map(Result::err) {
            None => Ok(()),
            Some(error) => Err(Refused(format!("{}: {error}", Code::NotAdmitted))),
        }
    }

    /// Nothing was sent too often.
    fn answer(&self, socket: &Socket, event: &Event) -> Flow {
        match self.apply(socket, event) {
            Ok(Answer::Now(reply)) => event.ack().send(reply),
            Ok(Answer::Joined(room, reply)) => {
                return requests::joined(socket.clone(), room, event.ack().clone(), reply);
            }
            Ok(Answer::Presence(room)) => {
                return presence::asked(socket.clone(), room, event.ack().clone());
            }
            Ok(Answer::Refreshed(token)) => {
                return requests::refreshed(socket.clone(), token, event.ack().clone());
            }
            Err(Refusal { code, message, details }) => {
                socket.refuse_with(event.ack(), code, &message, details);
            }
        }
        Flow::Done
    }
}

/// An event was one too many.
fn exceeded(socket: &Socket, event: &Event, limit: &Limit, wait: Duration) {
    let name = &limit.settings().name;
    match limit.settings().action {
        LimitAction::Reject => {
            // Rounded up: who waits so long is let through.
            let ms = u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
            let details = [("retry_after_ms".to_owned(), ms.into())].into_iter().collect();
            let message = format!("too many events: the limit `{name}` lets one through again in {ms} ms");
            socket.refuse_with(event.ack(), Code::RateLimited, &message, details);
        }
        // Counted by the limit.
        LimitAction::Drop => {}
        LimitAction::Disconnect => socket.close_because(Code::Flood),
    }
}
