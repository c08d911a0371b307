//! Any CPython from 3.9: several in one httpd, virtual environments and installations, and homes that are none.

use integration::{Httpd, HttpdBuilder, Mode, PythonHome, Subject, copy_program, pythons, test_user};
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const APP: &str = include_str!("../../apps/process.py");

/// All Pythons found; panics when there are fewer than two to tell apart.
fn several() -> &'static [PythonHome] {
    let found = pythons();
    let versions: Vec<&str> = found.iter().map(|python| python.version.as_str()).collect();
    println!("Pythons on this machine: {versions:?}");
    assert!(found.len() >= 2, "at least two Pythons are needed, found {versions:?}");
    found
}

/// One daemon group for each home, mounted at `/0`, `/1`, …
fn groups(homes: &[&Path], options: &str) -> HttpdBuilder {
    let mut text = "WSGIRestrictEmbedded On\nWSGIApplicationGroup %{GLOBAL}\n".to_owned();
    for (number, home) in homes.iter().enumerate() {
        let _ = writeln!(
            text,
            "WSGIDaemonProcess g{number} threads=2 python-home={} {options}\nWSGIScriptAlias /{number} @ROOT@/app/app.wsgi\n\
             <Location /{number}>\nWSGIProcessGroup g{number}\n</Location>",
            home.display()
        ); // writing to a String cannot fail
    }
    Httpd::builder().file("app.wsgi", APP).directives(&text)
}

#[test]
fn every_python_in_one_httpd() {
    if Subject::skips("one libpython for all") {
        return;
    }
    let found = several();
    let homes: Vec<&Path> =
        found.iter().flat_map(|python| [python.venv.as_path(), python.base.as_path()]).collect();
    let server = groups(&homes, "").start();
    for (number, home) in homes.iter().enumerate() {
        let python = &found[number / 2];
        let about = server.get(&format!("/{number}")).json();
        assert_eq!(about["version"], python.version, "{}", home.display());
        assert_eq!(about["prefix"], home.display().to_string());
        assert_eq!(about["base_prefix"], python.base.display().to_string());
        let executable = about["executable"].as_str().expect("text");
        assert!(executable.starts_with(&format!("{}/bin/python", home.display())), "{executable}");
        assert_eq!(about["group"], format!("g{number}"));
    }
}

#[test]
fn two_pythons_as_two_users() {
    if Subject::skips("one libpython for all") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can become other users");
        return;
    };
    let found = several();
    let text = format!(
        "WSGIRestrictEmbedded On\nWSGIDaemonProcess a user={a} group={a} home=/ python-home={}\n\
         WSGIDaemonProcess b user={b} group={b} home=/ python-home={}\n\
         WSGIScriptAlias /a @ROOT@/app/app.wsgi process-group=a\nWSGIScriptAlias /b @ROOT@/app/app.wsgi process-group=b",
        found[0].venv.display(),
        found[1].venv.display()
    );
    let server = Httpd::builder().file("app.wsgi", APP).directives(&text).start();
    let (one, two) = (server.get("/a").json(), server.get("/b").json());
    assert_eq!(
        (&one["version"], &two["version"]),
        (&found[0].version.clone().into(), &found[1].version.clone().into())
    );
    assert_ne!(one["uid"], two["uid"]);
}

/// With spawn, `multiprocessing` runs `sys.executable` anew: that must be Python.
#[test]
fn multiprocessing_spawns_in_a_daemon() {
    let app = "import multiprocessing\ndef application(environ, start_response):\n    \
               context = multiprocessing.get_context('spawn')\n    with context.Pool(2) as pool:\n        \
               numbers = pool.map(abs, [-1, -2, -3])\n    start_response('200 OK', [])\n    \
               return [repr(numbers).encode()]\n";
    let found = several();
    let ours = [found.first(), found.last()].map(|python| python.map(|python| python.venv.as_path()));
    let homes = if Subject::is_ours() { ours.to_vec() } else { vec![None] }; // None: the home that WSGIPythonHome names
    for home in homes {
        let option = home.map_or(String::new(), |home| format!("python-home={}", home.display()));
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .daemon_options(&format!("threads=2 {option}"))
            .app(app)
            .start();
        assert_eq!(server.get("/").ok().text(), "[1, 2, 3]", "{option}");
    }
}

