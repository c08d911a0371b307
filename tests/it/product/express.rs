//! `mod_wsgi-express`: the command lines that people use, and how its server starts and ends.

use integration::{
    ExpressServer, SeenProcess, Subject, copy_program, eventually, is_root, signal, write_at_once,
};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

const APP: &str = "import atexit, json, os, sys, time
def bye():
    with open(os.environ.get('BYE', os.devnull), 'w') as file: file.write('bye')
atexit.register(bye)
def application(environ, start_response):
    query = environ['QUERY_STRING']
    if query.startswith('sleep='):
        print('here it sleeps', file=environ['wsgi.errors'], flush=True)
        time.sleep(float(query[6:]))
    known = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool))}
    known.update(cwd=os.getcwd(), uid=os.getuid(), path=sys.path, pid=os.getpid(), env=dict(os.environ))
    known['length'] = len(environ['wsgi.input'].read())
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps(known).encode()]
app = application
";

/// Whether this subject has the command; the distribution's 4.9 package has none.
pub fn is_missing() -> bool {
    Subject::is_too_old("its package has no mod_wsgi-express")
}

pub fn site() -> ExpressServer {
    let page = "<p>page</p>".repeat(100);
    ExpressServer::new().file("wsgi.py", APP).file("static/style.css", "body {}").file("docs/page.html", page)
}

/// Waits until a request is in the application.
fn sleeps(express: &ExpressServer) {
    let said = || express.read("error_log") + &express.output();
    eventually("a request sleeps", || said().contains("here it sleeps").then_some(()));
}

#[test]
fn server_in_a_container() {
    if is_missing() {
        return;
    }
    let mut express = site();
    let command = express.command(
        "start-server wsgi.py --log-to-terminal --processes 2 --threads 3 --url-alias /static static",
    );
    express.start(command);
    let seen = express.get("/a/b").json();
    assert_eq!((seen["SCRIPT_NAME"].as_str(), seen["PATH_INFO"].as_str()), (Some(""), Some("/a/b")));
    assert_eq!(seen["wsgi.multiprocess"], true);
    assert_eq!(seen["env"]["MOD_WSGI_EXPRESS"], "true");
    assert_eq!(seen["cwd"], express.fill("@ROOT@/app"));
    assert!(!is_root() || seen["uid"] != 0);
    assert_eq!(express.get("/static/style.css").ok().text(), "body {}");
    express.stop();
}

#[test]
fn module_below_a_path_with_an_access_log() {
    if is_missing() {
        return;
    }
    let mut express = ExpressServer::new()
        .file("shop/__init__.py", "")
        .file("shop/web.py", APP)
        .file("lib/extra.py", "X = 1");
    express = express.allow_log("larger than LimitRequestBody");
    let command = express.command(
        "start-server --application-type module shop.web --callable-object app --host 127.0.0.1 --mount-point /sub \
         --access-log --access-log-format combined --python-path lib --setenv COLOUR red --server-status \
         --log-level info --limit-request-body 1000 --reload-on-changes",
    );
    express.start(command);
    let seen = express.get("/sub/x").json();
    assert_eq!((seen["SCRIPT_NAME"].as_str(), seen["PATH_INFO"].as_str()), (Some("/sub"), Some("/x")));
    assert_eq!(seen["COLOUR"], "red");
    let lib = express.fill("@ROOT@/app/lib");
    assert!(seen["path"].as_array().expect("a list").contains(&lib.into()));
    assert_eq!(express.get("/subway").status, 404);
    assert!(express.get("/server-status").ok().text().contains("Server Status"));
    let mut wire = express.connect();
    wire.send("POST /sub HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n");
    wire.send("x".repeat(2000));
    assert_eq!(wire.response(false).status, 413);
    express.stop();
    assert!(express.read("access_log").contains("GET /sub/x HTTP/1.1\" 200"));
}

