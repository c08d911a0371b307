//! The folder of the generated files: whose it is, who may look, and that a file is there as a whole or not at all.

use crate::environment;
use crate::files;
use crate::generate;
use crate::machine::identity;
use crate::paths;
use crate::plan::ServerPlan;
use crate::problem::ExpressError;
use crate::watch;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Those that this command gives a server root.
const MODES: [u32; 3] = [0o700, 0o710, 0o711];

/// Writes everything that the server needs; returns the configuration.
///
/// # Errors
/// A folder that is somebody else's, and what cannot be written.
pub fn write(plan: &mut ServerPlan, arguments: &[String]) -> Result<String, ExpressError> {
    prepare(plan)?;
    bring_module(plan)?;
    let configuration = generate::configuration(plan)?.render();
    let shared = if plan.identity.is_other() { 0o640 } else { 0o600 };
    let put = |name: &str, text: &str, mode: u32| put(plan, name, text, mode);
    put("handler.wsgi", &files::handler(plan), shared)?;
    put("resource.wsgi", &files::resource(plan), shared)?;
    put("default.wsgi", files::welcome(), shared)?;
    keep(plan, "rewrite.conf", "")?;
    match plan.path("envvars-script") {
        Some(script) => put("envvars", &format!(". {}\n", crate::quoting::shell(&script)), shared)?,
        None => keep(plan, "envvars", "")?,
    }
    put("apachectl", &files::apachectl(plan, arguments), shared | 0o100 | (shared & 0o040) >> 2)?;
    if !plan.root.join(environment::FILE).exists() {
        environment::put(&plan.root, environment::FILE, "", plan.identity.uid, plan.identity.gid)?;
    }
    environment::prepare_services(plan)?;
    if plan.values.flag("reload-on-changes") {
        put(watch::LIST, &watch::list(plan), shared)?;
    }
    put("httpd.conf", &configuration, shared)?;
    Ok(configuration)
}

/// Makes the folder, or checks the one that is there.
fn prepare(plan: &mut ServerPlan) -> Result<(), ExpressError> {
    let root = plan.root.clone();
    let mode = match plan.identity.is_other() {
        // Users of services are in no group that the folder could have; they may pass through it.
        true if !plan.values.pairs("service-user").is_empty() => 0o711,
        true => 0o710,
        false => 0o700,
    };
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(|error| ExpressError::file(parent, &error))?;
    }
    let is_new = match DirBuilder::new().mode(0o700).create(&root) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(ExpressError::file(&root, &error)),
    };
    check_owner(plan)?;
    let is_empty = fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_none());
    // One of an earlier run may be for another user; a folder that was made otherwise is left as it is.
    let is_ours = fs::metadata(&root).is_ok_and(|facts| MODES.contains(&(facts.mode() & 0o7777)))
        && ["apachectl", "handler.wsgi", "httpd.conf"].iter().all(|name| root.join(name).exists());
    if is_new || is_empty || is_ours {
        identity::share(&root, &plan.identity, mode)?;
    }
    let own = |name: &str, is_used: bool| if is_used { folder(plan, name) } else { Ok(()) };
    own("state", true)?;
    own("python-eggs", !plan.values.is_given("python-eggs"))?;
    for (flag, option, below) in crate::plan::OUTPUTS {
        own(below, plan.values.flag(flag) && !plan.values.is_given(option))?;
    }
    if plan.document_root() == plan.file("htdocs") {
        let htdocs = root.join("htdocs");
        fs::create_dir_all(&htdocs).map_err(|error| ExpressError::file(&htdocs, &error))?;
        identity::share(&htdocs, &plan.identity, if plan.identity.is_other() { 0o750 } else { 0o700 })?;
    }
    let logs = paths::absolute(&plan.log_directory());
    fs::create_dir_all(&logs).map_err(|error| ExpressError::file(&logs, &error))
}

