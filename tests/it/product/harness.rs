//! The harness itself: it must notice what it promises to notice.

use integration::{Httpd, Mode};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the harness says when the server is stopped.
fn verdict(server: Httpd) -> String {
    match catch_unwind(AssertUnwindSafe(|| server.stop())) {
        Ok(()) => "content".to_owned(),
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}

fn running(body: &str) -> Httpd {
    let app = format!(
        "import os, subprocess, sys\ndef application(environ, start_response):\n    {body}\n    \
         start_response('200 OK', [])\n    return [b'x']\n"
    );
    let server = Httpd::builder().mode(Mode::Daemon).app(&app).start();
    server.get("/").ok();
    server
}

#[test]
fn is_content_with_a_clean_server() {
    assert_eq!(verdict(running("pass")), "content");
}

#[test]
fn notices_an_unexpected_error_line() {
    let text = verdict(running("print('surprise', file=sys.stderr)"));
    assert!(text.contains("an unexpected line in the error log") && text.contains("surprise"), "{text}");
}

#[test]
fn notices_a_process_that_outlives_httpd() {
    let text = verdict(running("subprocess.Popen(['/bin/sleep', '30'], start_new_session=True)"));
    assert!(text.contains("outlived httpd: /bin/sleep 30"), "{text}");
}

#[test]
fn notices_a_socket_and_shared_memory() {
    let folder = "os.environ['MOD_WSGI_TEST_FOLDER']";
    let body = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind({folder} + '/left.sock'); \
         open('/dev/shm/%s.left' % __file__.split('/')[3], 'w').close()"
    );
    let app = format!(
        "import os\nos.environ['MOD_WSGI_TEST_FOLDER'] = os.path.dirname(__file__) + '/data'\n\
         def application(environ, start_response):\n    {body}\n    start_response('200 OK', [])\n    return [b'x']\n"
    );
    let server = Httpd::builder().mode(Mode::Daemon).app(&app).writable("data").start();
    server.get("/").ok();
    let name = server.root().file_name().expect("below /var/tmp").to_string_lossy().into_owned();
    // Named after the server, so that it is no other test's.
    let left = format!("/dev/shm/{name}.left");
    let text = verdict(server);
    let _ = std::fs::remove_file(&left); // absent when the request failed
    assert!(text.contains("left behind: ") && text.contains("/app/data/left.sock"), "{text}");
    assert!(text.contains(&format!("shared memory left behind: {left}")), "{text}");
}
