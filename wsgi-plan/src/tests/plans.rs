//! What a configuration makes of a group and of embedded mode: what the supervisor and the hosts are told.

use super::site::FakeSite;
use crate::embedded::{embedded, embedded_version};
use crate::messages;
use crate::spec::{GroupPlan, operator_socket, places};
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::launch::{ApplicationInterface, HostMode};
use wsgi_protocol::operator::SCALE_LIMIT;

/// The plan of a group with these options, after these lines.
fn plan(lines: &[&str], options: &str) -> (FakeSite, GroupPlan) {
    let mut site = FakeSite::of(lines);
    site.program("venv/bin/python3");
    site.file("venv/pyvenv.cfg", "version = 3.12.1\n");
    site.line(&format!("WSGIDaemonProcess a python-home=@/venv {options}"));
    site.surroundings.environment = vec![("LANG".into(), "C".into()), ("SECRET".into(), "x".into())];
    let plan = site.plan();
    (site, plan)
}

fn spec(options: &str) -> GroupSpec {
    plan(&[], options).1.spec.unwrap_or_else(|error| panic!("{options}: {error}"))
}

#[test]
fn options_reach_the_supervisor() {
    type Check = fn(&GroupSpec) -> bool;
    let rows: [(&str, Check); 27] = [
        ("threads=2", |s| s.name == b"a" && s.processes == 1 && s.launch.threads == 2),
        ("processes=3", |s| s.processes == 3 && s.launch.multiprocess),
        ("user=joe group=joe", |s| {
            (s.identity.uid, s.identity.gid, &*s.identity.user) == (1000, 1000, &b"joe"[..])
        }),
        ("user=joe", |s| {
            s.identity.passwd_home.as_deref() == Some(&b"/home/joe"[..]) && s.identity.differs_from_httpd
        }),
        ("user=www-data", |s| !s.identity.differs_from_httpd),
        ("user=joe supplementary-groups=root", |s| s.identity.supplementary == Some(vec![0])),
        ("umask=0027", |s| s.identity.umask == Some(0o27)),
        ("chroot=/jail home=/srv", |s| {
            s.identity.chroot.as_deref() == Some(&b"/jail"[..]) && s.launch.chroot.is_some()
        }),
        ("home=/srv", |s| s.identity.home.as_deref() == Some(&b"/srv"[..])),
        ("cpu-time-limit=30", |s| s.limits.cpu_seconds == 30),
        ("memory-limit=1048576", |s| s.limits.data == 1 << 20),
        ("virtual-memory-limit=1048576", |s| s.limits.address_space == 1 << 20),
        ("listen-backlog=7", |s| s.sockets.backlog == 7),
        ("socket-user=joe", |s| s.sockets.owner == 1000),
        ("send-buffer-size=4096", |s| s.sockets.send_buffer == 4096),
        ("receive-buffer-size=8192", |s| s.sockets.receive_buffer == 8192),
        ("preload=on", |s| s.preload),
        ("lang=de_DE.UTF-8", |s| s.environment.contains(&b"LANG=de_DE.UTF-8".to_vec())),
        ("locale=C", |s| s.environment.contains(&b"LC_ALL=C".to_vec())),
        ("env=A=1", |s| s.environment.contains(&b"A=1".to_vec())),
        ("threads=1", |s| !s.environment.iter().any(|entry| entry.starts_with(b"SECRET"))),
        ("pass-env=SECRET", |s| s.environment.contains(&b"SECRET=x".to_vec())),
        ("maximum-requests=9", |s| s.launch.maximum_requests == 9),
        ("request-timeout=5", |s| s.launch.timers.request == 5000),
        ("graceful-timeout=3", |s| s.launch.timers.graceful == 3000),
        ("python-path=/a:/b", |s| s.launch.python_path.as_deref() == Some(&b"/a:/b"[..])),
        ("display-name=mine", |s| s.launch.title.as_deref() == Some(&b"mine"[..])),
    ];
    for (options, check) in rows {
        let spec = spec(options);
        assert!(check(&spec), "{options}: {spec:?}");
    }
}

