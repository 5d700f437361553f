//! Asking the other servers, and waiting for who answers.
//!
//! Who is to be waited for is known from the registry and from how many listen: every node of this kind that is alive and
//! subscribed, and as many servers of other kinds as Redis counts. When all of them have answered the request ends; when
//! the time is up it ends with what has come, and says who is missing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::adapter::Adapter;
use crate::metrics::Asked;
use crate::protocol::Outgoing;
use crate::server_side::value_of;
use crate::wire::payload::Payload;
use crate::wire::response::Body;
use crate::wire::to_json::Json;
use crate::wire::{WireError, uid};

/// Who did not answer in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Ids of nodes, as in [`Bus::nodes`](crate::Bus::nodes).
    pub nodes: Vec<String>,
    /// How many servers of other kinds; they have no entry in the registry.
    pub others: usize,
}

impl Missing {
    /// Whether everybody has answered.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.nodes.is_empty() && self.others == 0
    }
}

/// What one server has said.
#[derive(Debug)]
pub(crate) enum Answer {
    Sockets(Vec<Value>),
    Rooms(Vec<String>),
    ServerSideEmit(Option<Json>),
    ClientCount(u64),
    Ack(Option<Json>),
}

/// An answer, with who gave it if that is known.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) from: Option<String>,
    pub(crate) answer: Answer,
}

/// The requests of one adapter that wait for answers.
#[derive(Default)]
pub(crate) struct Asks {
    pending: Mutex<HashMap<String, mpsc::Sender<Heard>>>,
}

impl Asks {
    fn pending(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Heard>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending().len()
    }

    /// Passes an answer on. One that nobody waits for is too late, or for another node.
    pub(crate) fn heard(&self, id: &str, from: Option<String>, body: Body<'_>) -> Result<(), WireError> {
        let Some(waiting) = self.pending().get(id).cloned() else { return Ok(()) };
        let json = |data: Option<Payload<'_>>| data.map(Payload::to_json).transpose();
        let answer = match body {
            Body::Sockets(sockets) => Answer::Sockets(list(sockets)?),
            Body::Rooms(rooms) => {
                let rooms = list(rooms)?.into_iter();
                Answer::Rooms(rooms.filter_map(|room| room.as_str().map(ToOwned::to_owned)).collect())
            }
            Body::ServerSideEmit(data) => Answer::ServerSideEmit(json(data)?),
            Body::ClientCount(count) => Answer::ClientCount(count),
            Body::Ack(data) => Answer::Ack(json(data)?),
            Body::Done => return Ok(()),
        };
        // Who asked has gone, or has more answers waiting than it can take: the request ends by its timeout then.
        let _ = waiting.try_send(Heard { from, answer });
        Ok(())
    }
}

fn list(payload: Payload<'_>) -> Result<Vec<Value>, WireError> {
    match value_of(&payload.to_json()?)? {
        Value::Array(items) => Ok(items),
        _ => Err(WireError::Shape("list")),
    }
}

/// Answers that may wait to be read, for one request.
const ANSWERS: usize = 65_536;

/// A request that was sent. It is forgotten when this is dropped.
pub(crate) struct Pending {
    adapter: Arc<Adapter>,
    id: String,
    answers: mpsc::Receiver<Heard>,
    expected: Expected,
    asked: Asked,
    began: Instant,
    deadline: Instant,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.adapter.asks().pending().remove(&self.id);
    }
}

/// Who is to answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    /// Nodes that will answer.
    nodes: HashSet<String>,
    /// Nodes that are there by the registry, but cannot have heard the question.
    absent: Vec<String>,
    /// How many servers of other kinds.
    others: usize,
    answered: HashSet<String>,
    anonymous: usize,
}

impl Expected {
    fn answer(&mut self, from: Option<&str>) {
        match from {
            Some(from) if self.nodes.contains(from) => _ = self.answered.insert(from.to_owned()),
            // Also a node that has come since: whoever it is, it is one of those that were counted.
            _ => self.anonymous += 1,
        }
    }

    fn is_done(&self) -> bool {
        let all = self.answered.len() == self.nodes.len() && self.anonymous >= self.others;
        all || self.answered.len() + self.anonymous >= self.nodes.len() + self.others
    }

    /// Nodes that have died meanwhile are not waited for any more.
    fn forget_the_dead(&mut self, alive: &HashSet<String>) {
        let Self { nodes, absent, answered, .. } = self;
        absent.extend(nodes.extract_if(|node| !answered.contains(node) && !alive.contains(node)));
    }

    fn missing(&self) -> Missing {
        let silent = self.nodes.difference(&self.answered).filter(|_| !self.is_done());
        let mut nodes: Vec<String> = silent.chain(&self.absent).cloned().collect();
        nodes.sort_unstable();
        Missing { nodes, others: self.others.saturating_sub(self.anonymous) }
    }
}

