//! What the clients in a room are not told yet.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::member::{Member, Who};
use crate::settings::{COUNTS_MS, FLUSH_MS};

/// News for clients of this node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Told<S> {
    /// The room.
    pub room: Arc<str>,
    /// Who is to hear it.
    pub to: Audience<S>,
    /// What has happened.
    pub news: News,
    /// How many members there are now.
    pub count: usize,
}

/// Who hears news.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "each is handled")]
pub enum Audience<S> {
    /// The sockets in the room, but these: they know it already, or hear something else.
    Room {
        /// Who does not.
        except: Vec<S>,
    },
    /// These sockets, of those in the room.
    Only(Vec<S>),
}

/// What has happened in a room.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "each is handled")]
pub enum News {
    /// Who has come and who has gone.
    Changes {
        /// Who has come.
        joined: Vec<Member>,
        /// Who has gone.
        left: Vec<Member>,
    },
    /// Who is there, in place of all that was told before.
    Members(Vec<Member>),
    /// Only the count: there are too many to tell more.
    Count,
}

/// The payload: `{room, joined, left, count}`, `{room, members, count}` or `{room, count}`.
impl<S> Serialize for Told<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("room", &*self.room)?;
        match &self.news {
            News::Changes { joined, left } => {
                map.serialize_entry("joined", joined)?;
                map.serialize_entry("left", left)?;
            }
            News::Members(members) => map.serialize_entry("members", members)?,
            News::Count => {}
        }
        map.serialize_entry("count", &self.count)?;
        map.end()
    }
}

#[derive(Debug)]
struct Change {
    member: Member,
    has_come: bool,
}

/// Changes since clients were told last, in order.
///
/// A client that has just been given a snapshot knows of the changes up to then, those that the others are still to hear
/// of included. It is remembered with how many these were, and hears of the rest alone.
#[derive(Debug)]
pub(crate) struct Journal<S> {
    changes: Vec<Change>,
    newcomers: HashMap<S, usize>,
    /// Some changes were not kept.
    is_cut: bool,
    /// Some clients were given no list, so they can make nothing of changes.
    counts_only: bool,
    counted_at: Option<u64>,
    due: Option<u64>,
}

impl<S> Default for Journal<S> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            newcomers: HashMap::new(),
            is_cut: false,
            counts_only: false,
            counted_at: None,
            due: None,
        }
    }
}

impl<S: Copy + Eq + Hash> Journal<S> {
    /// Writes down that a member has come or gone. When the room is due by that, unless it is already.
    pub(crate) fn note(
        &mut self,
        now: u64,
        member: Member,
        has_come: bool,
        max_listed: usize,
    ) -> Option<u64> {
        if !self.is_cut {
            self.changes.push(Change { member, has_come });
            // Clients would be told more than the whole list has.
            if self.changes.len() > limit(max_listed) {
                self.cut();
            }
        }
        if self.due.is_some() {
            return None;
        }
        self.due = Some(self.when(now + FLUSH_MS));
        self.due
    }

    /// Clients have been given counts without lists at least once a second ago.
    fn when(&self, at: u64) -> u64 {
        match self.counted_at {
            Some(counted) if self.counts_only => at.max(counted + COUNTS_MS),
            _ => at,
        }
    }

    /// The socket knows all that has happened.
    pub(crate) fn knows(&mut self, socket: S, has_list: bool, max_listed: usize) {
        self.counts_only |= !has_list;
        if self.changes.is_empty() {
            return;
        }
        self.newcomers.insert(socket, self.changes.len());
        if self.newcomers.len() > limit(max_listed) {
            self.cut();
        }
    }

    /// The socket is not here any more.
    pub(crate) fn forget(&mut self, socket: S) {
        self.newcomers.remove(&socket);
    }

    /// Nobody is here to be told.
    pub(crate) fn clear(&mut self) {
        // When it is due stays: the roster has it in its list.
        *self = Self { due: self.due, ..Self::default() };
    }

    fn cut(&mut self) {
        self.is_cut = true;
        (self.changes, self.newcomers) = (Vec::new(), HashMap::new());
    }

    /// What is to be told now; or when to ask again. `list` gives all members, of whom there are `count`.
    pub(crate) fn take(
        &mut self,
        now: u64,
        max_listed: usize,
        count: usize,
        list: impl FnOnce() -> Vec<Member>,
    ) -> Result<Vec<(Audience<S>, News)>, u64> {
        self.due = None;
        if self.changes.is_empty() && !self.is_cut {
            return Ok(Vec::new());
        }
        let is_big = count > max_listed;
        if is_big || self.counts_only {
            let at = self.counted_at.map_or(0, |counted| counted + COUNTS_MS);
            if at > now {
                self.due = Some(at);
                return Err(at);
            }
            self.counted_at = Some(now);
        }
        let everybody = Audience::Room { except: Vec::new() };
        let news = if is_big {
            vec![(everybody, News::Count)]
        } else if self.counts_only || self.is_cut {
            vec![(everybody, News::Members(list()))]
        } else {
            self.changes()
        };
        self.counts_only = is_big;
        self.is_cut = false;
        (self.changes, self.newcomers) = (Vec::new(), HashMap::new());
        Ok(news)
    }

