//! WSGIAuthUserScript and WSGIAuthGroupScript: Basic, Digest, groups; each result and each failure (spec/behaviour.md §7).

use crate::asking::load;
use crate::snippets::base64;
use integration::{Httpd, HttpdBuilder, Mode, Mpm, Subject};
use std::process::Command;

const APP: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [repr((environ.get('REMOTE_USER'), environ.get('AUTH_TYPE'))).encode()]
";

/// Decides by the Python expression that is the name of the user.
const SCRIPT: &str = "import hashlib
def fail(error): raise error
def broken(first):
    yield first
    raise KeyError('MIDDLE')
def check_password(environ, user, password):
    return eval(user)
def get_realm_hash(environ, user, realm):
    right = hashlib.md5(f'{user}:{realm}:secret'.encode('latin-1')).hexdigest()
    return eval(user)
def groups_for_user(environ, user):
    return eval(user)
";

/// Takes everybody.
const ANY: &str = "def check_password(environ, user, password):\n    return True\n";

const MODULES: [&str; 7] = [
    "authn_core",
    "authz_user",
    "authn_file",
    "auth_basic",
    "auth_digest",
    "authz_groupfile",
    "socache_shmcb",
];

fn site(mode: Mode, directives: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .app(APP)
        .file("script.py", SCRIPT)
        .file("any.py", ANY)
        .file("empty.py", "x = 1\n")
        .file("broken.py", "raise KeyError('LOAD')\n")
        .directives(&load(&MODULES))
        .directives(directives)
        .allow_python_errors()
        .allow_log("[auth_basic:error]")
        .allow_log("[auth_digest:error]")
        .allow_log("[authz_core:error]")
}

/// A section that asks `provider` for the user, and more.
fn basic(path: &str, more: &str) -> String {
    format!(
        "<Location {path}>\nAuthType Basic\nAuthName x\nAuthBasicProvider wsgi\nRequire valid-user\n{more}\n</Location>\n"
    )
}

fn user(name: &str) -> String {
    format!("WSGIAuthUserScript @ROOT@/app/{name}.py")
}

/// Logs in with a name in latin-1; status and body.
fn log_in(server: &Httpd, path: &str, name: &str, password: &str) -> (u16, String) {
    let credentials: Vec<u8> = format!("{name}:{password}").chars().map(|c| c as u8).collect();
    let header = format!("Basic {}", base64(&credentials));
    let response = server.request("GET", path).header("Authorization", &header).send();
    (response.status, response.text())
}

/// §7.2, Basic: only True and a name let a user in.
fn passwords_of(builder: HttpdBuilder) {
    let server = builder
        .expect_log("WSGI0176")
        .expect_log("WSGI0177")
        .expect_log("WSGI0174")
        .expect_log("WSGI0175")
        .expect_log("KeyError: 'AUTH'")
        .start();
    for (name, status) in [
        ("True", 200),
        ("False", 401),
        ("None", 401),
        ("1", 500),
        ("0", 500),
        ("''", 500),
        ("b'x'", 500),
        ("fail(KeyError('AUTH'))", 500),
        ("fail(SystemExit())", 500),
        ("chr(0xdc80)", 500), // no UTF-8
        ("password == 'p\u{e9}' and type(password) is str", 200),
        ("'\u{e9}' in user and user.isascii() is False", 200),
        ("'REMOTE_USER' not in environ and 'HTTP_AUTHORIZATION' not in environ", 200),
    ] {
        assert_eq!(log_in(&server, "/", name, "p\u{e9}").0, status, "{name}");
    }
    for (name, expected) in [("'other'", "'other'"), ("'\\u00e9'", "'\u{c3}\u{a9}'"), ("True", "'True'")] {
        assert_eq!(log_in(&server, "/", name, "x"), (200, format!("({expected}, 'Basic')")), "{name}");
    }
    assert_eq!(server.get("/").status, 401);
}

fn passwords(mode: Mode) {
    passwords_of(site(mode, &basic("/", &user("script"))));
}

#[test]
fn passwords_in_prefork() {
    passwords_of(site(Mode::Daemon, &basic("/", &user("script"))).mpm(Mpm::Prefork));
}