/// A folder outside of any ServerRoot; removed when dropped.
struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn new(name: &str) -> ScratchFolder {
        let folder = std::env::temp_dir().join(format!("mod-wsgi-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        ScratchFolder(folder)
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // the next start of the machine removes it as well
    }
}

/// A daemon of the `home` answers no request; the log has one line with `texts`.
fn is_refused(server: Httpd, texts: &[&str]) {
    let status = server.get("/0").status;
    assert!((500..=504).contains(&status), "{status}");
    let log = server.error_log();
    let is_clear = |line: &&str| texts.iter().all(|text| line.contains(text));
    let lines = log.lines().filter(is_clear).count();
    assert!(lines >= 1, "no line with {texts:?}:\n{log}");
}

#[test]
fn pythons_that_are_not_supported_are_refused_by_name() {
    if Subject::skips("it does not look at interpreters") {
        return;
    }
    let cases = [
        ("pypy3.10", "is PyPy, which is not supported"),
        ("python3.13t", "is a free-threaded build of Python"),
    ];
    for (name, text) in cases {
        let folder = ScratchFolder::new(name);
        let bin = folder.0.join("bin");
        std::fs::create_dir(&bin).expect("own folder");
        copy_program("/bin/true".as_ref(), &bin.join(name));
        std::os::unix::fs::symlink(name, bin.join("python3")).expect("own folder");
        let verdict = groups(&[&folder.0], "").configtest();
        assert!(verdict.text.contains(text), "{text}: {}", verdict.text);
    }
}

#[test]
fn home_without_an_interpreter_is_one_clear_line() {
    if Subject::skips("the daemon crashes and is started again every second") {
        return;
    }
    let text = Path::new("/usr/share/no-such-python");
    let verdict = groups(&[text], "").configtest();
    assert!(verdict.is_ok && verdict.text.contains("/usr/share/no-such-python"), "{}", verdict.text);
    let server = groups(&[text], "").allow_log("/usr/share/no-such-python").allow_log("g0").start();
    is_refused(server, &["/usr/share/no-such-python", "Python home"]);
}

#[test]
fn home_that_the_user_may_not_execute_names_path_user_and_fix() {
    if Subject::skips("the daemon crashes and is started again every second") {
        return;
    }
    let Some(user) = test_user('a') else {
        println!("skipped: only root can make a home that a daemon's user may not enter");
        return;
    };
    let folder = ScratchFolder::new("closed");
    let home = folder.0.join("venv");
    let base = &several()[0].base;
    let made = std::process::Command::new(base.join("bin/python3"))
        .args(["-m", "venv", "--without-pip"])
        .arg(&home)
        .status();
    assert!(made.expect("python3 -m venv").success());
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o700)).expect("own folder");
    let server = groups(&[&home], &format!("user={user} group={user} home=/"))
        .allow_log(&home.display().to_string())
        .allow_log("g0")
        .start();
    is_refused(server, &[&home.display().to_string(), &user]);
}

/// Layers of images are copied without links, or the Python behind a link has moved: the rest of the home is enough.
#[test]
fn home_without_its_program_is_run_by_the_one_it_was_made_from() {
    if Subject::skips("it never executes an interpreter") {
        return;
    }
    let scratch = ScratchFolder::new("bare");
    for (number, python) in several().iter().enumerate() {
        let home = scratch.0.join(format!("venv{number}"));
        std::fs::create_dir_all(home.join(format!("lib/{}/site-packages", python.library_name())))
            .expect("a folder");
        let config = format!("home = {}/bin\nversion = {}\n", python.base.display(), python.version);
        std::fs::write(home.join("pyvenv.cfg"), config).expect("a file");
        if number % 2 == 1 {
            std::fs::create_dir(home.join("bin")).expect("a folder");
            std::os::unix::fs::symlink("/gone/python3", home.join("bin/python3")).expect("a link");
        }
        let server = groups(&[&home], "").start();
        let about = server.get("/0").json();
        assert_eq!(about["prefix"], home.display().to_string());
        assert_eq!(about["version"], python.version);
        let path = about["path"].to_string();
        assert!(path.contains(&format!("{}/lib", home.display())), "{path}");
        let log = server.error_log();
        let told = log.lines().filter(|line| line.contains("which pyvenv.cfg names, is executed for it"));
        assert_eq!(told.count(), 1, "{log}");
    }
}

