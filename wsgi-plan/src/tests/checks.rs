//! Every check, with what is right and what is wrong: the exact sentence, and the fix that it names.

use super::site::FakeSite;
use crate::access::{AccessNeed, AccessProblem};
use crate::messages;
use crate::python::HomeError;
use crate::survey::{DelegateOutcome, SurveyAnswer, SurveyQuestion};

/// A group whose home has an interpreter, and no embedded Python.
const GROUP: [&str; 2] = ["WSGIRestrictEmbedded On", "WSGIDaemonProcess a python-home=@/venv"];

fn site(lines: &[&str]) -> FakeSite {
    let site = FakeSite::of(lines);
    site.program("venv/bin/python3");
    site
}

/// What a test says, each line after its level, with `@` for the folder.
fn said(site: &mut FakeSite, is_test: bool) -> Vec<String> {
    let found = site.findings(is_test);
    let level = |name: &str, lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("{name}: {}", site.short(line))).collect()
    };
    [level("error", &found.errors), level("warning", &found.warnings), level("notice", &found.notices)]
        .concat()
}

fn stays_down(reason: &str) -> String {
    format!("error: {}", messages::group_cannot_start("a", reason, "a.conf:2"))
}

fn denied(path: &std::path::Path, is_directory: bool) -> DelegateOutcome<SurveyAnswer> {
    DelegateOutcome::Seen(SurveyAnswer::Access(Some(AccessProblem::Denied(path.into(), is_directory))))
}

#[test]
fn what_is_right_is_not_mentioned() {
    let mut site = site(&[
        GROUP[0],
        "WSGIDaemonProcess a python-home=@/venv home=@/home python-path=@/lib env-file=@/env user=joe",
        "WSGIScriptAlias /x @/app.wsgi process-group=a",
        "WSGIScriptAlias /y/ @/lib/ process-group=%{ENV:G}",
        "WSGIImportScript @/app.wsgi process-group=a application-group=x",
    ]);
    for name in ["app.wsgi", "env", "lib/x.py", "home/x"] {
        site.file(name, "");
    }
    if site.surroundings.own_uid == 0 {
        std::os::unix::fs::chown(site.path("env"), Some(1000), None).unwrap();
    }
    site.surroundings.httpd.is_root = site.surroundings.own_uid == 0;
    assert_eq!(said(&mut site, true), [""; 0]);
}

#[test]
fn groups_without_an_interpreter_stay_down() {
    let mut none = FakeSite::of(&GROUP);
    let reason = "Python home '@/venv' does not exist or is not a directory; give the directory of a virtual environment or of a \
                  Python installation";
    assert_eq!(said(&mut none, true), [stays_down(reason)]);

    let mut closed = site(&GROUP);
    let program = closed.path("venv/bin/python3");
    let folder = closed.path("venv");
    closed.tell(SurveyQuestion::Access(program, AccessNeed::Program), denied(&folder, true));
    let reason = "the interpreter '@/venv/bin/python3' cannot be executed by user 'www-data', who may not search '@/venv'; allow it \
                  (chmod o+x '@/venv') or move it to a place that user can reach";
    assert_eq!(said(&mut closed, true), [stays_down(reason)]);

    let mut program = site(&GROUP);
    let path = program.path("venv/bin/python3");
    program.tell(SurveyQuestion::Access(path.clone(), AccessNeed::Program), denied(&path, false));
    let reason = "the interpreter '@/venv/bin/python3' cannot be executed by user 'www-data'; allow it (chmod o+rx \
                  '@/venv/bin/python3')";
    assert_eq!(said(&mut program, true), [stays_down(reason)]);
    program.surroundings.httpd.is_root = false;
    assert_eq!(said(&mut program, true), [""; 0], "only root knows what httpd's user will be allowed");
}

