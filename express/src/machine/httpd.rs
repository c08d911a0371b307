//! The installed httpd: its program, its modules, what is built in.

use super::{is_program, package, program};
use crate::problem::ExpressError;
use crate::values::OptionValues;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An httpd.
#[derive(Clone, Debug)]
pub struct Httpd {
    /// The server program.
    pub program: PathBuf,
    /// The folder of its modules.
    pub modules: PathBuf,
    /// Modules that are part of the program, as `mod_mime.c`.
    built_in: Vec<String>,
}

/// A multi-processing module.
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
    /// As in the name of its module.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Event => "event",
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
        }
    }
}

impl Httpd {
    /// One that has everything built in.
    #[cfg(test)]
    pub fn complete() -> Httpd {
        let names = "mpm_event access_compat unixd authn_core authz_core authz_host mime rewrite alias dir env headers \
                     filter reqtimeout log_config deflate status ssl socache_shmcb proxy proxy_http";
        let built_in = names.split_whitespace().map(|name| format!("mod_{name}.c")).collect();
        Httpd { program: "/usr/sbin/httpd".into(), modules: "/usr/lib/httpd/modules".into(), built_in }
    }

    /// The one that the options name, else the installed one.
    ///
    /// # Errors
    /// When there is none, with the package that has it.
    pub fn find(values: &OptionValues) -> Result<Httpd, ExpressError> {
        let named = std::env::var("HTTPD").ok().filter(|path| !path.is_empty());
        let named = named.or_else(|| values.text("httpd-executable").map(str::to_owned));
        let path = match named {
            Some(name) if name.contains('/') && is_program(Path::new(&name)) => PathBuf::from(name),
            Some(name) if name.contains('/') => {
                return Err(ExpressError::Machine(format!(
                    "--httpd-executable {name}: there is no such program"
                )));
            }
            Some(name) => program(&name).ok_or_else(|| {
                ExpressError::Machine(format!("--httpd-executable {name}: there is no such program"))
            })?,
            None => installed()?,
        };
        let modules = match values.text("modules-directory") {
            Some(folder) => crate::paths::absolute(folder),
            None => modules_of(&path)?,
        };
        let output =
            Command::new(&path).arg("-l").output().map_err(|error| ExpressError::file(&path, &error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let built_in =
            text.lines().map(str::trim).filter(|line| line.ends_with(".c")).map(str::to_owned).collect();
        Ok(Httpd { program: path, modules, built_in })
    }

    /// The file of a module.
    pub fn module_file(&self, name: &str) -> PathBuf {
        self.modules.join(format!("mod_{name}.so"))
    }

    /// Whether a module is part of the program.
    pub fn is_built_in(&self, name: &str) -> bool {
        self.built_in
            .iter()
            .any(|module| *module == format!("mod_{name}.c") || *module == format!("{name}.c"))
    }

    /// Whether a module can be used.
    pub fn has(&self, name: &str) -> bool {
        self.is_built_in(name) || self.module_file(name).exists()
    }

    /// The first MPM of `order` that can be used and that `allowed` lists, when it lists any.
    pub fn mpm(&self, order: &[Mpm], allowed: &[&str]) -> Option<Mpm> {
        let is_allowed = |mpm: &Mpm| allowed.is_empty() || allowed.contains(&mpm.name());
        order
            .iter()
            .copied()
            .filter(is_allowed)
            .find(|mpm| self.has(&format!("mpm_{}", mpm.name())) || self.is_built_in(mpm.name()))
    }

    /// The name of its program.
    pub fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn installed() -> Result<PathBuf, ExpressError> {
    let known = ["/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/apache2/bin/httpd"];
    let mut known = known.into_iter().map(PathBuf::from).filter(|path| is_program(path));
    let found = known.next().or_else(|| ["apache2", "httpd"].into_iter().find_map(program));
    found.ok_or_else(|| {
        let how = package("apache2-bin", "httpd");
        ExpressError::Machine(format!(
            "Apache httpd is not installed ({how}), or name it with --httpd-executable"
        ))
    })
}

fn modules_of(program: &Path) -> Result<PathBuf, ExpressError> {
    let program = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let below = [
        "lib/apache2/modules",
        "lib64/httpd/modules",
        "lib/httpd/modules",
        "modules",
        "libexec/apache2",
        "libexec",
        "lib64/apache2",
    ];
    let folders = below.iter().map(|folder| prefix.join(folder));
    let found = folders
        .clone()
        .find(|folder| folder.join("mod_authz_core.so").exists() || folder.join("mod_mime.so").exists());
    found.or_else(|| folders.clone().find(|folder| folder.is_dir())).ok_or_else(|| {
        ExpressError::Machine(format!(
            "no folder with modules of {} found: name it with --modules-directory",
            program.display()
        ))
    })
}
