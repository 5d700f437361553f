//! What the rules would say, and why: for `roomcast rules explain`.

use std::fmt;

use serde_json::value::RawValue;

use super::permit::Asker;
use super::{BUILT_IN, Claims, Refusal, Rule, Rules, RulesError, patterns, room};
use crate::codes::Code;
use crate::config::{
    EventSettings, IdentityKind, LimitAction, LimitSettings, NamespaceSettings, Per, Publish, Scope, To,
};
use crate::metrics::NamespaceMetrics;

/// An event that somebody would send.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// Its name.
    pub event: &'a str,
    /// The claims of who sends it; `None` for somebody who is not known.
    pub claims: Option<&'a Claims>,
    /// The room that it is for; `None` if it does not matter.
    pub room: Option<&'a str>,
    /// Who sends it has joined that room.
    pub is_member: bool,
    /// The arguments behind the room, as the JSON text of an array; `None` if they do not matter.
    pub arguments: Option<&'a str>,
}

/// What would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was looked at, in the order of the node.
    pub steps: Vec<Step>,
    /// The code of the refusal, if it is refused.
    pub refused: Option<Code>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it says.
    pub answer: Answer,
    /// What was looked at, and what came of it.
    pub reason: String,
}

/// What one step says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing speaks against the event.
    Yes,
    /// It is refused.
    No,
    /// That depends on what was not told.
    Depends,
    /// Good to know.
    Note,
}

/// What a namespace of these settings would say to an event, as a node does: by the same code.
///
/// # Errors
/// [`RulesError`] for rules that make no sense.
pub fn explain(namespace: &NamespaceSettings, question: Question<'_>) -> Result<Explanation, RulesError> {
    let rules = Rules::new("", namespace, None, &NamespaceMetrics::unregistered(&namespace.path), None)?;
    let asks_for_identity = namespace.identity.kind != IdentityKind::None;
    let claims = question.claims.filter(|_| asks_for_identity);
    let mut teller = Teller { rules: &rules, question: Question { claims, ..question }, steps: Vec::new() };
    if question.claims.is_some() && !asks_for_identity {
        teller.add(Answer::Note, "the namespace does not ask who clients are: claims mean nothing".into());
    }
    if asks_for_identity && claims.is_none() {
        let reason = "the namespace asks who clients are; nobody without claims gets this far";
        teller.add(Answer::Depends, reason.into());
    }
    let refused = teller.tell().err();
    if let Some(refusal) = &refused {
        teller.add(Answer::No, format!("{}: {}", refusal.code, refusal.message));
    }
    Ok(Explanation { steps: teller.steps, refused: refused.map(|refusal| refusal.code) })
}

struct Teller<'a> {
    rules: &'a Rules,
    question: Question<'a>,
    steps: Vec<Step>,
}

impl<'a> Teller<'a> {
    fn add(&mut self, answer: Answer, reason: String) {
        self.steps.push(Step { answer, reason });
    }