#[test]
fn a_home_that_is_silent_or_half_there_is_tried() {
    let mut silent = site(&GROUP);
    let home = silent.path("venv");
    silent.tell(SurveyQuestion::Interpreter(home), DelegateOutcome::Silent);
    assert_eq!(
        said(&mut silent, true),
        [
            "warning: a.conf:2: WSGIDaemonProcess a: the file system of Python home '@/venv' did not answer within 5 s; look after \
          it, or name another home."
        ]
    );
    let mut layer = FakeSite::of(&GROUP);
    layer.program("base/bin/python3.11");
    let config = format!("home = {}\nversion = 3.11.2\n", layer.path("base/bin").display());
    layer.file("venv/pyvenv.cfg", &config);
    assert_eq!(
        said(&mut layer, true),
        [
            "notice: a.conf:2: WSGIDaemonProcess a: there is no '@/venv/bin/python3': '@/base/bin/python3.11', which pyvenv.cfg \
          names, is executed for it; make the virtual environment anew when you can."
        ]
    );
}

#[test]
fn directories_of_groups() {
    let group = |options: &str| format!("WSGIDaemonProcess a python-home=@/venv {options}");
    let about =
        |option: &str, text: &str| format!("warning: a.conf:2: WSGIDaemonProcess a {option}: {text}.");
    let missing = "does not exist; create it or correct the path";
    let rows = [
        ("home=@/none", vec![about("home=", &format!("the directory '@/none' {missing}"))]),
        ("home=@/file", vec![about("home=", "the directory '@/file' is no directory; name one")]),
        (
            "python-path=@/none:relative",
            vec![about("python-path=", &format!("the entry '@/none' {missing}"))],
        ),
        (
            "python-path=@/none/lib",
            vec![about(
                "python-path=",
                "the entry '@/none/lib' does not exist, there is no '@/none'; create it or correct the path",
            )],
        ),
        (
            "user=joe",
            vec![about(
                "user=",
                &format!("the home directory of the user '/home/joe' {missing}, or set home="),
            )],
        ),
        (
            "chroot=@/jail home=/srv python-path=/lib",
            vec![
                about("home=", &format!("the directory '@/jail/srv' {missing}")),
                about("python-path=", &format!("the entry '@/jail/lib' {missing}")),
            ],
        ),
        ("chroot=@/file", vec![about("chroot=", "the directory '@/file' is no directory; name one")]),
    ];
    for (options, expected) in rows {
        let mut site = site(&[GROUP[0], &group(options)]);
        site.file("file", "");
        site.file("jail/x", "");
        let missing = SurveyAnswer::Access(Some(AccessProblem::Missing("/home/joe".into())));
        let home = SurveyQuestion::Access("/home/joe".into(), AccessNeed::Directory);
        site.tell(home, DelegateOutcome::Seen(missing));
        assert_eq!(said(&mut site, true), expected, "{options}");
    }
}

#[test]
fn environment_files_keep_a_group_down() {
    let lines = [GROUP[0], "WSGIDaemonProcess a python-home=@/venv env-file=@/env"];
    let mut site = site(&lines);
    let reason = "env-file '@/env' cannot be opened (No such file or directory (os error 2)); give a readable plain file";
    assert_eq!(said(&mut site, true), [stays_down(reason)]);
    site.surroundings.httpd.is_root = false;
    assert_eq!(said(&mut site, true), [""; 0], "what only root may read is root's to check");
    site.surroundings.httpd.is_root = true;
    let path = site.path("env");
    site.tell(SurveyQuestion::Environment(path, 33), DelegateOutcome::Silent);
    let reason =
        "the file system of env-file '@/env' did not answer within 5 s; look after it, or name another file";
    assert_eq!(said(&mut site, true), [stays_down(reason)]);
}

