//! `mod_wsgi-express` under test: one command line, the server that it runs, and what it leaves.

use crate::builder::free_port;
use crate::client::{Request, Response};
use crate::error_log::LogExpectations;
use crate::processes::{self, SeenProcess};
use crate::residue;
use crate::server_root::ServerRoot;
use crate::subject::Subject;
use crate::waiting::{PATIENCE, wait_until};
use crate::wire::WireConnection;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder with files, a port, and at most one running server. In words `@ROOT@` stands for the folder and `@PORT@` for
/// the port; the server root is `@ROOT@/server`.
#[derive(Debug)]
pub struct ExpressServer {
    root: ServerRoot,
    port: u16,
    program: PathBuf,
    child: Option<Child>,
    expectations: LogExpectations,
    seen: BTreeSet<SeenProcess>,
    agent: ureq::Agent,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct CommandEnd {
    /// Its exit status; 128 and the signal when one ended it.
    pub status: i32,
    /// What it printed, on both outputs.
    pub text: String,
}

impl ExpressServer {
    /// A folder without files.
    #[allow(clippy::new_without_default)] // it makes a folder, which is no default
    pub fn new() -> ExpressServer {
        let root = ServerRoot::create();
        let module = Subject::under_test().module();
        let program = match &module.python_home {
            Some(home) => home.join("bin/mod_wsgi-express"),
            None => root.copy_module(&module.so).with_file_name("mod_wsgi").join("mod_wsgi-express"),
        };
        let (port, agent) = (free_port(), crate::client::agent());
        let (child, expectations, seen) = (None, LogExpectations::default(), BTreeSet::new());
        ExpressServer { root, port, program, child, expectations, seen, agent }
    }

    /// Writes `app/<name>`.
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> ExpressServer {
        self.root.write(&format!("app/{name}"), contents.as_ref());
        self
    }

    /// Makes a folder that belongs to httpd's user.
    pub fn own(&self, name: &str) {
        self.root.make_writable(name);
        let path = self.root().join(name);
        let user = nix::unistd::User::from_name("www-data").ok().flatten().expect("httpd's user");
        nix::unistd::chown(&path, Some(user.uid), Some(user.gid)).expect("root may");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("own folder");
    }

    /// Lines of the error log that hold `text` are fine.
    pub fn allow_log(mut self, text: &str) -> ExpressServer {
        self.expectations.allowed.push(text.to_owned());
        self
    }

    /// The port for `--port`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A file of the server root as text.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.root().join("server").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The command with these words, separated by blanks; `start-server` and `setup-server` get port, server root and
    /// user.
    pub fn command(&self, words: &str) -> Command {
        let identity = if crate::is_root() { " --user www-data --group www-data" } else { "" };
        let mut words = words.to_owned();
        if words.starts_with("start-server") || words.starts_with("setup-server") {
            words.push_str(&format!(" --port @PORT@ --server-root @ROOT@/server{identity}"));
        }
        let mut command = Command::new(&self.program);
        command.args(words.split_whitespace().map(|word| self.fill(word)));
        self.quiet(command)
    }

    /// The generated control script with these words.
    pub fn apachectl(&self, words: &str) -> Command {
        let mut command = Command::new(self.root().join("server/apachectl"));
        command.args(words.split_whitespace());
        self.quiet(command)
    }

    fn quiet(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("LANG", "C");
        command.current_dir(self.root().join("app")).stdin(Stdio::null());
        command
    }

    /// Replaces the placeholders.
    pub fn fill(&self, word: &str) -> String {
        word.replace("@ROOT@", &self.root().to_string_lossy()).replace("@PORT@", &self.port.to_string())
    }

    /// Runs a command to its end.
    pub fn run(&self, command: Command) -> CommandEnd {
        let mut child = self.spawn(command);
        let status = self.end_of(&mut child);
        CommandEnd { status, text: self.output() }
    }

    /// What the last command has printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output_path()).unwrap_or_default()).into_owned()
    }

    fn output_path(&self) -> PathBuf {
        self.root().join("run/command.out")
    }

