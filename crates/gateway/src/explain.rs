//! `roomcast rules explain`.

use std::process::ExitCode;

use roomcast::config::Settings;
use roomcast::rules::{self, Claims, Question};

use super::cli::Explain;
use super::{USAGE, complain, print};

pub(crate) fn run(asked: &Explain, settings: &Settings) -> ExitCode {
    match explained(asked, settings) {
        Ok((text, is_accepted)) => {
            print(&text);
            if is_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn explained(asked: &Explain, settings: &Settings) -> Result<(String, bool), String> {
    let mut namespaces = settings.namespaces.iter();
    let namespace = namespaces.find(|namespace| namespace.path == asked.namespace).ok_or_else(|| {
        let paths: Vec<_> = settings.namespaces.iter().map(|namespace| namespace.path.as_str()).collect();
        format!("there is no namespace `{}`; there are {}", asked.namespace, paths.join(", "))
    })?;
    let claims = match &asked.claims {
        None => None,
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            let claims = serde_json::from_str::<Claims>(&text);
            Some(claims.map_err(|error| format!("{} has no claims: {error}", file.display()))?)
        }
    };
    if let Some(arguments) = &asked.arguments
        && let Err(error) = serde_json::from_str::<Vec<serde_json::Value>>(arguments)
    {
        return Err(format!("--arguments is no JSON array: {error}"));
    }
    let question = Question {
        event: &asked.event,
        claims: claims.as_ref(),
        room: asked.room.as_deref(),
        is_member: asked.member,
        arguments: asked.arguments.as_deref(),
    };
    let explanation = rules::explain(namespace, question).map_err(|error| error.to_string())?;
    let head = format!("namespace {}, event {}\n", asked.namespace, asked.event);
    Ok((format!("{head}{explanation}"), explanation.refused.is_none()))
}