    fn tell(&mut self) -> Result<(), Refusal> {
        let rules = self.rules;
        let limits = rules.limits.of(self.question.event);
        let limits: Vec<_> = limits.map(|limit| described(limit.settings())).collect();
        if limits.is_empty() {
            self.add(Answer::Note, "no limit counts it".into());
        }
        for limit in limits {
            self.add(Answer::Depends, limit);
        }
        if let Some(rule) = rules.events.get(self.question.event) {
            return self.relayed(rule);
        }
        if !BUILT_IN.contains(&self.question.event) {
            return Err(Refusal::new(Code::UnknownEvent, "this namespace has no rule for the event"));
        }
        self.add(Answer::Yes, format!("`{}` is built in", self.question.event));
        match self.question.event {
            "join" => self.joined(),
            "refresh" if rules.settings.identity.kind == IdentityKind::None => {
                Err(Refusal::new(Code::UnknownEvent, "this namespace asks for no identity"))
            }
            "presence" => self.presence(),
            "leave" => match self.question.room {
                Some(room) if !self.is_in(room) => {
                    room::check(room)?;
                    rules.may_join(room, self.question.claims)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether the client has joined the room, or is in it from the beginning.
    fn is_in(&self, room: &str) -> bool {
        let mut patterns = self.rules.auto_join.iter();
        self.question.is_member || patterns.any(|pattern| pattern.matches(room, self.question.claims))
    }

    fn presence(&mut self) -> Result<(), Refusal> {
        let rooms = &self.rules.settings.presence.rooms;
        if rooms.is_empty() {
            return Err(Refusal::new(Code::UnknownEvent, "this namespace shows nobody who is in a room"));
        }
        let Some(room) = self.question.room else {
            let reason = format!("not_in_room, or no_presence if the room is none of {}", rooms.join(", "));
            self.add(Answer::Depends, reason);
            return Ok(());
        };
        room::check(room)?;
        if !self.is_in(room) {
            return Err(Refusal::new(Code::NotInRoom, "join the room before asking who is there"));
        }
        if !patterns(rooms).is_ok_and(|rooms| rooms.iter().any(|pattern| pattern.matches(room, None))) {
            return Err(Refusal::new(Code::NoPresence, "nobody is shown to be in this room"));
        }
        self.add(Answer::Yes, format!("members of `{room}` are shown"));
        Ok(())
    }

    fn joined(&mut self) -> Result<(), Refusal> {
        let rules = self.rules;
        let claims = self.question.claims;
        let Some(room) = self.question.room else {
            let rooms: Vec<_> = rules.rooms.iter().flat_map(|pattern| pattern.described(claims)).collect();
            let rooms = if rooms.is_empty() { "none".into() } else { rooms.join(", ") };
            self.add(Answer::Depends, format!("rooms that the client may join: {rooms}"));
            return Ok(());
        };
        room::check(room)?;
        rules.may_join(room, claims)?;
        self.add(Answer::Yes, format!("`rooms` allows `{room}`"));
        let most = rules.settings.max_rooms_per_socket;
        self.add(Answer::Depends, format!("too_many_rooms, if the socket is in {most} rooms already"));
        Ok(())
    }

    fn relayed(&mut self, rule: &Rule) -> Result<(), Refusal> {
        let rules = self.rules;
        self.add(Answer::Yes, format!("the namespace has a rule for `{}`", rule.settings.name));
        rules.may_send(rule, self.question.claims)?;
        let roles = &rule.settings.roles;
        let role = if roles.is_empty() { "no role is needed" } else { "the client has one of its roles" };
        self.add(Answer::Yes, role.into());
        let parts = self.arguments(rule)?;
        self.receivers(rule)?;
        if let Some(parts) = parts {
            match rule.shape.apply(&parts)? {
                Some(changed) => {
                    self.add(Answer::Note, format!("receivers get other arguments: [{changed}]"));
                }
                None => self.add(Answer::Yes, "its arguments have the shape that the rule asks for".into()),
            }
        }
        Ok(())
    }

    fn receivers(&mut self, rule: &Rule) -> Result<(), Refusal> {
        let rules = self.rules;
        match (rule.settings.to, self.question.room) {
            (To::Namespace, _) => self.add(Answer::Yes, "it goes to everybody else in the namespace".into()),
            (To::Room, Some(room)) => {
                room::check(room)?;
                let is_member = self.is_in(room);
                let asker = Asker { claims: self.question.claims, is_in: &|_| is_member };
                rules.may_send_to(rule, room, &asker)?;
                self.add(Answer::Yes, format!("it goes to the other members of `{room}`"));
            }
            (To::Room, None) => {
                let who = match rule.settings.publish {
                    Publish::Anyone => "clients may send it to every room that `rooms` allows them",
                    Publish::Members | Publish::Server => {
                        "clients may send it to the rooms that they have joined"
                    }
                };
                self.add(Answer::Depends, who.into());
            }
        }
        Ok(())
    }

    /// Size and depth; the arguments, if they were told.
    fn arguments(&mut self, rule: &Rule) -> Result<Option<Vec<&'a RawValue>>, Refusal> {
        let EventSettings { max_payload_bytes, max_depth, max_arguments, .. } = rule.settings;
        let Some(arguments) = self.question.arguments else {
            let reason = format!("payload_too_large, if it has more than {max_payload_bytes} bytes");
            self.add(Answer::Depends, reason);
            let reason =
                format!("invalid_arguments, deeper than {max_depth} or more than {max_arguments} of them");
            self.add(Answer::Depends, reason);
            if rule.shape.asks_for_something() {
                self.add(Answer::Depends, "invalid_shape, by its schema or its rules for texts".into());
            }
            return Ok(None);
        };
        let parts: Vec<&RawValue> = serde_json::from_str(arguments)
            .map_err(|error| Refusal::new(Code::InvalidArguments, format!("malformed arguments: {error}")))?;
        let mut size = 2 + quoted(&rule.settings.name);
        size +=
            self.question.room.filter(|_| rule.settings.to == To::Room).map_or(0, |room| 1 + quoted(room));
        size += parts.iter().map(|part| 1 + part.get().len()).sum::<usize>();
        self.rules.may_have(rule, size, false)?;
        self.add(Answer::Yes, format!("its {size} bytes are within max_payload_bytes"));
        rule.may_nest(arguments)?;
        Ok(Some(parts))
    }
}

fn quoted(text: &str) -> usize {
    serde_json::Value::from(text).to_string().len()
}

fn described(limit: &LimitSettings) -> String {
    let LimitSettings { name, count, interval_ms, .. } = limit;
    let per = match limit.per {
        Per::Socket => "socket",
        Per::User => "user",
        Per::Address => "address",
    };
    let scope = match limit.scope {
        Scope::Node => "on each node",
        Scope::Cluster => "in the cluster",
    };
    let outcome = match limit.action {
        _ if limit.dry_run => "would exceed it, which is only counted (dry_run)",
        LimitAction::Reject => "is refused: rate_limited",
        LimitAction::Drop => "is dropped",
        LimitAction::Disconnect => "closes the connection: flood",
    };
    let burst = if limit.burst == 0 { *count } else { limit.burst };
    let weight = match limit.receivers_per_count {
        0 => String::new(),
        each => format!(", one for each {each} receivers"),
    };
    format!(
        "limit `{name}`: {count} in {interval_ms} ms for each {per} {scope}, {burst} at once{weight}; what is more {outcome}"
    )
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let answer = match step.answer {
                Answer::Yes => "yes",
                Answer::No => "no",
                Answer::Depends => "?",
                Answer::Note => "-",
            };
            writeln!(f, "  {answer:<4} {}", step.reason)?;
        }
        match self.refused {
            Some(code) => writeln!(f, "refused: {code}"),
            None => writeln!(f, "accepted, unless one of the lines with `?` says otherwise"),
        }
    }
}

#[cfg(test)]
mod tests;