    fn spawn(&self, mut command: Command) -> Child {
        let file = File::create(self.output_path()).expect("own folder");
        command.stdout(file.try_clone().expect("own file")).stderr(file);
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn end_of(&self, child: &mut Child) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let ended = wait_until(PATIENCE, || child.try_wait().expect("our child"));
        let Some(status) = ended else {
            let _ = child.kill();
            panic!("did not end: {}", self.output());
        };
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    /// Starts a command that runs a server, and waits until it listens; ours also until it says that it is ready.
    pub fn start(&mut self, command: Command) -> &mut ExpressServer {
        let tells = Subject::is_ours() && command.get_program().to_string_lossy().contains("express");
        self.start_when(command, tells)
    }

    /// As [`ExpressServer::start`], for a server without a ready line.
    pub fn start_untold(&mut self, command: Command) -> &mut ExpressServer {
        self.start_when(command, false)
    }

    fn start_when(&mut self, command: Command, tells: bool) -> &mut ExpressServer {
        let mut child = self.spawn(command);
        let up = wait_until(PATIENCE, || {
            let ended = child.try_wait().expect("our child").is_some();
            let is_up = (!tells || self.output().contains("Ready: "))
                && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            (ended || is_up).then_some(!ended)
        });
        self.child = Some(child);
        assert_eq!(up, Some(true), "{}\n{}", self.output(), self.read("error_log"));
        self.look();
        self
    }

    fn look(&mut self) {
        let pid = self.child.as_ref().map_or(0, Child::id) as i32;
        self.seen.extend(processes::belonging_to(pid, self.root()));
    }

    /// Sends GET and reads the response.
    pub fn get(&self, path: &str) -> Response {
        Request::new(&self.agent, "GET", &format!("http://localhost:{}{path}", self.port)).send()
    }

    /// Opens a connection for requests written byte by byte.
    pub fn connect(&self) -> WireConnection {
        WireConnection::connect(self.port)
    }

    /// Sends a signal to the running command.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().expect("it was started").id();
        kill(Pid::from_raw(pid as i32), signal).expect("our child");
    }

    /// Waits for the end of the running command; nothing of its server may be left.
    pub fn wait(&mut self) -> CommandEnd {
        let mut child = self.child.take().expect("it was started");
        self.seen.extend(processes::belonging_to(child.id() as i32, self.root()));
        let status = self.end_of(&mut child);
        self.check();
        CommandEnd { status, text: self.output() }
    }

    /// Ends the server by SIGTERM.
    pub fn stop(&mut self) -> CommandEnd {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Insists that no process and no socket is left, and that the log holds no surprise.
    fn check(&mut self) {
        let gone = wait_until(PATIENCE, || self.seen.iter().all(|process| !process.is_alive()).then_some(()));
        let alive: Vec<&SeenProcess> = self.seen.iter().filter(|process| process.is_alive()).collect();
        alive.iter().for_each(|process| processes::kill(process.pid));
        assert!(gone.is_some(), "outlived the command: {alive:?}");
        self.seen.clear();
        let left = residue::sockets_and_locks(self.root());
        assert!(left.is_empty() || !Subject::is_ours(), "left behind: {left:?}");
        // The control writes lines of its own: a locale that is not installed, how it was ended.
        let complaints = self.expectations.judge(&self.read("error_log"));
        assert!(complaints.is_empty() || !Subject::is_ours(), "{complaints:?}");
    }
}

impl Drop for ExpressServer {
    fn drop(&mut self) {
        if self.child.is_none() {
            return;
        }
        if std::thread::panicking() {
            println!("---- output ----\n{}\n---- error log ----\n{}", self.output(), self.read("error_log"));
            self.look();
            self.seen.iter().for_each(|process| processes::kill(process.pid));
            let _ = self.child.take().map(|mut child| child.wait()); // it was killed
        } else {
            let ended = self.stop();
            assert!(ended.status == 0 || !Subject::is_ours(), "{}", ended.text);
        }
    }
}