#[test]
fn limits_of_open_files() {
    let warning = |who, need, limit| format!("warning: {}", messages::too_few_files(who, need, limit));
    let (supervisor, process) = ("the supervisor of all daemon processes", "a daemon process");
    for (limits, expected) in [
        (Some((39, 54)), vec![]),
        (Some((39, 53)), vec![warning(supervisor, 54, 53)]),
        (Some((38, 54)), vec![warning(process, 39, 38)]),
        (Some((0, 0)), vec![warning(supervisor, 54, 0), warning(process, 39, 0)]),
        (None, vec![]),
    ] {
        let mut site = site(&[GROUP[0], "WSGIDaemonProcess a python-home=@/venv processes=3 threads=15"]);
        site.surroundings.open_files = limits;
        assert_eq!(said(&mut site, true), expected, "{limits:?}");
    }
    let text = messages::too_few_files("a daemon process", 39, 38);
    assert!(
        text.ends_with(
            "The limit of open files, 38, is too low: a daemon process needs 39, and the files that applications open. Raise \
             it where httpd is started (LimitNOFILE= of its systemd unit, or ulimit -n)."
        ),
        "{text}"
    );
}

#[test]
fn the_directory_of_sockets() {
    let mut site = site(&GROUP);
    let run = site.path("run");
    site.mode(&run, 0o777);
    assert_eq!(
        said(&mut site, true),
        [
            "warning: WSGISocketPrefix @/run/wsgi: every user may write to '@/run' and could get in the way of the sockets; choose \
          a directory of root's."
        ]
    );
    site.surroundings.socket_prefix = site.path("none/wsgi").display().to_string();
    assert_eq!(
        said(&mut site, true),
        [
            "warning: WSGISocketPrefix @/none/wsgi: the directory of the sockets '@/none' does not exist; create it or correct the \
          path."
        ]
    );
    site.line("WSGISocketPrefix /run/wsgi");
    site.surroundings.socket_prefix = format!("/{}", "x".repeat(97));
    let expected = format!(
        "error: a.conf:3: WSGISocketPrefix /{}: socket paths made from it would be longer than the 107 bytes that the system \
         takes; set WSGISocketPrefix to a shorter path.",
        "x".repeat(97)
    );
    assert_eq!(said(&mut site, true), [expected]);
    site.surroundings.socket_prefix = format!("/{}", "x".repeat(95));
    assert_eq!(said(&mut site, true), [""; 0]);
}

#[test]
fn obstacles_on_the_way_to_a_script() {
    let lines = [GROUP[0], GROUP[1], "WSGIScriptAlias /x @/d/app.wsgi process-group=a"];
    type Problem = fn(&FakeSite) -> AccessProblem;
    let rows: [(Problem, &str); 7] = [
        (
            |site| AccessProblem::Missing(site.path("d/app.wsgi")),
            "does not exist; create it or correct the path",
        ),
        (
            |site| AccessProblem::Missing(site.path("d")),
            "does not exist, there is no '@/d'; create it or correct the path",
        ),
        (|_| AccessProblem::NotDirectory, "is no directory; name one"),
        (
            |_| AccessProblem::IsDirectory,
            "is a directory, and each file in it a script with its name in the URL; if one application is meant, name its file \
             (wsgi.py, for example), else end URL and path with '/'",
        ),
        (
            |_| AccessProblem::Silent(5),
            "could not be looked at within 5 s by user 'www-data': its file system does not answer",
        ),
        (
            |site| AccessProblem::Denied(site.path("d"), true),
            "cannot be used by user 'www-data', who may not search '@/d'; allow it (chmod o+x '@/d') or move it to a place that \
             user can reach",
        ),
        (
            |site| AccessProblem::Denied(site.path("d/app.wsgi"), false),
            "cannot be used by user 'www-data'; allow it (chmod o+r '@/d/app.wsgi')",
        ),
    ];
    for (problem, text) in rows {
        let mut site = site(&lines);
        let (path, problem) = (site.path("d/app.wsgi"), problem(&site));
        let answer = DelegateOutcome::Seen(SurveyAnswer::Access(Some(problem)));
        site.tell(SurveyQuestion::Access(path, AccessNeed::Script), answer);
        assert_eq!(
            said(&mut site, true),
            [format!("warning: a.conf:3: WSGIScriptAlias /x: script '@/d/app.wsgi' {text}.")]
        );
    }
}

