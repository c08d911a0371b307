//! `mod_wsgi-ctl`: looks at the daemon processes of a running httpd, and restarts, scales, stops and starts them.
//! It asks the supervisor over its control socket; what it may do is decided there.

#![forbid(unsafe_code)]

mod drain;
mod harmless;
#[cfg(test)]
mod manual;
mod memory;
mod report;
mod socket;
mod stacks;
mod terminal;
mod top;
mod wait;

use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply};

/// Looks at the daemon processes of mod_wsgi in a running httpd, and controls them. Only for root and the user
/// httpd was started as.
#[derive(Debug, Parser)]
#[command(name = "mod_wsgi-ctl", version)]
struct Arguments {
    /// The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with
    /// ".PID.control" added, PID being httpd's
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Do not wait until it is done
    #[arg(long, global = true)]
    no_wait: bool,
    /// Wait so many seconds at most
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show all groups and their processes
    Status {
        /// Show them again and again, until Ctrl-C
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..))]
        watch: Option<u64>,
    },
    /// Watch groups, processes and requests: rates, latencies, load. Keys: s sorts, p pauses, q quits
    Top {
        /// Seconds between two looks
        #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        interval: u64,
        /// Print one screen and end
        #[arg(long)]
        once: bool,
    },
    /// Replace the processes of a group one by one; no request is lost
    Restart {
        /// Name of the daemon process group
        group: String,
    },
    /// Give a group another number of processes until httpd reads its configuration again
    Scale {
        /// Name of the daemon process group
        group: String,
        /// How many, from 1
        processes: u32,
    },
    /// End the processes of a group after their requests; new requests get 503
    Stop {
        /// Name of the daemon process group
        group: String,
    },
    /// Start a stopped group
    Start {
        /// Name of the daemon process group
        group: String,
    },
    /// Have wsgi-health say "draining", so that balancers send their requests elsewhere; what still comes is served
    Drain {
        /// Wait so long for them, and then until no request is under way
        #[arg(long, value_name = "SECONDS")]
        time: Option<u64>,
        /// Then stop httpd gracefully (SIGWINCH), and wait for its end
        #[arg(long, requires = "time")]
        stop: bool,
    },
    /// End it: wsgi-health answers as before
    Undrain,
    /// Log the Python stacks of all threads of a group, and show them
    Stacks {
        /// Name of the daemon process group
        group: String,
    },
}

/// More than waiting for what was begun, for a server that answers slowly, seconds.
const SLACK: u64 = 60;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let drain = match arguments.command {
        Command::Drain { time, .. } => time.unwrap_or(0),
        _ => 0,
    };
    let limit = Duration::from_secs(arguments.timeout.saturating_add(SLACK).saturating_add(drain));
    let is_endless = match arguments.command {
        Command::Top { once, .. } => !once,
        Command::Status { watch } => watch.is_some(),
        _ => false,
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    // Whatever it waits for, the main thread ends the program in time.
    std::thread::spawn(move || sender.send(run(&arguments)));
    let result =
        if is_endless { receiver.recv().map_err(|_| ()) } else { receiver.recv_timeout(limit).map_err(drop) };
    match result.unwrap_or_else(|()| Err(format!("nothing is known after {} s; given up", limit.as_secs()))) {
        Ok(text) => {
            let mut out = std::io::stdout().lock();
            match write!(out, "{}", harmless::text(&text)).and_then(|()| out.flush()) {
                // A reader that has gone (`| head`) is no error.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    fail(&format!("standard output: {error}"))
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(reason) => fail(&reason),
    }
}

fn fail(reason: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mod_wsgi-ctl: {}", harmless::text(reason)); // the status says it too
    ExitCode::FAILURE
}

fn run(arguments: &Arguments) -> Result<String, String> {
    let path = match &arguments.socket {
        Some(path) => socket::ControlAddress::named(path.clone()),
        None => socket::find()?,
    };
    match arguments.command {
        Command::Top { interval, once } => return terminal::top(&path, Duration::from_secs(interval), once),
        Command::Status { watch: Some(seconds) } => {
            return terminal::watch(&path, Duration::from_secs(seconds));
        }
        Command::Drain { time, stop } => return drain::drain(&path, time, stop, arguments),
        Command::Undrain => return drain::undrain(&path, arguments),
        _ => {}
    }
    let question = question(&arguments.command);
    let before = match &question {
        OperatorQuestion::Status | OperatorQuestion::Stacks { .. } => None,
        _ => Some(socket::status(&path)?),
    };
    match (socket::ask(&path, &question)?, before) {
        (OperatorReply::Refused(reason), _) => Err(reason),
        (OperatorReply::Status(status), _) if arguments.json => {
            Ok(report::json(&status, &memory::of(&status)))
        }
        (OperatorReply::Status(status), _) => Ok(report::table(&status, &memory::of(&status))),
        (OperatorReply::Metrics(_), _) => Err("the supervisor gave another answer than asked for".to_owned()),
        (OperatorReply::Stacks { log, pids }, _) => stacks::show(log, &pids, arguments.json),
        (OperatorReply::Begun, Some(before)) if !arguments.no_wait => {
            let limit = Duration::from_secs(arguments.timeout);
            wait::until_done(&path, &question, &before, limit)?;
            Ok(if arguments.json { "{\"done\": true}\n".to_owned() } else { String::new() })
        }
        (OperatorReply::Begun, _) if arguments.json => Ok("{\"begun\": true}\n".to_owned()),
        (OperatorReply::Begun, _) => Ok(String::new()),
    }
}

fn question(command: &Command) -> OperatorQuestion {
    let bytes = |group: &String| group.clone().into_bytes();
    match command {
        Command::Status { .. } | Command::Top { .. } => OperatorQuestion::Status,
        Command::Restart { group } => OperatorQuestion::Restart { group: bytes(group) },
        Command::Scale { group, processes } => {
            OperatorQuestion::Scale { group: bytes(group), processes: *processes }
        }
        Command::Stop { group } => OperatorQuestion::Stop { group: bytes(group) },
        Command::Start { group } => OperatorQuestion::Start { group: bytes(group) },
        Command::Drain { .. } => OperatorQuestion::Drain { on: true },
        Command::Undrain => OperatorQuestion::Drain { on: false },
        Command::Stacks { group } => OperatorQuestion::Stacks { group: bytes(group) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
        let arguments =
            Arguments::try_parse_from(["mod_wsgi-ctl", "scale", "shop", "3", "--socket", "/s"]).unwrap();
        assert_eq!(
            question(&arguments.command),
            OperatorQuestion::Scale { group: b"shop".to_vec(), processes: 3 }
        );
        assert!(Arguments::try_parse_from(["mod_wsgi-ctl", "scale", "shop"]).is_err());
    }
}
