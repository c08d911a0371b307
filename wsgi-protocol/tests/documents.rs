//! The committed list of messages is what the error map renders; UPDATE_DOCS=1 rewrites it.

use std::path::Path;

#[test]
fn list_of_messages_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/messages.md");
    let rendered = wsgi_protocol::events::render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, rendered).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/messages.md is not what the table renders: run UPDATE_DOCS=1 cargo test -p wsgi-protocol"
    );
}
