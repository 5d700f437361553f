//! The binary from outside: commands, exit codes, and that nothing is bound on a bad configuration.

#![allow(clippy::unwrap_used, missing_docs)]

use std::net::TcpListener;
use std::process::{Command, Output};

fn roomcast(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roomcast")).args(arguments).envs(env.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_bad_configuration_exits_64_before_anything_is_bound() {
    // The port is taken: a node that tried to bind it would fail with another code and message.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let env = [("ROOMCAST__SERVER__LISTEN", listen.as_str()), ("ROOMCAST__SERVER__LISTN", "x")];
    let output = roomcast(&["serve"], &env);
    assert_eq!(output.status.code(), Some(64));
    let message = text(&output.stderr);
    assert!(message.contains("server.listn: unknown key (from ROOMCAST__SERVER__LISTN)"), "{message}");
    assert!(message.contains("did you mean `listen`?") && !message.contains("cannot listen"), "{message}");
}

#[test]
fn a_taken_port_exits_1_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = roomcast(&[], &[("ROOMCAST__SERVER__LISTEN", &listen)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("cannot listen on {listen}: ")));
}

#[test]
fn config_commands() {
    let sample = roomcast(&["config", "default"], &[]);
    assert_eq!((sample.status.code(), text(&sample.stdout)), (Some(0), roomcast::config::sample()));

    let file = std::env::temp_dir().join(format!("roomcast-binary-{}.toml", std::process::id()));
    std::fs::write(&file, &sample.stdout).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(roomcast(&["config", "check", path], &[]).status.code(), Some(0));
    let bad = roomcast(&["config", "check", path], &[("ROOMCAST__NODE__NAME", "BAD")]);
    assert_eq!(bad.status.code(), Some(64));

    let env = [("ROOMCAST__REDIS__URL", "redis://:hush@127.0.0.1:1")];
    let printed = text(&roomcast(&["config", "print", "--config", path], &env).stdout);
    assert!(printed.contains("redis://:***@127.0.0.1:1") && !printed.contains("hush"), "{printed}");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn rules_are_explained() {
    let file = std::env::temp_dir().join(format!("roomcast-explain-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"sub": "ann", "team": "red"}"#).unwrap();
    let claims = file.to_str().unwrap();
    let explain = |more: &[&str]| {
        let begin = ["rules", "explain", "--namespace", "/chat", "--event"];
        roomcast(&[&begin, more].concat(), &[])
    };
    let accepted = explain(&["message", "--claims", claims, "--room", "paris", "--member"]);
    assert_eq!(accepted.status.code(), Some(0));
    assert!(text(&accepted.stdout).contains("it goes to the other members of `paris`"));
    let refused = explain(&["join", "--room", "berlin"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).ends_with("refused: room_not_allowed\n"), "{}", text(&refused.stdout));

    assert_eq!(explain(&["message", "--member"]).status.code(), Some(64), "a member of which room?");
    let no_claims = explain(&["message", "--claims", "/nowhere.json"]);
    assert_eq!(no_claims.status.code(), Some(64));
    assert!(text(&no_claims.stderr).contains("/nowhere.json cannot be read"));
    let quoted = explain(&["message", "--arguments", "[bad"]);
    assert_eq!(quoted.status.code(), Some(64));
    assert!(text(&quoted.stderr).contains("--arguments is no JSON array"));
    let nowhere = roomcast(&["rules", "explain", "--namespace", "/x", "--event", "join"], &[]);
    assert_eq!(nowhere.status.code(), Some(64));
    assert!(text(&nowhere.stderr).contains("there is no namespace `/x`; there are /, /chat, /public"));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn wrong_usage_exits_64_and_help_0() {
    assert_eq!(roomcast(&["fly"], &[]).status.code(), Some(64));
    assert_eq!(roomcast(&["serve", "--confg", "x"], &[]).status.code(), Some(64));
    assert_eq!(roomcast(&["--help"], &[]).status.code(), Some(0));
}

#[test]
fn healthcheck_of_a_node_that_is_not_there_fails() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_eq!(roomcast(&["healthcheck"], &[("ROOMCAST__SERVER__LISTEN", &free)]).status.code(), Some(1));
}
