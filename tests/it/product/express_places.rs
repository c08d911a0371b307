//! `mod_wsgi-express` and the place where it runs: users, folders of earlier runs, readers that go, `make serve`.

use crate::product::express::site;
use integration::{ExpressServer, Subject, eventually, is_root, test_user, workspace};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

/// The command with another user than httpd's.
fn for_user(express: &ExpressServer, words: &str, user: &str) -> Command {
    replaced(express, words, "www-data", user)
}

/// The command with another word in place of one that it has by itself.
fn replaced(express: &ExpressServer, words: &str, word: &str, other: &str) -> Command {
    let given = express.command(words);
    let mut command = express.command("");
    command.args(given.get_args().map(|given| if given == word { other.as_ref() } else { given }));
    command
}

#[test]
fn places_that_the_user_cannot_reach_are_named() {
    if !is_root() {
        println!("skipped: only root can have other users");
        return;
    }
    if Subject::skips("nothing is said on the terminal") {
        return;
    }
    let express = site();
    let closed = express.root().join("closed");
    for folder in ["site", "server"] {
        std::fs::create_dir_all(closed.join(folder)).expect("own folder");
    }
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).expect("own folder");
    let start = "start-server wsgi.py --working-directory";
    let failed = express.run(express.command(&format!("{start} @ROOT@/closed/site")));
    let said = express.fill("--working-directory @ROOT@/closed/site: user www-data cannot enter");
    assert!(failed.status == 4 && failed.text.contains(&said), "{}", failed.text);
    let told = express.run(express.command("setup-server wsgi.py --working-directory @ROOT@/closed/site"));
    assert!(told.status == 0 && told.text.contains(&said), "{}", told.text);
    let checked =
        express.run(express.command("check wsgi.py --user www-data --working-directory @ROOT@/closed/site"));
    assert!(checked.status == 4 && checked.text.matches(&said).count() == 1, "{}", checked.text);
    let failed = express.run(express.command(&format!("{start} @ROOT@/nowhere")));
    assert!(failed.status == 2 && failed.text.contains("there is no such folder"), "{}", failed.text);
    let (usual, inside) = (express.fill("@ROOT@/server"), express.fill("@ROOT@/closed/server"));
    let failed = express.run(replaced(&express, "start-server wsgi.py", &usual, &inside));
    let said = format!("--server-root {inside}: user www-data cannot enter");
    assert!(failed.status == 4 && failed.text.contains(&said), "{}", failed.text);
}

#[test]
fn services_read_the_environment_as_their_own_user() {
    let Some(user) = test_user('a').filter(|_| is_root()) else {
        println!("skipped: only root can have other users");
        return;
    };
    if Subject::skips("a service gets httpd's environment") {
        return;
    }
    let service = "import os\nwith open('out/said.part', 'w') as file: file.write(f\"{os.getuid()} {os.environ.get('TOKEN')}\")\n\
                   os.rename('out/said.part', 'out/said')\nimport threading\nthreading.Event().wait()\n";
    let mut express = site().file("service.py", service);
    let out = express.root().join("app/out");
    std::fs::create_dir(&out).expect("own folder");
    std::fs::set_permissions(&out, PermissionsExt::from_mode(0o777)).expect("own folder");
    let words =
        format!("start-server wsgi.py --service-script worker service.py --service-user worker {user}");
    let mut command = express.command(&words);
    command.env("TOKEN", "it's a secret");
    express.start(command);
    assert_eq!(express.get("/").json()["env"]["TOKEN"], "it's a secret");
    eventually("the service has started", || out.join("said").exists().then_some(()));
    let account = nix::unistd::User::from_name(&user).expect("users").expect("made by the set-up");
    let said = std::fs::read_to_string(out.join("said")).expect("it is there");
    assert_eq!(said, format!("{} it's a secret", account.uid));
    let facts = std::fs::metadata(express.root().join("server/environment.worker")).expect("it is there");
    assert_eq!((facts.uid(), facts.mode() & 0o777), (account.uid.as_raw(), 0o600));
    express.stop();
}

#[test]
fn a_server_root_is_used_again_for_another_user() {
    let Some(user) = test_user('a').filter(|_| is_root()) else {
        println!("skipped: only root can have other users");
        return;
    };
    if Subject::skips("everybody may read its server root") {
        return;
    }
    let mut express = site();
    express.start(express.command("start-server wsgi.py"));
    express.stop();
    express.start(for_user(&express, "start-server wsgi.py", &user));
    let account = nix::unistd::User::from_name(&user).expect("users").expect("made by the set-up");
    assert_eq!(express.get("/").json()["uid"], account.uid.as_raw());
    let facts = std::fs::metadata(express.root().join("server")).expect("it is there");
    assert_eq!((facts.gid(), facts.mode() & 0o777), (account.gid.as_raw(), 0o710));
    express.stop();
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    if Subject::skips("it has no such commands") {
        return;
    }
    let express = site();
    for words in ["config wsgi.py", "systemd wsgi.py --user www-data", "module-location", "module-config"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = express.command(words);
        let output = command.stdout(Stdio::from(writer)).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("panicked"), "{words}: {:?} {said}", output.status);
    }
}

#[test]
fn make_serve_runs_this_command() {
    if Subject::skips("its checkout has no make serve") {
        return;
    }
    let mut express = site();
    let folder = express.root().join("serve");
    std::fs::create_dir(&folder).expect("own folder");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("own folder");
    let users = [None, test_user('a').filter(|_| is_root())];
    let count = if users[1].is_some() { 2 } else { 1 };
    for user in &users[..count] {
        let mut command = match user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--clear-groups", "make"]);
                command
            }
            None => Command::new("make"),
        };
        // What it needs is there, and built.
        command.args(["--no-print-directory", "-o", "setup", "-o", "build", "-f"]);
        command.arg(workspace().join("Makefile")).arg("serve").arg(express.fill("LIB=@ROOT@/modules"));
        command.args([express.fill("APP=wsgi.py"), express.fill("PORT=@PORT@")]).arg("PYTHON_HOME=/usr");
        command.current_dir(express.root().join("app")).env("TMPDIR", &folder);
        express.start_untold(command);
        eventually("it is ready", || express.output().contains("Ready: ").then_some(()));
        let seen = express.get("/").json();
        assert_eq!(seen["cwd"], express.fill("@ROOT@/app"));
        assert!(!is_root() || seen["uid"] != 0);
        express.stop();
    }
}

#[test]
fn a_module_may_be_called_like_a_file() {
    if Subject::skips("it takes project.wsgi for a file") {
        return;
    }
    let mut express = ExpressServer::new()
        .file("notes/wsgi.py", "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [__name__.encode()]\n");
    express.start(express.command("start-server notes.wsgi"));
    assert_eq!(express.get("/").ok().text(), "notes.wsgi");
    express.stop();
}
