//! The committed manual and sample configuration are what the tables render; UPDATE_DOCS=1 rewrites them.

use std::path::Path;
use wsgi_directives::DIRECTIVES;
use wsgi_directives::docs::options_of;

fn compare(file: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, rendered).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(rendered.lines()).position(|(old, new)| old != new);
    assert!(
        committed == rendered,
        "{file} is not what the tables render (line {}): run UPDATE_DOCS=1 cargo test -p wsgi-directives",
        differs.map_or_else(|| "at the end".into(), |line| (line + 1).to_string())
    );
}

#[test]
fn manual_is_current() {
    compare("docs/directives.md", &wsgi_directives::docs::render_manual());
}

#[test]
fn sample_is_current() {
    compare("conf/wsgi.conf", &wsgi_directives::docs::render_sample());
}

/// What the original does not have is a difference.
#[test]
fn what_is_new_is_a_difference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let document = std::fs::read_to_string(path).unwrap();
    for row in DIRECTIVES {
        let names = options_of(row.name).into_iter().filter(|option| option.since == "new");
        let names = names.map(|option| format!("`{}=", option.name));
        for name in names.chain((row.since == "new").then(|| format!("`{}", row.name))) {
            assert!(document.contains(&name), "{name}: of {} is not in docs/differences.md", row.name);
        }
    }
}
