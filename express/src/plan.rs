//! What the options come to on this machine: everything that the generated files need.

use crate::entry::{ApplicationEntry, EntryKind};
use crate::machine::httpd::{Httpd, Mpm};
use crate::machine::identity::ApplicationIdentity;
use crate::machine::locale;
use crate::machine::module::InstalledModule;
use crate::machine::python::PythonHome;
use crate::paths;
use crate::problem::ExpressError;
use crate::sizing::{MpmSizing, SizingInput};
use crate::table::{self, OptionState};
use crate::values::OptionValues;
use std::path::PathBuf;

/// Where the application runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// In daemon processes.
    Daemon,
    /// In httpd's children.
    Embedded,
    /// In one process on the terminal.
    Debug,
    /// There is no application.
    Static,
}

/// HTTPS.
#[derive(Clone, Debug)]
pub struct HttpsSettings {
    /// Its port.
    pub port: i64,
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A server to be set up.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// The options.
    pub values: OptionValues,
    /// The application.
    pub entry: ApplicationEntry,
    /// Where it runs.
    pub mode: RunMode,
    /// The address that is shown.
    pub host: String,
    /// HTTPS, when it is set up.
    pub https: Option<HttpsSettings>,
    /// The folder of the generated files.
    pub root: PathBuf,
    /// Who the processes run as.
    pub identity: ApplicationIdentity,
    /// The Python; none when nothing needs one.
    pub python: Option<PythonHome>,
    /// The server program.
    pub httpd: Httpd,
    /// This module.
    pub module: InstalledModule,
    /// The MPM.
    pub mpm: Mpm,
    /// Its numbers.
    pub sizing: MpmSizing,
    /// The locale of the application.
    pub locale: String,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// Tools that write files: their option, the option of the folder, its place below the server root.
pub const OUTPUTS: [(&str, &str, &str); 3] = [
    ("enable-coverage", "coverage-directory", "htmlcov"),
    ("enable-profiler", "profiler-directory", "pstats"),
    ("enable-recorder", "recorder-directory", "archive"),
];

const DEBUG_OPTIONS: [&str; 5] =
    ["enable-debugger", "enable-coverage", "enable-profiler", "enable-recorder", "enable-gdb"];

impl ServerPlan {
    /// Looks at the options and at the machine.
    ///
    /// # Errors
    /// Options that contradict each other, and what the machine lacks.
    pub fn make(values: OptionValues) -> Result<ServerPlan, ExpressError> {
        let mut notes = Vec::new();
        for row in table::rows().filter(|row| values.is_given(row.name)) {
            if let OptionState::NoEffect(why) = row.state {
                notes.push(format!("--{} has no effect: {why}", row.name));
            }
        }
        contradictions(&values, &mut notes)?;
        let entry = ApplicationEntry::find(&values, &mut notes)?;
        let mode = mode(&values, &entry);
        let https = https(&values)?;
        let identity = ApplicationIdentity::find(&values)?;
        let httpd = Httpd::find(&values)?;
        let mpm = mpm(&values, mode, &httpd)?;
        let module = InstalledModule::find(Some(&httpd))?;
        let needs_python = entry.is_application() || needs_python(&values);
        let python =
            if needs_python { Some(PythonHome::find(&values, &identity, &mut notes)?) } else { None };
        if values.flag("free-threading") && python.as_ref().is_none_or(|python| !python.is_free_threaded) {
            let version = python.map(|python| python.version).unwrap_or_default();
            return Err(ExpressError::Usage(format!(
                "--free-threading: Python {version} was not built for it"
            )));
        }
        let host = values.text("host").unwrap_or("localhost").to_owned();
        let root = root(&values, &host);
        let (sizing, locale) = (sizing(&values, mode, mpm), locale::find(&values));
        Ok(ServerPlan {
            values,
            entry,
            mode,
            host,
            https,
            root,
            identity,
            python,
            httpd,
            module,
            mpm,
            sizing,
            locale,
            notes,
        })
    }

    /// A file below the server root.
    pub fn file(&self, name: &str) -> String {
        paths::text(&self.root.join(name))
    }

    /// The value of a path option, absolute, else a place below the server root.
    pub fn path_or(&self, option: &str, below: &str) -> String {
        self.path(option).unwrap_or_else(|| self.file(below))
    }

    /// The value of a path option, absolute.
    pub fn path(&self, option: &str) -> Option<String> {
        self.values.text(option).map(paths::absolute_text)
    }

