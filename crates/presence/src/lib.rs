//! Who is in which room of a cluster. Each node has a [`Roster`] of each namespace: its own members, and a replica of
//! those of the others. Questions such as "how many are in this room?" are answered without asking anybody.
//!
//! A member is a user, with however many sockets on however many nodes; or a single socket, where users are not known. It
//! has come when the first of its sockets has joined, and has gone when the last one has left. A user whose connection
//! breaks stays for a while, so that nobody hears of it if it is back soon.
//!
//! Nodes tell each other by numbered [`Message`]s who has come and gone. Whoever has missed one finds out, by the next
//! number or by the digest that each node sends now and then, and asks for everything anew.
//!
//! It is state and nothing else: no clock, no tasks, no sockets. Times are milliseconds of any clock that does not go
//! back; the caller publishes what [`outgoing`](Roster::outgoing) gives, tells clients what [`flush`](Roster::flush)
//! gives, and comes back when it is [`due`](Roster::due).
//!
//! ```
//! use roomcast_presence::{Roster, Settings, Who};
//!
//! let (mut here, mut there) = (Roster::<u8>::new("a", Settings::default()), Roster::<u8>::new("b", Settings::default()));
//! here.enter(1, Who::User("ann".into()), None);
//! here.sync(0, 1_700_000_000_000, 1, ["room:paris"]);
//! assert_eq!(here.snapshot(Some(1), "room:paris").count, 1);
//!
//! // The other node was there from the beginning, so it has missed nothing.
//! for message in here.outgoing(20) {
//!     there.receive(20, message, |_| true).unwrap();
//! }
//! assert_eq!(there.count("room:paris"), 1);
//! ```

#![forbid(unsafe_code)]

mod expiry;
mod journal;
mod member;
mod message;
mod outgoing;
mod own;
mod peer;
mod receive;
mod room;
mod roster;
mod settings;

pub use journal::{Audience, News, Told};
pub use member::{Info, Member, Who};
pub use message::{Body, Entry, Key, Malformed, Message};
pub use roster::{Roster, Snapshot, Stats};
pub use settings::{DIGEST_MS, MAX_BATCH, MAX_INFO_BYTES, MAX_NAME_BYTES, MAX_NODES, Settings};
