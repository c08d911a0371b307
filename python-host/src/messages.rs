//! The records of this library: the text says what happened, the number is that of the error map
//! (`wsgi_protocol::events`).

use crate::host::LongRunning;
use std::fmt::Display;
use wsgi_protocol::call::ScriptQuestion;
use wsgi_protocol::events::{self, LogEvent};

/// Bytes of a name or path for a message.
pub fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Python cannot be started.
pub fn cannot_start(reason: impl Display) -> String {
    events::PYTHON_UNUSABLE.line(format!("Python cannot be initialised: {reason}."))
}

/// What the host was told cannot be read.
pub fn bad_launch(reason: impl Display) -> String {
    events::OTHER_VERSION.line(format!("The start message of mod_wsgi cannot be used: {reason}."))
}

/// Another Python lives in the httpd child.
pub fn foreign_python() -> String {
    events::EMBEDDED_UNUSABLE.line("Another module (mod_python?) has already initialised Python in this httpd process, so embedded mode cannot be \
         used. Remove that module, or use daemon mode (WSGIDaemonProcess and WSGIProcessGroup).",
    )
}

/// No interpreter for an application group.
pub fn interpreter_failed(name: &[u8]) -> String {
    events::NO_INTERPRETER_MADE
        .line(format!("Unable to create Python interpreter for application group '{}'.", text(name)))
}

/// CPython's reason.
pub fn interpreter_status(reason: &str) -> String {
    events::INTERPRETER_REFUSED.line(format!("Python refused to create a sub-interpreter: {reason}."))
}

/// Own GIL asked for where there is none.
pub fn no_own_gil(version: (u32, u32)) -> String {
    events::NO_OWN_GIL.line(format!(
        "WSGIPerInterpreterGIL needs Python 3.12 or newer; Python {}.{} runs here, and the GIL is shared.",
        version.0, version.1
    ))
}

/// The switch interval cannot be set.
pub fn no_switch_interval(event: &LogEvent, reason: &str) -> String {
    event.line(format!("The switch interval is not set, because {reason}."))
}

/// The switch interval was set.
pub fn switch_interval(seconds: f64, place: &str) -> String {
    format!("Switch interval set to {seconds} seconds in {place}.")
}

/// An interpreter is being furnished.
pub fn interpreter_made(name: &[u8], is_main: bool, own_gil: bool) -> String {
    let name = text(name);
    if is_main {
        return format!("Using the main Python interpreter for application group '{name}'.");
    }
    let gil = if own_gil { " with its own GIL" } else { "" };
    format!("Creating Python interpreter for application group '{name}'{gil}.")
}

/// An interpreter is being ended.
pub fn interpreter_ends(name: &[u8]) -> String {
    format!("Destroying Python interpreter for application group '{}'.", text(name))
}

/// An interpreter cannot be ended.
pub fn interpreter_busy(name: &[u8]) -> String {
    format!(
        "Python interpreter for application group '{}' still has daemon threads; only its exit handlers were run.",
        text(name)
    )
}

/// The external package was found.
pub fn package_grafted(place: &str) -> String {
    format!("Sub-modules of the installed package 'mod_wsgi' can be imported in {place}.")
}

/// A stream or handler was not replaced.
pub fn not_installed(event: &LogEvent, what: &str) -> String {
    event.line(format!("Unable to replace {what}."))
}

/// A directory could not be added to the path.
pub fn path_failed() -> String {
    events::PYTHON_PATH.line("A directory could not be added to sys.path; the rest of its list is left out.")
}

/// The interpreter of a request is not to be had.
pub fn no_interpreter(group: &[u8]) -> String {
    events::NO_INTERPRETER.line(format!("Cannot acquire interpreter '{}'.", text(group)))
}

