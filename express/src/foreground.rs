//! Running httpd in the foreground: signals go to it, its exit status comes back, and nothing is left behind.

use crate::configuration::Configuration;
use crate::output;
use crate::plan::{RunMode, ServerPlan};
use crate::problem::ExpressError;
use crate::readiness::{self, StartState};
use crate::server_root;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;
use std::fs;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked whether the application is ready.
const LOOK: Duration = Duration::from_millis(25);

/// How urgent an end is when everything is killed.
const KILLED: u32 = 9;

/// Signals that are waited for.
const SIGNALS: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGWINCH, Signal::SIGCHLD];

/// Runs the server until it ends; returns its exit status.
///
/// # Errors
/// When it cannot be started, or its application cannot be loaded.
pub fn run(plan: &ServerPlan) -> Result<u8, ExpressError> {
    server_root::forget_states(&plan.root);
    let mut command = Command::new(plan.root.join("apachectl"));
    command.args(["start", "-DFOREGROUND"]);
    if plan.mode == RunMode::Debug {
        // A debugger needs the terminal, so httpd takes the place of this process.
        let error = command.exec();
        return Err(ExpressError::file(&plan.root.join("apachectl"), &error));
    }
    let failed = |error: std::io::Error| ExpressError::Machine(format!("signals: {error}"));
    // Supervisors and daemons become children of this process when httpd has ended: then their end can be awaited.
    nix::sys::prctl::set_child_subreaper(true).map_err(|errno| failed(errno.into()))?;
    let signals = signals().map_err(failed)?;
    let log_length = error_log(plan).and_then(|path| fs::metadata(path).ok()).map_or(0, |facts| facts.len());
    let child = command
        .process_group(0)
        .spawn()
        .map_err(|error| ExpressError::file(&plan.root.join("apachectl"), &error))?;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    ForegroundServer {
        plan,
        pid,
        asked: 0,
        is_ready: false,
        early: None,
        started: Instant::now(),
        log_length,
    }
    .attend(&signals)
}

