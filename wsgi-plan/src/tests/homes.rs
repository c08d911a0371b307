//! Homes of Python: which interpreter and library are found, and what is said of those that are none.

use super::site::FakeSite;
use crate::python::{HomeError, OLDEST_MINOR, PythonInterpreter};
use std::os::unix::fs::symlink;

/// A home with these programs, links (`name -> target`), files and `pyvenv.cfg`; what is found in it.
fn find(site: &FakeSite, parts: &[&str], config: &str) -> Result<PythonInterpreter, String> {
    for part in parts {
        match part.split_once(" -> ") {
            Some((name, target)) => {
                std::fs::create_dir_all(site.path(name).parent().unwrap()).unwrap();
                symlink(target.replace('@', &site.folder.display().to_string()), site.path(name)).unwrap();
            }
            None if part.ends_with(".py") || part.contains(".so") => drop(site.file(part, "")),
            None => drop(site.program(part)),
        }
    }
    if !config.is_empty() {
        site.file("home/pyvenv.cfg", &config.replace('@', &site.folder.display().to_string()));
    }
    PythonInterpreter::find(Some(&site.path("home"))).map_err(|error| site.short(&error.to_string()))
}

/// Parts of the home and the installation, pyvenv.cfg; then the path, what runs for it, base and minor version.
type FoundRow =
    (&'static [&'static str], &'static str, &'static str, Option<&'static str>, &'static str, Option<u32>);

const FOUND: [FoundRow; 9] = [
    (
        &["home/bin/python3"],
        "home = @/base/bin\nversion = 3.11.2\n",
        "home/bin/python3",
        None,
        "base",
        Some(11),
    ),
    (&["home/bin/python"], "version_info = 3.12.0.final.0\n", "home/bin/python", None, "home", Some(12)),
    (
        &["base/bin/python3.13", "home/bin/python3 -> ../../base/bin/python3.13"],
        "",
        "home/bin/python3",
        None,
        "base",
        Some(13),
    ),
    (&["home/bin/python3", "home/lib/python3.10/os.py"], "", "home/bin/python3", None, "home", Some(10)),
    (
        &["home/bin/python3", "home/lib/python3.10/os.py", "home/lib/python3.11/os.py"],
        "",
        "home/bin/python3",
        None,
        "home",
        None,
    ),
    (
        &["base/bin/python3.11", "home/lib/x.py"],
        "home = @/base/bin\nversion = 3.11.2\n",
        "home/bin/python3",
        Some("base/bin/python3.11"),
        "base",
        Some(11),
    ),
    (
        &["base/bin/python3", "home/bin/python3 -> /gone"],
        "home = @/base/bin\n",
        "home/bin/python",
        Some("base/bin/python3"),
        "base",
        None,
    ),
    (
        &["base/bin/python", "home/bin/python3 -> /gone", "home/bin/python -> /gone"],
        "home = @/base/bin\n",
        "home/bin/python-of-home",
        Some("base/bin/python"),
        "base",
        None,
    ),
    (&["home/bin/python3", "home/bin/python"], "home = relative\n", "home/bin/python3", None, "", None),
];

#[test]
fn an_interpreter_is_found_with_its_version_and_installation() {
    for (parts, config, path, stand_in, base, minor) in FOUND {
        let site = FakeSite::new();
        let found = find(&site, parts, config).unwrap_or_else(|error| panic!("{parts:?}: {error}"));
        assert_eq!(found.path, site.path(path), "{parts:?}");
        assert_eq!(found.stand_in, stand_in.map(|name| site.path(name)), "{parts:?}");
        assert_eq!(found.program(), site.path(stand_in.unwrap_or(path)));
        if !base.is_empty() {
            assert_eq!(found.base, site.path(base), "{parts:?}");
        }
        assert_eq!(
            (found.minor, found.version()),
            (minor, minor.map(|minor| format!("3.{minor}"))),
            "{parts:?}"
        );
    }
}

