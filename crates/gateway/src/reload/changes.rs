//! Which settings differ, and which of them can be changed while the node runs.

use serde_json::Value;

use crate::config::{NamespaceSettings, Settings};

/// A setting with a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Such as `server.origins`; namespaces by their paths: `namespaces[/chat].rooms`.
    pub(super) key: String,
    /// The new value can take effect now.
    pub(super) is_live: bool,
}

/// What of a namespace waits for a restart: what of its identity is looked at when a connection is opened, before its
/// namespace is known; and what all nodes must agree on.
const FIXED: [&str; 4] =
    ["identity.token_from", "identity.token_name", "identity.webhook.headers", "presence."];

pub(super) fn changes(current: &Settings, new: &Settings) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut old_tree, mut new_tree) = (tree(current), tree(new));
    for tree in [&mut old_tree, &mut new_tree] {
        if let Some(tree) = tree.as_object_mut() {
            tree.remove("namespaces");
        }
    }
    differences(&old_tree, &new_tree, "", &mut |key| {
        let is_live = key == "server.origins";
        changes.push(Change { key, is_live });
    });
    for namespace in &new.namespaces {
        let prefix = format!("namespaces[{}]", namespace.path);
        match current.namespaces.iter().find(|former| former.path == namespace.path) {
            None => changes.push(Change { key: prefix, is_live: false }),
            Some(former) => differences(&tree(former), &tree(namespace), "", &mut |key| {
                let is_live =
                    can_change(former, namespace) && !FIXED.iter().any(|fixed| key.starts_with(fixed));
                changes.push(Change { key: format!("{prefix}.{key}"), is_live });
            }),
        }
    }
    for gone in &current.namespaces {
        if !new.namespaces.iter().any(|namespace| namespace.path == gone.path) {
            changes.push(Change { key: format!("namespaces[{}]", gone.path), is_live: false });
        }
    }
    changes
}

/// Whether anything of a namespace can be changed: with another kind of identity its rules mean something else, and clients
/// that are there have none of that kind. Such a namespace waits as a whole.
pub(super) fn can_change(former: &NamespaceSettings, new: &NamespaceSettings) -> bool {
    former.identity.kind == new.identity.kind
}

/// Takes over what waits for a restart.
pub(super) fn keep_fixed(former: &NamespaceSettings, new: &mut NamespaceSettings) {
    new.identity.token_from = former.identity.token_from;
    new.identity.token_name.clone_from(&former.identity.token_name);
    new.identity.webhook.headers.clone_from(&former.identity.webhook.headers);
    new.presence.clone_from(&former.presence);
}

fn tree(settings: &impl serde::Serialize) -> Value {
    serde_json::to_value(settings).expect("settings always have a JSON form")
}

/// Tables are looked into; lists are one value.
fn differences(old: &Value, new: &Value, prefix: &str, tell: &mut impl FnMut(String)) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                differences(old.get(name).unwrap_or(&Value::Null), value, &key, tell);
            }
        }
        (old, new) if old != new => tell(prefix.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EventSettings, IdentityKind, TokenFrom};

    fn changed(change: impl FnOnce(&mut Settings)) -> Vec<(String, bool)> {
        let current = Settings::default();
        let mut new = current.clone();
        change(&mut new);
        changes(&current, &new).into_iter().map(|change| (change.key, change.is_live)).collect()
    }

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        assert_eq!(changed(|_| {}), []);
        assert_eq!(
            changed(|settings| settings.server.origins.push("*".into())),
            [("server.origins".into(), true)]
        );
        assert_eq!(
            changed(|settings| settings.server.listen = "127.0.0.1:1".into()),
            [("server.listen".into(), false)]
        );
    }

    #[test]
    fn namespaces_are_known_by_their_paths() {
        let name = |text: &str, is_live| (format!("namespaces[{text}"), is_live);
        assert_eq!(
            changed(|settings| {
                settings.namespaces.swap(0, 2);
                settings.namespaces[1].events.push(EventSettings::new("poke"));
                settings.namespaces[1].identity.roles_claim = "groups".into();
            }),
            [name("/chat].identity.roles_claim", true), name("/chat].events", true)]
        );
        assert_eq!(
            changed(|settings| settings.namespaces[1].path = "/talk".into()),
            [name("/talk]", false), name("/chat]", false)]
        );
    }

    #[test]
    fn what_is_looked_at_before_the_namespace_is_known_waits_and_stays_as_it_was() {
        let changes = changed(|settings| settings.namespaces[0].identity.token_from = TokenFrom::Cookie);
        assert_eq!(changes, [("namespaces[/].identity.token_from".to_owned(), false)]);
        let changes = changed(|settings| settings.namespaces[0].presence.linger_ms = 7);
        assert_eq!(changes, [("namespaces[/].presence.linger_ms".to_owned(), false)]);
        let former = NamespaceSettings::new("/");
        let mut new = former.clone();
        new.identity.token_from = TokenFrom::Cookie;
        new.presence.rooms.push("paris".into());
        new.rooms.push("paris".into());
        keep_fixed(&former, &mut new);
        assert_eq!((new.identity.token_from, new.presence.rooms.len()), (TokenFrom::Auth, 0));
        assert_eq!(new.rooms, ["paris"]);
    }

    #[test]
    fn a_namespace_with_another_kind_of_identity_waits_as_a_whole() {
        let changes = changed(|settings| {
            settings.namespaces[0].identity.kind = IdentityKind::Jwt;
            settings.namespaces[0].rooms.push("paris".into());
            settings.namespaces[1].rooms.push("nice".into());
        });
        let key = |name: &str| format!("namespaces[{name}");
        assert_eq!(
            changes,
            [(key("/].rooms"), false), (key("/].identity.kind"), false), (key("/chat].rooms"), true)]
        );
    }
}