/// A thread that waits for signals, and the channel they come by. By handlers, not by a mask: programs that are started
/// would inherit that.
fn signals() -> std::io::Result<Receiver<Signal>> {
    let mut source = Signals::new(SIGNALS.map(|signal| signal as i32))?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for signal in source.forever().filter_map(|number| Signal::try_from(number).ok()) {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

struct ForegroundServer<'a> {
    plan: &'a ServerPlan,
    pid: Pid,
    /// How urgently an end was asked for.
    asked: u32,
    is_ready: bool,
    /// A restart that was asked for before httpd had its handlers.
    early: Option<Signal>,
    started: Instant,
    /// Of the error log, before the start.
    log_length: u64,
}

impl ForegroundServer<'_> {
    fn attend(mut self, signals: &Receiver<Signal>) -> Result<u8, ExpressError> {
        let mut failure = None;
        loop {
            let signal = if (self.is_ready && self.early.is_none()) || self.asked > 0 {
                signals.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                signals.recv_timeout(LOOK)
            };
            match signal {
                Ok(Signal::SIGCHLD) => {}
                Ok(signal) => self.pass_on(signal),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(signal) = self.early.take() {
                        self.restart(signal);
                    }
                    if !self.is_ready {
                        failure = failure.or_else(|| self.look());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => self.send(Signal::SIGTERM),
            }
            if let Some(status) = self.reap() {
                self.finish(signals);
                return match failure {
                    Some(problem) => Err(problem),
                    None if status != 0 && !self.is_ready && self.asked == 0 => Err(self.explain(status)),
                    None => Ok(status),
                };
            }
        }
    }

    /// Whether the application has come up; when it cannot, the server is stopped.
    fn look(&mut self) -> Option<ExpressError> {
        match readiness::look(self.plan) {
            StartState::Starting => None,
            StartState::Ready => {
                self.is_ready = true;
                let _ = output::print(format_args!("{}\n", self.ready())); // it serves all the same
                None
            }
            StartState::Failed(_) if self.plan.values.flag("reload-on-changes") => {
                self.is_ready = true; // it will be loaded when it has been mended
                self.show_traceback();
                None
            }
            StartState::Failed(_) => {
                self.show_traceback();
                self.asked = 1;
                self.send(Signal::SIGTERM);
                Some(ExpressError::Application(
                    "the application cannot be loaded; the server was stopped".to_owned(),
                ))
            }
        }
    }

    fn show_traceback(&self) {
        if let StartState::Failed(text) = readiness::look(self.plan)
            && !self.plan.logs_to_terminal()
        {
            output::tell_plainly(&text);
        }
    }

    /// One line: where it is, what runs, how long it took.
    fn ready(&self) -> String {
        let plan = self.plan;
        let url = plan.https_url().filter(|_| plan.values.flag("https-only")).unwrap_or_else(|| plan.url());
        let python =
            plan.python.as_ref().map(|python| format!(", Python {}", python.version)).unwrap_or_default();
        let demand = plan.demand();
        let workers = match plan.mode {
            RunMode::Static => String::new(),
            _ => format!(", {} x {} threads", demand.processes, demand.threads),
        };
        format!("Ready: {url}{python}{workers}, {:.1} s", self.started.elapsed().as_secs_f64())
    }

    /// The first request to end is orderly, a further one ends at once.
    fn pass_on(&mut self, signal: Signal) {
        let is_terminal = || std::io::stdin().is_terminal() || std::io::stdout().is_terminal();
        match (signal, self.asked) {
            // A terminal sends it when its size changes; for httpd it means to stop.
            (Signal::SIGWINCH, _) if is_terminal() => {}
            (Signal::SIGHUP | Signal::SIGUSR1, _) => self.restart(signal),
            (Signal::SIGTERM | Signal::SIGWINCH, 0) => {
                self.asked = 1;
                // httpd's SIGTERM breaks off requests; this one lets them end, as long as --stop-timeout says.
                // Before httpd has its handlers it does not hear the graceful one, and there are no requests.
                self.send(if self.hears(Signal::SIGWINCH) { Signal::SIGWINCH } else { Signal::SIGTERM });
            }
            (Signal::SIGTERM, 1) => {
                self.asked = 2;
                self.send(Signal::SIGTERM);
            }
            (Signal::SIGINT, 0) => {
                self.asked = 2;
                self.send(Signal::SIGTERM);
            }
            _ => self.kill(),
        }
    }

    /// The signals of a restart end a process that has no handler for them yet: they wait until httpd has.
    fn restart(&mut self, signal: Signal) {
        if self.hears(signal) {
            self.send(signal);
        } else {
            self.early = Some(signal);
        }
    }

    /// Whether httpd has its handler for a signal. Where /proc does not tell: when it is ready.
    fn hears(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        catches(&status, signal).unwrap_or(self.is_ready)
    }

    fn send(&self, signal: Signal) {
        let _ = kill(self.pid, signal); // one that has ended is as good
    }

    /// Ends everything. Children of what ended become ours, so this is repeated until none is left.
    fn kill(&mut self) {
        self.asked = KILLED;
        let _ = killpg(self.pid, Signal::SIGKILL); // one that has ended is as good
        for pid in programs(None) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Collects what has ended; the status of httpd when it is among it.
    fn reap(&self) -> Option<u8> {
        let mut own = None;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.pid => own = Some(code as u8),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.pid => own = Some(128 + signal as u8),
                Ok(WaitStatus::StillAlive) | Err(_) => return own,
                Ok(_) => {}
            }
        }
    }

    /// Waits until the supervisor has ended its daemons.
    fn finish(&mut self, signals: &Receiver<Signal>) {
        let longest = self.plan.values.int("shutdown-timeout").clamp(0, 3600).unsigned_abs() + 3;
        let deadline = Instant::now() + Duration::from_secs(longest);
        while Instant::now() < deadline {
            let awaited = if self.asked == KILLED { None } else { Some("wsgi-supervisor") };
            if programs(awaited).is_empty() {
                break;
            }
            match signals.recv_timeout(LOOK) {
                Ok(Signal::SIGINT) => self.kill(),
                Ok(Signal::SIGTERM) if self.asked > 1 => self.kill(),
                Ok(Signal::SIGTERM) => self.asked += 1,
                _ if self.asked == KILLED => self.kill(),
                _ => {}
            }
            self.reap();
        }
        if self.asked == KILLED {
            server_root::remove_sockets(self.plan.socket_prefix().as_ref(), self.pid.as_raw());
        }
    }

    /// Says why httpd did not start: the option that made a wrong line, or what is in its log.
    fn explain(&self, status: u8) -> ExpressError {
        let test = Command::new(self.plan.root.join("apachectl")).arg("configtest").output();
        let said =
            test.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
        match origin(&said, &self.plan.root.join("httpd.conf")) {
            Some(option) => output::tell(format_args!("the line comes from {option}")),
            None => output::tell_plainly(self.new_log_lines()),
        }
        ExpressError::Httpd(status)
    }

    fn new_log_lines(&self) -> String {
        let Some(path) = error_log(self.plan) else { return String::new() };
        let mut text = String::new();
        if let Ok(mut file) = fs::File::open(path)
            && file.seek(SeekFrom::Start(self.log_length)).is_ok()
        {
            let _ = file.take(64 << 10).read_to_string(&mut text); // what could be read is shown
        }
        text
    }
}

/// The options that made the line which httpd complains about.
pub fn origin(complaint: &str, path: &std::path::Path) -> Option<String> {
    let (_, rest) = complaint.split_once(" on line ")?;
    let (number, _) = rest.split_once(" of ")?;
    Configuration::origin_of(&fs::read_to_string(path).ok()?, number.parse().ok()?)
}

fn error_log(plan: &ServerPlan) -> Option<PathBuf> {
    let name = plan.values.text("error-log-name").unwrap_or_default();
    (!plan.logs_to_terminal() && !plan.values.flag("rotate-logs"))
        .then(|| PathBuf::from(plan.log_directory()).join(name))
}

/// Children of this process, with this program or any.
fn programs(name: Option<&str>) -> Vec<Pid> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|text| text.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let mut fields = tail.split_whitespace();
        let (state, parent) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let program = head.split_once('(').map_or("", |(_, program)| program);
        if parent == own && state != "Z" && name.is_none_or(|name| name == program) {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}

/// Whether a process with this `/proc/…/status` has a handler for `signal` (proc(5), `SigCgt`); `None`: it does not say.
fn catches(status: &str, signal: Signal) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << (signal as i32 - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_those_that_the_kernel_knows() {
        // Signals 15 and 28 (SIGTERM, SIGWINCH).
        let status = "SigBlk:\t0000000000000000\nSigCgt:\t0000000008004000\nCapInh:\t0\n";
        let told =
            [Signal::SIGTERM, Signal::SIGWINCH, Signal::SIGUSR1, Signal::SIGHUP].map(|s| catches(status, s));
        assert_eq!(told, [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!((catches("", Signal::SIGTERM), catches("SigCgt:\tx\n", Signal::SIGTERM)), (None, None));
    }
}
