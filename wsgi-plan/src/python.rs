//! Finds interpreters and shared libpythons by looking at files only: the root parent never runs Python. A home that
//! somebody has named is looked at by a process of the user who will use it (`survey`).

use crate::plain_file::{self, OpenRefusal};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The interpreter of groups that name no home: given when the module was built, else the system's.
const DEFAULT_INTERPRETERS: &[Option<&str>] =
    &[option_env!("MOD_WSGI_PYTHON"), Some("/usr/bin/python3"), Some("/usr/local/bin/python3")];

/// Oldest supported minor version of CPython 3.
pub const OLDEST_MINOR: u32 = 9;

/// Longest `pyvenv.cfg` in bytes.
const CONFIG_LIMIT: u64 = 64 * 1024;
/// Most entries of a `lib` folder that are looked at.
const MOST_ENTRIES: usize = 4096;

/// Why a home cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomeError {
    /// The directory does not exist or cannot be looked into.
    NoDirectory(PathBuf),
    /// There is no executable `bin/python3` or `bin/python`.
    NoInterpreter(PathBuf),
    /// No home was given and no interpreter was found on the system.
    NoDefault,
    /// The interpreter is older than supported; holds its minor version.
    TooOld(PathBuf, u32),
    /// `pyvenv.cfg` is no plain file.
    BadConfig(PathBuf),
    /// Its file system does not answer within so many seconds.
    Silent(PathBuf, u64),
    /// There is no shared libpython for embedded mode; holds the interpreter.
    NoSharedLibrary(PathBuf),
    /// A build of CPython without the GIL.
    FreeThreaded(PathBuf),
    /// Another implementation of Python; holds what it is.
    NotCPython(PathBuf, String),
}

/// What to write instead: pages on the web name `bin`, or the program in it.
fn right_home(home: &Path) -> String {
    let bin = [Some(home), home.parent()].into_iter().flatten().find(|path| path.ends_with("bin"));
    match bin.and_then(Path::parent) {
        Some(above) => format!("give '{}', the directory above bin", above.display()),
        None => "give the directory of a virtual environment or of a Python installation".to_owned(),
    }
}

impl fmt::Display for HomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(home) => write!(
                f,
                "Python home '{}' does not exist or is not a directory; {}",
                home.display(),
                right_home(home)
            ),
            Self::NoInterpreter(home) => write!(
                f,
                "Python home '{0}' has no usable interpreter: neither '{0}/bin/python3' nor '{0}/bin/python' is an \
                 executable file; {1}",
                home.display(),
                right_home(home)
            ),
            Self::NoDefault => f.write_str(
                "no Python interpreter was found at /usr/bin/python3 or /usr/local/bin/python3; install python3, or \
                 name a home with WSGIPythonHome or python-home=",
            ),
            Self::TooOld(path, minor) => write!(
                f,
                "'{}' is Python 3.{minor}; CPython 3.{OLDEST_MINOR} or newer is needed, make the virtual environment \
                 with a newer one",
                path.display()
            ),
            Self::FreeThreaded(path) => write!(
                f,
                "'{}' is a free-threaded build of Python, which is not supported yet; make the virtual environment with \
                 the ordinary build of the same version",
                path.display()
            ),
            Self::NotCPython(path, name) => write!(
                f,
                "'{}' is {name}, which is not supported; make the virtual environment with CPython 3.{OLDEST_MINOR} or \
                 newer",
                path.display()
            ),
            Self::BadConfig(path) => write!(
                f,
                "'{}' must be a plain file of at most {CONFIG_LIMIT} bytes; make the virtual environment anew",
                path.display()
            ),
            Self::Silent(home, seconds) => write!(
                f,
                "the file system of Python home '{}' did not answer within {seconds} s; look after it, or name another \
                 home",
                home.display()
            ),
            Self::NoSharedLibrary(path) => write!(
                f,
                "no shared libpython belongs to '{}', so it cannot run embedded in httpd; use daemon mode \
                 (WSGIDaemonProcess with python-home=, and WSGIProcessGroup), which needs none, or install the \
                 shared library (Debian: libpython3-dev)",
                path.display()
            ),
        }
    }
}

/// A usable interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonInterpreter {
    /// What it is called, e.g. `/srv/venv/bin/python3`; never resolved, so that pyvenv.cfg is found.
    pub path: PathBuf,
    /// What is executed, if there is nothing at `path`: the program that `home =` in pyvenv.cfg names.
    pub stand_in: Option<PathBuf>,
    /// Prefix of the Python installation behind it.
    pub base: PathBuf,
    /// Minor version, if files tell.
    pub minor: Option<u32>,
}

