//! A host behind a balancer: refusals say that nothing has run, and httpd's mod_proxy_balancer never has a POST run twice.

use crate::asking::load;
use crate::operators::control::done;
use crate::product::examples::example;
use integration::{Apache, Httpd, HttpdBuilder, Mode, Response, Subject, eventually, unused_port, workspace};
use std::path::Path;
use std::process::Command;

/// Notes each request in a file before it does anything else.
const APP: &str = r#"
import os
LOG = os.path.join(os.path.dirname(__file__), 'notes', 'ran')
def application(environ, start_response):
    with open(LOG, 'a') as log:
        log.write(environ['REQUEST_METHOD'] + ' ' + environ['QUERY_STRING'] + '\n')
    environ['wsgi.input'].read()
    if environ['QUERY_STRING'] == 'die':
        os._exit(3)
    if environ['QUERY_STRING'] == 'own':
        start_response('503 Busy', [('mod-wsgi-not-run', '1'), ('Retry-After', '7'), ('Content-Length', '4')])
        return [b'busy']
    if environ['QUERY_STRING'] == 'elsewhere':
        start_response('200 OK', [('Location', '/other/'), ('Content-Length', '0')])
        return []
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
"#;

const NO_CTL: &str = "there is no mod_wsgi-ctl";
const NOT_RUN: &str = "Mod-WSGI-Not-Run";

fn host() -> HttpdBuilder {
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).writable("notes");
    server.daemon_options("processes=1 threads=2")
}

/// How often the application has run.
fn runs(host: &Httpd) -> usize {
    std::fs::read_to_string(host.root().join("app/notes/ran")).map_or(0, |text| text.lines().count())
}

#[test]
fn refusals_say_that_nothing_has_run() {
    if Subject::skips(NO_CTL) {
        return;
    }
    let server = host()
        .expect_log("it has been stopped; 'mod_wsgi-ctl start")
        .expect_log("died before it had answered")
        .allow_log("has died")
        .start();
    let told = |answer: &Response| {
        (answer.status, answer.header("Retry-After").map(str::to_owned), answer.header(NOT_RUN).is_some())
    };
    assert_eq!(told(&server.get("/")), (200, None, false));
    assert_eq!(
        told(&server.get("/?own")),
        (503, Some("7".to_owned()), false),
        "an application cannot say so"
    );
    assert_eq!(told(&server.get("/?die")), (502, None, false), "it has run");
    done(&server, &["stop", "app"]);
    assert_eq!(told(&server.get("/")), (503, Some("1".to_owned()), true));
    assert_eq!(told(&server.request("POST", "/").body("x").send()), (503, Some("1".to_owned()), true));
    assert_eq!(runs(&server), 3);
}

/// One application answers by a redirect within httpd to another, which is stopped: something has run, and nobody says otherwise.
#[test]
fn refusals_behind_a_redirect_do_not_say_so() {
    if Subject::skips(NO_CTL) {
        return;
    }
    let server = host()
        .directives("WSGIDaemonProcess other\n<Location /other>\nWSGIProcessGroup other\n</Location>")
        .expect_log("it has been stopped; 'mod_wsgi-ctl start")
        .start();
    done(&server, &["stop", "other"]);
    let answer = server.request("POST", "/?elsewhere").body("x").send();
    assert_eq!((answer.status, answer.header(NOT_RUN)), (503, None));
    assert_eq!(runs(&server), 1);
}

/// A front that sends requests to hosts on these ports in turn.
fn front(ports: &[u16]) -> Httpd {
    let modules = &Apache::installed().modules;
    let names = ["proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests"];
    let loads = names.map(|name| {
        format!(
            "<IfModule !{name}_module>\nLoadModule {name}_module {}/mod_{name}.so\n</IfModule>\n",
            modules.display()
        )
    });
    let members = ports.iter().map(|port| {
        format!("BalancerMember http://127.0.0.1:{port} connectiontimeout=1 timeout=60 retry=0\n")
    });
    let balancer = format!(
        "<Proxy balancer://app>\n{}ProxySet maxattempts=3\n</Proxy>\nProxyPass / balancer://app/\n",
        members.collect::<String>()
    );
    let server = Httpd::builder().without_module().directives(&loads.concat()).directives(&balancer);
    server.log_level("crit").start()
}

