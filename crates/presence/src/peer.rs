//! What is known of another node.

use std::collections::HashMap;

use crate::own::Place;
use crate::room::Holder;
use crate::settings::{ASK_MS, DIGEST_MS, STALLED_MS};

#[derive(Debug)]
pub(crate) struct Peer {
    /// Its number in this roster.
    pub(crate) holder: Holder,
    /// What it has, and the answer that said so last.
    pub(crate) held: HashMap<Place, u64>,
    /// The number of its changes up to which all is known.
    pub(crate) seq: u64,
    /// The highest number that was heard of.
    heard: u64,
    sync: Sync,
    pub(crate) heard_at: u64,
    asked_at: Option<u64>,
    /// Since when it is not among the nodes of the cluster.
    pub(crate) gone_at: Option<u64>,
    /// Some of what it has was not kept.
    pub(crate) is_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// Something was missed.
    Behind,
    /// It is telling all that it has.
    Telling {
        state: u64,
        next: u32,
        at: u64,
    },
    Current,
}

/// What to do with a part of a node's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Apply,
    /// Of no use: it is known already, or what came before it is not.
    Ignore,
}

impl Peer {
    pub(crate) fn new(holder: Holder, now: u64) -> Self {
        Self {
            holder,
            held: HashMap::new(),
            seq: 0,
            heard: 0,
            sync: Sync::Behind,
            heard_at: now,
            asked_at: None,
            gone_at: None,
            is_cut: false,
        }
    }

    /// The answer that its changes belong to.
    pub(crate) fn state(&self) -> u64 {
        match self.sync {
            Sync::Telling { state, .. } => state,
            Sync::Behind | Sync::Current => 0,
        }
    }

    /// Whether changes of this number follow on what is known. If it has said more than that, something was missed.
    pub(crate) fn follows(&mut self, seq: u64) -> bool {
        self.heard = self.heard.max(seq);
        if self.sync == Sync::Behind || seq <= self.seq {
            // A node that has said nothing before is known from its beginning.
            let is_first = self.sync == Sync::Behind && seq == 1 && self.heard == 1 && self.held.is_empty();
            if !is_first {
                return false;
            }
            self.sync = Sync::Current;
        }
        if seq == self.seq + 1 {
            self.seq = seq;
            return true;
        }
        self.sync = Sync::Behind;
        false
    }

    /// It says how far it is.
    pub(crate) fn digest(&mut self, now: u64, seq: u64) {
        self.heard = self.heard.max(seq);
        match self.sync {
            Sync::Behind if self.heard == 0 && self.held.is_empty() => self.sync = Sync::Current,
            Sync::Behind => {}
            Sync::Telling { at, .. } if at + STALLED_MS <= now => self.sync = Sync::Behind,
            Sync::Telling { .. } | Sync::Current if seq > self.seq => self.sync = Sync::Behind,
            Sync::Telling { .. } | Sync::Current => {}
        }
    }

    /// A part of all that it has.
    pub(crate) fn part(&mut self, now: u64, seq: u64, state: u64, part: u32) -> Part {
        let is_late = seq < self.heard;
        self.heard = self.heard.max(seq);
        match self.sync {
            Sync::Current if seq <= self.seq => Part::Ignore,
            Sync::Telling { state: telling, next, .. } if telling == state && seq == self.seq => {
                if part == next {
                    self.sync = Sync::Telling { state, next: next + 1, at: now };
                    return Part::Apply;
                }
                if part > next {
                    self.sync = Sync::Behind;
                }
                Part::Ignore
            }
            // What is heard late says nothing about now.
            _ if part == 0 && !is_late => {
                self.seq = seq;
                self.sync = Sync::Telling { state, next: 1, at: now };
                Part::Apply
            }
            Sync::Telling { .. } | Sync::Current if seq > self.seq => {
                self.sync = Sync::Behind;
                Part::Ignore
            }
            Sync::Behind | Sync::Telling { .. } | Sync::Current => Part::Ignore,
        }
    }

    /// It has told all.
    pub(crate) fn is_told(&mut self) {
        self.sync = Sync::Current;
    }

    /// All is to be told again.
    pub(crate) fn doubt(&mut self) {
        self.sync = Sync::Behind;
    }

    /// Whether it is to be asked now.
    pub(crate) fn ask(&mut self, now: u64) -> bool {
        let is_time = self.asked_at.is_none_or(|asked| asked + ASK_MS <= now);
        let asks = self.sync == Sync::Behind && is_time;
        if asks {
            self.asked_at = Some(now);
        }
        asks
    }

    /// When it goes with all that it has, if it is not among the nodes any more. Who was heard a moment ago may have
    /// stopped in order, and its users are on their way to other nodes.
    pub(crate) fn goes_at(&self, linger: u64, settled_at: u64) -> Option<u64> {
        let grace = DIGEST_MS + linger;
        Some(self.gone_at?.max(self.heard_at + grace).max(settled_at + grace))
    }
}
