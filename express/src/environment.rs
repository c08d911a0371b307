//! The environment of the application: that of whoever starts the server. Daemon processes inherit none of httpd's, so
//! apachectl writes it into a file that they are started with.

use crate::machine::identity::{self, ApplicationIdentity};
use crate::plan::ServerPlan;
use crate::problem::ExpressError;
use crate::values::OptionValues;
use nix::unistd::{Gid, Uid};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The file, below the server root.
pub const FILE: &str = "environment";

/// A variable that holds those which do not fit on a line; `handler.wsgi` unpacks it.
const PACKED: &str = "MOD_WSGI_EXPRESS_PACKED";

/// What is the shell's, or is said otherwise.
const LEFT_OUT: [&str; 10] = [
    "_",
    "LANG",
    "LC_ALL",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "PYTHONHOME",
    "MOD_WSGI_ERROR_LOG",
    "MOD_WSGI_ACCESS_LOG",
    crate::machine::python::LAUNCHER,
];

/// Of root, and not of the application's user.
const OF_ROOT: [&str; 4] = ["HOME", "USER", "LOGNAME", "USERNAME"];

/// Writes the environment of this process.
///
/// # Errors
/// A file that cannot be written.
pub fn write(root: &Path) -> Result<(), ExpressError> {
    let is_root = nix::unistd::geteuid().is_root();
    let is_left_out = |name: &str| LEFT_OUT.contains(&name) || (is_root && OF_ROOT.contains(&name));
    let variables =
        std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.into_vec()));
    let text = render(variables.filter(|(name, _)| !is_left_out(name)));
    let identity = ApplicationIdentity::find(&OptionValues::default())?;
    put(root, FILE, &text, identity.uid, identity.gid)?;
    for (name, facts) in service_files(root) {
        put(root, &name, &text, Uid::from_raw(facts.uid()), Gid::from_raw(facts.gid()))?;
    }
    Ok(())
}

/// The file of a service that runs as a user of its own.
pub fn service_file(service: &str) -> String {
    // Names that differ have files that differ.
    let written = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => char::from(byte).to_string(),
        other => format!("_{other:02x}"),
    };
    format!("{FILE}.{}", service.bytes().map(written).collect::<String>())
}

/// The files of such services, with their owners.
fn service_files(root: &Path) -> Vec<(String, fs::Metadata)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)));
    named
        .filter(|(name, _)| name.starts_with(&format!("{FILE}.")))
        .filter_map(|(name, entry)| Some((name, entry.metadata().ok()?)))
        .filter(|(_, facts)| facts.is_file())
        .collect()
}

/// Makes a file for each service that runs as a user of its own, who alone can read it; removes those of earlier runs.
///
/// # Errors
/// A user who does not exist, and a file that cannot be written.
pub fn prepare_services(plan: &ServerPlan) -> Result<(), ExpressError> {
    for (name, _) in service_files(&plan.root) {
        let path = plan.root.join(name);
        fs::remove_file(&path).map_err(|error| ExpressError::file(&path, &error))?;
    }
    if !plan.identity.is_other() {
        return Ok(());
    }
    for (service, user) in plan.values.pairs("service-user") {
        let (uid, gid) = identity::user(user)
            .ok_or_else(|| ExpressError::Usage(format!("--service-user {user}: there is no such user")))?;
        put(&plan.root, &service_file(service), "", uid, gid)?;
    }
    Ok(())
}

/// Writes a file for one user alone.
pub fn put(root: &Path, name: &str, text: &str, uid: Uid, gid: Gid) -> Result<(), ExpressError> {
    let path = root.join(name);
    let part = root.join(format!(".{name}.{}", std::process::id()));
    let failed = |error: std::io::Error| ExpressError::file(&path, &error);
    let _ = fs::remove_file(&part); // of a process that had our number
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::lchown(&part, Some(uid.as_raw()), Some(gid.as_raw())).map_err(failed)?;
    }
    fs::rename(&part, &path).map_err(failed)
}

fn render(variables: impl Iterator<Item = (String, Vec<u8>)>) -> String {
    let mut lines = Vec::new();
    let mut packed = Vec::new();
    for (name, value) in variables.filter(|(name, _)| is_name(name)) {
        match std::str::from_utf8(&value) {
            Ok(text) if !text.contains(char::is_control) => lines.push(format!("{name}=\"{text}\"\n")),
            _ => packed.push(format!("{name}={}", percent(&value))),
        }
    }
    lines.sort();
    if !packed.is_empty() {
        lines.push(format!("{PACKED}=\"{}\"\n", packed.join("&")));
    }
    lines.concat()
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn percent(value: &[u8]) -> String {
    value.iter().map(|byte| format!("%{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_fit_on_a_line_are_packed() {
        let variables = [("A", "it's \"x\" $y"), ("K", "a\nb"), ("BASH_FUNC_f%%", "() { :; }")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let text = render(variables.into_iter());
        assert_eq!(text, "A=\"it's \"x\" $y\"\nMOD_WSGI_EXPRESS_PACKED=\"K=%61%0a%62\"\n");
    }
}
