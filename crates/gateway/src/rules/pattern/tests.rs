use serde_json::json;

use super::*;

fn pattern(text: &str) -> Result<Pattern, PatternError> {
    text.parse()
}

fn matches(text: &str, room: &str, claims: &Value) -> bool {
    pattern(text).unwrap().matches(room, claims.as_object())
}

#[test]
fn names_and_beginnings() {
    let nobody = Value::Null;
    assert!(matches("paris", "paris", &nobody) && !matches("paris", "paris2", &nobody));
    assert!(matches("room:*", "room:1", &nobody) && matches("room:*", "room:a*b", &nobody));
    assert!(!matches("room:*", "room:", &nobody) && !matches("room:*", "Room:1", &nobody));
}

#[test]
fn claims_stand_for_parts_of_names() {
    let ann = json!({"sub": "ann", "team": 7, "org": {"id": "acme"}, "https://x.example/a.b": "dots"});
    assert!(matches("user:{sub}", "user:ann", &ann) && !matches("user:{sub}", "user:bob", &ann));
    assert!(matches("team:{team}:*", "team:7:news", &ann) && !matches("team:{team}:*", "team:70:news", &ann));
    assert!(matches("{org.id}/{sub}", "acme/ann", &ann));
    assert!(matches("a:{https://x.example/a.b}", "a:dots", &ann));
    for missing in ["x:{nobody}", "x:{org}", "x:{org.nobody}", "x:{sub[]}"] {
        assert!(!matches(missing, "x:", &ann) && !matches(missing, "x:null", &ann), "{missing}");
    }
    assert!(!pattern("user:{sub}").unwrap().matches("user:", None));
    assert!(!matches("user:{sub}", "user:", &json!({"sub": ""})));
}

#[test]
fn lists_stand_for_each_of_their_items() {
    let ann = json!({"sub": "ann", "rooms": ["paris", "lyon", 7, null, ["nice"]]});
    for room in ["paris", "lyon", "7"] {
        assert!(matches("{rooms[]}", room, &ann), "{room}");
    }
    for room in ["nice", "null", "", "paris,lyon"] {
        assert!(!matches("{rooms[]}", room, &ann), "{room}");
    }
    assert!(matches("r:{rooms[]}", "r:lyon", &ann));
    let expanded: Vec<_> = pattern("r:{rooms[]}").unwrap().expanded(ann.as_object()).collect();
    assert_eq!(expanded, ["r:paris", "r:lyon", "r:7"]);
}

#[test]
fn what_a_claim_says_is_no_pattern() {
    let eve = json!({"sub": "*", "team": "{sub}"});
    assert!(!matches("user:{sub}", "user:ann", &eve) && matches("user:{sub}", "user:*", &eve));
    assert!(matches("team:{team}", "team:{sub}", &eve) && !matches("team:{team}", "team:*", &eve));
}

#[test]
fn patterns_that_are_none() {
    assert_eq!(pattern(""), Err(PatternError::Length));
    assert_eq!(pattern(&"a".repeat(129)), Err(PatternError::Length));
    assert_eq!(pattern("a*b"), Err(PatternError::InnerStar));
    assert_eq!(pattern("a**"), Err(PatternError::InnerStar));
    for braces in ["a:{", "a:}", "a:{}", "a:{[]}", "a:{b", "a:{{b}}", "a:{b}}", "a:{b[]c}"] {
        assert_eq!(pattern(braces), Err(PatternError::Braces), "{braces}");
    }
    assert_eq!(pattern("{a[]}:{b[]}"), Err(PatternError::Lists));
}

#[test]
fn private_rooms_of_sockets_stay_private() {
    for open in ["*", "a*", "ab_*", "{sub}*", "{sub}:*"] {
        assert_eq!(pattern(open), Err(PatternError::MatchesIds(open.into())));
    }
    assert!(pattern("#*").is_ok() && pattern("team*").is_ok());
    // Who chooses its name must not choose the id of somebody's socket.
    for id in ["AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA"] {
        assert!(!matches("{sub}", id, &json!({"sub": id})));
        assert!(!matches("{rooms[]}", id, &json!({"rooms": [id]})));
        assert!(matches("user:{sub}", &format!("user:{id}"), &json!({"sub": id})));
    }
    assert!(matches("{sub}", "ann", &json!({"sub": "ann"})));
    assert!(!matches("a{sub}", "aBBBBBBBBBBBBBBB", &json!({"sub": "BBBBBBBBBBBBBBB"})));
}

