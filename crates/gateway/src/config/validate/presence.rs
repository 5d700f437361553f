//! Rooms whose members see each other.

use super::{MOST, Report};
use crate::config::{IdentityKind, NamespaceSettings, PresenceSettings};
use crate::rules::Pattern;

/// Nobody waits so long for who may come back.
const LONGEST_LINGER: u64 = 60_000;

/// A longer list would be a large packet for each who joins.
const LONGEST_LIST: usize = 10_000;

pub(super) fn validate(namespace: &NamespaceSettings, table: &str, report: &mut Report<'_>) {
    let presence = &namespace.presence;
    let key = |name: &str| format!("{table}.{name}");
    for (index, room) in presence.rooms.iter().enumerate() {
        let key = format!("{}[{index}]", key("rooms"));
        match room.parse::<Pattern>() {
            Err(error) => report.add(&key, error.to_string(), "a name, or such as `room:*`"),
            Ok(pattern) if pattern.has_claims() => {
                let message = format!("`{room}` has a claim, which means something else for each client");
                report.add(&key, message, "what stands before the claim, followed by `*`");
            }
            Ok(_) => {}
        }
    }
    // Who wrote it believes that somebody is shown.
    if presence.rooms.is_empty() && *presence != PresenceSettings::default() {
        report.add(&key("rooms"), "must not be empty where the rest is set", "such as `room:*`");
    }
    if presence.linger_ms > LONGEST_LINGER {
        let message = format!("must not be more than {LONGEST_LINGER}");
        report.add(
            &key("linger_ms"),
            message,
            "members would seem to be there for a minute after they have gone",
        );
    }
    if presence.max_listed > LONGEST_LIST {
        let message = format!("must not be more than {LONGEST_LIST}");
        report.add(&key("max_listed"), message, "each who joins is sent the list");
    }
    report.at_least_one(&key("max_entries"), presence.max_entries as u64);
    if presence.max_entries as u64 > MOST {
        report.add(
            &key("max_entries"),
            format!("must not be more than {MOST}"),
            "no machine could hold that many",
        );
    }
    let is_known = namespace.identity.kind != IdentityKind::None;
    for (index, claim) in presence.info_claims.iter().enumerate() {
        let key = format!("{}[{index}]", key("info_claims"));
        if claim.is_empty() || presence.info_claims[..index].contains(claim) {
            report.add(
                &key,
                format!("`{claim}` is empty or there twice"),
                "the name of a claim, such as `name`",
            );
        }
    }
    if !presence.info_claims.is_empty() && !is_known {
        report.add(
            &key("info_claims"),
            "has no effect where the namespace does not ask who clients are",
            "set `kind` of `[namespaces.identity]`, or leave it out",
        );
    }
}
