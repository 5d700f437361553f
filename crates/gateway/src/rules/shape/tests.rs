//! Arguments go in, and come out as the rules want them.

use serde_json::json;

use super::*;
use crate::config::{ControlCharacters, Html, TextSettings};

fn with_text(rules: impl IntoIterator<Item = TextSettings>) -> EventSettings {
    EventSettings { text: rules.into_iter().collect(), ..EventSettings::new("e") }
}

fn with_schema(schema: &serde_json::Value) -> EventSettings {
    EventSettings { schema: schema.to_string(), ..EventSettings::new("e") }
}

fn trim(path: &str) -> TextSettings {
    TextSettings { trim: true, ..TextSettings::new(path) }
}

fn html(tags: &[&str], links: bool) -> TextSettings {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    TextSettings { html: Html::Clean, tags, links, ..TextSettings::new("/0") }
}

/// What a list of arguments becomes; or the code, the path and the message of its refusal.
fn apply(settings: &EventSettings, list: &str) -> Result<String, (Code, String, String)> {
    let arguments: Vec<&RawValue> = serde_json::from_str(list).unwrap();
    match Shape::new(settings).unwrap().apply(&arguments) {
        Ok(None) => Ok(list.to_owned()),
        Ok(Some(arguments)) => Ok(format!("[{arguments}]")),
        Err(refusal) => {
            let path =
                refusal.details.get("path").and_then(|path| path.as_str()).unwrap_or("none").to_owned();
            Err((refusal.code, path, refusal.message))
        }
    }
}

fn misshapen(settings: &EventSettings, list: &str) -> (String, String) {
    let (code, path, message) = apply(settings, list).unwrap_err();
    assert_eq!(code, Code::InvalidShape);
    (path, message)
}

/// What a single text becomes.
fn text(rule: &TextSettings, text: &str) -> Result<String, String> {
    let list =
        apply(&with_text([rule.clone()]), &json!([text]).to_string()).map_err(|(_, _, message)| message)?;
    Ok(serde_json::from_str::<[String; 1]>(&list).unwrap().concat())
}