/// A folder that others can write to would let them choose what httpd does.
fn check_owner(plan: &mut ServerPlan) -> Result<(), ExpressError> {
    let root = &plan.root;
    let failed = |error: std::io::Error| ExpressError::file(root, &error);
    let is_chosen = plan.values.is_given("server-root");
    let facts = if is_chosen { fs::metadata(root) } else { fs::symlink_metadata(root) }.map_err(failed)?;
    let refuse = |why: &str| {
        Err(ExpressError::Usage(format!(
            "the server root {} {why}: name another one with --server-root",
            root.display()
        )))
    };
    if !facts.is_dir() {
        return refuse("is not a folder");
    }
    let own = nix::unistd::geteuid().as_raw();
    let owner = facts.uid();
    if owner == plan.identity.uid.as_raw() && owner != own && is_chosen {
        plan.notes.push(format!(
            "{} belongs to {}, who can thereby change what the server does as root",
            root.display(),
            plan.identity.user
        ));
    } else if owner != own && owner != 0 {
        return refuse(&format!("belongs to user {owner}"));
    }
    if facts.mode() & 0o002 != 0 {
        return refuse("can be written by everybody");
    }
    Ok(())
}

/// A folder that the application may write to.
fn folder(plan: &ServerPlan, name: &str) -> Result<(), ExpressError> {
    let path = plan.root.join(name);
    let failed = |error: std::io::Error| ExpressError::file(&path, &error);
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    if plan.identity.is_other() {
        let (uid, gid) = (plan.identity.uid.as_raw(), plan.identity.gid.as_raw());
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).map_err(failed)?;
    }
    Ok(())
}

/// The application's user must be able to read the host library: when it cannot, the module is copied.
fn bring_module(plan: &mut ServerPlan) -> Result<(), ExpressError> {
    let host = plan.module.program("python-host.abi3.so");
    if plan.identity.can_read(&host) {
        return Ok(());
    }
    let folder = plan.root.join("lib");
    plan.notes.push(format!(
        "{} cannot read {}; it was copied to {}",
        plan.identity.user,
        host.display(),
        folder.display()
    ));
    plan.module = plan.module.copy_to(&folder)?;
    for path in [folder.clone(), folder.join("mod_wsgi")] {
        identity::share(&path, &plan.identity, 0o755)?;
    }
    Ok(())
}

/// Writes a file under another name, then puts it in its place.
fn put(plan: &ServerPlan, name: &str, text: &str, mode: u32) -> Result<(), ExpressError> {
    let path = plan.root.join(name);
    let part = plan.root.join(format!(".{name}.{}", std::process::id()));
    let failed = |error: std::io::Error| ExpressError::file(&path, &error);
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    identity::share(&part, &plan.identity, mode)?;
    fs::rename(&part, &path).map_err(failed)
}

/// Writes a file that the user may change, unless it is there.
fn keep(plan: &ServerPlan, name: &str, text: &str) -> Result<(), ExpressError> {
    let path = plan.root.join(name);
    let mode = if plan.identity.is_other() { 0o640 } else { 0o600 };
    if !path.exists() {
        return put(plan, name, text, mode);
    }
    let is_own = fs::symlink_metadata(&path)
        .is_ok_and(|facts| facts.is_file() && facts.uid() == nix::unistd::geteuid().as_raw());
    if is_own { identity::share(&path, &plan.identity, mode) } else { Ok(()) }
}

/// Removes the sockets of a server that was killed.
pub fn remove_sockets(prefix: &Path, pid: i32) {
    let begin = format!("{}.{pid}.", prefix.file_name().unwrap_or_default().to_string_lossy());
    for entry in prefix.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten() {
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if is_socket && entry.file_name().to_string_lossy().starts_with(&begin) {
            let _ = fs::remove_file(entry.path()); // the next start makes it anew
        }
    }
}

/// Removes what processes of an earlier run have said about their application.
pub fn forget_states(root: &Path) {
    for entry in fs::read_dir(root.join("state")).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
}