impl PythonInterpreter {
    /// Finds the interpreter of a home, or the default one.
    pub fn find(home: Option<&Path>) -> Result<Self, HomeError> {
        let config = home.map(read_config).transpose()?.flatten().unwrap_or_default();
        let (path, stand_in) = match home {
            Some(home) => match in_home(home, &config) {
                Ok(found) => found,
                // Whoever executes it will be told why he may not.
                Err(UnusableHome::Closed) => return Ok(Self::unseen(home)),
                Err(UnusableHome::Error(error)) => return Err(error),
            },
            None => (default_interpreter().ok_or(HomeError::NoDefault)?, None),
        };
        let program = stand_in.as_ref().unwrap_or(&path);
        let (base, minor) = installation(&config, program);
        match minor {
            _ if is_free_threaded(program, &base) => Err(HomeError::FreeThreaded(path)),
            _ if other_implementation(program).is_some() => {
                let name = other_implementation(program).unwrap_or_default().to_owned();
                Err(HomeError::NotCPython(path, name))
            }
            Some(minor) if minor < OLDEST_MINOR => Err(HomeError::TooOld(path, minor)),
            _ => Ok(Self { path, stand_in, base, minor }),
        }
    }

    /// What is in a home that cannot be looked into, as far as anybody can guess.
    pub fn unseen(home: &Path) -> Self {
        Self { path: home.join("bin/python3"), stand_in: None, base: PathBuf::from("/usr"), minor: None }
    }

    /// Its version as far as it shows: `3.13`.
    pub fn version(&self) -> Option<String> {
        self.minor.map(|minor| format!("3.{minor}"))
    }

    /// What is executed.
    pub fn program(&self) -> &Path {
        self.stand_in.as_ref().unwrap_or(&self.path)
    }