/// The interpreter of a host script is not to be had.
pub fn no_interpreter_for(question: ScriptQuestion, group: &[u8]) -> String {
    let event = match question {
        ScriptQuestion::Dispatch => &events::NO_INTERPRETER_FOR_DISPATCH,
        ScriptQuestion::Access => &events::NO_INTERPRETER_FOR_ACCESS,
        ScriptQuestion::Password => &events::NO_INTERPRETER_FOR_PASSWORD,
        ScriptQuestion::RealmHash => &events::NO_INTERPRETER_FOR_HASH,
        ScriptQuestion::Groups => &events::NO_INTERPRETER_FOR_GROUPS,
    };
    event.line(format!("Cannot acquire interpreter '{}'.", text(group)))
}

/// A path outside of the chroot directory.
pub fn outside_chroot(path: &[u8], root: &[u8]) -> String {
    events::OUTSIDE_CHROOT.line(format!(
        "The script '{}' is not below '{}', the chroot directory of this process.",
        text(path),
        text(root)
    ))
}

/// A script that a zygote imported has started threads.
pub fn threads_are_lost(script: &[u8], place: &str, threads: &str) -> String {
    events::THREADS_LOST.line(format!(
        "WSGI script '{}' {place} has started threads while it was imported: {threads}. preload=on forks the processes \
         that serve without them: start them at the first request or by os.register_at_fork(after_in_child=...), or \
         write preload=off.",
        text(script)
    ))
}

/// A script that its predecessor had loaded, in a process without one.
pub fn broken_alone(script: &[u8], place: &str) -> String {
    events::BROKEN_ALONE.line(format!(
        "WSGI script '{}' was loaded before and cannot be loaded now {place}, and no older process is left to serve: its \
         requests get 500 until it can. The traceback above says why.",
        text(script)
    ))
}

/// A zygote with nothing to import.
pub fn nothing_to_share(group: &[u8]) -> String {
    events::NOTHING_TO_SHARE.line(format!(
        "preload=on of daemon process group '{}' has nothing to share: no script is known to run in its main interpreter. \
         Name its process group by a fixed text and write WSGIApplicationGroup %{{GLOBAL}}, or add a WSGIImportScript.",
        text(group)
    ))
}

/// The callable is not there; `other` is one that is.
pub fn no_callable(script: &[u8], name: &[u8], other: Option<&str>) -> String {
    let name = text(name);
    let advice = match other {
        Some(other) => {
            format!("It has '{other}': write WSGICallableObject {other}, or {name} = {other} in the script.")
        }
        None => format!("Define {name} there, or write WSGICallableObject with the name that it has."),
    };
    events::NO_CALLABLE.line(format!(
        "Target WSGI script '{}' does not contain WSGI application '{name}'. {advice}",
        text(script),
    ))
}

/// The client is gone, and the application has not caught what it was told.
pub fn client_left(text: &str) -> String {
    format!("The client went away before its request was answered ({text}).")
}

/// What to write, as the last line of a traceback.
pub fn advice(text: &str) -> String {
    format!("mod_wsgi: {text}")
}

/// What stands behind the reasons why a changed script could not be loaded.
pub fn kept(script: &[u8], group: &[u8]) -> String {
    let (script, group, pid) = (text(script), text(group), std::process::id());
    events::CHANGE_FAILED.line(format!(
        "The changed code of '{script}' cannot be loaded; process {pid} of group '{group}' serves on with the old code. It is \
         tried again when the script or a file of the traceback changes, every few minutes, and at 'mod_wsgi-ctl restart \
         {group}'."
    ))
}

/// A script does not come back from its import; its stack follows.
pub fn import_hangs(script: &[u8], seconds: f64, place: &str) -> String {
    events::IMPORT_HANGS.line(format!(
        "WSGI script '{}' has been loading into {place} for {seconds:.0} s. A script must come back: a server that it starts \
         itself, such as app.run(), belongs below `if __name__ == '__main__':`; modules that cannot do sub-interpreters \
         need application-group=%{{GLOBAL}}. It is here:",
        text(script)
    ))
}