#[test]
fn files_before_the_application() {
    if is_missing() {
        return;
    }
    let mut express = site();
    let command = express.command(
        "start-server wsgi.py --document-root docs --directory-index page.html --compress-responses \
         --error-document 404 /page.html --working-directory @ROOT@/app/static --max-clients 30 --request-timeout 20",
    );
    express.start(command);
    assert!(express.get("/").ok().text().contains("<p>page</p>"));
    assert_eq!(express.get("/page.html").ok().header("Content-Type"), Some("text/html"));
    assert_eq!(express.get("/other").json()["cwd"], express.fill("@ROOT@/app/static"));
    let mut wire = express.connect();
    wire.send("GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(wire.response(false).header("Content-Encoding"), Some("gzip"));
}

#[test]
fn folder_of_files() {
    if is_missing() {
        return;
    }
    let mut express = site();
    let command = express.command("start-server --application-type static docs");
    express.start(command);
    assert!(express.get("/page.html").ok().text().contains("page"));
    assert_eq!(express.get("/nowhere").status, 404);
}

#[test]
fn setup_and_apachectl() {
    if is_missing() {
        return;
    }
    let mut express = site().file("vars.sh", "export COLOUR='dark red'\n").allow_log("caught SIGTERM");
    let command = express.command("setup-server wsgi.py --envvars-script vars.sh --access-log --rotate-logs");
    let setup = express.run(command);
    assert_eq!(setup.status, 0, "{}", setup.text);
    let command = express.command("setup-server wsgi.py --envvars-script vars.sh --access-log");
    assert_eq!(express.run(command).status, 0);
    let mut command = express.apachectl("start -D FOREGROUND");
    command.env("KEY", "one\ntwo");
    express.start(command);
    let seen = express.get("/").json();
    assert_eq!((&seen["env"]["COLOUR"], &seen["env"]["KEY"]), (&"dark red".into(), &"one\ntwo".into()));
    assert!(express.read("error_log").contains("resuming normal operations"));
    if Subject::is_ours() {
        let again = express.run(express.apachectl("start"));
        assert!(again.status == 1 && again.text.contains("runs already"), "{}", again.text);
        let again = express.run(express.command("start-server wsgi.py"));
        let pid = express.read("httpd.pid");
        assert!(
            again.status == 2 && again.text.contains(&format!("process {}", pid.trim())),
            "{}",
            again.text
        );
    }
    express.stop();
    let command = express.apachectl("start");
    assert_eq!(express.run(command).status, 0, "an old pid file is no obstacle");
    eventually("it serves", || std::net::TcpStream::connect(("127.0.0.1", express.port())).ok());
    express.get("/").ok();
    assert_eq!(express.run(express.apachectl("stop")).status, 0);
    let root = express.root().to_owned();
    eventually("nothing is left", || {
        let text = root.to_string_lossy().into_owned();
        SeenProcess::all().iter().all(|process| !process.command.contains(&text)).then_some(())
    });
}

#[test]
fn values_stay_values() {
    if Subject::skips("values are written into the configuration as they are") {
        return;
    }
    let mut express = site().file("sp ace/a\"b.css", "x {}");
    let odd = "a \"b\" 'c' \\ %h %{x}e ${HOME} #d <Directory />";
    let mut command = express.command("start-server --process-group it's");
    command
        .args(["wsgi.py", "--setenv", "ODD", odd, "--url-alias", "/sp ace"])
        .arg(express.fill("@ROOT@/app/sp ace"));
    express.start(command);
    assert_eq!(express.get("/").json()["ODD"], odd);
    assert_eq!(express.get("/sp%20ace/a%22b.css").ok().text(), "x {}");
    express.stop();
    let mut command = express.command("start-server wsgi.py");
    command.args(["--setenv", "A", "b\nLoadModule x y.so"]);
    let refused = express.run(command);
    assert!(refused.status == 2 && refused.text.contains("--setenv"), "{}", refused.text);
}

#[test]
fn server_root_is_private() {
    if Subject::skips("files are readable by everybody") {
        return;
    }
    let express = site();
    let command = express.command("setup-server wsgi.py --setenv KEY secret");
    assert_eq!(express.run(command).status, 0);
    let mode = |path: &str| {
        std::fs::metadata(express.root().join(path)).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(mode("server") & 0o007, 0);
    for name in ["httpd.conf", "apachectl", "handler.wsgi", "envvars"] {
        assert_eq!(mode(&format!("server/{name}")) & 0o027, 0, "{name}");
    }
    assert!(!express.read("apachectl").contains("secret"));
    std::fs::set_permissions(express.root().join("server"), PermissionsExt::from_mode(0o777))
        .expect("own folder");
    let refused = express.run(express.command("setup-server wsgi.py"));
    assert!(refused.status == 2 && refused.text.contains("can be written by everybody"), "{}", refused.text);
}

#[test]
fn application_that_cannot_be_loaded() {
    if Subject::skips("the server starts, and requests fail") {
        return;
    }
    let express = site().file("bad.py", "def f():\n    import nowhere_at_all\nf()\n");
    let failed = express.run(express.command("start-server bad.py"));
    assert_eq!(failed.status, 5, "{}", failed.text);
    assert!(
        failed.text.contains("No module named 'nowhere_at_all'")
            && failed.text.contains("line 3, in <module>")
    );
    assert!(!failed.text.contains("handler.wsgi"), "{}", failed.text);
    let failed = express.run(express.command("start-server wsgi.py:nothing"));
    assert!(failed.status == 5 && failed.text.contains("has no 'nothing'"), "{}", failed.text);
    let failed = express.run(express.command("start-server missing.py"));
    assert!(
        failed.status == 2 && failed.text.contains("missing.py: there is no such file"),
        "{}",
        failed.text
    );
    let failed = express.run(express.command("start-server wsgi.py --log-level loud"));
    assert!(failed.status == 1 && failed.text.contains("the line comes from --log-level"), "{}", failed.text);
    let _taken = std::net::TcpListener::bind(("127.0.0.1", express.port())).expect("it is free");
    let failed = express.run(express.command("start-server wsgi.py --host 127.0.0.1"));
    assert!(failed.status == 1 && failed.text.contains("Address already in use"), "{}", failed.text);
}

#[test]
fn sigterm_lets_requests_end() {
    if Subject::skips("SIGTERM breaks off requests") {
        return;
    }
    let mut express = site();
    let bye = express.root().join("bye");
    std::fs::write(&bye, "").expect("own folder");
    std::fs::set_permissions(&bye, PermissionsExt::from_mode(0o666)).expect("own file");
    let mut command = express.command("start-server wsgi.py --graceful-timeout 5");
    command.env("BYE", &bye);
    express.start(command);
    assert!(
        express.output().contains(&express.fill("Ready: http://localhost:@PORT@/, Python 3.")),
        "{}",
        express.output()
    );
    std::thread::scope(|scope| {
        let long = scope.spawn(|| express.get("/?sleep=1"));
        sleeps(&express);
        express.signal(Signal::SIGTERM);
        long.join().expect("no panic").ok();
    });
    assert_eq!(express.wait().status, 0);
    assert_eq!(std::fs::read_to_string(bye).expect("it is there"), "bye");
}

/// What would end a process that has no handler yet waits until httpd has its own.
#[test]
fn restart_that_is_asked_for_too_early() {
    if Subject::skips("it ends the server") {
        return;
    }
    for (restart, number) in [(Signal::SIGUSR1, "AH00493"), (Signal::SIGHUP, "AH00494")] {
        restarted_too_early(restart, number);
    }
}

/// Its httpd says by the line with `number` that it has heard of it.
fn restarted_too_early(restart: Signal, number: &str) {
    let apache = integration::Apache::installed();
    let late = format!(
        "#!/bin/sh\ncase \"$*\" in *FOREGROUND*) echo $PPID >\"$0.begun\"; sleep 1;; esac\nexec {} \"$@\"\n",
        apache.program.display()
    );
    let mut express = site().file("httpd.sh", late);
    let httpd = express.root().join("app/httpd");
    copy_program(&httpd.with_extension("sh"), &httpd);
    let command = express.command(&format!(
        "start-server wsgi.py --httpd-executable @ROOT@/app/httpd --modules-directory {}",
        apache.modules.display()
    ));
    let begun = httpd.with_extension("begun");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pid = || std::fs::read_to_string(&begun).ok()?.trim().parse().ok();
            signal(eventually("httpd is about to start", pid), restart);
        });
        express.start(command);
    });
    let has = |number: &str, times: usize| express.read("error_log").matches(number).count() == times;
    eventually("httpd hears of it", || (has(number, 1) && has("AH00489", 2)).then_some(()));
    express.get("/").ok();
    assert_eq!(express.stop().status, 0);
}