    /// The shared libpython for embedded mode.
    pub fn shared_library(&self) -> Result<PathBuf, HomeError> {
        let missing = || HomeError::NoSharedLibrary(self.path.clone());
        let minor = self.minor.ok_or_else(missing)?;
        let names = [format!("libpython3.{minor}.so.1.0"), format!("libpython3.{minor}.so")];
        let mut folders = vec![self.base.join("lib"), self.base.join("lib64")];
        folders.push(self.base.join("lib").join(MULTIARCH));
        if self.base == Path::new("/usr") || self.base == Path::new("/usr/local") {
            folders.extend(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
            folders.push(Path::new("/usr/lib").join(MULTIARCH));
        }
        let candidates = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        candidates.into_iter().find(|path| path.is_file()).ok_or_else(missing)
    }
}

#[cfg(target_arch = "x86_64")]
const MULTIARCH: &str = "x86_64-linux-gnu";
#[cfg(target_arch = "aarch64")]
const MULTIARCH: &str = "aarch64-linux-gnu";
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MULTIARCH: &str = "";

/// Why there is no interpreter in a home.
enum UnusableHome {
    /// This user may not look.
    Closed,
    Error(HomeError),
}

/// The interpreter of a home, and what is executed instead of it when it is not there or leads nowhere: copied layers
/// of images often have only `pyvenv.cfg` and `lib`.
fn in_home(home: &Path, config: &str) -> Result<(PathBuf, Option<PathBuf>), UnusableHome> {
    match home.metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(UnusableHome::Closed),
        Ok(facts) if facts.is_dir() => {}
        _ => return Err(UnusableHome::Error(HomeError::NoDirectory(home.to_owned()))),
    }
    let candidates = ["bin/python3", "bin/python"].map(|name| home.join(name));
    let mut is_closed = false;
    for candidate in candidates {
        match candidate.metadata() {
            Ok(_) if is_executable(&candidate) => return Ok((candidate, None)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => is_closed = true,
            _ => {}
        }
    }
    if is_closed {
        return Err(UnusableHome::Closed);
    }
    let base = config_entry(config, "home").map(Path::new).filter(|base| base.is_absolute());
    let version = config_entry(config, "version").or_else(|| config_entry(config, "version_info"));
    let exact = version.and_then(minor_of_version).map(|minor| format!("python3.{minor}"));
    let names = exact.into_iter().chain(["python3".to_owned(), "python".to_owned()]);
    let programs = base.into_iter().flat_map(|base| names.clone().map(|name| base.join(name)));
    let found = programs.into_iter().find(|program| is_executable(program));
    let missing = || UnusableHome::Error(HomeError::NoInterpreter(home.to_owned()));
    found.map(|program| (vacant_name(home), Some(program))).ok_or_else(missing)
}

/// A name for an interpreter that is not there. Python would follow a link that dangles, and lose the home.
fn vacant_name(home: &Path) -> PathBuf {
    let names = ["bin/python3", "bin/python", "bin/python-of-home"].map(|name| home.join(name));
    let [usual, ..] = &names;
    names.iter().find(|name| name.symlink_metadata().is_err()).unwrap_or(usual).clone()
}

/// What `pyvenv.cfg` says, if there is one.
fn read_config(home: &Path) -> Result<Option<String>, HomeError> {
    let path = home.join("pyvenv.cfg");
    let text = plain_file::open_plain(&path, CONFIG_LIMIT, true)
        .and_then(|file| plain_file::read_plain(file, CONFIG_LIMIT));
    match text {
        Ok(text) => Ok(Some(text)),
        Err(OpenRefusal::Failed(_)) => Ok(None),
        Err(OpenRefusal::NotPlain) => Err(HomeError::BadConfig(path)),
    }
}

fn default_interpreter() -> Option<PathBuf> {
    DEFAULT_INTERPRETERS.iter().flatten().map(PathBuf::from).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Prefix and minor version of the installation an interpreter belongs to.
fn installation(config: &str, path: &Path) -> (PathBuf, Option<u32>) {
    let entry = |key: &str| config_entry(config, key);
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let from_config = entry("home").map(PathBuf::from);
    let bin = from_config.as_deref().or_else(|| resolved.parent()).unwrap_or(Path::new("/usr/bin"));
    // A venv of a venv, or a `home` that is itself a link: what counts is where the links end.
    let real_bin = bin.canonicalize().unwrap_or_else(|_| bin.to_owned());
    let base = real_bin.parent().unwrap_or(Path::new("/usr")).to_owned();
    let version = entry("version").or_else(|| entry("version_info"));
    let minor = version.and_then(minor_of_version);
    let minor = minor.or_else(|| resolved.file_name().and_then(minor_of_name));
    let minor = minor.or_else(|| minor_of_library(&base));
    (base, minor)
}

/// What the links of an interpreter end at.
fn executable_name(path: &Path) -> String {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    resolved.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `python3.13t`, or a standard library in `lib/python3.13t` and none beside it.
fn is_free_threaded(path: &Path, base: &Path) -> bool {
    let name = executable_name(path);
    let Some(minor) = minor_of_name(OsStr::new(&name)) else { return false };
    let library = |suffix: &str| base.join(format!("lib/python3.{minor}{suffix}/os.py")).exists();
    name.ends_with('t') || (library("t") && !library(""))
}

/// The name of an implementation that is not CPython.
fn other_implementation(path: &Path) -> Option<&'static str> {
    let name = executable_name(path);
    [("pypy", "PyPy"), ("graalpy", "GraalPy")]
        .into_iter()
        .find(|(start, _)| name.starts_with(start))
        .map(|(_, n)| n)
}

fn config_entry<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let entries = text.lines().filter_map(|line| line.split_once('='));
    entries.map(|(k, v)| (k.trim(), v.trim())).find(|(k, _)| *k == key).map(|(_, v)| v)
}

fn minor_of_version(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    (parts.next() == Some("3")).then(|| parts.next()?.parse().ok()).flatten()
}

/// `python3.11` → 11
fn minor_of_name(name: &OsStr) -> Option<u32> {
    minor_of_version(name.to_str()?.strip_prefix("python")?.trim_end_matches('t'))
}

/// The only `lib/python3.N` that holds a standard library.
fn minor_of_library(base: &Path) -> Option<u32> {
    let entries = base.join("lib").read_dir().ok()?.take(MOST_ENTRIES).flatten();
    let mut found = entries.filter(|e| e.path().join("os.py").exists());
    let minor = found.next().and_then(|e| minor_of_name(&e.file_name()))?;
    found.next().is_none().then_some(minor)
}

/// A path as the bytes that system calls want.
pub fn path_bytes(path: &Path) -> Vec<u8> {
    let os: OsString = path.as_os_str().to_owned();
    os.as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(minor_of_version("3.11.2"), Some(11));
        assert_eq!(minor_of_version("2.7.18"), None);
        assert_eq!(minor_of_name(OsStr::new("python3.13t")), Some(13));
        assert_eq!(minor_of_name(OsStr::new("python3")), None);
        assert_eq!(config_entry("home = /usr/bin\nversion = 3.11.2\n", "version"), Some("3.11.2"));
    }

    #[test]
    fn missing_homes_name_the_path() {
        let error = PythonInterpreter::find(Some(Path::new("/no/such/home"))).unwrap_err();
        assert_eq!(error, HomeError::NoDirectory("/no/such/home".into()));
        let error = PythonInterpreter::find(Some(Path::new("/etc"))).unwrap_err();
        assert!(error.to_string().contains("/etc/bin/python3"));
    }

    #[test]
    fn the_default_is_found() {
        let found = PythonInterpreter::find(None).unwrap();
        assert!(found.path.starts_with("/usr"));
        assert!(found.minor.is_some());
    }

    #[test]
    fn bin_is_no_home() {
        for name in ["/srv/venv/bin", "/srv/venv/bin/python3"] {
            let text = HomeError::NoInterpreter(name.into()).to_string();
            assert!(text.ends_with("give '/srv/venv', the directory above bin"), "{text}");
        }
        assert!(
            HomeError::NoDirectory("/srv/bin/venv/x".into()).to_string().contains("give the directory of")
        );
    }
}
