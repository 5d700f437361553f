//! What events may look like.

use roomcast_adapter::wire::MAX_DEPTH;

use super::Report;
use crate::config::{EventSettings, Publish};
use crate::rules::shape_problems;

pub(super) fn validate(event: &EventSettings, key: &impl Fn(&str) -> String, report: &mut Report<'_>) {
    report.at_least_one(&key("max_depth"), event.max_depth as u64);
    if event.max_depth > MAX_DEPTH {
        let message = format!("must not be more than {MAX_DEPTH}");
        report.add(&key("max_depth"), message, "deeper arguments do not get from node to node");
    }
    for wrong in shape_problems(event) {
        report.add(&key(&wrong.key), wrong.message, "see docs/shape.md");
    }
    // Who wrote it believes that it protects something.
    if event.publish == Publish::Server {
        let schema = [("schema", &event.schema), ("schema_file", &event.schema_file)];
        let schema = schema.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        for name in schema.chain((!event.text.is_empty()).then_some("text")) {
            let message = "has no effect: what servers send is not checked";
            report.add(&key(name), message, "leave it out where `publish = \"server\"`");
        }
    }
}