#[test]
fn scripts_are_looked_at_for_who_runs_them() {
    let missing = "does not exist; create it or correct the path.";
    let rows = [
        (
            "WSGIScriptAlias /x @/none process-group=a",
            format!("WSGIScriptAlias /x: script '@/none' {missing}"),
        ),
        (
            "WSGIScriptAlias /x @/none process-group=%{ENV:G}",
            format!("WSGIScriptAlias /x: script '@/none' {missing}"),
        ),
        (
            "WSGIScriptAlias /x/ @/none/ process-group=%{ENV:G}",
            format!("WSGIScriptAlias /x/: script '@/none/' {missing}"),
        ),
        (
            "WSGIImportScript @/none process-group=a application-group=x",
            format!("WSGIImportScript: script '@/none' {missing}"),
        ),
        (
            "WSGIImportScript @/d process-group=a application-group=x",
            "WSGIImportScript: script '@/d' is a directory; name a file.".to_owned(),
        ),
        ("WSGIDispatchScript @/none", format!("WSGIDispatchScript: script '@/none' {missing}")),
    ];
    for (line, expected) in rows {
        let mut site = site(&[GROUP[0], GROUP[1], line]);
        site.file("d/x", "");
        let lines = said(&mut site, true);
        assert!(lines.contains(&format!("warning: a.conf:3: {expected}")), "{line}: {lines:?}");
    }
    let mut site = site(&[GROUP[0], GROUP[1], "WSGIScriptAlias /x relative/app.wsgi process-group=a"]);
    assert_eq!(said(&mut site, true), [""; 0], "no path of this machine");
}

#[test]
fn httpd_must_reach_what_another_user_runs() {
    let lines = [
        GROUP[0],
        "WSGIDaemonProcess a python-home=@/venv user=joe home=@",
        "WSGIScriptAlias /x @/app.wsgi process-group=a",
    ];
    let mut site = site(&lines);
    let (path, folder) = (site.file("app.wsgi", ""), site.folder.clone());
    site.tell(SurveyQuestion::Access(path, AccessNeed::Reach), denied(&folder, true));
    assert_eq!(
        said(&mut site, true),
        [
            "warning: a.conf:3: WSGIScriptAlias /x: script '@/app.wsgi' cannot be reached by user 'www-data', who may not search \
          '@'; allow it (chmod o+x '@') or move it to a place that user can reach."
        ]
    );
    let asked = site.delegates.asked.borrow();
    let who = |need| {
        let about =
            |question: &SurveyQuestion| matches!(question, SurveyQuestion::Access(_, n) if *n == need);
        asked.iter().filter(|(_, question)| about(question)).map(|(who, _)| who.uid).collect::<Vec<_>>()
    };
    assert_eq!((who(AccessNeed::Reach), who(AccessNeed::Script)), (vec![33], vec![1000]));
}

#[test]
fn a_script_of_many_hosts_is_one_line() {
    let alias = "WSGIScriptAlias /x @/none process-group=a";
    let mut site = site(&[GROUP[0], GROUP[1], alias, "WSGIScriptAlias /y @/none process-group=a"]);
    let expected = "warning: a.conf:3: WSGIScriptAlias /x: script '@/none' does not exist; create it or correct the path. (The \
                    same at 1 more places.)";
    assert_eq!(said(&mut site, true), [expected]);
}

