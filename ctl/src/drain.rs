//! Draining a server before it is stopped or taken away: balancers are told, what still comes is served, then it can go.

use crate::Arguments;
use crate::socket::{self, ControlAddress};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply, ServerStatus};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Begins to drain; waits `time`, and until no request is under way; or stops httpd then.
///
/// # Errors
/// A sentence: the server is drained already, is stopping, or is not done in time.
pub fn drain(
    address: &ControlAddress,
    time: Option<u64>,
    stop: bool,
    arguments: &Arguments,
) -> Result<String, String> {
    if let Err(reason) = begin(address, true) {
        // Somebody may have begun it before: then only the rest is to be done.
        if time.is_none() || socket::status(address)?.drained_us == 0 {
            return Err(reason);
        }
    }
    let Some(seconds) = time else { return Ok(said("begun", arguments)) };
    sleep(Duration::from_secs(seconds));
    let limit = Duration::from_secs(arguments.timeout);
    if stop {
        let httpd = socket::status(address)?.httpd;
        stop_httpd(httpd)?;
        if arguments.no_wait {
            return Ok(said("begun", arguments));
        }
        let ended = || Ok(has_ended(httpd));
        wait(limit, "httpd has not ended; it goes on serving its last requests", ended)?;
    } else {
        let is_idle = || socket::status(address).map(|status| is_idle(&status));
        wait(limit, "requests are still under way; 'mod_wsgi-ctl top' shows them", is_idle)?;
    }
    Ok(said("done", arguments))
}

/// Ends it.
///
/// # Errors
/// A sentence, if the server is not drained.
pub fn undrain(address: &ControlAddress, arguments: &Arguments) -> Result<String, String> {
    begin(address, false)?;
    Ok(said("done", arguments))
}

fn begin(address: &ControlAddress, on: bool) -> Result<(), String> {
    match socket::ask(address, &OperatorQuestion::Drain { on })? {
        OperatorReply::Refused(reason) => Err(reason),
        _ => Ok(()),
    }
}

fn said(word: &str, arguments: &Arguments) -> String {
    if arguments.json { format!("{{\"{word}\": true}}\n") } else { String::new() }
}

fn wait(limit: Duration, complaint: &str, is_done: impl Fn() -> Result<bool, String>) -> Result<(), String> {
    let start = Instant::now();
    while !is_done()? {
        if start.elapsed() > limit {
            return Err(format!("after {} s {complaint}", limit.as_secs()));
        }
        sleep(PAUSE);
    }
    Ok(())
}

fn is_idle(status: &ServerStatus) -> bool {
    status.groups.iter().flat_map(|group| &group.processes).all(|process| process.in_flight == 0)
}

/// A graceful stop, as `apachectl graceful-stop` does it.
fn stop_httpd(pid: i32) -> Result<(), String> {
    if pid <= 0 {
        return Err("the supervisor does not know httpd's process id".to_owned());
    }
    kill(Pid::from_raw(pid), Signal::SIGWINCH)
        .map_err(|errno| format!("httpd ({pid}) cannot be stopped: {}", errno.desc()))
}

/// Whether there is no such process, or only its exit status is left.
fn has_ended(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::operator::{GroupStatus, ProcessStatus};

    #[test]
    fn idle_is_no_request_anywhere() {
        let process = |in_flight| ProcessStatus { in_flight, ..ProcessStatus::default() };
        let group = |processes| GroupStatus { processes, ..GroupStatus::default() };
        let status = |groups| ServerStatus { groups, ..ServerStatus::default() };
        assert!(is_idle(&status(vec![])) && is_idle(&status(vec![group(vec![process(0)])])));
        assert!(!is_idle(&status(vec![group(vec![]), group(vec![process(0), process(1)])])));
    }

    #[test]
    fn only_processes_that_run_have_not_ended() {
        assert!(!has_ended(std::process::id().cast_signed()));
        assert!(has_ended(-5));
        assert!(stop_httpd(0).is_err(), "that would be all processes of the group");
    }
}
