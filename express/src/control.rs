//! `ctl`: what mod_wsgi-ctl does, for the server of a server root.

use crate::machine::module::InstalledModule;
use crate::paths;
use crate::problem::ExpressError;
use crate::running::RunningServer;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::os::unix::process::CommandExt;

/// The command.
pub fn command() -> Command {
    Command::new("ctl")
        .about(
            "Look at the processes of a running server, restart, scale, stop and start them (mod_wsgi-ctl)",
        )
        .arg(server_root())
        .arg(
            Arg::new("arguments")
                .action(ArgAction::Append)
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_name("ARGUMENTS")
                .help("status, restart GROUP, scale GROUP N, stop GROUP, start GROUP, stacks GROUP"),
        )
}

/// The option that names a server.
pub fn server_root() -> Arg {
    Arg::new("server-root")
        .long("server-root")
        .value_name("DIRECTORY")
        .value_hint(clap::ValueHint::DirPath)
        .help("The server root; only needed when several servers run")
}

/// Becomes mod_wsgi-ctl.
///
/// # Errors
/// When it cannot be run.
pub fn run(matches: &ArgMatches) -> Result<u8, ExpressError> {
    let program = InstalledModule::find(None)?.program("mod_wsgi-ctl");
    let mut command = std::process::Command::new(&program);
    if let Some(root) = matches.get_one::<String>("server-root") {
        let server = RunningServer::of(&paths::absolute(root))?;
        command.arg("--socket").arg(server.control_socket());
    }
    let words: Vec<&String> = matches.get_many::<String>("arguments").into_iter().flatten().collect();
    command.args(if words.is_empty() { vec![] } else { words });
    Err(ExpressError::file(&program, &command.exec()))
}
