//! `check`: what can be known before a start, as the user who will run it; and `config`, the configuration itself.

use crate::NAME;
use crate::entry::EntryKind;
use crate::foreground;
use crate::generate;
use crate::output;
use crate::paths;
use crate::plan::ServerPlan;
use crate::problem::ExpressError;
use crate::quoting;
use crate::server_root;
use crate::values::OptionValues;
use std::fs::{self, DirBuilder};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the configuration, each line below the option that made it.
///
/// # Errors
/// As [`ServerPlan::make`].
pub fn show(values: OptionValues) -> Result<u8, ExpressError> {
    output::print(generate::configuration(&ServerPlan::make(values)?)?.render())?;
    Ok(0)
}

/// Checks everything and prints what is wrong; returns the exit status.
///
/// # Errors
/// When the options contradict each other, or a scratch folder cannot be made.
pub fn run(values: OptionValues, words: &[String]) -> Result<u8, ExpressError> {
    let mut wrong = Vec::new();
    let real = ServerPlan::make(values.clone())?;
    if real.identity.uid.is_root() {
        wrong.push(ExpressError::Usage(
            "an application is not run as root: name a user with --user".to_owned(),
        ));
    }
    wrong.extend(real.entry.problem().map(ExpressError::Usage));
    wrong.extend(out_of_reach(&real));
    wrong.extend(unreadable(&real));
    wrong.extend(taken_ports(&real));
    let scratch = ScratchRoot::make()?;
    let mut values = values;
    values.put("server-root", vec![vec![paths::text(&scratch.0)]]);
    let mut plan = ServerPlan::make(values)?;
    server_root::write(&mut plan, words)?;
    wrong.extend(configuration(&plan));
    if wrong.is_empty() && plan.entry.is_application() {
        wrong.extend(application(&plan));
    }
    plan.notes.iter().for_each(output::tell);
    wrong.iter().for_each(output::tell);
    match wrong.first() {
        Some(problem) => Ok(problem.exit_status()),
        None => {
            output::print(format_args!("everything is right for {}\n", real.url()))?;
            Ok(0)
        }
    }
}

/// A server root for the check alone.
struct ScratchRoot(PathBuf);