#[test]
fn directives_reach_the_host() {
    type Check = fn(&GroupSpec) -> bool;
    let rows: [(&str, Check); 15] = [
        ("WSGIPythonOptimize 2", |s| s.flags.iter().filter(|flag| *flag == b"-O").count() == 2),
        ("WSGIDontWriteBytecode On", |s| {
            s.flags.contains(&b"-B".to_vec()) && s.launch.python.dont_write_bytecode
        }),
        ("WSGIPythonWarnings error", |s| s.flags.ends_with(&[b"-W".to_vec(), b"error".to_vec()])),
        ("WSGIPythonHashSeed 7", |s| s.environment.contains(&b"PYTHONHASHSEED=7".to_vec())),
        ("WSGIPythonHashSeed random", |s| s.launch.python.hash_seed.is_none()),
        ("WSGIDestroyInterpreter Off", |s| !s.launch.destroy_interpreter),
        ("WSGICaseSensitivity Off", |s| s.launch.case_insensitive),
        ("WSGIPassEnv SECRET", |s| s.environment.contains(&b"SECRET=x".to_vec())),
        ("WSGISwitchInterval 0.01", |s| s.launch.rules[0].switch_interval.is_none()),
        ("WSGIPerInterpreterGIL On", |s| s.launch.rules[0].own_gil == Some(true)),
        ("WSGISlowRequests 4", |s| s.launch.timers.slow_request == 4000),
        ("WSGIDispatchScript /d.py", |s| s.launch.names_global),
        ("WSGIPythonPath /only/embedded", |s| s.launch.python_path.is_none()),
        ("WSGISocketRotation Off", |s| s.sockets.paths[0].ends_with(b".4711.u33.1.sock")),
        ("WSGISocketRotation On", |s| s.sockets.paths[0].ends_with(b"/run/wsgi.4711.2.1.sock")),
    ];
    for (line, check) in rows {
        let (_site, plan) = plan(&[line], "threads=3");
        let spec = plan.spec.unwrap();
        assert!(check(&spec), "{line}: {spec:?}");
    }
}

#[test]
fn a_group_is_whole() {
    let (site, plan) = plan(&[], "processes=2");
    let spec = plan.spec.unwrap();
    assert_eq!((plan.complaint, plan.python.as_deref()), (None, Some("3.12")));
    assert_eq!(site.short(&String::from_utf8_lossy(&spec.interpreter)), "@/venv/bin/python3");
    assert!(spec.argument_zero.is_empty() && spec.launch.mode == HostMode::Daemon);
    let group = site.global.groups.iter().next().unwrap();
    assert_eq!(spec.sockets.paths.len(), places(group) as usize);
    assert_eq!(places(group), SCALE_LIMIT.max(2));
    assert!(spec.sockets.paths[1].ends_with(b"/run/wsgi.4711.2.1.1.sock"));
    assert_eq!((spec.launch.peer_uids, spec.launch.log_level), (vec![33], 6));
}

#[test]
fn what_keeps_a_group_out_is_one_sentence() {
    let mut site = FakeSite::of(&["WSGIDaemonProcess a python-home=@/venv"]);
    let plan = site.plan();
    assert!(
        plan.spec.is_ok_and(|spec| !spec.exclusive),
        "it may be there later, and nobody makes room for it"
    );
    let reason = "Python home '@/venv' does not exist or is not a directory; give the directory of a virtual environment or of a \
                  Python installation";
    let complaint = plan.complaint.map(|text| site.short(&text));
    assert_eq!(complaint, Some(messages::group_cannot_start("a", reason, "a.conf:1")));
    assert_eq!(plan.python, None);

    site.program("venv/bin/python3");
    site.surroundings.httpd.uid = 0;
    let reason =
        "WSGI process blocked from running as root: group 'a' would run as 'root'; set user= or httpd's User";
    assert_eq!(site.plan().spec.err().as_deref(), Some(reason));
    site.surroundings.httpd.is_root = false;
    assert!(site.plan().spec.is_ok(), "root is only what httpd cannot leave");

    let old = FakeSite::of(&["WSGIDaemonProcess a python-home=@/venv env-file=@/none"]);
    let mut old = old;
    old.program("venv/bin/python3");
    old.file("venv/pyvenv.cfg", "version = 3.8.1\n");
    let reason = "'@/venv/bin/python3' is Python 3.8; CPython 3.9 or newer is needed, make the virtual environment with a newer one";
    assert_eq!(old.plan().spec.map_err(|text| old.short(&text)).err().as_deref(), Some(reason));
    old.file("venv/pyvenv.cfg", "version = 3.9.1\n");
    let reason = "env-file '@/none' cannot be opened (No such file or directory (os error 2)); give a readable plain file";
    assert_eq!(old.plan().spec.map_err(|text| old.short(&text)).err().as_deref(), Some(reason));
}

#[test]
fn an_unknown_user_keeps_the_name_that_was_written() {
    let mut site = FakeSite::of(&["WSGIDaemonProcess a python-home=@/venv"]);
    site.program("venv/bin/python3");
    site.surroundings.httpd.uid = 77;
    site.surroundings.httpd.name = "#77".to_owned();
    let identity = site.plan().spec.unwrap().identity;
    assert_eq!((&*identity.user, identity.passwd_home), (&b"#77"[..], None));
}

