//! How often clients may send events.

use std::collections::HashMap;

use super::{MOST, Report};
use crate::config::{IdentityKind, NamespaceSettings, Per, Scope};
use crate::rules::BUILT_IN;

/// Far longer than a node runs.
const YEAR_MS: u64 = 366 * 24 * 3_600_000;

pub(super) fn validate(
    namespace: &NamespaceSettings,
    key: &impl Fn(&str) -> String,
    report: &mut Report<'_>,
) {
    let mut seen = HashMap::new();
    for (at, limit) in namespace.limits.iter().enumerate() {
        let key = |name: &str| format!("{}[{at}].{name}", key("limits"));
        let name = limit.name.as_str();
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(letters) {
            report.add(&key("name"), format!("`{name}` is no name of a limit"), "1 to 32 of a-z, 0-9 and -");
        }
        if let Some(first) = seen.insert(name, at) {
            let hint = format!("first by limits[{first}]; metrics could not tell them apart");
            report.add(&key("name"), format!("`{name}` is declared twice"), hint);
        }
        for (index, event) in limit.events.iter().enumerate() {
            let is_known = BUILT_IN.contains(&event.as_str())
                || namespace.events.iter().any(|known| known.name == *event);
            if !is_known {
                let key = format!("{}[{index}]", key("events"));
                report.add(
                    &key,
                    format!("there is no event `{event}`"),
                    "one of `events`, or a built-in one",
                );
            }
        }
        report.at_least_one(&key("count"), limit.count.into());
        report.at_least_one(&key("max_keys"), limit.max_keys as u64);
        report.at_least_one(&key("interval_ms"), limit.interval_ms);
        for (name, value) in [("interval_ms", limit.interval_ms), ("max_keys", limit.max_keys as u64)] {
            if value > MOST {
                report.add(&key(name), format!("must not be more than {MOST}"), "that would be no limit");
            }
        }
        let burst = u64::from(if limit.burst == 0 { limit.count } else { limit.burst });
        let recovery = (limit.interval_ms / u64::from(limit.count.max(1))).saturating_mul(burst);
        if recovery > YEAR_MS {
            report.add(
                &key("burst"),
                format!("it takes {recovery} ms until such a burst is allowed again"),
                "at most a year: a smaller `burst` or `interval_ms`, or a larger `count`",
            );
        }
        if limit.per == Per::User && namespace.identity.kind == IdentityKind::None {
            report.add(
                &key("per"),
                "`user` has no effect where the namespace does not ask who clients are",
                "set `kind` of `[namespaces.identity]`, or take `socket` or `address`",
            );
        }
        if limit.per == Per::Socket && limit.scope == Scope::Cluster {
            report.add(
                &key("scope"),
                "`cluster` says nothing for a socket, which is on one node",
                "leave it out, or take `user` or `address`",
            );
        }
    }
}
