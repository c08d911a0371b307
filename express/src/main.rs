//! `mod_wsgi-express`: serves a WSGI application with Apache httpd from one command line.

#![forbid(unsafe_code)]

mod check;
mod command_line;
mod configuration;
mod control;
mod entry;
mod environment;
mod files;
mod foreground;
mod generate;
mod machine;
#[cfg(test)]
mod manual;
mod output;
mod paths;
mod plan;
mod problem;
mod quoting;
mod readiness;
mod running;
mod server_root;
mod sizing;
mod summary;
mod table;
mod unit;
mod values;
mod watch;

use clap::ArgMatches;
use machine::httpd::Httpd;
use machine::identity::ApplicationIdentity;
use machine::module::InstalledModule;
use machine::python::PythonHome;
use plan::ServerPlan;
use problem::ExpressError;
use std::process::ExitCode;
use values::OptionValues;

/// The name that the command has everywhere.
const NAME: &str = "mod_wsgi-express";

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // The command itself is not expanded, only what follows it.
    let expand =
        |(at, word): (usize, String)| if at < 2 { word } else { command_line::expand(&word, variable) };
    let words: Vec<String> = words.into_iter().enumerate().map(expand).collect();
    let matches = command_line::command().get_matches_from(&words);
    let said =
        matches.subcommand().map(|(name, matches)| run(name, matches, words.get(1..).unwrap_or_default()));
    match said {
        Some(Ok(status)) => ExitCode::from(status),
        Some(Err(problem)) => {
            output::tell(&problem);
            ExitCode::from(problem.exit_status())
        }
        None => ExitCode::from(2),
    }
}

fn run(name: &str, matches: &ArgMatches, words: &[String]) -> Result<u8, ExpressError> {
    match name {
        "start-server" | "setup-server" => {
            serve(command_line::values(matches), words, name == "start-server")
        }
        "check" => check::run(command_line::values(matches), words),
        "config" => check::show(command_line::values(matches)),
        "systemd" => unit::print(command_line::values(matches)),
        "module-location" => {
            let module = InstalledModule::find(Httpd::find(&OptionValues::default()).ok().as_ref())?;
            output::print(format_args!("{}\n", module.file.display()))?;
            Ok(0)
        }
        "module-config" => {
            print_config(&InstalledModule::find(Httpd::find(&OptionValues::default()).ok().as_ref())?)?;
            Ok(0)
        }
        "install-module" => {
            install(matches.get_one::<String>("modules-directory"))?;
            Ok(0)
        }
        "ctl" => control::run(matches),
        "x-options" => {
            for row in table::rows() {
                let repeats = if row.is_list { "list" } else { "once" };
                let values = row.values.join("\t");
                output::print(format_args!("{}\t{repeats}\t{}\t{values}\n", row.name, row.help))?;
            }
            Ok(0)
        }
        "x-environment" => {
            let root = matches
                .get_one::<String>("server-root")
                .map_or_else(|| ".".into(), |root| paths::absolute(root));
            environment::write(&root)?;
            Ok(0)
        }
        _ => watch::run(matches),
    }
}

fn serve(values: OptionValues, words: &[String], starts: bool) -> Result<u8, ExpressError> {
    let starts = starts && !values.flag("setup-only");
    let mut plan = ServerPlan::make(values)?;
    if starts {
        let pid_file = plan.path_or("pid-file", "httpd.pid");
        if let Some(pid) = running::live_server(&plan.root, pid_file.as_ref()) {
            let root = plan.root.display();
            return Err(ExpressError::Usage(format!(
                "the server root {root} is in use by httpd, process {pid}"
            )));
        }
        if plan.identity.uid.is_root() {
            return Err(ExpressError::Usage(
                "an application is not run as root: name a user with --user (and --group)".to_owned(),
            ));
        }
    }
    match plan.entry.problem() {
        Some(problem) if starts => return Err(ExpressError::Usage(problem)),
        problem => plan.notes.extend(problem),
    }
    server_root::write(&mut plan, words)?;
    match check::out_of_reach(&plan) {
        Some(problem) if starts => return Err(problem),
        problem => plan.notes.extend(problem.map(|problem| problem.to_string())),
    }
    for note in &plan.notes {
        output::tell(note);
    }
    summary::print(&plan, starts);
    if starts { foreground::run(&plan) } else { Ok(0) }
}

/// The lines that load the module with the Python of this command.
fn print_config(module: &InstalledModule) -> Result<(), ExpressError> {
    output::print(format_args!("LoadModule wsgi_module {}\n", quoted(&paths::text(&module.file))))?;
    let values = OptionValues::default();
    let python = PythonHome::find(&values, &ApplicationIdentity::find(&values)?, &mut Vec::new())?;
    output::print(format_args!("WSGIPythonHome {}\n", quoted(&python.home)))
}

fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

fn install(folder: Option<&String>) -> Result<(), ExpressError> {
    let httpd = Httpd::find(&OptionValues::default());
    let module = InstalledModule::find(httpd.as_ref().ok())?;
    let folder = match folder {
        Some(folder) => paths::absolute(folder),
        None => httpd?.modules,
    };
    print_config(&module.copy_to(&folder)?)
}
