//! Daemons of every Python.

use crate::process::{Daemon, Folder, launch};
use crate::pythons;
use crate::wire::Get;

const HELLO: &str = "
def application(environ, start_response):
    body = b'Hello, world!\\n'
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
";

#[test]
fn says_hello() {
    for python in pythons::all() {
        let folder = Folder::new(&format!("hello-{}", python.minor));
        let script = folder.write("hello.wsgi", HELLO);
        let daemon = Daemon::serving(&python, &launch());
        let mut connection = daemon.connect();
        let answer = connection.run(&Get::new(&script)).ok();
        assert_eq!(answer.text(), "Hello, world!\n");
        let answer = connection.run(&Get::new(&script)).ok();
        assert_eq!(answer.reads, 1, "head, body and end leave in one write");
        drop(connection);
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{python:?}: {log}");
    }
}
