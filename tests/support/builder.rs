//! What a test says about the httpd that it wants: modules, files, directives, and what its log may hold.

use crate::apache::{Apache, Mpm};
use crate::error_log::LogExpectations;
use crate::pythons::pythons;
use crate::server::{Httpd, HttpdVerdict};
use crate::server_root::ServerRoot;
use crate::subject::Subject;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Where the application of a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In a daemon process of the group `app`.
    Daemon,
    /// In the children of httpd.
    Embedded,
}

impl Mode {
    /// Both.
    pub const ALL: [Mode; 2] = [Mode::Daemon, Mode::Embedded];
}

/// A file of the ServerRoot: name, contents.
type RootFile = (String, Vec<u8>);

/// Builds an [`Httpd`]. In directives `@ROOT@` stands for the ServerRoot, `@PORT@` for the port and `@PYTHON@` for the
/// Python home in use.
#[derive(Debug)]
pub struct HttpdBuilder {
    mpm: Mpm,
    mode: Option<Mode>,
    daemon_options: String,
    python_home: Option<PathBuf>,
    is_module_loaded: bool,
    log_level: String,
    directives: String,
    environment: Vec<(String, String)>,
    launcher: Option<String>,
    files: Vec<RootFile>,
    writable: Vec<String>,
    expectations: LogExpectations,
}

impl HttpdBuilder {
    pub(crate) fn new() -> HttpdBuilder {
        let subject = Subject::under_test();
        let python_home = match subject {
            Subject::Ours => pythons().first().map(|python| python.venv.clone()),
            _ => subject.module().python_home.clone(),
        };
        HttpdBuilder {
            mpm: Mpm::Event,
            mode: None,
            daemon_options: "threads=4".to_owned(),
            python_home,
            is_module_loaded: true,
            log_level: "warn wsgi:info".to_owned(),
            directives: String::new(),
            environment: Vec::new(),
            launcher: None,
            files: Vec::new(),
            writable: Vec::new(),
            expectations: LogExpectations::default(),
        }
    }

    /// The MPM; event when not called.
    pub fn mpm(mut self, mpm: Mpm) -> Self {
        self.mpm = mpm;
        self
    }

    /// Runs the applications in the main interpreter, of a daemon group `app` or of httpd's children.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The options of the daemon group `app`; `threads=4` when not called.
    pub fn daemon_options(mut self, options: &str) -> Self {
        self.daemon_options = options.to_owned();
        self
    }

    /// Another `WSGIPythonHome`, or none at all.
    pub fn python_home(mut self, home: Option<&Path>) -> Self {
        self.python_home = home.map(Path::to_owned);
        self
    }

    /// Plain httpd, for comparison: the module is not even loaded.
    pub fn without_module(mut self) -> Self {
        self.is_module_loaded = false;
        self
    }

    /// Adds to the configuration, after everything that the harness writes.
    pub fn directives(mut self, text: &str) -> Self {
        let _ = writeln!(self.directives, "{text}"); // writing to a String cannot fail
        self
    }

    /// `LogLevel`; `warn wsgi:info` when not called.
    pub fn log_level(mut self, levels: &str) -> Self {
        self.log_level = levels.to_owned();
        self
    }

    /// An environment variable of httpd.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has httpd started by a Python program: it sets things up that are inherited, and executes `sys.argv[1:]`.
    pub fn launched_by(mut self, program: &str) -> Self {
        self.launcher = Some(program.to_owned());
        self
    }

    /// Writes `app/<name>`.
    pub fn file(mut self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        self.files.push((format!("app/{name}"), contents.as_ref().to_owned()));
        self
    }

    /// Makes the folder `app/<name>`, which every user may write to.
    pub fn writable(mut self, name: &str) -> Self {
        self.writable.push(format!("app/{name}"));
        self
    }

    /// Writes `htdocs/<name>`.
    pub fn document(mut self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        self.files.push((format!("htdocs/{name}"), contents.as_ref().to_owned()));
        self
    }

    /// Writes the script and mounts it with `WSGIScriptAlias`.
    pub fn script(self, mount: &str, name: &str, source: &str) -> Self {
        let alias = format!("WSGIScriptAlias {mount} @ROOT@/app/{name}");
        self.file(name, source).directives(&alias)
    }

    /// A script at `/`.
    pub fn app(self, source: &str) -> Self {
        self.script("/", "app.wsgi", source)
    }