#[test]
fn second_interrupt_ends_at_once() {
    if Subject::skips("the wrapper waits for httpd") {
        return;
    }
    let mut express = site().allow_log("signal").allow_log("WSGI0");
    let command = express.command("start-server wsgi.py --shutdown-timeout 60");
    express.start(command);
    let mut wire = express.connect();
    wire.send("GET /?sleep=30 HTTP/1.1\r\nHost: x\r\n\r\n");
    sleeps(&express);
    express.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_secs(1)); // or it is one with the first, which nobody has looked at yet
    express.signal(Signal::SIGINT);
    assert_eq!(express.wait().status, 137, "killed, and not after a minute");
}

#[test]
fn ordinary_user() {
    if is_missing() || !is_root() {
        return; // the other tests run as an ordinary user then
    }
    let mut express = site();
    express.own("server");
    let mut command = Command::new("setpriv");
    let inner = express.command("start-server wsgi.py --log-to-terminal --access-log");
    let words: Vec<_> = inner
        .get_args()
        .filter(|word| !["--user", "--group", "www-data"].iter().any(|w| word == w))
        .collect();
    command
        .args(["--reuid=www-data", "--regid=www-data", "--clear-groups", "--"])
        .arg(inner.get_program())
        .args(words);
    command
        .current_dir(express.root().join("app"))
        .env_remove("VIRTUAL_ENV")
        .env("PATH", "/usr/bin:/bin:/usr/sbin");
    express.start(command);
    assert_ne!(express.get("/").json()["uid"], 0);
    eventually("the access log is on the terminal", || {
        express.output().contains("GET / HTTP/1.1\" 200").then_some(())
    });
}