    /// The changes: all for those who were there before, the rest for those who came in between.
    fn changes(&self) -> Vec<(Audience<S>, News)> {
        let mut known: BTreeMap<usize, Vec<S>> = BTreeMap::new();
        for (socket, count) in &self.newcomers {
            known.entry(*count).or_default().push(*socket);
        }
        let everybody = Audience::Room { except: self.newcomers.keys().copied().collect() };
        let audiences = std::iter::once((0, everybody))
            .chain(known.into_iter().map(|(count, sockets)| (count, Audience::Only(sockets))));
        audiences.filter_map(|(from, to)| Some((to, net(&self.changes[from..])?))).collect()
    }
}

fn limit(max_listed: usize) -> usize {
    max_listed.saturating_mul(2).max(64)
}

/// What is left of changes: who came and went again, or went and came back, has not changed.
fn net(changes: &[Change]) -> Option<News> {
    let mut first_and_last: HashMap<&Who, (usize, usize)> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        first_and_last.entry(&change.member.who).or_insert((at, at)).1 = at;
    }
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for (at, change) in changes.iter().enumerate() {
        let (first, last) = first_and_last[&change.member.who];
        if at != last || changes[first].has_come != change.has_come {
            continue;
        }
        if change.has_come { &mut joined } else { &mut left }.push(change.member.clone());
    }
    (!joined.is_empty() || !left.is_empty()).then_some(News::Changes { joined, left })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member { who: Who::User(name.into()), since: 1, info: None }
    }

    fn journal(changes: &[(&str, bool)]) -> Journal<u8> {
        let mut journal = Journal::default();
        for (name, has_come) in changes {
            journal.note(0, member(name), *has_come, 10);
        }
        journal
    }

    fn told(journal: &mut Journal<u8>, now: u64, count: usize) -> Vec<(Audience<u8>, String)> {
        let list = || vec![member("everybody")];
        let names = |members: Vec<Member>| {
            let names = members.into_iter().map(|member| match member.who {
                Who::User(name) | Who::Socket(name) => name.to_string(),
            });
            names.collect::<Vec<_>>().join(",")
        };
        let brief = |news| match news {
            News::Changes { joined, left } => format!("+{} -{}", names(joined), names(left)),
            News::Members(members) => format!("={}", names(members)),
            News::Count => "#".into(),
        };
        let news = journal.take(now, 10, count, list).unwrap_or_default();
        news.into_iter().map(|(to, news)| (to, brief(news))).collect()
    }

    fn all() -> Audience<u8> {
        Audience::Room { except: vec![] }
    }

    #[test]
    fn who_comes_and_goes_at_once_is_not_told_of() {
        let mut journal =
            journal(&[("ann", true), ("ann", false), ("bob", false), ("bob", true), ("eve", true)]);
        assert_eq!(told(&mut journal, 100, 2), [(all(), "+eve -".into())]);
        assert_eq!(told(&mut journal, 200, 2), []);
        journal.note(200, member("eve"), false, 10);
        journal.note(200, member("eve"), true, 10);
        assert_eq!(told(&mut journal, 300, 2), []);
    }

    #[test]
    fn newcomers_hear_only_what_they_do_not_know() {
        let mut journal = journal(&[("ann", true), ("bob", true)]);
        journal.knows(2, true, 10);
        journal.note(0, member("eve"), true, 10);
        journal.knows(3, true, 10);
        journal.note(0, member("ann"), false, 10);
        let told = told(&mut journal, 100, 3);
        let [(Audience::Room { except }, first), second, third] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((except.len(), first.as_str()), (2, "+bob,eve -"));
        assert_eq!(*second, (Audience::Only(vec![2]), "+eve -ann".into()));
        assert_eq!(*third, (Audience::Only(vec![3]), "+ -ann".into()));
    }

    #[test]
    fn big_rooms_are_counted_once_a_second_and_listed_again_when_they_are_small() {
        let mut journal = journal(&[("ann", true)]);
        assert_eq!(told(&mut journal, 100, 11), [(all(), "#".into())]);
        assert_eq!(journal.note(200, member("bob"), true, 10), Some(1100));
        assert_eq!(journal.take(300, 10, 12, Vec::new), Err(1100));
        assert_eq!(told(&mut journal, 1100, 12), [(all(), "#".into())]);
        journal.note(1200, member("bob"), false, 10);
        assert_eq!(told(&mut journal, 1300, 10), []);
        assert_eq!(told(&mut journal, 2100, 10), [(all(), "=everybody".into())]);
        journal.note(2200, member("bob"), true, 10);
        assert_eq!(told(&mut journal, 2300, 10), [(all(), "+bob -".into())]);
    }

    #[test]
    fn who_was_given_no_list_is_given_one_when_there_is_one() {
        let mut journal = journal(&[]);
        journal.knows(1, false, 10);
        journal.note(0, member("ann"), false, 10);
        assert_eq!(told(&mut journal, 100, 10), [(all(), "=everybody".into())]);
    }

    #[test]
    fn more_changes_than_a_list_would_have_become_a_list() {
        let mut journal = journal(&[]);
        for at in 0..10_000 {
            journal.note(0, member(&at.to_string()), true, 10);
            journal.knows(1, true, 10);
        }
        assert!(journal.changes.len() <= limit(10));
        assert_eq!(told(&mut journal, 100, 10), [(all(), "=everybody".into())]);
    }
}