/// A module refuses sub-interpreters.
pub fn refuses(module: &str, place: &str) -> String {
    events::NO_SUB_INTERPRETERS.line(format!(
        "The module '{module}' does not work in a sub-interpreter, and {place} is one. Write application-group=%{{GLOBAL}} at the \
         script's WSGIScriptAlias (or WSGIApplicationGroup %{{GLOBAL}}), or give the application a daemon process group of \
         its own (WSGIDaemonProcess, process-group=), where the first application has the main interpreter."
    ))
}

/// A changed script, or what it imports, does not come back.
pub fn does_not_come_back(script: &[u8]) -> String {
    let script = text(script);
    events::CHANGE_FAILED
        .line(format!("The changed WSGI script '{script}' has not come back from its import yet."))
}

/// What an import is in has changed.
pub fn gives_way(script: &[u8], file: &[u8]) -> String {
    let (script, file) = (text(script), text(file));
    format!("'{file}' has changed while '{script}' was being loaded: another process loads it.")
}

/// A request has waited long enough for a successor.
pub fn no_successor_yet() -> String {
    events::NO_SUCCESSOR_YET
        .line("The changed code takes longer to load than the old; requests run with the old code meanwhile.")
}

/// The heirloom cannot be written.
pub fn cannot_leave(error: impl Display) -> String {
    events::NO_HEIRLOOM.line(format!("The successor will load its scripts later: {error}."))
}

/// A script was looked for and its file is gone.
pub fn script_vanished(script: &[u8]) -> String {
    events::SCRIPT_VANISHED
        .line(format!("The modification time of script '{}' cannot be found out.", text(script)))
}

/// A script is about to be loaded.
pub fn loading(verb: &str, script: &[u8], place: &str) -> String {
    format!("{verb} WSGI script '{}' into {place}.", text(script))
}

/// A script cannot be read or compiled.
pub fn unreadable(script: &[u8], preload: bool) -> String {
    let event = if preload { &events::PRELOAD_UNREADABLE } else { &events::SCRIPT_UNREADABLE };
    event.line(format!("Could not read or compile Python script file '{}'.", text(script)))
}

/// A script ended itself while being loaded.
pub fn exited(script: &[u8], preload: bool) -> String {
    let event = if preload { &events::PRELOAD_EXITED } else { &events::SCRIPT_EXITED };
    event.line(format!(
        "SystemExit exception raised when doing exec of Python script file '{}'.",
        text(script)
    ))
}

/// A script raised an exception while being loaded.
pub fn not_executed(script: &[u8], preload: bool) -> String {
    let event = if preload { &events::PRELOAD_FAILED } else { &events::SCRIPT_FAILED };
    event.line(format!("Unable to execute Python script file '{}'.", text(script)))
}

/// As [`not_executed`], told by somebody who waited for the one that failed.
pub fn just_tried(script: &[u8], preload: bool) -> String {
    let event = if preload { &events::PRELOAD_FAILED } else { &events::SCRIPT_FAILED };
    event.line(format!(
        "Unable to execute Python script file '{}': it has just been tried for another request, which has the traceback.",
        text(script)
    ))
}

/// `close()` could not be looked up.
pub fn no_close() -> String {
    events::NO_CLOSE.line("Unable to look up close() of the object that the WSGI application returned.")
}

/// An exception of an application: event and text; the script prefix goes between number and text.
pub fn raised(class: &str, script: &[u8], place: &str, is_exit: bool) -> (&'static LogEvent, String) {
    let script = text(script);
    if is_exit {
        (
            &events::APPLICATION_EXITED,
            format!("SystemExit exception raised by WSGI script '{script}' for {place}; ignored."),
        )
    } else {
        (
            &events::APPLICATION_RAISED,
            format!("{class} exception raised processing WSGI script '{script}' for {place}."),
        )
    }
}

/// An exception while an interpreter was furnished.
pub fn raised_at_startup(class: &str, place: &str, is_exit: bool) -> String {
    let event = if is_exit { &events::START_UP_EXITED } else { &events::START_UP_RAISED };
    event.line(format!("{class} exception raised during Python interpreter initialisation, for {place}."))
}

