//! `script-user=` and `script-group=`: whose scripts a group serves (spec/directives.md §7.5).

use super::{ENVIRON, is_old, site};
use integration::{Httpd, Subject, is_root};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// A server whose group demands an owner of `app/own/app.wsgi`.
fn demanding(option: &str) -> Httpd {
    site(&format!(
        "WSGIDaemonProcess own threads=2 {option}\nWSGIApplicationGroup %{{GLOBAL}}\n\
         WSGIScriptAlias / @ROOT@/app/own/app.wsgi process-group=own"
    ))
    .file("own/app.wsgi", ENVIRON)
    .allow_log("WSGI script file")
    .allow_log("arent directory of WSGI script file")
    .start()
}

/// Gives file and directory owner and mode; returns status and new log text of a request.
fn answer(server: &Httpd, file: (&str, u32), folder: (&str, u32)) -> (u16, String) {
    let path = server.root().join("app/own");
    for (path, (owner, mode)) in [(path.join("app.wsgi"), file), (path, folder)] {
        let status = std::process::Command::new("/bin/chown").arg(owner).arg(&path).status();
        assert!(status.expect("chown").success());
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("own file");
    }
    let before = server.error_log().len();
    let status = server.get("/").status;
    (status, server.error_log()[before..].to_owned())
}

#[test]
fn script_user_demands_owner_and_modes() {
    if !is_root() {
        println!("skipped: only root can give files away");
        return;
    }
    let server = demanding("script-user=www-data");
    let (good, open) = (("www-data:root", 0o644), ("www-data:root", 0o755));
    assert_eq!(answer(&server, good, open).0, 200);
    for (file, folder, text) in [
        (("root:root", 0o644), open, "WSGI script file owner 'root' does not match user required"),
        (("www-data", 0o664), open, "WSGI script file is writable to group"),
        (("www-data", 0o646), open, "WSGI script file is writable to world"),
        (good, ("root", 0o755), "Parent directory of WSGI script file has owner 'root'"),
        (good, ("www-data", 0o775), "Parent directory of WSGI script file is writable to group"),
        (good, ("www-data", 0o757), "Parent directory of WSGI script file is writable to world"),
    ] {
        let (status, log) = answer(&server, file, folder);
        // The 4.9 series says it in other words.
        assert!(status == 403 && (log.contains(text) || is_old()), "{status}, not {text}: {log}");
    }
    assert_eq!(answer(&server, good, open).0, 200);
}

#[test]
fn script_group_demands_group_and_modes() {
    if !is_root() {
        println!("skipped: only root can give files away");
        return;
    }
    let server = demanding("script-group=www-data");
    let (good, open) = (("root:www-data", 0o664), ("root:www-data", 0o775));
    assert_eq!(answer(&server, good, open).0, 200);
    for (file, folder, text) in [
        (("root:root", 0o644), open, "WSGI script file group 'root' does not match group required"),
        (("root:www-data", 0o646), open, "WSGI script file is writable to world"),
        (good, ("root:root", 0o755), "Parent directory of WSGI script file has group 'root'"),
        (good, ("root:www-data", 0o757), "Parent directory of WSGI script file is writable to world"),
    ] {
        let (status, log) = answer(&server, file, folder);
        // The 4.9 series says it in other words.
        assert!(status == 403 && (log.contains(text) || is_old()), "{status}, not {text}: {log}");
    }
}

#[test]
fn numeric_owners_are_enforced_too() {
    if Subject::skips("#id checks the modes only") || !is_root() {
        return;
    }
    for (option, good, bad) in [
        ("script-user=#33", "www-data:root", "root:root"),
        ("script-group=#33", "root:www-data", "root:root"),
    ] {
        let server = demanding(option);
        assert_eq!(answer(&server, (good, 0o644), (good, 0o755)).0, 200, "{option}");
        assert_eq!(answer(&server, (bad, 0o644), (good, 0o755)).0, 403, "{option}");
        assert_eq!(answer(&server, (good, 0o644), (bad, 0o755)).0, 403, "{option}");
    }
}
