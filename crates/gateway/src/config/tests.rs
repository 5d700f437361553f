//! Loading and checking, from the sample file to every kind of mistake.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Origin, Problems, Settings, load, masked_toml, sample};

/// A file that is gone at the end of the test.
struct Toml(PathBuf);

impl Toml {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("roomcast-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn origin(&self, env: &[(&str, &str)]) -> Origin {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Origin { file: Some(self.0.clone()), env, unreadable: Vec::new() }
    }
}

impl Drop for Toml {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn from_env(env: &[(&str, &str)]) -> Result<Settings, Problems> {
    let env: BTreeMap<_, _> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Origin { env, ..Origin::default() })
}

fn keys(problems: &Problems) -> Vec<&str> {
    let mut keys: Vec<_> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    assert_eq!(load(&Origin::default()).unwrap(), Settings::default());
}

#[test]
fn the_sample_file_gives_the_defaults_and_so_does_what_is_printed() {
    let file = Toml::new("sample", &sample());
    assert_eq!(load(&file.origin(&[])).unwrap(), Settings::default());
    let printed = Toml::new("printed", &masked_toml(&Settings::default()));
    assert_eq!(load(&printed.origin(&[])).unwrap(), Settings::default());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = Toml::new(
        "layers",
        "[node]\nname = \"file\"\n[server]\nmax_connections = 5\ndemo = true\n[redis]\nprefix = \"file\"\n",
    );
    let settings = load(&file.origin(&[
        ("ROOMCAST__NODE__NAME", "env"),
        ("ROOMCAST__SERVER__DEMO", "false"),
        ("ROOMCAST__SERVER__HEADER_TIMEOUT_MS", "77"),
        ("ROOMCAST__REDIS__PREFIX", "5"),
        ("ROOMCAST_UNRELATED", "x"),
        ("HOME", "/"),
    ]))
    .unwrap();
    assert_eq!(settings.node.name, "env");
    assert_eq!((settings.server.max_connections, settings.server.demo), (5, false));
    assert_eq!(settings.server.header_timeout_ms, 77);
    // A text that looks like a number stays a text where a text is wanted.
    assert_eq!(settings.redis.prefix, "5");
    assert_eq!(settings.namespaces, Settings::default().namespaces);
}