/// An exception in a callback.
pub fn raised_in_callback(class: &str, event: &str, place: &str, is_exit: bool) -> String {
    let row = if is_exit { &events::CALLBACK_EXITED } else { &events::CALLBACK_RAISED };
    row.line(format!("{class} exception raised by event callback for '{event}', for {place}."))
}

/// RequestTimeout before anything was sent.
pub const TIMEOUT_RECOVERED: &str = "Request interrupted by RequestTimeout; thread recovered.";

/// RequestTimeout in the middle of a response.
pub const TIMEOUT_TRUNCATED: &str =
    "Request interrupted by RequestTimeout after headers sent; response truncated.";

/// RequestTimeout was injected.
pub fn injected(thread: u32) -> String {
    format!("Injected RequestTimeout into thread {thread}.")
}

/// `subscribe_signals` where there are no signals.
pub const NO_SIGNALS: &str =
    "subscribe_signals() has no effect outside of daemon processes; callback ignored.";

/// A request from httpd is no request.
pub fn bad_request(error: impl Display) -> String {
    events::ENVIRON_REFUSED.line(format!("A request from httpd cannot be read: {error}."))
}

/// A connection from httpd cannot be understood.
pub fn connection_closed(error: impl Display) -> String {
    events::ENVIRON_REFUSED.line(format!("Connection from httpd closed: {error}."))
}

/// The daemon cannot serve.
pub fn cannot_serve(error: impl Display) -> String {
    events::DAEMON_CANNOT_SERVE.line(format!("Daemon process cannot serve: {error}."))
}

/// accept() failed.
pub fn cannot_accept(error: impl Display) -> String {
    events::NO_ACCEPT.line(format!("Unable to accept a connection from httpd: {error}."))
}

/// A connection cannot be waited for.
pub fn cannot_poll(error: impl Display) -> String {
    events::NO_ACCEPT.line(format!("A connection from httpd cannot be polled: {error}."))
}

/// Waiting for requests failed as a whole.
pub fn cannot_wait(error: impl Display) -> String {
    events::CANNOT_WAIT.line(format!("Waiting for requests failed: {error}."))
}

/// A request thread is missing.
pub fn no_thread(index: usize, error: impl Display) -> String {
    events::THREADS.line(format!("Couldn't create request thread {index}: {error}."))
}

/// Somebody else has connected.
pub fn not_httpd(uid: u32) -> String {
    events::ORIGIN.line(format!("Connection refused: user id {uid} is not httpd's."))
}

/// Nobody watches for slow requests.
pub fn no_slow_watch(error: impl Display) -> String {
    events::THREADS.line(format!("Couldn't create the thread for WSGISlowRequests: {error}."))
}

/// A request takes long: where it is.
pub fn long_request(why: LongRunning, seconds: f64, stack: &str) -> String {
    let (event, what) = match why {
        LongRunning::Slow => (&events::SLOW_REQUEST, "longer than WSGISlowRequests"),
        LongRunning::Interrupted => {
            (&events::REQUEST_OVERDUE, "longer than request-timeout, and is interrupted")
        }
        LongRunning::Overdue => {
            (&events::REQUEST_OVERDUE, "longer than request-timeout, so that its process will be replaced")
        }
    };
    event.line(format!("The request has been running for {seconds:.1} s, {what}; Python stack: {stack}"))
}

/// An application is called by the event loop from now on.
pub fn is_asgi(script: &[u8], callable: &[u8], place: &str) -> String {
    format!("'{}' ({}) is an ASGI application; it runs in the {place}.", text(script), text(callable))
}

/// The event loop runs.
pub fn loop_runs(name: &str) -> String {
    format!("The event loop of {name} runs.")
}

/// An ASGI application in an httpd child.
pub fn asgi_embedded(script: &[u8]) -> String {
    events::ASGI_EMBEDDED.line(format!(
        "'{}' is an ASGI application, and those run in daemon processes only: write WSGIDaemonProcess NAME, and \
         process-group=NAME behind its WSGIScriptAlias.",
        text(script)
    ))
}

