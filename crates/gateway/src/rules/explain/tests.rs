use serde_json::{Value, json};

use super::*;
use crate::config::EventSettings;

fn namespace() -> NamespaceSettings {
    let mut namespace = NamespaceSettings::new("/team");
    namespace.rooms = vec!["hall".into(), "user:{sub}".into(), "team:{team}:*".into()];
    namespace.identity.kind = IdentityKind::Jwt;
    namespace.events = vec![
        EventSettings::new("message"),
        EventSettings {
            publish: Publish::Anyone,
            roles: vec!["mod".into()],
            ..EventSettings::new("whisper")
        },
        EventSettings { to: To::Namespace, publish: Publish::Server, ..EventSettings::new("notice") },
    ];
    namespace.limits = vec![
        LimitSettings { events: vec!["message".into()], ..LimitSettings::new("talk", 5) },
        LimitSettings {
            dry_run: true,
            per: Per::User,
            scope: Scope::Cluster,
            ..LimitSettings::new("all", 50)
        },
    ];
    namespace
}

fn asked(namespace: &NamespaceSettings, claims: &Value, question: Question<'_>) -> Explanation {
    explain(namespace, Question { claims: claims.as_object(), ..question }).unwrap()
}

#[test]
fn it_tells_what_would_happen_and_why() {
    let ann = json!({"sub": "ann", "team": "red"});
    let join = Question { event: "join", ..Question::default() };
    let joined = asked(&namespace(), &ann, join);
    assert_eq!(joined.refused, None);
    assert!(joined.to_string().contains("hall, user:ann, team:red:*"), "{joined}");
    let elsewhere = asked(&namespace(), &ann, Question { room: Some("user:bob"), ..join });
    assert_eq!(elsewhere.refused, Some(Code::RoomNotAllowed));
    assert!(elsewhere.to_string().ends_with("refused: room_not_allowed\n"), "{elsewhere}");

    let message = Question { event: "message", room: Some("hall"), is_member: true, ..Question::default() };
    let sent = asked(&namespace(), &ann, message).to_string();
    for part in [
        "limit `talk`: 5 in 1000 ms for each socket on each node, 5 at once; what is more is refused: rate_limited",
        "limit `all`: 50 in 1000 ms for each user in the cluster, 50 at once; what is more would exceed it",
        "it goes to the other members of `hall`",
        "accepted, unless",
    ] {
        assert!(sent.contains(part), "`{part}` is not in\n{sent}");
    }
}