    /// Some line of an error log must hold `text` when the server has stopped, and lines that do are fine.
    pub fn expect_log(mut self, text: &str) -> Self {
        if Subject::under_test() == Subject::Original49 {
            return self.allow_log("[wsgi:error]"); // it says the same in other words, and without codes
        }
        self.expectations.required.push(text.to_owned());
        self
    }

    /// Lines of error logs that hold `text` are fine.
    pub fn allow_log(mut self, text: &str) -> Self {
        self.expectations.allowed.push(text.to_owned());
        self
    }

    /// As [`HttpdBuilder::allow_log`], for the controls only: a known defect that ours does not have.
    pub fn allow_log_of_control(self, text: &str) -> Self {
        if Subject::is_ours() { self } else { self.allow_log(text) }
    }

    /// Error lines of Python's are fine: tracebacks, and what an application writes.
    pub fn allow_python_errors(self) -> Self {
        self.allow_log("[wsgi:error]")
    }

    /// Writes everything and starts httpd.
    ///
    /// # Panics
    /// When httpd does not start.
    pub fn start(self) -> Httpd {
        let (root, port) = self.lay_out();
        Httpd::start(root, port, self.environment, self.launcher, self.expectations)
    }

    /// Writes everything and asks httpd whether the configuration is right.
    pub fn configtest(self) -> HttpdVerdict {
        let (root, _) = self.lay_out();
        HttpdVerdict::launched(&program(self.launcher), root.path(), &self.environment, &["-t"])
    }

    fn lay_out(&self) -> (ServerRoot, u16) {
        let root = ServerRoot::create();
        for (name, contents) in &self.files {
            root.write(name, contents);
        }
        for name in &self.writable {
            root.make_writable(name);
        }
        let port = free_port();
        let text = self
            .configuration(&root)
            .replace("@ROOT@", &root.path().to_string_lossy())
            .replace("@PORT@", &port.to_string())
            .replace("@PYTHON@", &self.python_home.as_deref().unwrap_or(Path::new("/usr")).to_string_lossy());
        root.write("httpd.conf", text.as_bytes());
        (root, port)
    }

    fn configuration(&self, root: &ServerRoot) -> String {
        let modules = Apache::installed().load_modules(self.mpm);
        let identity = if crate::is_root() { "User www-data\nGroup www-data\n" } else { "" };
        let sizing = self.mpm.sizing();
        let (log_level, wsgi, rest) = (&self.log_level, self.wsgi(root), &self.directives);
        format!(
            "ServerRoot @ROOT@\nDefaultRuntimeDir @ROOT@/run\nPidFile @ROOT@/run/httpd.pid\n\
             ServerName localhost\nListen 127.0.0.1:@PORT@\nDocumentRoot @ROOT@/htdocs\n\
             {modules}{identity}{sizing}ErrorLog @ROOT@/logs/error.log\nLogLevel {log_level}\n\
             LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" plain\nCustomLog @ROOT@/logs/access plain\n\
             TypesConfig /dev/null\nTimeout 30\n\
             <Directory @ROOT@>\nRequire all granted\n</Directory>\n{wsgi}{rest}\n"
        )
    }

    pub(crate) fn wsgi(&self, root: &ServerRoot) -> String {
        if !self.is_module_loaded {
            return String::new();
        }
        let module = Subject::under_test().module();
        let so = if Subject::is_ours() { root.copy_module(&module.so) } else { module.so.clone() };
        let mut text = format!("LoadModule wsgi_module {}\nWSGISocketPrefix @ROOT@/run/wsgi\n", so.display());
        if let Some(home) = &self.python_home {
            let _ = writeln!(text, "WSGIPythonHome {}", home.display()); // writing to a String cannot fail
        }
        match self.mode {
            Some(Mode::Daemon) => {
                let options = &self.daemon_options;
                text.push_str(&format!("WSGIDaemonProcess app {options}\nWSGIProcessGroup app\n"));
                text.push_str("WSGIRestrictEmbedded On\nWSGIApplicationGroup %{GLOBAL}\n");
            }
            Some(Mode::Embedded) => text.push_str("WSGIApplicationGroup %{GLOBAL}\n"),
            None => (),
        }
        text
    }
}

/// What httpd is run by: itself, or a launcher before it.
pub(crate) fn program(launcher: Option<String>) -> Vec<String> {
    let mut program: Vec<String> = Vec::new();
    program.extend(launcher.into_iter().flat_map(|code| ["/usr/bin/python3".into(), "-c".into(), code]));
    program.push(Apache::installed().program.to_string_lossy().into_owned());
    program
}

/// A port that is free now and that no other test of this process was given.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        if GIVEN.lock().expect("no panic while held").insert(port) {
            return port;
        }
    }
}