#[test]
fn the_environment_has_an_order() {
    let mut site = FakeSite::of(&[
        "WSGIPassEnv *",
        "WSGIDaemonProcess a python-home=@/venv user=joe env-file=@/env env=B=2",
    ]);
    site.program("venv/bin/python3");
    let path = site.file("env", "A=1\nB=1\nUSER=file\n");
    if site.surroundings.own_uid == 0 {
        std::os::unix::fs::chown(path, Some(1000), None).unwrap();
    } else {
        return; // the file must belong to the user of the group or to root
    }
    site.surroundings.environment = vec![("USER".into(), "root".into()), ("A".into(), "0".into())];
    let environment = site.plan().spec.unwrap().environment;
    for entry in ["A=1", "B=2", "USER=file", "HOME=/home/joe", "PATH=/usr/local/bin:/usr/bin:/bin"] {
        assert!(environment.contains(&entry.as_bytes().to_vec()), "{entry}: {environment:?}");
    }
    let of = |name: &[u8]| environment.iter().filter(|entry| entry.starts_with(name)).count();
    assert_eq!((of(b"A="), of(b"B="), of(b"USER=")), (1, 1, 1));
}

#[test]
fn scripts_of_a_group_are_named() {
    let lines = |how: &str| {
        let alias =
            format!("WSGIScriptAlias /x @/app.wsgi process-group=a application-group=%{{GLOBAL}} {how}");
        let mut site =
            FakeSite::of(&["WSGIDaemonProcess a python-home=@/venv preload=on interface=asgi", &alias]);
        site.program("venv/bin/python3");
        site.file("app.wsgi", "");
        let launch = site.plan().spec.unwrap().launch;
        (site, launch)
    };
    let (site, launch) = lines("");
    let app = site.path("app.wsgi").display().to_string().into_bytes();
    assert_eq!(launch.preloads.len(), 1);
    assert_eq!((&launch.preloads[0].script, &*launch.preloads[0].application_group), (&app, &b""[..]));
    assert_eq!(launch.candidates[0].script, app);
    assert_eq!((&launch.mounted[0].script, launch.mounted[0].interface), (&app, ApplicationInterface::Asgi));
    assert!(launch.names_global && launch.names.contains(&app));
    let (site, _) = lines("");
    std::fs::remove_file(site.path("app.wsgi")).unwrap();
    let mut site = site;
    assert!(site.plan().spec.unwrap().launch.candidates.is_empty(), "what is not there is not preloaded");
}

#[test]
fn rules_of_interpreters_reach_their_groups() {
    let mut site = FakeSite::of(&[
        "WSGIDaemonProcess a python-home=@/venv",
        "<WSGIInterpreterOptions process-group=a application-group=x>",
        "<WSGIInterpreterOptions process-group=b>",
    ]);
    site.program("venv/bin/python3");
    let rules = site.plan().spec.unwrap().launch.rules;
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[1].application_group.as_deref(), Some(&b"x"[..]));
}

#[test]
fn embedded_mode() {
    let look = |lines: &[&str], library: bool| {
        let mut site = FakeSite::of(lines);
        site.program("venv/bin/python3");
        site.file("venv/pyvenv.cfg", "version = 3.11.2\n");
        if library {
            site.file("venv/lib/libpython3.11.so.1.0", "");
        }
        let found = site.with(false, |facts| embedded(facts).map(|found| (found, embedded_version(facts))));
        (site, found)
    };
    assert!(look(&["WSGIRestrictEmbedded On"], true).1.is_none());
    let (site, found) =
        look(&["WSGIPythonHome @/venv", "WSGIPythonPath /a:/b", "WSGISwitchInterval 0.01"], true);
    let (settings, version) = found.unwrap();
    assert_eq!(settings.library, Ok(site.path("venv/lib/libpython3.11.so.1.0")));
    assert_eq!((version.as_deref(), settings.eager), (Some("3.11"), false));
    let launch = settings.launch;
    assert_eq!((launch.mode, launch.processes, launch.threads), (HostMode::Embedded, 4, 25));
    assert!(launch.names_global && launch.multiprocess && launch.multithread);
    assert_eq!(launch.python_path.as_deref(), Some(&b"/a:/b"[..]));
    assert_eq!(launch.rules[0].switch_interval, Some(0.01));
    let (_site, found) = look(&["WSGIPythonHome @/venv", "WSGIScriptAlias / @/app.wsgi"], false);
    let (settings, _) = found.unwrap();
    assert!(settings.eager && settings.library.unwrap_err().starts_with("no shared libpython belongs to"));
}

#[test]
fn the_operators_socket_lies_beside_the_others() {
    let mut site = FakeSite::new();
    let path = site.with(false, operator_socket);
    assert!(String::from_utf8_lossy(&path).starts_with(&format!("{}.4711", site.path("run/wsgi").display())));
}