#[test]
fn arguments_count_if_they_are_told() {
    let mut namespace = namespace();
    namespace.events[0].max_payload_bytes = 30;
    let message = Question { event: "message", room: Some("hall"), is_member: true, ..Question::default() };
    let refused =
        |arguments| asked(&namespace, &json!({}), Question { arguments: Some(arguments), ..message }).refused;
    // ["message","hall","12345678"] has 29 bytes.
    assert_eq!(refused(r#"["12345678"]"#), None);
    assert_eq!(refused(r#"["1234567890"]"#), Some(Code::PayloadTooLarge));
    assert_eq!(refused("[1"), Some(Code::InvalidArguments));
    namespace.events[0].max_payload_bytes = 1000;
    namespace.events[0].schema = r#"{"items": {"type": "string"}}"#.into();
    let explained =
        |arguments| asked(&namespace, &json!({}), Question { arguments: Some(arguments), ..message });
    assert_eq!(explained(r#"["hello"]"#).refused, None);
    let misshapen = explained(r#"["hello", 7]"#);
    assert_eq!(misshapen.refused, Some(Code::InvalidShape));
    assert_eq!(
        explained(&format!("{}{}", "[".repeat(40), "]".repeat(40))).refused,
        Some(Code::InvalidArguments)
    );
}

#[test]
fn claims_mean_nothing_where_nobody_is_asked() {
    let mut namespace = NamespaceSettings::new("/");
    namespace.events = vec![EventSettings { roles: vec!["mod".into()], ..EventSettings::new("message") }];
    let explained =
        asked(&namespace, &json!({"roles": "mod"}), Question { event: "message", ..Question::default() });
    assert_eq!(explained.refused, Some(Code::NotPermitted));
    assert!(explained.to_string().contains("claims mean nothing"), "{explained}");
    let refresh = Question { event: "refresh", ..Question::default() };
    assert_eq!(asked(&namespace, &json!({}), refresh).refused, Some(Code::UnknownEvent));
}

/// The same decision, from the texts of the settings, without patterns that were compiled.
fn naive(namespace: &NamespaceSettings, claims: Option<&Claims>, question: Question<'_>) -> Option<Code> {
    let may_join = |room: &str| {
        namespace.rooms.iter().any(|pattern| {
            let mut text = pattern.clone();
            for name in ["sub", "team"] {
                let wanted = format!("{{{name}}}");
                if text.contains(&wanted) {
                    match claims.and_then(|claims| claims.get(name)).and_then(Value::as_str) {
                        Some(value) if !value.is_empty() => text = text.replace(&wanted, value),
                        _ => return false,
                    }
                }
            }
            match text.strip_suffix('*') {
                Some(beginning) => room.starts_with(beginning) && room != beginning,
                None => room == text,
            }
        })
    };
    if question.event == "join" {
        let room = question.room?;
        return (!may_join(room)).then_some(Code::RoomNotAllowed);
    }
    let Some(event) = namespace.events.iter().find(|event| event.name == question.event) else {
        return Some(Code::UnknownEvent);
    };
    if event.publish == Publish::Server {
        return Some(Code::ServerOnly);
    }
    let held: Vec<&str> = match claims.and_then(|claims| claims.get("roles")) {
        Some(Value::String(role)) => vec![role],
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !event.roles.is_empty() && !event.roles.iter().any(|role| held.contains(&role.as_str())) {
        return Some(Code::NotPermitted);
    }
    match question.room.filter(|_| event.to == To::Room) {
        None => None,
        Some(_) if question.is_member => None,
        Some(room) if event.publish == Publish::Anyone => (!may_join(room)).then_some(Code::RoomNotAllowed),
        Some(_) => Some(Code::NotInRoom),
    }
}

fn one_of<'a>(random: &mut fastrand::Rng, texts: &[&'a str]) -> &'a str {
    texts[random.usize(..texts.len())]
}

fn some_of(random: &mut fastrand::Rng, texts: &[&str]) -> Vec<String> {
    texts.iter().filter(|_| random.u8(..3) == 0).map(|text| (*text).to_owned()).collect()
}

#[test]
fn decisions_are_those_of_a_naive_interpreter() {
    const ROLES: [&str; 3] = ["mod", "admin", "guest"];
    const ROOMS: [&str; 8] =
        ["hall", "room:*", "user:{sub}", "team:{team}:*", "{team}:x", "{sub}", "t:{team}:{sub}", "room:a"];
    const ASKED: [&str; 9] =
        ["hall", "room:", "room:a", "user:ann", "user:", "team:red:7", "red:x", "ann", "t:red:ann"];
    let seed = fastrand::u64(..);
    let random = &mut fastrand::Rng::with_seed(seed);
    let mut refusals = std::collections::HashMap::new();
    for round in 0..20_000 {
        let mut namespace = NamespaceSettings::new("/x");
        namespace.identity.kind = IdentityKind::Jwt;
        namespace.rooms = some_of(random, &ROOMS);
        let names = some_of(random, &["message", "whisper", "notice", "wave"]);
        namespace.events = names
            .into_iter()
            .map(|name| EventSettings {
                to: if random.bool() { To::Room } else { To::Namespace },
                publish: [Publish::Members, Publish::Anyone, Publish::Server][random.usize(..3)],
                roles: some_of(random, &ROLES),
                ..EventSettings::new(name)
            })
            .collect();
        let mut claims = Claims::new();
        for name in ["sub", "team"] {
            let value = [json!("ann"), json!("red"), json!(""), json!(null), json!(["red"])]
                [random.usize(..5)]
            .clone();
            claims.insert(name.into(), value);
        }
        let roles = some_of(random, &ROLES);
        claims.insert("roles".into(), if random.bool() { json!(roles) } else { json!(roles.first()) });
        let room = one_of(random, &ASKED);
        let question = Question {
            event: one_of(random, &["join", "message", "whisper", "notice", "wave"]),
            claims: (random.u8(..5) > 0).then_some(&claims),
            room: (random.u8(..5) > 0).then_some(room),
            is_member: random.bool(),
            arguments: None,
        };
        let decided = explain(&namespace, question).unwrap().refused;
        let wanted = naive(&namespace, question.claims, question);
        assert_eq!(decided, wanted, "seed {seed}, round {round}: {namespace:?} {question:?}");
        *refusals.entry(decided).or_insert(0) += 1;
    }
    // Every outcome was there.
    assert_eq!(refusals.len(), 6, "{refusals:?}");
}