/// §7.2: what httpd would read as another name is no name.
#[test]
fn user_name_with_a_null_character() {
    if Subject::skips("the name is cut at the null character") {
        return;
    }
    let server = site(Mode::Daemon, &basic("/", &user("script"))).expect_log("WSGI0177").start();
    assert_eq!(log_in(&server, "/", "'admin' + chr(0) + 'x'", "x").0, 500);
}

/// §7.2: no script, no function, no module.
fn missing_user_scripts(mode: Mode) {
    let sections = basic("/unset", "")
        + &basic("/empty", &user("empty"))
        + &basic("/broken", &user("broken"))
        + &basic("/missing", &user("missing"));
    let server = site(mode, &sections)
        .expect_log("WSGI0041")
        .expect_log("WSGI0043")
        .expect_log("WSGI0105")
        .expect_log("KeyError: 'LOAD'")
        .allow_log("[wsgi:warn]")
        .start();
    for path in ["/unset", "/empty", "/broken", "/missing"] {
        assert_eq!(log_in(&server, path, "True", "x").0, 500, "{path}");
    }
}

/// §7.2: an unknown user is the next provider's business; an alias of the provider has its own script.
fn several_providers(mode: Mode) {
    let sections = format!(
        "<AuthnProviderAlias wsgi other>\n{}\n</AuthnProviderAlias>\n\
         <Location /both>\nAuthType Basic\nAuthName x\nAuthBasicProvider wsgi file\nRequire valid-user\n{}\n\
         AuthUserFile @ROOT@/app/users\n</Location>\n\
         <Location /alias>\nAuthType Basic\nAuthName x\nAuthBasicProvider other\nRequire valid-user\n</Location>",
        user("any"),
        user("users")
    );
    let script = "def check_password(environ, user, password):
    return None if user == 'alice' else password == 'yes'\n";
    let server = site(mode, &sections)
        .file("users", "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .file("users.py", script)
        .start();
    assert_eq!(log_in(&server, "/both", "alice", "secret").0, 200);
    assert_eq!(log_in(&server, "/both", "alice", "wrong").0, 401);
    assert_eq!(log_in(&server, "/both", "bob", "yes").0, 200);
    assert_eq!(log_in(&server, "/both", "bob", "secret").0, 401);
    assert_eq!(log_in(&server, "/alias", "anybody", "x"), (200, "('anybody', 'Basic')".to_owned()));
}

/// Status of a Digest login by curl.
fn digest(server: &Httpd, path: &str, name: &str) -> String {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--max-time",
            "30",
            "--noproxy",
            "*",
            "--globoff",
            "--output",
            "/dev/null",
            "--digest",
        ])
        .args(["--write-out", "%{http_code}", "--user", &format!("{name}:secret")])
        .arg(server.url(path))
        .output()
        .expect("curl is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// §7.2, Digest.
fn realm_hashes(mode: Mode) {
    let section = |path: &str, more: &str| {
        format!(
            "<Location {path}>\nAuthType Digest\nAuthName x\nAuthDigestProvider wsgi\nRequire valid-user\n{more}\n\
             </Location>\n"
        )
    };
    let sections = section("/asked", &user("script"))
        + &section("/unset", "")
        + &section("/empty", &user("empty"))
        + &section("/broken", &user("broken"));
    let server = site(mode, &sections)
        .expect_log("WSGI0044")
        .expect_log("WSGI0046")
        .expect_log("WSGI0109")
        .expect_log("WSGI0174")
        .expect_log("WSGI0178")
        .expect_log("WSGI0179")
        .allow_log("[wsgi:warn]")
        .start();
    for (name, status) in [
        ("right", "200"),
        ("right.encode()", "200"),
        ("right.strip(right[0])", "401"),
        ("None", "401"),
        ("''", "500"),
        ("b''", "500"),
        ("True", "500"),
        ("chr(0x2603)", "500"),
        ("fail(KeyError())", "500"),
    ] {
        assert_eq!(digest(&server, "/asked", name), status, "{name}");
    }
    for path in ["/unset", "/empty", "/broken"] {
        assert_eq!(digest(&server, path, "right"), "500", "{path}");
    }
}

/// A section that requires groups.
fn grouped(path: &str, required: &str, more: &str) -> String {
    format!(
        "<Location {path}>\nAuthType Basic\nAuthName x\nAuthBasicProvider wsgi\n{}\nRequire wsgi-group {required}\n{more}\n\
         </Location>\n",
        user("any")
    )
}

fn groups_of_user(name: &str) -> String {
    format!("WSGIAuthGroupScript @ROOT@/app/{name}.py")
}

/// §7.2, groups: one of those required must be among them.
fn groups_of(mode: Mode, mpm: Mpm) {
    let sections = grouped("/", "staff \"two words\" admin", &groups_of_user("script"))
        + "<Location /forbidden>\nAuthzSendForbiddenOnFailure On\n</Location>\n";
    let builder = site(mode, &sections).mpm(mpm);
    let server = ["WSGI0049", "WSGI0050", "WSGI0051", "WSGI0059", "WSGI0060", "KeyError: 'GROUPS'"]
        .into_iter()
        .fold(builder, HttpdBuilder::expect_log)
        .start();
    for (name, status) in [
        ("['x', 'ADMIN']", 200),
        ("(b'Staff',)", 200),
        ("{'two words'}", 200),
        ("(group for group in ['admin'])", 200),
        ("['two']", 401),
        ("['adm', 'admins']", 401),
        ("'admin'", 401),
        ("[]", 401),
        ("None", 401),
        ("1", 401),
        ("True", 401),
        ("['admin', 1]", 401),
        ("[1, 'admin']", 401),
        ("['admin', chr(0x2603)]", 401),
        ("fail(KeyError('GROUPS'))", 401),
        ("broken('x')", 401),
    ] {
        assert_eq!(log_in(&server, "/", name, "x").0, status, "{name}");
    }
    assert_eq!(log_in(&server, "/forbidden", "[]", "x").0, 403);
    assert_eq!(server.get("/").status, 401, "no user yet");
}

fn groups(mode: Mode) {
    groups_of(mode, Mpm::Event);
}

#[test]
fn groups_in_prefork() {
    groups_of(Mode::Daemon, Mpm::Prefork);
}

/// §7.2: groups that came before an exception do not count.
#[test]
fn groups_before_an_exception() {
    if Subject::skips("they count") {
        return;
    }
    let server = site(Mode::Daemon, &grouped("/", "admin", &groups_of_user("script")))
        .expect_log("KeyError: 'MIDDLE'")
        .start();
    assert_eq!(log_in(&server, "/", "broken('admin')", "x").0, 401);
}

/// A script that cannot answer must not open what its "no" would open.
#[test]
fn failures_do_not_pass_a_negated_requirement() {
    if Subject::skips("the user passes") {
        return;
    }
    let section = |path: &str, requirement: &str| {
        format!(
            "<Location {path}>\nAuthType Basic\nAuthName x\nAuthBasicProvider wsgi\n{}\n{}\n<RequireAll>\nRequire valid-user\n\
             {requirement}\n</RequireAll>\n</Location>\n",
            user("any"),
            groups_of_user("script")
        )
    };
    let sections = section("/not", "Require not wsgi-group banned")
        + &section("/none", "<RequireNone>\nRequire wsgi-group banned\n</RequireNone>");
    let server = site(Mode::Daemon, &sections).expect_log("KeyError: 'GROUPS'").allow_log("[wsgi:").start();
    for path in ["/not", "/none"] {
        assert_eq!(log_in(&server, path, "['other']", "x").0, 200, "{path}");
        assert_eq!(log_in(&server, path, "['banned']", "x").0, 401, "{path}");
        assert_eq!(log_in(&server, path, "fail(KeyError('GROUPS'))", "x").0, 500, "{path}");
    }
}

/// §7.2: no script, no function, no module; nothing required.
fn missing_group_scripts(mode: Mode) {
    let sections = grouped("/unset", "admin", "")
        + &grouped("/empty", "admin", &groups_of_user("empty"))
        + &grouped("/broken", "admin", &groups_of_user("broken"))
        + &grouped("/missing", "admin", &groups_of_user("missing"));
    let server = site(mode, &sections)
        .expect_log("WSGI0052")
        .expect_log("WSGI0058")
        .expect_log("WSGI0105")
        .expect_log("WSGI0109")
        .allow_log("[wsgi:warn]")
        .start();
    for path in ["/unset", "/empty", "/broken", "/missing"] {
        assert_eq!(log_in(&server, path, "['admin']", "x").0, 401, "{path}");
    }
}

in_both_modes!(
    groups,
    missing_group_scripts,
    missing_user_scripts,
    passwords,
    realm_hashes,
    several_providers,
);
