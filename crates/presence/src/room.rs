//! One room: who is in it, by what each node says.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;

use crate::journal::Journal;
use crate::member::{Info, Member, Who};

/// A node, by the number that it has in this roster.
pub(crate) type Holder = u32;

/// This node.
pub(crate) const OWN: Holder = 0;

#[derive(Debug)]
pub(crate) struct Room<S> {
    members: HashMap<Who, SmallVec<[Hold; 1]>>,
    /// Sockets of this node that are told what happens.
    pub(crate) receivers: usize,
    pub(crate) journal: Journal<S>,
}

/// What one node says of a member.
#[derive(Debug)]
struct Hold {
    holder: Holder,
    since: u64,
    info: Option<Info>,
}

impl<S> Default for Room<S> {
    fn default() -> Self {
        Self { members: HashMap::new(), receivers: 0, journal: Journal::default() }
    }
}

impl<S: Copy + Eq + Hash> Room<S> {
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// Nothing of it needs to be kept.
    pub(crate) fn is_over(&self) -> bool {
        self.members.is_empty() && self.receivers == 0
    }

    /// A node has the member. Whether no node had it before; what it says anew counts.
    pub(crate) fn hold(&mut self, who: &Who, holder: Holder, since: u64, info: Option<Info>) -> bool {
        let holds = self.members.entry(who.clone()).or_default();
        let is_new = holds.is_empty();
        let hold = Hold { holder, since, info };
        match holds.iter_mut().find(|hold| hold.holder == holder) {
            Some(former) => *former = hold,
            None => holds.push(hold),
        }
        is_new
    }

    /// A node has the member no more. What was shown last, if no other node has it.
    pub(crate) fn release(&mut self, who: &Who, holder: Holder) -> Option<Member> {
        let holds = self.members.get_mut(who)?;
        let at = holds.iter().position(|hold| hold.holder == holder)?;
        let Hold { since, info, .. } = holds.remove(at);
        if !holds.is_empty() {
            return None;
        }
        self.members.remove(who);
        Some(Member { who: who.clone(), since, info })
    }

    /// Since when the member is here, by the node that has seen it first.
    pub(crate) fn since(&self, who: &Who) -> Option<u64> {
        self.members.get(who)?.iter().map(|hold| hold.since).min()
    }

    /// The member as it is shown: by the node that has seen it first.
    pub(crate) fn shown(&self, who: &Who) -> Option<Member> {
        self.members.get(who).and_then(|holds| shown(who, holds))
    }

    /// What this node says of the member.
    pub(crate) fn own(&self, who: &Who) -> Option<(u64, Option<&Info>)> {
        let hold = self.members.get(who)?.iter().find(|hold| hold.holder == OWN)?;
        Some((hold.since, hold.info.as_ref()))
    }

    /// All members, those who came first first.
    pub(crate) fn list(&self) -> Vec<Member> {
        let mut list: Vec<Member> =
            self.members.iter().filter_map(|(who, holds)| shown(who, holds)).collect();
        list.sort_unstable_by(|a, b| (a.since, &a.who).cmp(&(b.since, &b.who)));
        list
    }
}

fn shown(who: &Who, holds: &[Hold]) -> Option<Member> {
    let first = holds.iter().min_by_key(|hold| hold.since)?;
    Some(Member { who: who.clone(), since: first.since, info: first.info.clone() })
}