impl Pending {
    /// Asks; `None` if there is nobody else to ask, or too much is being asked already, or Redis is away: then
    /// [`Missing`] says who would have been asked.
    pub(crate) async fn ask(
        adapter: &Arc<Adapter>,
        asked: Asked,
        timeout: Option<Duration>,
        request: impl FnOnce(&str) -> Result<Outgoing, WireError>,
    ) -> Result<Result<Self, Missing>, WireError> {
        let began = Instant::now();
        let bus = adapter.bus();
        let deadline = began + timeout.unwrap_or(bus.requests_timeout());
        let id = uid::random::<16>();
        let outgoing = request(&id)?;
        let counted = tokio::time::timeout_at(deadline, expected(adapter)).await;
        let expected = match counted {
            Ok(Some(expected)) => expected,
            // Nobody can be asked now.
            Ok(None) | Err(_) => {
                let nodes = adapter.bus().registry().peers(adapter.namespace());
                Expected { absent: nodes.into_iter().collect(), ..Expected::default() }
            }
        };
        let too_many = adapter.asks().len() >= bus.max_requests();
        if expected.is_done() || too_many {
            let mut missing = expected.missing();
            if too_many {
                missing.nodes.extend(expected.nodes);
                missing.others = expected.others;
            }
            if !missing.is_none() {
                bus.metrics().request(asked, began.elapsed(), false);
            }
            return Ok(Err(missing));
        }
        let (sender, answers) = mpsc::channel(ANSWERS);
        adapter.asks().pending().insert(id.clone(), sender);
        bus.publish(outgoing);
        Ok(Ok(Self { adapter: Arc::clone(adapter), id, answers, expected, asked, began, deadline }))
    }

    /// The next answer; `None` when everybody has answered, or the time is up.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        self.next_unless(false).await
    }

    /// The same, but goes on when all servers have answered if there is `more` to come from one of them.
    pub(crate) async fn next_unless(&mut self, more: bool) -> Option<Answer> {
        let mut registry = self.adapter.bus().registry().nodes();
        loop {
            if self.expected.is_done() && !more {
                return None;
            }
            tokio::select! {
                heard = self.answers.recv() => {
                    let Heard { from, answer } = heard?;
                    // Acknowledgements are clients' answers, all others are servers'.
                    if !matches!(answer, Answer::Ack(_)) {
                        self.expected.answer(from.as_deref());
                    }
                    return Some(answer);
                }
                () = tokio::time::sleep_until(self.deadline) => return None,
                Ok(()) = registry.changed() => {
                    let alive = self.adapter.bus().registry().peers(self.adapter.namespace());
                    self.expected.forget_the_dead(&alive);
                }
            }
        }
    }

    /// Ends the request: who did not answer. `complete` says whether it has all that was asked for.
    pub(crate) fn end(self, complete: bool) -> Missing {
        let missing = self.expected.missing();
        let complete = complete && missing.is_none();
        self.adapter.bus().metrics().request(self.asked, self.began.elapsed(), complete);
        missing
    }
}

/// Who listens now. Redis counts, at one moment, the servers of the namespace and which of the known nodes are among
/// them; what is left over are servers of other kinds.
async fn expected(adapter: &Adapter) -> Option<Expected> {
    let registry = adapter.bus().registry();
    let alive: Vec<String> = registry.peers(adapter.namespace()).into_iter().collect();
    // This node is one of those that listen, unless it has just lost its connection; nodes that have died may be, too.
    let gone = registry.gone();
    let own = std::iter::once(adapter.uid().to_owned());
    let protocol = adapter.protocol();
    let known = alive.iter().cloned().chain(gone).chain(own);
    let own_channels: Vec<String> = known.map(|id| protocol.own_channel(&id)).collect();
    let channels = [vec![protocol.counted().clone()], own_channels].concat();
    let counts = adapter.bus().count(&channels).await?;
    let (all, each) = counts.split_first()?;
    let (mut nodes, mut absent) = (HashSet::new(), Vec::new());
    for (id, count) in alive.into_iter().zip(each) {
        if *count > 0 {
            nodes.insert(id);
        } else {
            absent.push(id);
        }
    }
    // A node counts as often as it has connections: one that has gone deaf stays for a while.
    let others = all.saturating_sub(each.iter().sum());
    Some(Expected {
        nodes,
        absent,
        others: usize::try_from(others).unwrap_or(usize::MAX),
        ..Expected::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(nodes: &[&str], others: usize) -> Expected {
        Expected { nodes: nodes.iter().map(|id| (*id).to_owned()).collect(), others, ..Expected::default() }
    }

    #[test]
    fn done_when_everybody_has_answered() {
        let mut expected = expected(&["a", "b"], 1);
        expected.answer(Some("a"));
        expected.answer(Some("a"));
        expected.answer(None);
        assert!(!expected.is_done());
        assert_eq!(expected.missing(), Missing { nodes: vec!["b".into()], others: 0 });
        expected.answer(Some("b"));
        assert!(expected.is_done());
        assert!(expected.missing().is_none());
    }

    #[test]
    fn the_dead_are_missing_but_not_waited_for() {
        let mut expected = expected(&["a", "b"], 0);
        expected.answer(Some("a"));
        expected.forget_the_dead(&HashSet::new());
        assert!(expected.is_done());
        assert_eq!(expected.missing().nodes, ["b"]);
    }

    #[test]
    fn servers_of_other_kinds_are_only_counted() {
        let mut expected = expected(&[], 2);
        assert!(!expected.is_done());
        expected.answer(Some("AAAAAA"));
        assert_eq!(expected.missing().others, 1);
        expected.answer(Some("BBBBBB"));
        assert!(expected.is_done());
    }
}