impl ScratchRoot {
    fn make() -> Result<ScratchRoot, ExpressError> {
        let path = std::env::temp_dir().join(format!("{NAME}-check-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| ExpressError::file(&path, &error))?;
        Ok(ScratchRoot(path))
    }
}

impl Drop for ScratchRoot {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left of it holds nothing
    }
}

/// What the processes of the application cannot be started without: a place that their user cannot reach.
pub fn out_of_reach(plan: &ServerPlan) -> Option<ExpressError> {
    if !plan.entry.is_application() && plan.values.pairs("service-script").is_empty() {
        return None;
    }
    let folder = plan.working_directory();
    let mut wanted = vec![("working-directory", folder.clone(), folder, "enter")];
    if let Some(python) = &plan.python {
        wanted.push(("python-home", python.home.clone(), format!("{}/bin/python3", python.home), "run"));
    }
    let root = paths::text(&plan.root);
    if plan.root.exists() {
        wanted.push(("server-root", root.clone(), root, "enter"));
    }
    let problem = |(option, written, path, act): (&str, String, String, &str)| {
        if !Path::new(&path).exists() {
            let is_missed = option == "working-directory";
            return is_missed
                .then(|| ExpressError::Usage(format!("--{option} {written}: there is no such folder")));
        }
        let user = &plan.identity.user;
        let sentence = || {
            format!(
                "--{option} {written}: user {user} cannot {act} {path}, so its processes cannot be started: let this user \
                 pass all folders of the path (namei -l {path} shows them), or name another place"
            )
        };
        (!plan.identity.can_enter(path.as_ref())).then(|| ExpressError::Machine(sentence()))
    };
    wanted.into_iter().find_map(problem)
}

/// Files and folders that the application's user must be able to read.
fn unreadable(plan: &ServerPlan) -> Vec<ExpressError> {
    let values = &plan.values;
    let mut wanted = Vec::new();
    if out_of_reach(plan).is_none() {
        wanted.push(("working-directory", plan.working_directory()));
    }
    if matches!(plan.entry.kind, EntryKind::Script | EntryKind::Paste | EntryKind::Static)
        && plan.entry.problem().is_none()
    {
        wanted.push(("entry-point", plan.entry.target.clone()));
    }
    wanted.extend(
        values.list("python-path").iter().map(|folder| ("python-path", paths::absolute_text(folder))),
    );
    wanted.extend(
        values.pairs("url-alias").iter().map(|(_, target)| ("url-alias", paths::absolute_text(target))),
    );
    for option in ["document-root", "host-access-script", "auth-user-script", "auth-group-script"] {
        wanted.extend(plan.path(option).map(|path| (option, path)));
    }
    for option in ["add-handler", "service-script"] {
        wanted.extend(values.pairs(option).iter().map(|(_, script)| (option, paths::absolute_text(script))));
    }
    let problem = |(option, path): (&str, String)| {
        let user = &plan.identity.user;
        match Path::new(&path).exists() {
            false => Some(ExpressError::Usage(format!("--{option} {path}: there is no such file or folder"))),
            true if !plan.identity.can_read(path.as_ref()) => {
                Some(ExpressError::Machine(format!("--{option} {path}: user {user} cannot read it")))
            }
            true => None,
        }
    };
    wanted.into_iter().filter_map(problem).collect()
}

fn taken_ports(plan: &ServerPlan) -> Vec<ExpressError> {
    let host = plan.values.text("host").unwrap_or("0.0.0.0").trim_matches(['[', ']']).to_owned();
    let mut ports = vec![("port", plan.values.int("port"))];
    ports.extend(plan.https.as_ref().map(|https| ("https-port", https.port)));
    let problem = |(option, port): (&str, i64)| {
        let port = u16::try_from(port).unwrap_or_default();
        let error = TcpListener::bind((host.as_str(), port)).err()?;
        Some(ExpressError::Machine(format!("--{option} {port}: {error}")))
    };
    ports.into_iter().filter_map(problem).collect()
}

/// What httpd says, with the option that made the line.
fn configuration(plan: &ServerPlan) -> Option<ExpressError> {
    let test = Command::new(plan.root.join("apachectl")).arg("configtest").output();
    let output = match test {
        Ok(output) => output,
        Err(error) => return Some(ExpressError::file(&plan.root.join("apachectl"), &error)),
    };
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let origin = foreground::origin(&said, &plan.root.join("httpd.conf"));
    let origin = origin.map(|option| format!("{option}: ")).unwrap_or_default();
    Some(ExpressError::Usage(format!("{origin}{said}")))
}

/// Whether the application can be imported, by its user and its Python.
fn application(plan: &ServerPlan) -> Option<ExpressError> {
    let python = plan.python.as_ref()?;
    let mut command = plan.identity.command(&Path::new(&python.home).join("bin/python3"));
    let mut folders = vec![plan.working_directory()];
    folders.extend(plan.values.list("python-path").iter().map(|folder| paths::absolute_text(folder)));
    let folders: Vec<String> = folders.iter().map(|folder| quoting::python(folder)).collect();
    let handler = quoting::python(&plan.file("handler.wsgi"));
    let program = format!(
        "import sys; sys.path[:0] = [{}]; exec(compile(open({handler}).read(), {handler}, 'exec'), {{'__name__': 'check'}})",
        folders.join(", ")
    );
    let output = command.args(["-B", "-c", &program]).current_dir(plan.working_directory()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Some(ExpressError::Machine(format!("{}: {error}", python.home))),
    };
    if output.status.success() {
        return None;
    }
    let states = fs::read_dir(plan.root.join("state")).into_iter().flatten().flatten();
    let failed = states.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("/failed-"));
    let text = failed.map(|path| crate::readiness::read(&path));
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned());
    Some(ExpressError::Application(format!("the application cannot be loaded:\n{}", text.trim_end())))
}