/// What a pattern means, by replacing text in text, as slowly as one likes.
fn naive(pattern: &str, room: &str, claims: &Claims) -> bool {
    let (body, is_open) = pattern.strip_suffix('*').map_or((pattern, false), |body| (body, true));
    let value_of = |path: &str| {
        claims.get(path).cloned().unwrap_or_else(|| {
            path.split('.').fold(Value::Object(claims.clone()), |value, name| value[name].clone())
        })
    };
    let beginning = body.split('{').next().unwrap();
    let is_apart =
        beginning.len() >= 4 || beginning.chars().any(|c| !c.is_ascii_alphanumeric() && !"-_".contains(c));
    let mut names = vec![(String::new(), body.to_owned())];
    let mut whole = Vec::new();
    while let Some((done, rest)) = names.pop() {
        let Some(start) = rest.find('{') else {
            whole.push(done + &rest);
            continue;
        };
        let end = start + rest[start..].find('}').unwrap();
        let (text, path, behind) = (&rest[..start], &rest[start + 1..end], &rest[end + 1..]);
        let values = match path.strip_suffix("[]") {
            Some(path) => value_of(path).as_array().cloned().unwrap_or_default(),
            None => vec![value_of(path)],
        };
        for value in values {
            let value = match value {
                Value::String(value) => value,
                Value::Number(value) if !value.is_f64() => value.to_string(),
                _ => continue,
            };
            if !value.is_empty() {
                names.push((format!("{done}{text}{value}"), behind.to_owned()));
            }
        }
    }
    whole.retain(|name| name.len() <= MAX_ROOM_BYTES && (is_apart || !may_be_an_id(name)));
    whole.iter().any(|name| if is_open { room != name && room.starts_with(name) } else { room == name })
}

#[test]
fn decisions_are_those_of_a_naive_interpreter() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["", "a", "b:", ":", "{", "}", "*", "a.b", "paris", "AAAAAAAAAAAAAAAA", "é", "{sub}", "7"];
    let claims_of = ["{sub}", "{team}", "{a.b}", "{list[]}", "{a.list[]}", "{nobody}"];
    let word = |random: &mut fastrand::Rng| words[random.usize(..words.len())].to_owned();
    let (mut yes, mut no) = (0, 0);
    for _ in 0..20_000 {
        let value = |random: &mut fastrand::Rng| match random.u8(..6) {
            0 => json!(random.i32(..)),
            1 => json!(1.5),
            2 => json!(null),
            _ => json!(word(random)),
        };
        let claims = json!({
            "sub": value(&mut random),
            "team": value(&mut random),
            "a.b": value(&mut random),
            "a": {"b": value(&mut random), "list": [value(&mut random), value(&mut random)]},
            "list": [value(&mut random), [], value(&mut random)],
        });
        let claims = claims.as_object().unwrap();
        let part = |random: &mut fastrand::Rng| match random.u8(..3) {
            0 => claims_of[random.usize(..claims_of.len())],
            _ => words[random.usize(..words.len())],
        };
        let text: String = (0..random.usize(1..4)).map(|_| part(&mut random)).collect();
        let Ok(pattern) = text.parse::<Pattern>() else { continue };
        // A room that the pattern may well allow, and others.
        let mut rooms: Vec<_> = pattern.expanded(Some(claims)).collect();
        rooms.extend(rooms.clone().iter().map(|room| format!("{room}x")));
        rooms.extend([text.clone(), String::new(), "paris".into(), "a".into()]);
        for room in rooms {
            let decision = pattern.matches(&room, Some(claims));
            assert_eq!(decision, naive(&text, &room, claims), "{text} for {room}, {claims:?}, seed {seed}");
            if decision { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > 1_000 && no > 1_000, "{yes} allowed, {no} not, seed {seed}");
}
