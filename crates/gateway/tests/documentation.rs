//! What is written from the code is what `docs/` says. To renew it: `ROOMCAST_WRITE_DOCS=1 cargo test -p roomcast
//! --test documentation`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

#[test]
fn generated_documentation_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, text) in [
        ("config.md", roomcast::config::reference()),
        ("codes.md", roomcast::docs::codes()),
        ("metrics.md", roomcast::docs::metrics()),
        ("roomcast.toml", roomcast::config::sample()),
    ] {
        let path = folder.join(name);
        if std::env::var_os("ROOMCAST_WRITE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "docs/{name} is not current; the head of this test tells how to renew it");
    }
}
