//! The httpd of this machine: where its program and modules are, asked from `apxs`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The multi-processing module that an httpd of a test loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// Threads, with a listener that keeps idle connections.
    Event,
    /// One process per request.
    Prefork,
    /// Threads.
    Worker,
}

impl Mpm {
    /// All three.
    pub const ALL: [Mpm; 3] = [Mpm::Event, Mpm::Worker, Mpm::Prefork];

    /// As in the name of its module file.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Event => "event",
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
        }
    }

    /// Few processes and threads: tests start quickly and find the same child again.
    pub(crate) fn sizing(self) -> &'static str {
        match self {
            Mpm::Prefork => "StartServers 2\nMinSpareServers 1\nMaxSpareServers 3\nMaxRequestWorkers 8\n",
            Mpm::Event | Mpm::Worker => {
                "StartServers 1\nServerLimit 4\nThreadsPerChild 8\nMinSpareThreads 2\nMaxSpareThreads 16\n\
                 MaxRequestWorkers 32\n"
            }
        }
    }
}

/// Paths of the installed httpd.
#[derive(Debug)]
pub struct Apache {
    /// The server program.
    pub program: PathBuf,
    /// The folder of its modules.
    pub modules: PathBuf,
}

/// Modules that tests and examples use, loaded where they are separate files.
const MODULES: [&str; 15] = [
    "unixd",
    "authz_core",
    "authz_host",
    "log_config",
    "mime",
    "dir",
    "env",
    "setenvif",
    "alias",
    "rewrite",
    "filter",
    "deflate",
    "headers",
    "actions",
    "status",
];

impl Apache {
    /// The httpd of this machine.
    ///
    /// # Panics
    /// When `apxs` is missing: `make setup` installs it.
    pub fn installed() -> &'static Apache {
        static APACHE: OnceLock<Apache> = OnceLock::new();
        APACHE.get_or_init(|| Apache {
            program: PathBuf::from(apxs("SBINDIR")).join(apxs("PROGNAME")),
            modules: PathBuf::from(apxs("LIBEXECDIR")),
        })
    }

    /// `LoadModule` lines for the MPM and for [`MODULES`].
    pub(crate) fn load_modules(&self, mpm: Mpm) -> String {
        std::iter::once(format!("mpm_{}", mpm.name()))
            .chain(MODULES.iter().map(|name| (*name).to_owned()))
            .filter_map(|name| {
                let file = self.modules.join(format!("mod_{name}.so"));
                file.exists().then(|| format!("LoadModule {name}_module {}\n", file.display()))
            })
            .collect()
    }
}

/// Compiles a module of httpd's from one file of C; `LoadModule` takes the path.
///
/// # Panics
/// When it cannot be compiled.
pub fn compile_module(name: &str, source: &str) -> PathBuf {
    let folder = std::env::temp_dir();
    let stem = format!("wsgi-{name}-{}", std::process::id());
    let (text, module) = (folder.join(format!("{stem}.c")), folder.join(format!("{stem}.so")));
    std::fs::write(&text, source).expect("a temporary folder");
    let words =
        Command::new(apxs("APR_CONFIG")).args(["--includes", "--cppflags"]).output().expect("it is there");
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&module, &text])
        .arg(format!("-I{}", apxs("INCLUDEDIR")))
        .args(words.split_whitespace())
        .status();
    assert!(status.expect("a C compiler").success());
    std::fs::remove_file(text).expect("it was written above");
    module
}

fn apxs(question: &str) -> String {
    let output = ["apxs", "/usr/bin/apxs", "/usr/bin/apxs2"]
        .iter()
        .find_map(|apxs| Command::new(apxs).args(["-q", question]).output().ok())
        .expect("apxs is missing: run `make setup`");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
