//! What the built files are: symbols, libraries, and the memory of httpd's children.

use integration::{Httpd, Mode, PythonHome, SeenProcess, Subject, pythons, workspace};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Generated from libpython3.9 by `nm`, for machines that have no Python 3.9.
const ABI_3_9: &str = include_str!("../../data/cpython-3.9-abi.txt");

fn module() -> PathBuf {
    std::env::var_os("MOD_WSGI_SO").map_or_else(|| workspace().join("build/lib/mod_wsgi.so"), PathBuf::from)
}

fn host() -> PathBuf {
    module().with_file_name("mod_wsgi").join("python-host.abi3.so")
}

/// The names that `nm -D <option>` lists, without versions.
fn symbols(file: &Path, option: &str) -> BTreeSet<String> {
    let output = Command::new("nm").args(["-D", option]).arg(file).output().expect("nm: run `make setup`");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split_whitespace().last()?.split('@').next());
    names.map(str::to_owned).collect()
}

#[test]
fn module_links_no_python() {
    if Subject::skips("it links libpython") {
        return;
    }
    let output = Command::new("ldd").arg(module()).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !text.contains("python"), "{text}");
    let python: Vec<String> =
        symbols(&module(), "--undefined-only").into_iter().filter(|s| is_python(s)).collect();
    assert!(python.is_empty(), "{python:?}");
}

/// httpd loads modules with RTLD_GLOBAL: whatever they export is in everybody's way.
#[test]
fn module_exports_one_symbol() {
    if Subject::skips("it exports more") {
        return;
    }
    assert_eq!(symbols(&module(), "--defined-only"), BTreeSet::from(["wsgi_module".to_owned()]));
}

#[test]
fn host_needs_nothing_that_cpython_3_9_lacks() {
    if Subject::skips("it is built for one version of Python") {
        return;
    }
    let found = pythons().iter().find(|python| python.minor() == (3, 9)).and_then(libpython);
    let exported = match &found {
        Some(library) => symbols(library, "--defined-only"),
        None => ABI_3_9.lines().map(str::to_owned).collect(),
    };
    let needed: BTreeSet<String> =
        symbols(&host(), "--undefined-only").into_iter().filter(|s| is_python(s)).collect();
    assert!(!needed.is_empty(), "the host calls Python");
    let lacking: Vec<&String> = needed.difference(&exported).collect();
    assert!(lacking.is_empty(), "not in CPython 3.9: {lacking:?}");
}

#[test]
fn committed_list_is_that_of_libpython_3_9() {
    let Some(library) = pythons().iter().find(|python| python.minor() == (3, 9)).and_then(libpython) else {
        println!("skipped: this machine has no libpython3.9");
        return;
    };
    let listed: BTreeSet<String> = ABI_3_9.lines().map(str::to_owned).collect();
    let exported: BTreeSet<String> =
        symbols(&library, "--defined-only").into_iter().filter(|s| is_python(s)).collect();
    assert_eq!(listed, exported);
}

/// Reads its input, says how much that was, and answers with as many bytes as asked for.
const ECHO_LENGTHS: &str = r#"
import os

def application(environ, start_response):
    read = len(environ["wsgi.input"].read())
    wanted = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Length", str(wanted)), ("X-Read", str(read)), ("X-Pid", str(os.getpid()))])
    return [b"x" * wanted]
"#;

#[test]
fn children_of_a_daemon_only_server_are_as_small_as_plain_ones() {
    if Subject::skips("each child maps libpython") {
        return;
    }
    let hello = include_str!("../../apps/hello.py");
    let plain = Httpd::builder().without_module().log_level("warn").document("index.html", "plain").start();
    let ours = Httpd::builder().mode(Mode::Daemon).app(hello).start();
    for _ in 0..30 {
        plain.get("/index.html").ok();
        ours.get("/").ok();
    }
    let plain_size = plain.children().iter().map(|child| child.memory("Pss")).max().expect("a child");
    for child in children_proper(&ours) {
        assert!(!child.maps().contains("libpython"), "{child:?} maps libpython");
        assert!(!child.maps().contains("python-host"), "{child:?} maps the host");
        let size = child.memory("Pss");
        assert!(size < plain_size + 1024, "{size} KiB; a plain child has {plain_size} KiB");
    }
    let parent = SeenProcess::of(ours.pid()).expect("the parent lives");
    assert!(!parent.maps().contains("libpython"), "the parent maps libpython");
}

