//! Where the module and the programs that belong to it are.

use super::httpd::Httpd;
use crate::problem::ExpressError;
use std::path::{Path, PathBuf};

/// What it is called. The first one is that of packages: beside it `mod_wsgi.so` is the original.
const NAMES: [&str; 2] = ["mod_wsgi_rs.so", "mod_wsgi.so"];

/// The module, with its folder of programs beside it.
#[derive(Clone, Debug)]
pub struct InstalledModule {
    /// `mod_wsgi.so`, or `mod_wsgi_rs.so` where packages of a distribution put it.
    pub file: PathBuf,
}

impl InstalledModule {
    /// Beside this program, or in httpd's folder.
    ///
    /// # Errors
    /// When it is in neither.
    pub fn find(httpd: Option<&Httpd>) -> Result<InstalledModule, ExpressError> {
        let program = std::env::current_exe().and_then(std::fs::canonicalize).unwrap_or_default();
        let folder = program.parent().unwrap_or(Path::new("/"));
        let prefix = folder.parent().unwrap_or(Path::new("/"));
        let mut folders = vec![
            prefix.to_owned(),
            folder.to_owned(),
            prefix.join("lib"),
            prefix.join("lib/apache2/modules"),
        ];
        folders.extend(["lib64/httpd/modules", "lib/httpd/modules"].iter().map(|below| prefix.join(below)));
        folders.extend(httpd.map(|httpd| httpd.modules.clone()));
        let found = folders
            .iter()
            .flat_map(|folder| NAMES.map(|name| InstalledModule { file: folder.join(name) }))
            .find(InstalledModule::is_complete);
        found.ok_or_else(|| {
            let list: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
            ExpressError::Machine(format!(
                "mod_wsgi.so with its folder mod_wsgi is in none of {}",
                list.join(", ")
            ))
        })
    }

    /// One of the programs that belong to it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.file.with_file_name("mod_wsgi").join(name)
    }

    fn is_complete(&self) -> bool {
        self.file.exists() && self.program("wsgi-supervisor").exists()
    }

    /// The programs that belong to it, relative to the folder of the module.
    const PROGRAMS: [&str; 4] = [
        "mod_wsgi/wsgi-supervisor",
        "mod_wsgi/python-host.abi3.so",
        "mod_wsgi/mod_wsgi-ctl",
        "mod_wsgi/mod_wsgi-express",
    ];

    /// Copies the module and what belongs to it, replacing each file as a whole.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn copy_to(&self, folder: &Path) -> Result<InstalledModule, ExpressError> {
        let from = self.file.parent().unwrap_or(Path::new("/"));
        let programs = folder.join("mod_wsgi");
        std::fs::create_dir_all(&programs).map_err(|error| ExpressError::file(&programs, &error))?;
        let files = InstalledModule::PROGRAMS.iter().map(|name| (from.join(name), folder.join(name)));
        let module = (self.file.clone(), folder.join("mod_wsgi.so"));
        for (source, target) in files.chain([module]).filter(|(source, _)| source.exists()) {
            let part = target.with_extension("part");
            let copied = std::fs::copy(&source, &part).and_then(|_| std::fs::rename(&part, &target));
            copied.map_err(|error| ExpressError::file(&target, &error))?;
        }
        Ok(InstalledModule { file: folder.join("mod_wsgi.so") })
    }
}
