//! How namespaces find out who their clients are.

use super::Report;
use crate::config::{Expire, IdentityKind, IdentitySettings, JwtSettings, TokenFrom, WebhookSettings};
use crate::identity::{TokenPlace, problems};

pub(super) fn validate(identity: &IdentitySettings, table: &str, report: &mut Report<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    for wrong in problems(identity) {
        report.add(&key(wrong.key), wrong.message, "see docs/identity.md");
    }
    if identity.token_name.is_empty() {
        report.add(&key("token_name"), "must not be empty", "the name of the field, header or cookie");
    } else if identity.token_from == TokenFrom::Header && TokenPlace::new(identity).is_none() {
        let message = format!("`{}` is no header name", identity.token_name);
        report.add(&key("token_name"), message, "such as `authorization`");
    }
    if identity.expire == Expire::Refresh {
        report.at_least_one(&key("expire_warning_ms"), identity.expire_warning_ms);
    }
    // Who wrote it believes that it protects something.
    if identity.kind != IdentityKind::Jwt && identity.jwt != JwtSettings::default() {
        report.add(&key("jwt"), "has no effect", "set `kind = \"jwt\"`, or leave it out");
    }
    if identity.kind != IdentityKind::Webhook && identity.webhook != WebhookSettings::default() {
        report.add(&key("webhook"), "has no effect", "set `kind = \"webhook\"`, or leave it out");
    }
}