    /// The name of the daemon process group.
    pub fn group(&self) -> String {
        self.values.text("process-group").map_or_else(|| self.address(), str::to_owned)
    }

    /// The process group that the application is sent to.
    pub fn target_group(&self) -> String {
        if self.has_daemon() { self.group() } else { "%{GLOBAL}".to_owned() }
    }

    /// Whether there is a daemon process group for the application.
    pub fn has_daemon(&self) -> bool {
        self.mode == RunMode::Daemon || (self.mode == RunMode::Static && self.values.is_given("add-handler"))
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.values.int("port"))
    }

    /// Processes and threads.
    pub fn demand(&self) -> SizingInput {
        demand(&self.values)
    }

    /// The working directory of the application.
    pub fn working_directory(&self) -> String {
        self.path("working-directory").unwrap_or_else(|| paths::absolute_text("."))
    }

    /// The document root.
    pub fn document_root(&self) -> String {
        if self.entry.kind == EntryKind::Static && !self.values.is_given("document-root") {
            return self.entry.target.clone();
        }
        self.path_or("document-root", "htdocs")
    }

    /// The folder for log files.
    pub fn log_directory(&self) -> String {
        self.path("log-directory").unwrap_or_else(|| paths::text(&self.root))
    }

    /// What the names of the daemon processes' sockets begin with.
    pub fn socket_prefix(&self) -> String {
        format!("{}/wsgi", self.path("socket-prefix").unwrap_or_else(|| paths::text(&self.root)))
    }

    /// Whether logs go to standard error and output.
    pub fn logs_to_terminal(&self) -> bool {
        self.values.flag("log-to-terminal") && !self.values.is_given("log-directory")
    }

    /// The mount point with one slash in front and none at the end; empty for the root.
    pub fn mount_point(&self) -> String {
        let given = self.values.text("mount-point").unwrap_or("/").trim_matches('/');
        if given.is_empty() { String::new() } else { format!("/{given}") }
    }

    /// The interpreter.
    pub fn application_group(&self) -> &str {
        self.values.text("application-group").unwrap_or("%{GLOBAL}")
    }

    /// Whether the application is loaded when its process starts: only when its interpreter is known by then.
    pub fn is_preloaded(&self) -> bool {
        let group = self.application_group();
        self.entry.is_application() && (group == "%{GLOBAL}" || !group.contains("%{"))
    }

    /// The URL of the server as a browser takes it.
    pub fn url(&self) -> String {
        let name = self.values.text("server-name").unwrap_or(&self.host);
        let path = format!("{}/", self.mount_point());
        format!("http://{}{path}", authority(name, self.values.int("port"), 80))
    }

    /// The same with HTTPS.
    pub fn https_url(&self) -> Option<String> {
        let name = self.values.text("server-name").unwrap_or(&self.host);
        let https = self.https.as_ref()?;
        Some(format!("https://{}{}/", authority(name, https.port, 443), self.mount_point()))
    }
}

/// Host and port, without a default port.
pub fn authority(name: &str, port: i64, default: i64) -> String {
    let name =
        if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() };
    if port == default { name } else { format!("{name}:{port}") }
}

fn contradictions(values: &OptionValues, notes: &mut Vec<String>) -> Result<(), ExpressError> {
    let usage = |text: &str| Err(ExpressError::Usage(text.to_owned()));
    let has_port = values.is_given("https-port") || values.is_given("ssl-port");
    let certificate = table::rows()
        .filter(|row| row.name.starts_with("ssl-") && row.name != "ssl-port")
        .find(|row| values.is_given(row.name));
    if let Some(row) = certificate.filter(|_| !has_port) {
        return usage(&format!("--{} needs --https-port", row.name));
    }
    if values.flag("https-only") && !has_port {
        return usage("--https-only needs --https-port");
    }
    if values.flag("debugger-startup") && !values.flag("enable-debugger") {
        return usage("--debugger-startup needs --enable-debugger");
    }
    if values.flag("enable-telemetry") && values.is_given("telemetry-service") {
        return usage("--enable-telemetry and --telemetry-service exclude each other");
    }
    if values.text("telemetry-service").is_some_and(|target| !target.starts_with("unix:/")) {
        return usage("--telemetry-service: unix: and an absolute path are needed");
    }
    if values.is_given("auth-group-script") && !values.is_given("auth-user-script") {
        return usage("--auth-group-script needs --auth-user-script");
    }
    for option in ["process-group", "server-name"] {
        if values.text(option).is_some_and(|name| name.is_empty() || name.contains("%{")) {
            return usage(&format!("--{option}: a name is needed"));
        }
    }
    if let Some(folder) = values.list("python-path").iter().find(|folder| folder.contains(':')) {
        return usage(&format!(
            "--python-path {folder}: a colon separates folders, so a folder cannot have one"
        ));
    }
    for (option, instead) in [
        ("with-php5", "use --proxy-mount-point with PHP-FPM"),
        ("verbose-debugging", "use --log-level \"warn wsgi:debug\""),
    ] {
        if values.flag(option) {
            notes.push(format!("--{option} has no effect: {instead}"));
        }
    }
    Ok(())
}