#[test]
fn a_rule_finds_its_texts_and_leaves_all_else_alone() {
    let list = r#"[ " a ",{ "t" : " b ","n":1.0E+2,"u":" \u00e9\/ "} ]"#;
    for (path, wanted) in [
        ("/0", r#"["a",{ "t" : " b ","n":1.0E+2,"u":" \u00e9\/ "}]"#),
        ("/1/t", r#"[" a ",{ "t" : "b","n":1.0E+2,"u":" \u00e9\/ "}]"#),
        ("/1/u", r#"[" a ",{ "t" : " b ","n":1.0E+2,"u":"é/"}]"#),
        ("/*", r#"["a",{ "t" : " b ","n":1.0E+2,"u":" \u00e9\/ "}]"#),
        ("/*/t", r#"[" a ",{ "t" : "b","n":1.0E+2,"u":" \u00e9\/ "}]"#),
    ] {
        assert_eq!(apply(&with_text([trim(path)]), list).unwrap(), wanted, "{path}");
    }
    for nowhere in ["/2", "/1", "/1/x", "/1/n", "/0/0", "/1/t/0", "/1/*", "/1/00"] {
        assert_eq!(apply(&with_text([trim(nowhere)]), list).unwrap(), list, "{nowhere}");
    }
}

#[test]
fn names_of_any_kind_can_be_pointed_at() {
    for (path, list, wanted) in [
        ("/0/a~1b~0c", r#"[{"a\/b~c":" x "}]"#, r#"[{"a\/b~c":"x"}]"#),
        ("/0/*", r#"[{"*":" x ","y":" y "}]"#, r#"[{"*":"x","y":" y "}]"#),
        ("/0/*", r#"[[" x ",[" y "],0]]"#, r#"[["x",[" y "],0]]"#),
        ("/0/0", r#"[{"0":" x "}]"#, r#"[{"0":"x"}]"#),
        ("/0/", r#"[{"":" x "}]"#, r#"[{"":"x"}]"#),
        ("/0/é🎉", r#"[{"\u00e9\ud83c\udf89":" 🎉\ud83c\udf89 "}]"#, r#"[{"\u00e9\ud83c\udf89":"🎉🎉"}]"#),
        ("/*/*/t", r#"[[{"t":" x "}],[{"t":" y "},{"t":" z "}]]"#, r#"[[{"t":"x"}],[{"t":"y"},{"t":"z"}]]"#),
    ] {
        assert_eq!(apply(&with_text([trim(path)]), list).unwrap(), wanted);
    }
}

#[test]
fn a_text_that_is_as_it_should_be_stays_as_it_is_written() {
    let list = r#"[ "caf\u00e9 \ud83c\udf89" ]"#;
    let rule =
        TextSettings { control: ControlCharacters::Strip, max_chars: 6, trim: true, ..html(&[], false) };
    assert_eq!(apply(&with_text([rule]), list).unwrap(), list);
}

#[test]
fn what_is_pointed_at_twice_is_refused() {
    let two = r#"[{"t":" x ","o":1,"\u0074":" y "}]"#;
    assert_eq!(misshapen(&with_text([trim("/0/t")]), two), ("/0/t".into(), "is there more than once".into()));
    assert_eq!(apply(&with_text([trim("/0/o")]), two).unwrap(), two);
    // A schema is asked about all of it.
    let any = with_schema(&json!({}));
    assert_eq!(misshapen(&any, two), ("/0/t".into(), "is there more than once".into()));
    assert_eq!(misshapen(&any, r#"[0,[{"a/b":{"c":1,"c":1}}]]"#).0, "/1/0/a~1b/c");
    assert_eq!(misshapen(&any, "[0,1e999]"), ("/1".into(), "cannot be read".into()));
}

/// Writes a random value with odd spacing; if `path` is given, there is a text `MARKED` somewhere, and that says where.
fn write(json: &mut String, depth: u32, path: Option<&mut String>) {
    const PLAIN: [&str; 9] =
        ["1.0", "-0", "1E5", "12345678901234567890123", "null", "true", r#"" a ""#, r#"" \u00e9\n""#, "[ ]"];
    let space = |json: &mut String| json.push_str(["", " ", "\n\t"][fastrand::usize(..3)]);
    if depth == 0 || (path.is_none() && fastrand::u8(..3) == 0) {
        return json.push_str(if path.is_some() { MARKED } else { PLAIN[fastrand::usize(..PLAIN.len())] });
    }
    let (is_object, count) = (fastrand::bool(), fastrand::usize(1..5));
    let chosen = fastrand::usize(..count);
    let mut path = path;
    json.push(if is_object { '{' } else { '[' });
    for at in 0..count {
        if at > 0 {
            json.push(',');
        }
        space(json);
        if is_object {
            json.push_str(&format!("\"k~/{at}\" :"));
            space(json);
        }
        let mut inner = if at == chosen { path.as_deref_mut() } else { None };
        if let Some(path) = &mut inner {
            path.push_str(&if is_object { format!("/k~0~1{at}") } else { format!("/{at}") });
        }
        write(json, depth - 1, inner);
        space(json);
    }
    json.push(if is_object { '}' } else { ']' });
}

const MARKED: &str = r#"" <the marked one>\u0020""#;

#[test]
fn whatever_is_around_a_text_keeps_its_bytes() {
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    for round in 0..2000 {
        let (mut value, mut path) = (String::new(), String::from("/1"));
        write(&mut value, fastrand::u32(1..6), Some(&mut path));
        let list = format!("[1.50,{value},\" x \"]");
        let wanted = list.replace(MARKED, "\"<the marked one>\"");
        assert_eq!(
            apply(&with_text([trim(&path)]), &list).unwrap(),
            wanted,
            "seed {seed}, round {round}, {path}"
        );
    }
}

#[test]
fn rules_come_one_after_the_other() {
    let short = TextSettings { max_chars: 3, ..TextSettings::new("/*") };
    assert_eq!(
        apply(&with_text([trim("/0"), short.clone()]), r#"["  abc  ","abc"]"#).unwrap(),
        r#"["abc","abc"]"#
    );
    let (path, message) = misshapen(&with_text([trim("/0"), short]), r#"["abc ","🎉🎉🎉🎉"]"#);
    assert_eq!((path.as_str(), message.as_str()), ("/1", "the text has 4 characters, at most 3 are allowed"));
}

#[test]
fn control_characters_are_kept_refused_or_taken_out() {
    let odd = "a\u{0}b\u{7}c\r\nd\te\u{7f}\u{85}f\u{202e}g\u{2066}\u{200b}é";
    let rule = |control| TextSettings { control, max_chars: 100, ..TextSettings::new("/0") };
    assert_eq!(text(&rule(ControlCharacters::Keep), odd).unwrap(), odd);
    assert_eq!(text(&rule(ControlCharacters::Strip), odd).unwrap(), "abc\nd\tefg\u{200b}é");
    let message = text(&rule(ControlCharacters::Reject), odd).unwrap_err();
    assert_eq!(message, "the text has a control character that is not allowed, U+0000");
    assert_eq!(text(&rule(ControlCharacters::Reject), "a\n\tb").unwrap(), "a\n\tb");
    for numbered in ["&#8238;evil", "&#x202e;evil", "<b>&#x2067;evil</b>"] {
        let html = |control| TextSettings { control, ..html(&[], false) };
        assert_eq!(text(&html(ControlCharacters::Strip), numbered).unwrap(), "evil");
        assert!(text(&html(ControlCharacters::Reject), numbered).is_err());
    }
}

#[test]
fn markup_is_taken_out() {
    for (sent, plain, some) in [
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3", "1 &lt; 2 &amp; 3"),
        ("<b>bold</b> <i>not</i>", "bold not", "<b>bold</b> not"),
        ("<script>alert(1)</script>x<style>y</style>", "x", "x"),
        ("<scr<script>ipt>alert(1)</script>", "ipt&gt;alert(1)", "ipt&gt;alert(1)"),
        ("<b onclick=alert(1) style='x'>x</b>", "x", "<b>x</b>"),
        ("<b><b><b>x", "x", "<b><b><b>x</b></b></b>"),
        ("<img src=x onerror=alert(1)>", "", ""),
        ("<svg><b><style><img src=x onerror=alert(1)></style></b></svg>", "", "<b></b>"),
        ("<!-- x --><?y?><![CDATA[z]]>", "", ""),
        ("<a href='javascript:alert(1)'>x</a>", "x", "<a rel=\"noopener\">x</a>"),
        ("<a href=' JaVa&#x73;cript:alert(1)'>x</a>", "x", "<a rel=\"noopener\">x</a>"),
        ("<a href='data:text/html,x'>x</a>", "x", "<a rel=\"noopener\">x</a>"),
        ("<a href='//evil.example'>x</a>", "x", "<a rel=\"noopener\">x</a>"),
        (
            "<a href=\"https://a.example/?q=1&amp;r=2\" target=x rel=y>x</a>",
            "x",
            "<a href=\"https://a.example/?q=1&amp;r=2\" rel=\"noopener\">x</a>",
        ),
        ("<a href='mailto:a@b.example'>x</a>", "x", "<a href=\"mailto:a@b.example\" rel=\"noopener\">x</a>"),
    ] {
        assert_eq!(text(&html(&[], false), sent).unwrap(), plain, "{sent}");
        assert_eq!(text(&html(&["b"], true), sent).unwrap(), some, "{sent}");
    }
    assert_eq!(text(&html(&["a"], false), "<a href='https://x.example'>x</a>").unwrap(), "<a>x</a>");
    let rule = TextSettings { trim: true, max_chars: 9, ..html(&["b"], false) };
    assert_eq!(text(&rule, "  <b>x</b><u> </u> ").unwrap(), "<b>x</b>");
    assert!(text(&rule, "<b>xyz</b>").unwrap_err().contains("has 10 characters"));
}

#[test]
fn what_markup_cannot_change_is_not_cleaned() {
    let cleaner = html::Cleaner::new(&["b".into()], true).unwrap();
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    for _ in 0..500 {
        let text: String = (0..fastrand::usize(1..12)).map(|_| fastrand::char(..)).collect();
        if !html::Cleaner::concerns(&text) {
            assert_eq!(cleaner.clean(&text), text, "seed {seed}");
        }
    }
    for odd in ["\u{0}", "\r\n", "\u{a0}", "\u{feff}x"] {
        assert!(html::Cleaner::concerns(odd) && cleaner.clean(odd) != odd, "{odd:?}");
    }
}

#[test]
fn more_markup_than_is_cleaned_is_refused() {
    let many = |count| json!(["<b>".repeat(count)]).to_string();
    assert!(apply(&with_text([html(&["b"], false)]), &many(99)).is_ok());
    assert!(misshapen(&with_text([html(&["b"], false)]), &many(100)).1.contains("too much markup"));
    assert!(apply(&with_text([html(&["b"], false)]), &json!(["1 < 2 ".repeat(500)]).to_string()).is_ok());
    let each = TextSettings { path: "/0/*".into(), ..html(&[], false) };
    assert!(apply(&with_text([each.clone()]), &json!([vec!["&"; 100]]).to_string()).is_ok());
    assert_eq!(misshapen(&with_text([each]), &json!([vec!["&"; 101]]).to_string()).0, "/0/100");
    let large = EventSettings { max_payload_bytes: 1_000_000, ..with_text([html(&[], false)]) };
    assert!(apply(&large, &json!(["& ".repeat(16_384)]).to_string()).is_ok());
    assert!(apply(&large, &json!(["& ".repeat(16_385)]).to_string()).is_err());
    let (code, ..) =
        apply(&with_text([html(&[], false)]), &json!(["&".repeat(30_000)]).to_string()).unwrap_err();
    assert_eq!(code, Code::PayloadTooLarge);
}

#[test]
fn a_schema_sees_what_is_passed_on() {
    let schema = json!([{"type": "string", "minLength": 1, "maxLength": 5}]);
    let schema = json!({"prefixItems": schema, "minItems": 1, "items": false});
    let settings = EventSettings { text: vec![trim("/0")], ..with_schema(&schema) };
    assert_eq!(apply(&settings, r#"["  abc  "]"#).unwrap(), r#"["abc"]"#);
    assert_eq!(misshapen(&settings, r#"["   "]"#), ("/0".into(), r#""" is shorter than 1 character"#.into()));
    assert_eq!(misshapen(&settings, "[7]").0, "/0");
    assert_eq!(misshapen(&settings, "[]").0, "");
    assert_eq!(misshapen(&settings, r#"["a","b"]"#).0, "/1");
    // Half a surrogate pair becomes another character before anybody looks at it.
    let one = json!({"items": {"const": "\u{fffd}"}});
    assert_eq!(apply(&with_schema(&one), r#"["\ud83d"]"#).unwrap(), r#"["\ud83d"]"#);
}

#[test]
fn a_message_has_little_of_what_was_sent() {
    let long = "x".repeat(700);
    let name = |value: &str| json!([{value: value, "o": ([value; 3])}]).to_string();
    for schema in [
        json!({"items": {"additionalProperties": false, "properties": {"o": {}}}}),
        json!({"items": {"propertyNames": {"maxLength": 3}}}),
        json!({"items": {"properties": {"o": {"items": {"maxLength": 3}}}}}),
        json!({"items": {"additionalProperties": {"enum": [1]}}}),
        json!({"items": {"properties": {"o": {"maxItems": 1}}}}),
        json!({"items": {"not": {}}}),
        json!({"items": {"anyOf": [{"type": "string"}, {"minProperties": 10}]}}),
        json!({"items": {"unevaluatedProperties": false}}),
        json!({"items": {"properties": {"o": {"contains": {"const": 1}}}}}),
        json!({"items": {"properties": {"o": {"uniqueItems": true}}}}),
        json!({"items": {"required": ["y".repeat(2000)]}}),
        json!({"items": {"additionalProperties": {"pattern": "^y{300}yyyy$"}}}),
    ] {
        let (path, message) = misshapen(&with_schema(&schema), &name(&long));
        assert!(message.chars().count() <= MAX_MESSAGE && !message.is_empty(), "{message}");
        assert!(!message.contains(&"x".repeat(100)), "{message}");
        assert!(path.len() <= MAX_PATH && path.starts_with("/0"), "{schema}: {path}");
    }
    let name = "k".repeat(20);
    let deep = format!("[{}{{\"x\":1,\"x\":2}}{}]", format!("{{\"{name}\":").repeat(30), "}".repeat(30));
    let (path, _) = misshapen(&with_schema(&json!({})), &deep);
    assert_eq!(path, format!("/0{}", format!("/{name}").repeat(14)));
}

#[test]
fn large_arguments_are_judged_and_not_explained() {
    let schema = json!({"items": {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}});
    let list = |last: &str| format!("[[{}{last}]]", "null,".repeat(1000));
    assert!(apply(&with_schema(&schema), &list("\"x\"")).is_ok());
    assert_eq!(misshapen(&with_schema(&schema), &list("1")).0, "");
}

#[test]
fn schemas_that_refer_to_themselves_are_asked_in_no_time() {
    let branch = |name: &str| json!({"properties": {"inner": {"$ref": "#/$defs/node"}}, "required": [name]});
    let node = json!({"anyOf": [branch("a"), branch("b")]});
    let settings = with_schema(&json!({"$defs": {"node": node}, "items": {"$ref": "#/$defs/node"}}));
    let nested = |depth: usize| format!("[{}{{}}{}]", "{\"inner\":".repeat(depth), "}".repeat(depth));
    assert_eq!(misshapen(&settings, &nested(1)).0, "/0");
    // Explained, this would take longer than anybody waits.
    assert_eq!(misshapen(&settings, &nested(60)).0, "");
    // Others are explained at any depth.
    let list = json!({"type": "array", "items": {"$ref": "#/$defs/name"}});
    let defs = json!({"name": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "names": list});
    let plain = json!({"$defs": defs, "items": {"items": {"items": {"items": {"$ref": "#/$defs/names"}}}}});
    assert_eq!(misshapen(&with_schema(&plain), r#"[[[[["a",7]]]]]"#).0, "/0/0/0/0/1");
}

#[test]
fn numbers_of_arguments_are_limited() {
    let settings = EventSettings { max_arguments: 2, ..EventSettings::new("e") };
    assert!(apply(&settings, "[1,2]").is_ok());
    let (code, path, message) = apply(&settings, "[1,2,3]").unwrap_err();
    assert_eq!((code, path.as_str()), (Code::InvalidArguments, "none"));
    assert_eq!(message, "the event has 3 arguments, its rule allows 2");
}

#[test]
fn schemas_that_cannot_work_are_found_when_they_are_compiled() {
    let wrong = |text: &str| {
        let settings = EventSettings { schema: text.into(), ..EventSettings::new("e") };
        let found = problems(&settings);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].key, "schema");
        found[0].message.clone()
    };
    assert!(wrong("{").contains("is no JSON"));
    assert!(wrong(r#"{"type":"text"}"#).contains("/type"));
    assert!(wrong(r#"{"properties":{"a":{"minLength":-1}}}"#).contains("/properties/a/minLength"));
    for away in [
        r#"{"$ref":"https://schemas.example/a.json"}"#,
        r#"{"items":{"$ref":"file:///etc/passwd"}}"#,
        r#"{"$ref":"other.json"}"#,
        r##"{"$ref":"#/$defs/nothing"}"##,
    ] {
        let message = wrong(away);
        assert!(message.contains("leads nowhere, or out of the schema"), "{message}");
    }
    // No engine that goes back and forth.
    assert!(wrong(r#"{"pattern":"(a)\\1"}"#).contains("pattern"));
    assert!(wrong(r#"{"pattern":"(?=a)"}"#).contains("pattern"));
    wrong(r#"{"$schema":"https://schemas.example/dialect"}"#);
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        json!({"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}]}),
        json!({"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}, "not": {"$dynamicRef": "#n"}}),
    ] {
        let settings = with_schema(&schema);
        if problems(&settings).is_empty() {
            let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
            let _ = apply(&settings, &deep);
        }
    }
    // Older drafts, too.
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]});
    assert_eq!(misshapen(&with_schema(&old), "[1]").0, "/0");
}
