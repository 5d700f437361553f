//! Where spans go.

use super::{MOST, Report};
use crate::config::TelemetrySettings;
use crate::telemetry::collector;

/// `can_send`: whether the program was built with what sends spans.
pub(super) fn validate(settings: &TelemetrySettings, can_send: bool, report: &mut Report<'_>) {
    if settings.sample_per_million > 1_000_000 {
        report.add("telemetry.sample_per_million", "is more than a million", "1000000 are all of them");
    }
    report.at_least_one("telemetry.timeout_ms", settings.timeout_ms);
    if settings.timeout_ms > MOST {
        report.add("telemetry.timeout_ms", format!("must not be more than {MOST}"), "it is milliseconds");
    }
    let endpoint = "telemetry.otlp_endpoint";
    if settings.otlp_endpoint.is_empty() {
        return;
    }
    if let Err(reason) = collector(&settings.otlp_endpoint) {
        report.add(endpoint, reason, "such as `http://127.0.0.1:4318`; see docs/telemetry.md");
    }
    if !can_send {
        let hint = "build one with `cargo build --release --features otel`; see docs/telemetry.md";
        report.add(endpoint, "cannot be used: this program was built without telemetry", hint);
    }
    if settings.service_name.is_empty() {
        report.add("telemetry.service_name", "must not be empty", "`roomcast` is the default");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn problems(settings: &TelemetrySettings, can_send: bool) -> Vec<(String, String)> {
        let (sources, mut problems) = (BTreeMap::new(), Vec::new());
        validate(settings, can_send, &mut Report { sources: &sources, problems: &mut problems });
        problems.into_iter().map(|problem| (problem.key, problem.message)).collect()
    }

    #[test]
    fn a_collector_needs_a_program_that_can_send() {
        let off = TelemetrySettings::default();
        assert_eq!(problems(&off, false), []);
        let on = TelemetrySettings { otlp_endpoint: "http://127.0.0.1:4318".into(), ..off };
        assert_eq!(problems(&on, true), []);
        let without = problems(&on, false);
        assert_eq!((without.len(), without[0].0.as_str()), (1, "telemetry.otlp_endpoint"));
        assert!(without[0].1.contains("without telemetry"), "{without:?}");
    }

    #[test]
    fn each_key_is_checked_and_a_password_is_not_repeated() {
        let wrong = TelemetrySettings {
            otlp_endpoint: "http://ann:hush@collector".into(),
            sample_per_million: 1_000_001,
            service_name: String::new(),
            timeout_ms: 0,
        };
        let problems = problems(&wrong, true);
        let keys: Vec<_> = problems.iter().map(|(key, _)| key.trim_start_matches("telemetry.")).collect();
        assert_eq!(keys, ["sample_per_million", "timeout_ms", "otlp_endpoint", "service_name"]);
        assert!(!format!("{problems:?}").contains("hush"), "{problems:?}");
    }
}
