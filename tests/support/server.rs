//! A running httpd: talking to it, controlling it, and stopping it without leaving anything.

use crate::apache::Apache;
use crate::builder::{HttpdBuilder, program};
use crate::client::{Request, Response};
use crate::error_log::LogExpectations;
use crate::processes::{self, SeenProcess};
use crate::residue::{self, SharedMemory};
use crate::server_root::ServerRoot;
use crate::waiting::{PATIENCE, eventually, wait_until};
use crate::wire::WireConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Daemons end asynchronously after httpd has: by a closed pipe or by the death of their parent.
const TIME_TO_END: Duration = Duration::from_secs(12);

/// What one run of the httpd command said.
#[derive(Clone, Debug)]
pub struct HttpdVerdict {
    /// It ended with status 0.
    pub is_ok: bool,
    /// Its standard output and error.
    pub text: String,
}

impl HttpdVerdict {
    /// Runs `httpd -d root -f root/httpd.conf <arguments>`. Output goes to a file: a daemon that kept a pipe open would
    /// keep us waiting, and would deserve a test of its own.
    pub(crate) fn of(root: &Path, environment: &[(String, String)], arguments: &[&str]) -> HttpdVerdict {
        let program = Apache::installed().program.to_string_lossy().into_owned();
        Self::launched(&[program], root, environment, arguments)
    }

    pub(crate) fn launched(
        program: &[String],
        root: &Path,
        environment: &[(String, String)],
        arguments: &[&str],
    ) -> HttpdVerdict {
        let path = root.join("run/command.out");
        let output = File::create(&path).expect("own folder");
        let status = Command::new(&program[0])
            .args(&program[1..])
            .arg("-d")
            .arg(root)
            .arg("-f")
            .arg(root.join("httpd.conf"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C")
            .env("MOD_WSGI_TEST_ROOT", root)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("own file"))
            .stderr(output)
            .status()
            .expect("httpd is installed: run `make setup`");
        HttpdVerdict { is_ok: status.success(), text: fs::read_to_string(&path).unwrap_or_default() }
    }
}

/// A running server. Dropping it stops it and panics when something is left or the log holds a surprise.
#[derive(Debug)]
pub struct Httpd {
    root: ServerRoot,
    port: u16,
    pid: i32,
    environment: Vec<(String, String)>,
    expectations: LogExpectations,
    shared_memory: SharedMemory,
    seen: Mutex<BTreeSet<SeenProcess>>,
    agent: ureq::Agent,
}

impl Httpd {
    /// Describes a server to start.
    pub fn builder() -> HttpdBuilder {
        HttpdBuilder::new()
    }

    pub(crate) fn start(
        root: ServerRoot,
        port: u16,
        environment: Vec<(String, String)>,
        launcher: Option<String>,
        expectations: LogExpectations,
    ) -> Httpd {
        let shared_memory = SharedMemory::now();
        let verdict = HttpdVerdict::launched(&program(launcher), root.path(), &environment, &["-k", "start"]);
        let log = || root.error_logs();
        assert!(verdict.is_ok, "httpd did not start: {}\n{}", verdict.text, log());
        let pid_file = root.path().join("run/httpd.pid");
        let pid = wait_until(PATIENCE, || {
            let pid = fs::read_to_string(&pid_file).ok()?.trim().parse().ok()?;
            TcpStream::connect(("127.0.0.1", port)).ok().map(|_| pid)
        });
        let pid = pid.unwrap_or_else(|| panic!("httpd does not listen: {}\n{}", verdict.text, log()));
        let agent = crate::client::agent();
        let seen = Mutex::default();
        let server = Httpd { root, port, pid, environment, expectations, shared_memory, seen, agent };
        server.processes();
        server
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of its parent.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its ServerRoot.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `http://localhost:<port><path>`.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Sends GET and reads the response.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    /// Starts to describe a request.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(&self.agent, method, &self.url(path))
    }