/// An ASGI application in a sub-interpreter.
pub fn asgi_sub_interpreter(script: &[u8], group: &[u8]) -> String {
    events::ASGI_SUB_INTERPRETER.line(format!(
        "'{}' is an ASGI application, and the event loop runs in the main interpreter only, not in application group \
         '{}': write application-group=%{{GLOBAL}} or interface=asgi behind its WSGIScriptAlias, or give it a daemon \
         group of its own.",
        text(script),
        text(group)
    ))
}

/// `loop=uvloop` without uvloop.
pub fn no_uvloop() -> String {
    events::NO_UVLOOP.line(
        "loop=uvloop: there is no module uvloop in this Python; asyncio's loop is used. Install it there.",
    )
}

/// No event loop can be had, or it has broken down.
pub fn no_event_loop(reason: impl Display) -> String {
    events::NO_EVENT_LOOP.line(format!("The event loop for ASGI applications does not run: {reason}."))
}

/// `lifespan.startup.failed`.
pub fn startup_failed(script: &[u8], reason: &str) -> String {
    events::STARTUP_FAILED.line(format!(
        "ASGI application '{}' cannot be started: {}",
        text(script),
        reason.trim_end()
    ))
}

/// The application does not know the lifespan protocol.
pub fn without_lifespan(script: &str, reason: &str) -> String {
    format!("ASGI application '{script}' does without the lifespan protocol ({reason}).")
}

/// `lifespan.shutdown.failed`.
pub fn lifespan_ends_badly(script: &str, reason: &str) -> String {
    events::ASGI_SHUTDOWN_FAILED
        .line(format!("ASGI application '{script}' ended badly: {}", reason.trim_end()))
}

/// SystemExit or KeyboardInterrupt in the loop.
pub fn left_the_loop(exception: &str) -> String {
    events::LOOP_LEFT.line(format!("A task or callback has left the event loop by {exception}; it runs on."))
}

/// The application has returned too early.
pub fn no_response(begun: bool) -> String {
    if begun {
        return events::ASGI_INCOMPLETE.line(
            "The ASGI application returned before the end of its response (a body without more_body).",
        );
    }
    events::NO_ASGI_RESPONSE.line("The ASGI application returned without a response.")
}

/// Something blocks the event loop.
pub fn loop_blocked(seconds: f64, stack: &str) -> String {
    events::LOOP_BLOCKED
        .line(format!("The event loop has been blocked for {seconds:.1} s; Python stack: {stack}"))
}

/// request-timeout of a request of the event loop, which is cancelled, or WSGISlowRequests.
pub fn asgi_long(seconds: &str, is_cancelled: bool, stack: &str) -> String {
    let limit = if is_cancelled { "request-timeout, and is cancelled" } else { "WSGISlowRequests" };
    let event = if is_cancelled { &events::REQUEST_OVERDUE } else { &events::SLOW_REQUEST };
    event.line(format!("The request has run for {seconds} s, longer than {limit}; Python stack: {stack}"))
}

/// WebSockets are told to connect again.
pub fn sockets_closed(count: &str) -> String {
    format!("{count} WebSockets are closed with 1012: their process is replaced, or ends.")
}

/// The client, or the process, did not wait for the end of an application.
pub fn asgi_cut_off(exception: &str) -> String {
    format!("The request was cut off; its application ended by {exception}.")
}

/// Nobody watches for deadlocks.
pub fn no_deadlock_watch() -> String {
    events::NO_DEADLOCK_WATCH.line("Couldn't create the thread for deadlock-timeout.")
}

/// The system lacks the locale of `locale=`.
pub fn unknown_locale(name: &[u8], group: &[u8]) -> String {
    let (name, group) = (text(name), text(group));
    events::UNKNOWN_LOCALE.line(format!(
        "locale='{name}' of daemon process group '{group}' is not installed; the C locale is used. Install it (Debian: \
         add it to /etc/locale.gen and run locale-gen), or write locale=C.UTF-8 at WSGIDaemonProcess {group}."
    ))
}
