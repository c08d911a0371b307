//! Access scripts are not called yet: what they would decide about is closed, never open.

use integration::{Httpd, Mode, Subject};

const APP: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";

#[test]
fn access_script_closes_its_scope() {
    if Subject::skips("access scripts are called there") {
        return;
    }
    let directives = "<Location /closed>\nWSGIAccessScript @ROOT@/app/access.py\n</Location>";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .directives(directives)
        .file("access.py", "def allow_access(environ, host):\n    return True\n")
        .expect_log("WSGI0057")
        .expect_log("requests in its scope are refused")
        .start();
    assert_eq!(server.get("/closed/x").status, 403);
    assert_eq!(server.get("/open").ok().text(), "x");
}