fn mode(values: &OptionValues, entry: &ApplicationEntry) -> RunMode {
    if values.flag("debug-mode") || DEBUG_OPTIONS.iter().any(|option| values.flag(option)) {
        RunMode::Debug
    } else if !entry.is_application() {
        RunMode::Static
    } else if values.flag("embedded-mode") {
        RunMode::Embedded
    } else {
        RunMode::Daemon
    }
}

/// Whether something other than the application runs Python.
fn needs_python(values: &OptionValues) -> bool {
    ["add-handler", "service-script", "host-access-script", "auth-user-script"]
        .iter()
        .any(|option| values.is_given(option))
}

fn https(values: &OptionValues) -> Result<Option<HttpsSettings>, ExpressError> {
    let option = if values.is_given("https-port") { "https-port" } else { "ssl-port" };
    if !values.is_given(option) {
        return Ok(None);
    }
    let prefix = values.text("ssl-certificate");
    let part = |ending: &str, option: &str| {
        let path = prefix
            .map(|prefix| format!("{prefix}{ending}"))
            .or_else(|| values.text(option).map(str::to_owned));
        path.map(|path| paths::absolute_text(&path))
    };
    let pair = (part(".crt", "ssl-certificate-file"), part(".key", "ssl-certificate-key-file"));
    match pair {
        (Some(certificate), Some(key)) => {
            Ok(Some(HttpsSettings { port: values.int(option), certificate, key }))
        }
        (Some(_), None) => {
            Err(ExpressError::Usage("--ssl-certificate-file needs --ssl-certificate-key-file".to_owned()))
        }
        (None, _) => Err(ExpressError::Usage(format!(
            "--{option} needs a certificate: --ssl-certificate-file and --ssl-certificate-key-file"
        ))),
    }
}

fn mpm(values: &OptionValues, mode: RunMode, httpd: &Httpd) -> Result<Mpm, ExpressError> {
    let order: &[Mpm] = match mode {
        RunMode::Daemon | RunMode::Static => &[Mpm::Event, Mpm::Worker, Mpm::Prefork],
        RunMode::Embedded | RunMode::Debug => &[Mpm::Worker, Mpm::Prefork],
    };
    let asked = values.list("server-mpm");
    let all = [Mpm::Event, Mpm::Worker, Mpm::Prefork];
    let order = if mode == RunMode::Embedded && !asked.is_empty() { &all } else { order };
    httpd.mpm(order, &asked).ok_or_else(|| {
        let names =
            if asked.is_empty() { "any".to_owned() } else { format!("--server-mpm {}", asked.join(" or ")) };
        ExpressError::Machine(format!(
            "{} has no MPM for this: {names} in {}",
            httpd.program.display(),
            httpd.modules.display()
        ))
    })
}

fn demand(values: &OptionValues) -> SizingInput {
    SizingInput {
        processes: values.int("processes").max(1),
        threads: values.int("threads"),
        max_clients: values.is_given("max-clients").then(|| values.int("max-clients")),
        initial: values.number("initial-workers"),
        minimum_spare: values.number("minimum-spare-workers"),
        maximum_spare: values.number("maximum-spare-workers"),
    }
}

fn sizing(values: &OptionValues, mode: RunMode, mpm: Mpm) -> MpmSizing {
    match mode {
        RunMode::Daemon | RunMode::Static => demand(values).daemon(mpm),
        RunMode::Embedded => demand(values).embedded(mpm),
        RunMode::Debug => MpmSizing::ONE,
    }
}

fn root(values: &OptionValues, host: &str) -> PathBuf {
    if let Some(root) = values.text("server-root") {
        return paths::absolute(root);
    }
    let base =
        std::env::var("TMPDIR").ok().filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/tmp".to_owned());
    let port = values.int("port");
    paths::absolute(&base)
        .join(format!("mod_wsgi-{host}:{port}:{}", nix::unistd::geteuid()).replace('/', "_"))
}