    /// Opens a connection for requests written byte by byte.
    pub fn connect(&self) -> WireConnection {
        WireConnection::connect(self.port)
    }

    /// The text of all its error logs.
    pub fn error_log(&self) -> String {
        self.root.error_logs()
    }

    /// The text of one log file.
    pub fn log_of(&self, name: &str) -> String {
        let bytes = fs::read(self.root().join("logs").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until an error log holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let found = wait_until(PATIENCE, || self.error_log().contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in the error log:\n{}", self.error_log());
    }

    /// Waits until the error logs hold `text` so many times, because what processes write comes by pipes; panics if they
    /// hold it more often by then.
    #[track_caller]
    pub fn logged(&self, text: &str, times: usize) {
        let count = || self.error_log().matches(text).count();
        wait_until(PATIENCE, || (count() >= times).then_some(()));
        assert_eq!(count(), times, "{text:?} in the error log:\n{}", self.error_log());
    }

    /// Writes (again) a file of the application.
    pub fn write(&self, name: &str, contents: &str) -> PathBuf {
        self.root.write(&format!("app/{name}"), contents.as_bytes())
    }

    /// All its processes now: parent, children, supervisor, daemons, and what those started.
    pub fn processes(&self) -> BTreeSet<SeenProcess> {
        let now = processes::belonging_to(self.pid, self.root());
        self.seen.lock().expect("no panic while held").extend(now.iter().cloned());
        now
    }

    /// Children of the parent whose program is httpd itself.
    pub fn children(&self) -> Vec<SeenProcess> {
        let program = Apache::installed().program.to_string_lossy().into_owned();
        let mut now: Vec<SeenProcess> = self.processes().into_iter().collect();
        now.retain(|p| p.parent == self.pid && !p.is_zombie && p.command.starts_with(&program));
        now
    }

    /// The lines that load the module and start a daemon group `app`, for a server that was started without it.
    pub fn module_lines(&self, mode: crate::Mode) -> String {
        HttpdBuilder::new().mode(mode).wsgi(&self.root).replace("@ROOT@", &self.root().to_string_lossy())
    }

    /// `apachectl graceful`, and waits until the new generation runs.
    pub fn graceful(&self) {
        self.control("graceful");
    }

    /// `apachectl restart`, and waits until the server runs again.
    pub fn restart(&self) {
        self.control("restart");
    }

    /// After its end, starts it once more as process 1 of a namespace of its own; `None` where none can be made.
    pub fn start_in_container(&self) -> Option<HttpdContainer> {
        let program = &Apache::installed().program;
        let child = Command::new("unshare")
            // A session of its own: httpd may signal its whole process group, which would be ours.
            .args(["--pid", "--fork", "--mount-proc", "setsid"])
            .arg(program)
            .arg("-d")
            .arg(self.root())
            .arg("-f")
            .arg(self.root().join("httpd.conf"))
            .arg("-DFOREGROUND")
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("MOD_WSGI_TEST_ROOT", self.root())
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let mut container = HttpdContainer { child };
        eventually("httpd listens, or there is no container", || {
            let ended = container.child.try_wait().ok().flatten().map(|_| false);
            ended.or_else(|| TcpStream::connect(("127.0.0.1", self.port)).ok().map(|_| true))
        })
        .then_some(container)
    }

    /// `apachectl configtest`.
    pub fn configtest(&self) -> HttpdVerdict {
        HttpdVerdict::of(self.root(), &self.environment, &["-t"])
    }

    /// Stops it now; the same as dropping it, but says so.
    pub fn stop(self) {}

    fn control(&self, command: &str) {
        self.processes();
        let resumed = || self.log_of("error.log").matches("resuming normal operations").count();
        let before = resumed();
        let verdict = HttpdVerdict::of(self.root(), &self.environment, &["-k", command]);
        assert!(verdict.is_ok, "httpd -k {command}: {}", verdict.text);
        // It has never stopped listening. A connection to see that would wait for the first child of the new generation, and one
        // that ends while its child is told to stop makes httpd crash (decisions.md, "A segfault at SIGTERM that is httpd's").
        eventually("httpd resumes normal operations", || (resumed() > before).then_some(()));
        self.processes();
    }

    /// All ports that its configuration names.
    fn ports(&self) -> Vec<u16> {
        let text = std::fs::read_to_string(self.root().join("httpd.conf")).unwrap_or_default();
        let named = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Listen ")?.rsplit(':').next()?.parse().ok());
        named.collect()
    }

    /// Stops everything; returns what is wrong.
    fn finish(&self) -> Vec<String> {
        self.processes();
        if SeenProcess::of(self.pid).is_some_and(|parent| !parent.is_zombie) {
            // It may crash while a connection ends, as one does that a test has just dropped: see `control`.
            let ports = self.ports();
            let is_quiet = || (!residue::ends_a_connection(&ports)).then_some(());
            let _ = wait_until(Duration::from_secs(1), is_quiet);
            let verdict = HttpdVerdict::of(self.root(), &self.environment, &["-k", "stop"]);
            if !verdict.is_ok {
                return vec![format!("httpd -k stop: {}", verdict.text)];
            }
        }
        wait_until(TIME_TO_END, || self.living().is_empty().then_some(()));
        let living = self.living();
        let mut complaints: Vec<String> = living
            .iter()
            .map(|p| format!("process {} outlived httpd: {} (parent {})", p.pid, p.command, p.parent))
            .collect();
        for process in &living {
            processes::kill(process.pid);
        }
        complaints.extend(self.residue());
        complaints.extend(self.expectations.judge(&self.error_log()));
        complaints
    }

    fn living(&self) -> Vec<SeenProcess> {
        let mut all = self.processes();
        all.extend(self.seen.lock().expect("no panic while held").iter().cloned());
        let alive = all.into_iter().filter(SeenProcess::is_alive);
        alive.map(|process| (process.pid, process)).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    fn residue(&self) -> Vec<String> {
        let files = residue::sockets_and_locks(self.root());
        let files = files.iter().map(|path| format!("left behind: {}", path.display()));
        let pids = self.seen.lock().expect("no panic while held").iter().map(|p| p.pid).collect();
        // Another test that runs at the same time may own a segment for a moment.
        let left = || SharedMemory::now().left_since(&self.shared_memory, &pids, self.root());
        let memory =
            wait_until(Duration::from_secs(3), || left().is_empty().then(Vec::new)).unwrap_or_else(left);
        files.chain(memory.into_iter().map(|name| format!("shared memory left behind: {name}"))).collect()
    }
}

/// httpd as process 1 of a container.
#[derive(Debug)]
pub struct HttpdContainer {
    child: std::process::Child,
}

impl HttpdContainer {
    /// Sends SIGTERM to its process 1 and waits for its end.
    pub fn end(&mut self) -> std::process::ExitStatus {
        let unshare = self.child.id() as i32;
        let first =
            SeenProcess::all().into_iter().find(|process| process.parent == unshare).expect("it runs");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.pid), nix::sys::signal::SIGTERM)
            .expect("it runs");
        self.child.wait().expect("own child")
    }
}

impl Drop for HttpdContainer {
    fn drop(&mut self) {
        // With process 1 the kernel ends all others.
        let unshare = self.child.id() as i32;
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            SeenProcess::all()
                .iter()
                .filter(|process| process.parent == unshare)
                .for_each(|p| processes::kill(p.pid));
            let _ = self.child.wait();
        }
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        let complaints = first(&self.finish().join("\n"));
        if std::thread::panicking() {
            println!("---- error logs ----\n{}\nalso: {complaints}", last(&self.error_log()));
        } else {
            assert!(complaints.is_empty(), "{complaints}\n---- error logs ----\n{}", last(&self.error_log()));
        }
    }
}

/// How many lines of a log or of complaints a failing test prints.
const LINES: usize = 60;

fn first(text: &str) -> String {
    text.lines().take(LINES).collect::<Vec<_>>().join("\n")
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
