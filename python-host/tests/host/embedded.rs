//! An httpd child in miniature: a process of its own opens libpython and the library as httpd does, and calls it through
//! the C table.

use crate::boundary::{self, LOG, TestRequest};
use crate::process::{ScriptFolder, launch, library};
use crate::pythons;
use crate::wire::GetRequest;
use std::ffi::{CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use wsgi_protocol::PROTOCOL_VERSION;
use wsgi_protocol::abi::{self, HostTable, HttpdTable};
use wsgi_protocol::call::{self, ScriptQuestion, ScriptVerdict};
use wsgi_protocol::launch::{self, HostMode, Launch, PythonSettings};

/// Names the libpython that the child process shall open.
const LIBRARY: &str = "WSGI_TEST_LIBPYTHON";
/// Its interpreter.
const PROGRAM: &str = "WSGI_TEST_PROGRAM";
/// The folder of scripts.
const FOLDER: &str = "WSGI_TEST_FOLDER";

#[test]
fn serves_in_every_python() {
    for python in pythons::all() {
        let Some(shared) = python.library() else { continue };
        let folder = ScriptFolder::new(&format!("embedded-{}", python.minor));
        let output = Command::new(std::env::current_exe().expect("a test has a path"))
            .args(["embedded::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(LIBRARY, &shared)
            .env(PROGRAM, &python.path)
            .env(FOLDER, folder.path())
            .env("WSGI_TEST_HOST", library())
            .output()
            .expect("the test runs itself");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("embedded: done"),
            "{python:?}: {}\n{text}",
            output.status
        );
    }
}

/// Does nothing unless [`serves_in_every_python`] started it.
#[test]
fn child() {
    if let Some(shared) = std::env::var_os(LIBRARY) {
        run_child(Path::new(&shared));
    }
}

static TABLE: HttpdTable = HttpdTable {
    version: PROTOCOL_VERSION,
    read_body: boundary::read_body,
    send_head: boundary::send_head,
    write: boundary::write,
    send_file: boundary::send_file,
    log: boundary::log,
    is_aborted: boundary::is_aborted,
    error_text: boundary::error_text,
    answer: boundary::answer,
    ssl_is_https: boundary::ssl_is_https,
    ssl_variable: boundary::ssl_variable,
    scoreboard: boundary::scoreboard,
};

fn open(path: &Path, flags: i32) -> *mut c_void {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: loading libraries that are meant for it.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    assert!(!handle.is_null(), "{}", path.display());
    handle
}

fn run(host: &HostTable, get: &GetRequest<'_>, mut handle: TestRequest) -> (i32, TestRequest) {
    let payload = get.payload();
    // SAFETY: both live until the call returns.
    let outcome = unsafe { (host.request)((&raw mut handle).cast(), payload.as_ptr(), payload.len()) };
    (outcome, handle)
}

fn run_child(shared: &Path) {
    open(shared, libc::RTLD_NOW | libc::RTLD_GLOBAL);
    let library = open(Path::new(&std::env::var_os("WSGI_TEST_HOST").unwrap()), libc::RTLD_NOW);
    // SAFETY: the symbol has the documented type; the table lives as long as the process.
    let host: &'static HostTable = unsafe {
        let entry = libc::dlsym(library, abi::ENTRY_SYMBOL.as_ptr());
        let entry = std::mem::transmute::<*mut c_void, abi::HostEntry>(entry);
        entry(&raw const TABLE).as_ref().expect("the versions fit")
    };
    let program = std::env::var_os(PROGRAM).unwrap().into_encoded_bytes();
    let message = Launch {
        mode: HostMode::Embedded,
        group: Vec::new(),
        threads: 4,
        program_name: Some(program),
        python: PythonSettings {
            optimize: 1,
            dont_write_bytecode: true,
            warnings: vec![b"ignore::UserWarning".to_vec()],
            hash_seed: Some(7),
        },
        ..launch()
    };
    let message = launch::encode(&message).unwrap();
    // SAFETY: the message lives until the call returns.
    let started = unsafe { (host.start)(message.as_ptr(), message.len()) };
    assert_eq!(started, 0, "{}", LOG.lock().unwrap());
    exercise(host);
    println!("embedded: done");
}

fn exercise(host: &'static HostTable) {
    let folder = Path::new(&std::env::var_os(FOLDER).unwrap()).to_owned();
    let script = folder.join("app.wsgi");
    // The settings and a variable of the environment are what `python3 -O` would have.
    std::fs::write(&script, APP).unwrap();
    facts(host, &script);
    let (stay, threads) = (Arc::new(Barrier::new(5)), crowd(host, &script));
    let threads: Vec<_> = threads
        .into_iter()
        .map(|run| {
            let stay = stay.clone();
            std::thread::spawn(move || {
                run();
                // Idle threads keep their Python states, as httpd's do.
                stay.wait();
                stay.wait();
            })
        })
        .collect();
    stay.wait();
    faults(host, &script);
    reload(host, &script);
    host_scripts(host, &folder.join("hook.py"));
    // SAFETY: nothing is running.
    unsafe { (host.stop)() };
    stay.wait();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let log = LOG.lock().unwrap();
    for text in
        ["<3>at exit of group0\n", "<3>at exit of group1\n", "<3>at exit of \n", "<3>process_stopping \n"]
    {
        assert!(log.contains(text), "{text} not in {log}");
    }
}

/// What four request threads do.
fn crowd(host: &'static HostTable, script: &Path) -> Vec<impl FnOnce() + Send + 'static> {
    let work = |number| {
        let script = script.to_owned();
        move || {
            for _ in 0..100 {
                let group = format!("group{}", number % 2);
                let handle = TestRequest { input: b"12345".to_vec(), ..TestRequest::default() };
                let (outcome, handle) = run(host, &GetRequest::new(&script).group(&group), handle);
                assert_eq!((outcome, handle.body.as_slice()), (0, &b"12345 in embedded"[..]));
            }
        }
    };
    (0..4).map(work).collect()
}

const APP: &str = "
import atexit, mod_wsgi, os, sys, warnings
atexit.register(print, 'at exit of', mod_wsgi.application_group)
mod_wsgi.subscribe_shutdown(lambda name, shutdown_reason: print(name, shutdown_reason))
def facts(environ):
    return [sys.flags.optimize, sys.flags.dont_write_bytecode, sys.flags.hash_randomization, hash('x') != 0,
        sys.warnoptions, 'PYTHONHASHSEED' in os.environ, sys.executable == os.environ['WSGI_TEST_PROGRAM'],
        environ['mod_wsgi.thread_id'], environ['mod_wsgi.daemon_start'], 'apache.request_rec' in environ,
        mod_wsgi.maximum_processes, os.popen('echo $PYTHONOPTIMIZE').read()]
def application(environ, start_response):
    if environ['QUERY_STRING'] == 'facts': body = repr(facts(environ)).encode()
    elif environ['QUERY_STRING'] == 'late':
        write = start_response('200 OK', [])
        write(b'x')
        raise KeyError('late')
    else: body = environ['wsgi.input'].read() + b' in embedded'
    start_response('200 OK', [('X', 'y')])
    return [body]
";

fn facts(host: &HostTable, script: &Path) {
    let (outcome, handle) =
        run(host, &GetRequest::new(script).pair("QUERY_STRING", "facts"), TestRequest::default());
    let body = String::from_utf8_lossy(&handle.body).into_owned();
    assert_eq!(outcome, 0, "{body} {}", LOG.lock().unwrap());
    assert_eq!(body, "[1, 1, 1, True, ['ignore::UserWarning'], False, True, 0, 0.0, False, 1, '\\n']");
    assert_eq!(handle.head, Some(("200 OK".into(), vec![("X".into(), "y".into())])));
}

fn faults(host: &HostTable, script: &Path) {
    let mut get = GetRequest::new(script);
    get.head.callable = b"nothing";
    assert_eq!(run(host, &get, TestRequest::default()).0, 404);
    let (outcome, handle) =
        run(host, &GetRequest::new(script).pair("QUERY_STRING", "late"), TestRequest::default());
    assert_eq!((outcome, handle.body.as_slice()), (abi::FAILED, &b"x"[..]));
    let (outcome, _) =
        run(host, &GetRequest::new(script), TestRequest { gone: true, ..TestRequest::default() });
    assert_eq!(outcome, 500);
    assert!(LOG.lock().unwrap().contains("OSError: mod_wsgi request data read error: error 70014"));
}

fn reload(host: &HostTable, script: &Path) {
    std::fs::write(script, APP.replace("in embedded", "again")).unwrap();
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(script).unwrap().set_modified(time).unwrap();
    let (outcome, handle) = run(host, &GetRequest::new(script), TestRequest::default());
    assert_eq!((outcome, handle.body.as_slice()), (0, &b" again"[..]));
    assert!(LOG.lock().unwrap().contains("Reloading WSGI script"));
}

const HOOK: &str = "
def allow_access(environ, host):
    return host == 'h' and environ['mod_ssl.is_https']() == 1 and environ['mod_ssl.var_lookup']('X') is None
def check_password(environ, user, password):
    return environ['mod_ssl.var_lookup'](b'SSL_PROTOCOL')
def groups_for_user(environ, user):
    yield b'a'
    if user == 'x': raise KeyError('groups')
    yield 'b'
def callable_object(environ):
    return 'other'
";

fn host_scripts(host: &HostTable, script: &Path) {
    std::fs::write(script, HOOK).unwrap();
    let ask = |question, arguments: [&[u8]; 2], mut handle: TestRequest| {
        let mut payload = Vec::new();
        call::begin(&mut payload, question, arguments);
        payload.extend_from_slice(&GetRequest::new(script).group("hooks").payload());
        // SAFETY: both live until the call returns.
        let verdict = unsafe { (host.call)((&raw mut handle).cast(), payload.as_ptr(), payload.len()) };
        let answers = handle.answers.into_iter();
        let answers: Vec<String> = answers.map(|(number, text)| format!("{number} {text}")).collect();
        (ScriptVerdict::from_number(verdict), answers.join(","))
    };
    let handle = TestRequest::default;
    let answered = |verdict, answers: &str| (verdict, answers.to_owned());
    assert_eq!(ask(ScriptQuestion::Access, [b"h", b""], handle()), answered(ScriptVerdict::Granted, ""));
    assert_eq!(ask(ScriptQuestion::Access, [b"i", b""], handle()), answered(ScriptVerdict::Refused, ""));
    assert_eq!(
        ask(ScriptQuestion::Password, [b"u", b"p"], handle()),
        answered(ScriptVerdict::Granted, "0 TLSv1.3")
    );
    assert_eq!(
        ask(ScriptQuestion::Groups, [b"u", b""], handle()),
        answered(ScriptVerdict::Granted, "0 a,0 b")
    );
    assert_eq!(ask(ScriptQuestion::Groups, [b"x", b""], handle()), answered(ScriptVerdict::Failed, ""));
    assert_eq!(ask(ScriptQuestion::RealmHash, [b"u", b"r"], handle()), answered(ScriptVerdict::Failed, ""));
    assert_eq!(
        ask(ScriptQuestion::Dispatch, [b"", b""], handle()),
        answered(ScriptVerdict::Granted, "2 other")
    );
    let deaf = TestRequest { gone: true, ..TestRequest::default() };
    assert_eq!(ask(ScriptQuestion::Dispatch, [b"", b""], deaf), answered(ScriptVerdict::Failed, ""));
    let log = LOG.lock().unwrap();
    assert!(log.contains("KeyError: 'groups'") && log.contains("WSGI0046"), "{log}");
}