/// 1 MiB each way in sixteen threads: of what daemons send little stays, of request bodies what httpd itself keeps of its
/// own buffers (docs/dev/performance.md).
#[test]
fn what_passes_through_a_child_does_not_stay_in_it() {
    const BODY: usize = 1 << 20;
    let one_child = "ServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n";
    let server = Httpd::builder().mode(Mode::Daemon).app(ECHO_LENGTHS).directives(one_child).start();
    let daemon = server.request("POST", "/?0").send().header("X-Pid").map(str::to_owned);
    let is_daemon = |process: &&SeenProcess| daemon == Some(process.pid.to_string());
    let exchange = |sent: usize, wanted: usize| {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        let request = server.request("POST", &format!("/?{wanted}")).body(vec![b'x'; sent]);
                        // With all threads busy httpd closes connections that are kept for later.
                        let answer = request.header("Connection", "close").send();
                        let read = answer.header("X-Read").map(str::to_owned);
                        assert_eq!((read, answer.body.len()), (Some(sent.to_string()), wanted));
                    }
                });
            }
        });
        let children = children_proper(&server);
        children
            .iter()
            .filter(|child| !is_daemon(child))
            .map(|child| child.memory("Private_Dirty"))
            .sum::<u64>()
    };
    let small = exchange(1, 1);
    let after_responses = exchange(1, BODY);
    assert!(after_responses < small + 1024, "{small} KiB, after large responses {after_responses}");
    let after_uploads = exchange(BODY, 1);
    assert!(after_uploads < small + 2560, "{small} KiB, after uploads {after_uploads}");
}

/// Headers of one name are joined: once, and not anew for each of them.
#[test]
fn many_headers_of_one_name_need_little_memory() {
    let source = "def application(environ, start_response):
    count, length = map(int, environ['QUERY_STRING'].split(','))
    start_response('200 OK', [('X-Same', 'v' * length)] * count)
    return [b'x']\n";
    let one_child = "ServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n";
    let server =
        Httpd::builder().mode(Mode::Daemon).app(source).directives(one_child).allow_log("WSGI0144").start();
    let peak = || children_proper(&server).iter().map(peak_memory).max().unwrap_or(0);
    let ask = |query: &str| {
        let mut wire = server.connect();
        wire.send(format!("GET /?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        wire.read_to_end().len()
    };
    assert!(ask("1,1") > 0);
    let before = peak();
    assert!((800_000..1_000_000).contains(&ask("4000,200")));
    // More than a child of ours takes in at all.
    let large = ask("4000,500");
    assert!(if Subject::is_ours() { large < 2000 } else { large > 2_000_000 }, "{large}");
    let grown = peak() - before;
    assert!(grown < 64 * 1024, "{before} KiB, and {grown} more");
}

/// The most memory a process ever had, KiB.
fn peak_memory(process: &SeenProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn embedded_mode_opens_python_in_children_only() {
    if Subject::skips("the parent maps libpython as well") {
        return;
    }
    let ours = Httpd::builder().mode(Mode::Embedded).app(include_str!("../../apps/hello.py")).start();
    ours.get("/").ok();
    assert!(children_proper(&ours).iter().any(|child| child.maps().contains("libpython")));
    assert!(!SeenProcess::of(ours.pid()).expect("the parent lives").maps().contains("libpython"));
}

/// Children that serve requests: the supervisor is a child of the parent as well, but another program.
fn children_proper(server: &Httpd) -> Vec<SeenProcess> {
    let children = server.children();
    assert!(!children.is_empty());
    children
}

fn libpython(python: &PythonHome) -> Option<PathBuf> {
    let (major, minor) = python.minor();
    let path = python.base.join(format!("lib/libpython{major}.{minor}.so.1.0"));
    path.exists().then_some(path)
}

fn is_python(symbol: &str) -> bool {
    symbol.starts_with("Py") || symbol.starts_with("_Py")
}