#[test]
fn embedded_python_needs_its_library() {
    let lines = ["WSGIPythonHome @/venv", "WSGIScriptAlias / @/app.wsgi", "WSGIPythonPath @/lib"];
    let mut site = site(&lines);
    site.file("app.wsgi", "");
    site.file("venv/pyvenv.cfg", "version = 3.11.2\n");
    let down = |reason: &str| format!("error: {}", messages::embedded_cannot_start(reason));
    let entry =
        "warning: a.conf:3: WSGIPythonPath: the entry '@/lib' does not exist; create it or correct the path.";
    let reason = HomeError::NoSharedLibrary("@/venv/bin/python3".into()).to_string();
    assert_eq!(said(&mut site, true), [down(&reason), entry.to_owned()]);
    let library = site.file("venv/lib/libpython3.11.so.1.0", "");
    site.file("lib/x.py", "");
    assert_eq!(said(&mut site, true), [""; 0]);
    site.tell(SurveyQuestion::Access(library.clone(), AccessNeed::File), denied(&library, false));
    let reason = "the library '@/venv/lib/libpython3.11.so.1.0' cannot be read by user 'www-data'; allow it (chmod o+r \
                  '@/venv/lib/libpython3.11.so.1.0')";
    assert_eq!(said(&mut site, true), [down(reason)]);
}

#[test]
fn code_that_others_can_replace() {
    let mut site = site(&GROUP);
    for name in ["mods/mod_wsgi.so", "mods/mod_wsgi/wsgi-supervisor", "mods/mod_wsgi/python-host.abi3.so"] {
        site.file(name, "");
    }
    site.surroundings.module = Some(site.path("mods/mod_wsgi.so"));
    site.surroundings.support = Some(site.path("mods/mod_wsgi"));
    assert_eq!(said(&mut site, true), [""; 0]);
    let warning = |part: &str, what: &str, path: &str| {
        format!(
            "warning: other users may change '{part}', and so replace {what} '{path}', which httpd runs with its own rights; let it \
             belong to root and be writable by nobody else (chown root '{part}'; chmod go-w '{part}')."
        )
    };
    site.mode(&site.path("mods/mod_wsgi/python-host.abi3.so"), 0o666);
    let library = "@/mods/mod_wsgi/python-host.abi3.so";
    assert_eq!(said(&mut site, true), [warning(library, "the host library", library)]);
    site.mode(&site.path("mods"), 0o777);
    let all = warning("@/mods", "the module", "@/mods/mod_wsgi.so");
    assert_eq!(said(&mut site, true), [all], "one line for one folder");
}

#[test]
fn the_environment_is_compared_at_a_start() {
    let mut site = site(&[GROUP[0], "WSGIDaemonProcess a python-home=@/venv pass-env=KEY env=TOLD=1"]);
    let set = |site: &mut FakeSite, names: &[String]| {
        let pairs = names.iter().map(|name| (name.into(), "x".into()));
        site.surroundings.environment = pairs.collect();
    };
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    set(&mut site, &own(&["PATH", "KEY", "TOLD"]));
    assert_eq!(said(&mut site, false), [""; 0]);
    set(&mut site, &own(&["PATH", "KEY", "SECRET", "OTHER"]));
    assert_eq!(
        said(&mut site, false),
        [
            "notice: httpd's environment has OTHER, SECRET, which processes of daemon groups do not see: write WSGIPassEnv NAME (such \
          as WSGIPassEnv OTHER), or pass-env=NAME at WSGIDaemonProcess, for what their applications need."
        ]
    );
    assert_eq!(said(&mut site, true), [""; 0], "the shell of a test has another environment");
    set(&mut site, &own(&["PATH"]));
    assert_eq!(
        said(&mut site, false),
        [
            "notice: httpd's environment has no KEY, which the configuration passes to daemons: set it where httpd is started \
          (Environment= or EnvironmentFile= of its systemd unit; Debian: export in /etc/apache2/envvars)."
        ]
    );
    let many: Vec<String> = (10..45).map(|n| format!("N{n}")).chain(own(&["KEY"])).collect();
    set(&mut site, &many);
    assert!(said(&mut site, false)[0].contains("N39 and 5 more, which processes"));
}