#[test]
fn process_1_of_a_container() {
    if Subject::skips("SIGTERM breaks off requests") {
        return;
    }
    let may = Command::new("unshare").args(["-pf", "--mount-proc", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("skipped: no PID namespaces here");
        return;
    }
    let mut express = site();
    let inner = express.command("start-server wsgi.py");
    let mut command = Command::new("unshare");
    command.args(["-pf", "--mount-proc", "--kill-child"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(express.root().join("app")).process_group(0);
    express.start(command);
    let of_container = |process: &SeenProcess| {
        process.command.contains("express start-server") && !process.command.starts_with("unshare")
    };
    let root = express.root().to_string_lossy().into_owned();
    let all = SeenProcess::all();
    let first =
        all.iter().find(|process| of_container(process) && process.command.contains(&root)).expect("it runs");
    std::thread::scope(|scope| {
        let long = scope.spawn(|| express.get("/?sleep=1"));
        sleeps(&express);
        signal(first.pid, Signal::SIGTERM);
        long.join().expect("no panic").ok();
    });
    assert_eq!(express.wait().status, 0);
}

#[test]
fn changed_files_replace_the_processes() {
    if Subject::skips("a broken change ends the process, and templates are not seen") {
        return;
    }
    let source = |text: &str| format!("def text(): return '{text}'\n");
    let app = "import shop.words\ndef application(environ, start_response):
    start_response('200 OK', [])
    return [shop.words.text().encode(), b' ', open('page.html', 'rb').read()]\n";
    let mut express = ExpressServer::new()
        .file("wsgi.py", app)
        .file("page.html", "page")
        .file("shop/words.py", source("one"));
    express = express.allow_log("no_such_module").allow_log("wsgi:error").allow_log("WSGI0");
    let command = express.command("start-server wsgi.py --reload-on-changes");
    express.start(command);
    assert_eq!(express.get("/").ok().text(), "one page");
    let write = |name: &str, text: &str| {
        write_at_once(&express.root().join("app").join(name), text.as_bytes());
    };
    let says = |text: &str| eventually(text, || (express.get("/").ok().text() == text).then_some(()));
    write("shop/words.py", &source("two"));
    says("two page");
    write("shop/words.py", "import no_such_module\n");
    eventually("it is told", || express.output().contains("No module named 'no_such_module'").then_some(()));
    assert_eq!(express.get("/").ok().text(), "two page");
    write("shop/words.py", &source("three"));
    says("three page");
    let told = || express.output().matches("was loaded again").count();
    let before = told();
    write("page.html", "template");
    eventually("a template counts", || (told() > before).then_some(()));
    express.stop();
}

#[test]
fn one_process_with_a_profile_and_a_recording() {
    if Subject::skips("as root its folders cannot be written") {
        return;
    }
    let mut express = site().allow_log("signal");
    let command = express.command("start-server wsgi.py --debug-mode --enable-profiler --enable-recorder");
    express.start_untold(command);
    assert_eq!(express.get("/x").json()["wsgi.multithread"], false);
    express.signal(Signal::SIGINT);
    express.wait();
    let names = |folder: &str| {
        let entries = std::fs::read_dir(express.root().join("server").join(folder)).expect("it was made");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert!(names("archive").iter().any(|name| name.ends_with(".oheaders")), "{:?}", names("archive"));
    assert!(names("pstats").iter().any(|name| name.ends_with(".pstats")), "{:?}", names("pstats"));
}