/// A front that speaks HTTP/2 with its host: it does not always end the stream of a GET with the headers.
#[test]
fn http2_between_front_and_host() {
    let modules = &Apache::installed().modules;
    if !modules.join("mod_proxy_http2.so").exists() {
        println!("skipped: this httpd has no mod_proxy_http2");
        return;
    }
    if Subject::skips("one GET in ten gets 411") {
        return;
    }
    let host = host().directives(&load(&["http2"])).directives("Protocols h2c http/1.1").start();
    let pass = format!("ProxyPass / h2c://127.0.0.1:{}\n", host.port());
    let front = Httpd::builder().without_module().directives(&load(&["proxy", "http2", "proxy_http2"]));
    let front = front.directives(&pass).log_level("crit").start();
    for _ in 0..200 {
        assert_eq!(front.get("/").ok().text(), "ok");
    }
    assert!(posts(&front, "", 20).iter().all(|answer| answer.status == 200));
    assert_eq!(runs(&host), 220);
}

/// Sends so many POSTs of one kind through the front; returns the answers.
fn posts(front: &Httpd, query: &str, count: usize) -> Vec<Response> {
    (0..count).map(|_| front.request("POST", &format!("/{query}")).body([b'x'; 100]).send()).collect()
}

#[test]
fn a_balancer_never_has_a_post_run_twice() {
    if Subject::skips(NO_CTL) {
        return;
    }
    let refusing = host()
        .allow_log("it has been stopped; 'mod_wsgi-ctl start")
        .allow_log("died before it had answered")
        .allow_log("has died")
        .start();
    let serving = host().allow_log("died before it had answered").allow_log("has died").start();
    // The third one is gone: what it does not accept goes to the others.
    let front = front(&[refusing.port(), serving.port(), unused_port()]);
    let both = || runs(&refusing) + runs(&serving);
    let with = |answers: &[Response], status: u16| answers.iter().filter(|one| one.status == status).count();
    assert_eq!(with(&posts(&front, "", 6), 200), 6);
    assert_eq!(both(), 6);
    assert!(runs(&refusing) > 0 && runs(&serving) > 0, "both get requests");
    // Answers of an application, and the death of its process, are final.
    assert_eq!(with(&posts(&front, "?own", 6), 503), 6);
    assert_eq!(both(), 12);
    assert_eq!(with(&posts(&front, "?die", 4), 502), 4);
    assert_eq!(both(), 16);
    // A refusal is told to the client, and can be told from an answer of the application.
    done(&refusing, &["stop", "app"]);
    let (before, answers) = (both(), posts(&front, "", 6));
    let refused: Vec<&Response> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && refused.iter().all(|answer| answer.header(NOT_RUN).is_some()));
    assert_eq!(refused.len() + with(&answers, 200), 6);
    assert_eq!(both() - before, with(&answers, 200));
}

#[test]
fn kubernetes_example() {
    if Subject::skips("processes=auto is ours") {
        return;
    }
    let server = example("kubernetes", "httpd.conf", &[("Listen 8080", Path::new("# another port"))])
        .expect_log("it has been stopped; 'mod_wsgi-ctl start")
        .start();
    assert!(server.get("/").ok().text().starts_with("pod "));
    eventually("it is ready", || (server.get("/wsgi-health").status == 200).then_some(()));
    let status = server.get("/wsgi-status?format=json&group=app").json();
    let cpus = std::thread::available_parallelism().expect("Linux tells").get();
    assert_eq!(status["groups"][0]["config"]["processes"], cpus);
    done(&server, &["stop", "app"]);
    assert_eq!(server.get("/").status, 503);
    let code = |query: &str| server.get(&format!("/wsgi-health{query}")).status;
    assert_eq!((code(""), code("?check=live")), (503, 200), "a drain is no reason to kill the pod");
}

/// The manifests fit the published schemas.
#[test]
fn manifests_are_valid() {
    let folder = workspace().join("tests/apps/manifests");
    let output = Command::new(workspace().join("scripts/venv.sh")).arg(&folder).output().expect("venv.sh");
    let venv = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let check = |path: &Path| {
        let program = Path::new(&venv).join("bin/python");
        let output =
            Command::new(program).arg(folder.join("check.py")).arg(path).output().expect("Python runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    for name in ["deployment", "service", "disruption", "autoscaler"] {
        let (valid, said) = check(&workspace().join(format!("examples/kubernetes/{name}.yaml")));
        assert!(valid, "{name}: {said}");
    }
    let (valid, _) = check(&workspace().join("examples/kubernetes/adapter-rule.yaml"));
    assert!(!valid, "it finds what is no manifest");
}