#[test]
fn a_home_that_is_none_says_what_to_do() {
    let none = "has no usable interpreter: neither '@/home/bin/python3' nor '@/home/bin/python' is an executable file; give \
                the directory of a virtual environment or of a Python installation";
    let rows: [(&[&str], &str, String); 8] = [
        (&[], "", "Python home '@/home' does not exist or is not a directory; give the directory of a virtual environment or \
                   of a Python installation".to_owned()),
        (&["home/lib/x.py"], "", format!("Python home '@/home' {none}")),
        (&["home/lib/x.py"], "home = @/nowhere\n", format!("Python home '@/home' {none}")),
        (&["home/bin/python3"], "version = 3.8.10\n", format!("'@/home/bin/python3' is Python 3.8; CPython 3.{OLDEST_MINOR} or newer is \
            needed, make the virtual environment with a newer one")),
        (&["base/bin/python3.13t", "home/bin/python3 -> @/base/bin/python3.13t"], "", "'@/home/bin/python3' is a free-threaded build of \
            Python, which is not supported yet; make the virtual environment with the ordinary build of the same version".to_owned()),
        (&["base/bin/python3.14", "base/lib/python3.14t/os.py", "home/bin/python3 -> @/base/bin/python3.14"], "",
            "'@/home/bin/python3' is a free-threaded build of Python, which is not supported yet; make the virtual environment with \
             the ordinary build of the same version".to_owned()),
        (&["base/bin/pypy3.10", "home/bin/python3 -> @/base/bin/pypy3.10"], "", "'@/home/bin/python3' is PyPy, which is not supported; make \
            the virtual environment with CPython 3.9 or newer".to_owned()),
        (&["base/bin/graalpy", "home/bin/python -> @/base/bin/graalpy"], "", "'@/home/bin/python' is GraalPy, which is not supported; make \
            the virtual environment with CPython 3.9 or newer".to_owned()),
    ];
    for (parts, config, expected) in rows {
        let site = FakeSite::new();
        assert_eq!(find(&site, parts, config), Err(expected), "{parts:?} {config}");
    }
    let site = FakeSite::new();
    site.program("home/bin/python3");
    symlink("/dev/zero", site.path("home/pyvenv.cfg")).unwrap();
    let expected =
        "'@/home/pyvenv.cfg' must be a plain file of at most 65536 bytes; make the virtual environment anew";
    assert_eq!(find(&site, &[], ""), Err(expected.to_owned()));
}

#[test]
fn other_reasons_name_their_fix_too() {
    let rows = [
        (
            HomeError::NoDefault,
            "no Python interpreter was found at /usr/bin/python3 or /usr/local/bin/python3; install python3, or name a \
                                home with WSGIPythonHome or python-home=",
        ),
        (
            HomeError::Silent("/nfs/venv".into(), 5),
            "the file system of Python home '/nfs/venv' did not answer within 5 s; look after it, or \
                                                    name another home",
        ),
        (
            HomeError::NoDirectory("/srv/venv/bin".into()),
            "Python home '/srv/venv/bin' does not exist or is not a directory; give '/srv/venv', \
                                                          the directory above bin",
        ),
    ];
    for (error, expected) in rows {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_library_lies_in_the_installation_or_is_missed() {
    for (library, minor, found) in [
        ("base/lib/libpython3.11.so.1.0", "3.11.2", true),
        ("base/lib64/libpython3.11.so", "3.11.2", true),
        ("base/lib/libpython3.12.so.1.0", "3.11.2", false),
        ("base/lib/libpython3.11.so.1.0", "", false),
    ] {
        let site = FakeSite::new();
        let config = if minor.is_empty() {
            "home = @/base/bin\n".to_owned()
        } else {
            format!("home = @/base/bin\nversion = {minor}\n")
        };
        let python = find(&site, &["home/bin/python3", library], &config).unwrap();
        match python.shared_library() {
            Ok(path) => assert_eq!((path, found), (site.path(library), true)),
            Err(error) => {
                assert!(!found, "{library}: {error}");
                let expected = "no shared libpython belongs to '@/home/bin/python3', so it cannot run embedded in httpd; use daemon mode \
                                (WSGIDaemonProcess with python-home=, and WSGIProcessGroup), which needs none, or install the shared \
                                library (Debian: libpython3-dev)";
                assert_eq!(site.short(&error.to_string()), expected);
            }
        }
    }
}