/// Debian's interpreter is static; a home whose libpython does not exist as a shared library cannot be embedded.
#[test]
fn embedded_home_without_shared_libpython_fails_the_strict_config_test() {
    if Subject::skips("it brings its own libpython") {
        return;
    }
    let scratch = ScratchFolder::new("static");
    let folder = &scratch.0;
    let base = &several()[0];
    // An installation that looks like Python's but has no libpython: its executable, its library folder, nothing else.
    let library = base.library_name();
    std::fs::create_dir_all(folder.join("bin")).expect("a folder");
    std::fs::create_dir_all(folder.join("lib").join(&library)).expect("a folder");
    std::fs::write(folder.join("lib").join(&library).join("os.py"), "").expect("a file");
    copy_program("/bin/true".as_ref(), &folder.join("bin/python3"));
    let server = || Httpd::builder().mode(Mode::Embedded).python_home(Some(folder)).app(APP);
    let (usual, strict) = (server().configtest(), server().directives("Define WSGI_STRICT").configtest());
    assert!(usual.is_ok && !strict.is_ok, "{}", usual.text);
    for text in [folder.to_str().expect("text"), "libpython", "WSGIDaemonProcess"] {
        for verdict in [&usual, &strict] {
            assert!(verdict.text.contains(text), "{text}: {}", verdict.text);
        }
    }
}

#[test]
fn embedded_mode_takes_each_python_with_a_shared_libpython() {
    if Subject::skips("one libpython for all") {
        return;
    }
    for python in several() {
        let (major, minor) = python.minor();
        let shared = python.base.join(format!("lib/libpython{major}.{minor}.so.1.0"));
        if !shared.exists() && !python.is_debian {
            println!("{} has no shared libpython", python.version);
            continue;
        }
        let server = Httpd::builder().mode(Mode::Embedded).python_home(Some(&python.venv)).app(APP).start();
        let about = server.get("/").json();
        assert_eq!(about["version"], python.version);
        assert_eq!(about["prefix"], python.venv.display().to_string());
    }
}

/// `python-path=` for daemons, `WSGIPythonPath` for embedded mode.
#[test]
fn python_path_is_searched_in_both_modes() {
    let app = "import marker\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
               return [marker.TEXT]\n";
    for mode in Mode::ALL {
        let server = Httpd::builder().mode(mode).app(app);
        let server = if mode == Mode::Daemon {
            server.daemon_options("threads=1 python-path=@ROOT@/app/lib")
        } else {
            server
        };
        let server = server.file("lib/marker.py", "TEXT = b'found'\n");
        let server =
            if mode == Mode::Embedded { server.directives("WSGIPythonPath @ROOT@/app/lib") } else { server };
        assert_eq!(server.start().get("/").ok().text(), "found", "{mode:?}");
    }
}

/// `Server:` names no Python that does not run.
#[test]
fn server_header_names_the_python_that_runs() {
    if Subject::skips("it names the one it was built for") {
        return;
    }
    let header = |builder: HttpdBuilder| {
        let server = builder.file("x.wsgi", "").start();
        server.get("/none").header("Server").map(str::to_owned).unwrap_or_default()
    };
    let group = |name: &str, python: &PythonHome| {
        format!(
            "WSGIDaemonProcess {name} python-home={}\nWSGIScriptAlias /{name} @ROOT@/app/x.wsgi process-group={name}",
            python.venv.display()
        )
    };
    let (first, last) = (pythons().first().expect("a Python"), pythons().last().expect("a Python"));
    let of_one = header(Httpd::builder().directives(&group("a", first)).directives("ServerTokens Full"));
    assert!(of_one.ends_with(&format!("Python/{}.{}", first.minor().0, first.minor().1)), "{of_one}");
    if first.minor() != last.minor() {
        let both = Httpd::builder().directives(&group("a", first)).directives(&group("b", last));
        let both = header(both.directives("ServerTokens Full"));
        assert!(both.contains("mod_wsgi/") && !both.contains("Python/"), "{both}");
    }
    let none = header(Httpd::builder().python_home(None).directives("ServerTokens Full"));
    assert!(none.contains("mod_wsgi/") && !none.contains("Python/"), "{none}");
}
