//! The committed list of messages is what the error map renders (UPDATE_DOCS=1 rewrites it), and the keys of the environ that are
//! ours are written down.

use std::path::Path;
use wsgi_protocol::keys::{HOST_KEYS, KNOWN_KEYS};

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

/// A key that the original does not have is a difference.
#[test]
fn keys_are_those_of_the_original_or_a_difference() {
    let read = |file: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file)).unwrap()
    };
    let documents = read("dev/spec/behaviour.md") + &read("differences.md");
    for key in KNOWN_KEYS.iter().chain(&HOST_KEYS).filter(|key| key.starts_with("mod_wsgi.")) {
        assert!(documents.contains(&format!("`{key}`")), "{key} is not in docs/differences.md");
    }
}