#[test]
fn lists_can_be_given_in_the_environment() {
    let settings = from_env(&[("ROOMCAST__NAMESPACES", r#"[{path = "/only", rooms = ["a"]}]"#)]).unwrap();
    assert_eq!(settings.namespaces.len(), 1);
    assert_eq!((settings.namespaces[0].path.as_str(), settings.namespaces[0].rooms.len()), ("/only", 1));
}

#[test]
fn all_mistakes_are_reported_together_with_key_source_and_hint() {
    let file = Toml::new(
        "mistakes",
        r#"
        [server]
        listen = "nowhere"
        max_conections = 5
        header_timeout_ms = "soon"
        [nods]
        [socketio]
        max_payload_bytes = 0
        [log]
        format = "xml"
        [[namespaces]]
        path = "chat"
        [[namespaces]]
        path = "/a"
        rooms = ["*", "ok", 7]
        [[namespaces]]
        rooms = []
        [[namespaces]]
        path = "/a"
        [[namespaces.events]]
        name = "join"
        [[namespaces.events]]
        to = "everybody"
        [[namespaces.events]]
        name = "x"
        [[namespaces.events]]
        name = "x"
        "#,
    );
    let problems = load(&file.origin(&[
        ("ROOMCAST__NODE__NAME", "Node 1"),
        ("ROOMCAST__REDIS__URL", "http://user:secret@host"),
        ("ROOMCAST__REDIS__TIMEOUT_MS", "many"),
        ("ROOMCAST__REDYS__URL", "x"),
    ]))
    .unwrap_err();
    assert_eq!(
        keys(&problems),
        [
            "log.format",
            "namespaces[0].path",
            "namespaces[1].rooms[0]",
            "namespaces[1].rooms[2]",
            "namespaces[2].path",
            "namespaces[3].events[0].name",
            "namespaces[3].events[1].name",
            "namespaces[3].events[1].to",
            "namespaces[3].events[3].name",
            "namespaces[3].path",
            "node.name",
            "nods",
            "redis.timeout_ms",
            "redis.url",
            "redys",
            "server.header_timeout_ms",
            "server.listen",
            "server.max_conections",
            "socketio.max_payload_bytes",
        ]
    );
    let text = problems.to_string();
    assert!(text.starts_with("19 mistakes in the configuration\n"), "{text}");
    let path = file.0.display();
    for line in [
        format!("server.max_conections: unknown key (from {path})\n    hint: did you mean `max_connections`?"),
        format!("server.header_timeout_ms: must be an integer that is not negative, not the text \"soon\" (from {path})"),
        "redis.timeout_ms: must be an integer that is not negative, not a text (from ROOMCAST__REDIS__TIMEOUT_MS)".into(),
        "node.name: `Node 1` is no node name (from ROOMCAST__NODE__NAME)\n    hint: ".into(),
        format!("log.format: `xml` is none of the values (from {path})\n    hint: text, json"),
        format!("namespaces[3].path: `/a` is declared twice (from {path})\n    hint: first by namespaces[1]"),
        format!("namespaces[2].path: is missing (from {path})"),
        "nods: unknown key".into(),
    ] {
        assert!(text.contains(&line), "no «{line}» in\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_says_so() {
    let missing =
        load(&Origin { file: Some("/nowhere/roomcast.toml".into()), ..Origin::default() }).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
    let file = Toml::new("broken", "[server\nlisten = 3");
    let broken = load(&file.origin(&[("ROOMCAST__NODE__NAME", "NO")])).unwrap_err();
    assert_eq!(keys(&broken), ["", "node.name"]);
}

#[test]
fn passwords_are_in_no_message() {
    let url = "redis://:hunter2@host";
    let in_the_wrong_place = from_env(&[("ROOMCAST__REDIS", url)]).unwrap_err();
    let other_scheme =
        from_env(&[("ROOMCAST__REDIS__URL", "redis+unix:///run/redis?pass=hunter2")]).unwrap_err();
    let file = Toml::new("unquoted", &format!("[redis]\nurl = {url}\n"));
    let unquoted = load(&file.origin(&[])).unwrap_err();
    for problems in [in_the_wrong_place, other_scheme, unquoted] {
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(!problems.to_string().contains("hunter2"), "{problems}");
    }
    let mut settings = Settings::default();
    settings.redis.url = url.into();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_mistake_inside_of_a_list_is_from_the_variable_that_has_the_list() {
    let problems = from_env(&[("ROOMCAST__NAMESPACES", r#"[{path = "chat"}]"#)]).unwrap_err();
    assert_eq!(
        (problems.0[0].key.as_str(), problems.0[0].source.as_str()),
        ("namespaces[0].path", "ROOMCAST__NAMESPACES")
    );
    let problems = from_env(&[("ROOMCAST__NAMESPACES__0__PATH", "/x")]).unwrap_err();
    assert_eq!(problems.0[0].source, "ROOMCAST__NAMESPACES__0__PATH");
}

#[test]
fn log_levels_are_levels() {
    for level in ["warn", "INFO", "info,roomcast_adapter=debug", "off", "trace,[span]=info"] {
        assert!(from_env(&[("ROOMCAST__LOG__LEVEL", level)]).is_ok(), "{level}");
    }
    for level in ["warning", "loud", "info;debug", "", "info,verbose"] {
        let problems = from_env(&[("ROOMCAST__LOG__LEVEL", level)]).unwrap_err();
        assert_eq!(keys(&problems), ["log.level"], "{level}");
    }
    assert_eq!(keys(&from_env(&[("ROOMCAST__NAMESPACES", "[]")]).unwrap_err()), ["namespaces"]);
}

#[test]
fn limits_that_cannot_work_together_are_found() {
    let problems = from_env(&[("ROOMCAST__SOCKETIO__MAX_PAYLOAD_BYTES", "100000")]).unwrap_err();
    assert_eq!(keys(&problems), ["namespaces[1].events[2].max_payload_bytes"]);
    let problems =
        from_env(&[("ROOMCAST__SOCKETIO__SEND_QUEUE_PACKETS", "9223372036854775807")]).unwrap_err();
    assert_eq!(keys(&problems), ["socketio.send_queue_packets"]);
    let unreadable = Origin { unreadable: vec!["ROOMCAST__REDIS__URL".into()], ..Origin::default() };
    assert_eq!(load(&unreadable).unwrap_err().0[0].source, "ROOMCAST__REDIS__URL");
}

#[test]
fn the_keys_of_redis_must_fit_each_other() {
    let problems = from_env(&[
        ("ROOMCAST__REDIS__URL", "redis://host"),
        ("ROOMCAST__REDIS__HEARTBEAT_INTERVAL_MS", "3000"),
        ("ROOMCAST__REDIS__NODE_TTL_MS", "6000"),
        ("ROOMCAST__REDIS__TLS_CERT_FILE", "/nowhere/cert.pem"),
    ])
    .unwrap_err();
    let wanted = ["redis.node_ttl_ms", "redis.tls_ca_file", "redis.tls_cert_file", "redis.tls_cert_file"];
    assert_eq!(keys(&problems), wanted);
    let all = problems.to_string();
    for part in
        ["more than twice", "no meaning without TLS", "together with redis.tls_key_file", "cannot be read"]
    {
        assert!(all.contains(part), "{part:?} is not in {all}");
    }
}

#[test]
fn the_keys_of_redis_may_fit_each_other() {
    let ca = Toml::new("ca", "");
    let ca = ca.0.to_str().unwrap();
    from_env(&[("ROOMCAST__REDIS__URL", "rediss://host"), ("ROOMCAST__REDIS__TLS_CA_FILE", ca)]).unwrap();
}

#[test]
fn what_concerns_the_edge_is_checked() {
    let problems = from_env(&[
        ("ROOMCAST__NODE__TAG", "node1"),
        ("ROOMCAST__SERVER__ORIGINS", r#"["https://ok.example", "https://app.example/"]"#),
        ("ROOMCAST__SERVER__TRUSTED_PROXIES", r#"["10.0.0.0/8", "balancer"]"#),
        ("ROOMCAST__SERVER__SESSION_KEYS", r#"["hunter2"]"#),
        ("ROOMCAST__SERVER__TLS_CERT_FILE", "/nowhere/cert.pem"),
        ("ROOMCAST__SERVER__MAX_HEADER_BYTES", "1000"),
        ("ROOMCAST__SERVER__DRAIN_SLICE", "0"),
        ("ROOMCAST__INTERNAL__LISTEN", "127.0.0.1:3000"),
        ("ROOMCAST__INTERNAL__ADVERTISE", "gateway-1"),
        ("ROOMCAST__SOCKETIO__TRANSPORTS", "[]"),
        ("ROOMCAST__SOCKETIO__HANDSHAKE_HEADERS", r#"["user agent"]"#),
        ("ROOMCAST__SOCKETIO__PATH", "/socket.io/"),
    ])
    .unwrap_err();
    let wanted = [
        "internal.advertise",
        "internal.listen",
        "node.tag",
        "server.drain_slice",
        "server.max_header_bytes",
        "server.max_query_bytes",
        "server.origins[1]",
        "server.session_keys",
        "server.tls_key_file",
        "server.trusted_proxies[1]",
        "socketio.handshake_headers[0]",
        "socketio.path",
        "socketio.transports",
    ];
    assert_eq!(keys(&problems), wanted, "{problems}");
    assert!(!problems.to_string().contains("hunter2"));
    let alone = from_env(&[("ROOMCAST__SERVER__PROXY_PROTOCOL", "true")]).unwrap_err();
    assert_eq!(keys(&alone), ["server.proxy_protocol"]);
}

#[test]
fn a_mistake_of_tls_is_reported_on_the_file_that_has_it() {
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let good = Toml::new("certificate", certificate);
    let (empty, broken) = (Toml::new("empty", ""), Toml::new("broken-pem", "-----BEGIN PRIVATE KEY-----\n!"));
    let bad_key = Toml::new("bad-key", key);
    let path = |file: &Toml| file.0.to_str().unwrap().to_owned();
    let nowhere = || "/nowhere/file.pem".to_owned();
    for (cert, key, wrong) in [
        (nowhere(), path(&bad_key), "server.tls_cert_file"),
        (path(&empty), path(&bad_key), "server.tls_cert_file"),
        (path(&good), nowhere(), "server.tls_key_file"),
        (path(&good), path(&empty), "server.tls_key_file"),
        (path(&good), path(&broken), "server.tls_key_file"),
        (path(&good), path(&bad_key), "server.tls_key_file"),
        (nowhere(), nowhere(), "server.tls_cert_file"),
        (path(&good), String::new(), "server.tls_key_file"),
        (String::new(), path(&bad_key), "server.tls_cert_file"),
    ] {
        let env = [
            ("ROOMCAST__SERVER__TLS_CERT_FILE", cert.as_str()),
            ("ROOMCAST__SERVER__TLS_KEY_FILE", key.as_str()),
        ];
        assert_eq!(keys(&from_env(&env).unwrap_err()), [wrong], "{cert} and {key}");
    }
}

#[test]
fn what_concerns_identity_is_checked() {
    let file = Toml::new("identity", include_str!("tests/identity.toml"));
    let problems = load(&file.origin(&[])).unwrap_err();
    assert_eq!(
        keys(&problems),
        [
            "namespaces[0].auto_join[0]",
            "namespaces[0].events[0].roles",
            "namespaces[0].identity.jwt",
            "namespaces[0].max_sockets_per_user",
            "namespaces[0].rooms[0]",
            "namespaces[0].rooms[1]",
            "namespaces[0].rooms[2]",
            "namespaces[1].identity.jwt",
            "namespaces[1].identity.jwt.algorithms",
            "namespaces[1].identity.jwt.algorithms",
            "namespaces[1].identity.token_name",
            "namespaces[2].identity.jwt",
            "namespaces[2].identity.jwt",
            "namespaces[2].identity.jwt",
            "namespaces[3].identity.webhook",
            "namespaces[3].identity.webhook",
            "namespaces[3].identity.webhook",
            "namespaces[4].identity.jwt.public_key_files",
        ]
    );
    assert!(!problems.to_string().contains("hush"), "{problems}");
}

#[test]
fn what_concerns_the_shape_of_events_is_checked() {
    let file = Toml::new("shape", include_str!("tests/shape.toml"));
    let problems = load(&file.origin(&[])).unwrap_err();
    assert_eq!(
        keys(&problems),
        [
            "namespaces[0].events[0].max_depth",
            "namespaces[0].events[0].schema",
            "namespaces[0].events[0].text[0].links",
            "namespaces[0].events[0].text[0].path",
            "namespaces[0].events[0].text[0].tags",
            "namespaces[0].events[0].text[1].path",
            "namespaces[0].events[0].text[2].tags",
            "namespaces[0].events[0].text[2].tags",
            "namespaces[0].events[0].text[3].path",
            "namespaces[0].events[1].max_depth",
            "namespaces[0].events[1].schema_file",
            "namespaces[0].events[2].schema_file",
            "namespaces[0].events[3].schema",
            "namespaces[0].events[3].text",
            "namespaces[0].events[4].text[0].control",
            "namespaces[0].events[4].text[0].lenght",
            "namespaces[0].events[4].text[0].path",
        ],
        "{problems}"
    );
    let text = problems.to_string();
    for part in
        ["out of the schema", "`script` is no tag", "cannot be set together", "this rule has no effect"]
    {
        assert!(text.contains(part), "no «{part}» in\n{text}");
    }
}

#[test]
fn shapes_that_can_work_are_taken() {
    let schema = Toml::new("schema", r#"{"items": {"type": "string"}}"#);
    let file = Toml::new(
        "good-shape",
        &format!(
            r##"
            [[namespaces]]
            path = "/"
            [[namespaces.events]]
            name = "a"
            schema_file = "{}"
            max_arguments = 0
            [[namespaces.events.text]]
            path = "/0/a~1b/*"
            html = "clean"
            tags = ["b", "a"]
            links = true
            [[namespaces.events]]
            name = "b"
            max_depth = 127
            schema = '{{"$schema": "http://json-schema.org/draft-07/schema#", "items": {{"$ref": "#/definitions/x"}}, "definitions": {{"x": true}}}}'
            "##,
            schema.0.display()
        ),
    );
    let settings = load(&file.origin(&[])).unwrap();
    assert_eq!(settings.namespaces[0].events[0].text[0].tags, ["b", "a"]);
    let printed = Toml::new("printed-shape", &masked_toml(&settings));
    assert_eq!(load(&printed.origin(&[])).unwrap(), settings);
}

#[test]
fn the_example_of_the_sample_file_is_one() {
    let sample = sample();
    let (_, example) = sample.split_once("# [[namespaces.events.text]]\n").unwrap();
    let lines = example.lines().map_while(|line| line.strip_prefix("# "));
    let example = lines.collect::<Vec<_>>().join("\n").replace("trim = false", "trim = true");
    let event =
        "[[namespaces]]\npath = \"/\"\n[[namespaces.events]]\nname = \"a\"\n[[namespaces.events.text]]\n";
    let file = Toml::new("example", &format!("{event}{example}"));
    let text = &load(&file.origin(&[])).unwrap().namespaces[0].events[0].text;
    assert_eq!(text[0], super::TextSettings { trim: true, ..super::TextSettings::new("/0") });
}

#[test]
fn what_concerns_presence_is_checked() {
    let wrong = r#"
        [[namespaces]]
        path = "/"
        [namespaces.presence]
        rooms = ["*", "user:{sub}", "room:*"]
        linger_ms = 60001
        max_listed = 10001
        max_entries = 0
        info_claims = ["name", "", "name"]
        [[namespaces.events]]
        name = "presence"
        [[namespaces]]
        path = "/a"
        presence.linger_ms = 5
    "#;
    let file = Toml::new("presence", wrong);
    let wrong = [
        "namespaces[0].events[0].name",
        "namespaces[0].presence.info_claims",
        "namespaces[0].presence.info_claims[1]",
        "namespaces[0].presence.info_claims[2]",
        "namespaces[0].presence.linger_ms",
        "namespaces[0].presence.max_entries",
        "namespaces[0].presence.max_listed",
        "namespaces[0].presence.rooms[0]",
        "namespaces[0].presence.rooms[1]",
        "namespaces[1].presence.rooms",
    ];
    assert_eq!(keys(&load(&file.origin(&[])).unwrap_err()), wrong);
    let file = Toml::new("presence-unknown", "[[namespaces]]\npath = \"/\"\npresence.room = [\"paris\"]\n");
    assert_eq!(keys(&load(&file.origin(&[])).unwrap_err()), ["namespaces[0].presence.room"]);
}
