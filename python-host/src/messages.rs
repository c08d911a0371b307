//! The numbered records of this library. Numbers are those of the original (spec/behaviour.md §9), where it has one for the
//! same event, and are never used for anything else; the text says what happened.

use crate::interpreter::Interpreter;
use std::fmt::Display;

/// A record with its number in front.
pub fn numbered(number: u16, text: impl Display) -> String {
    format!("WSGI{number:04}: {text}")
}

/// Bytes of a name or path for a message.
pub fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Python cannot be started.
pub fn cannot_start(reason: impl Display) -> String {
    numbered(36, format!("Python cannot be initialised: {reason}."))
}

/// What the host was told cannot be read.
pub fn bad_launch(reason: impl Display) -> String {
    numbered(1, format!("The start message of mod_wsgi cannot be used: {reason}."))
}

/// Another Python lives in the httpd child.
pub fn foreign_python() -> String {
    numbered(
        1,
        "Another module (mod_python?) has already initialised Python in this httpd process, so embedded mode cannot be \
         used. Remove that module, or use daemon mode (WSGIDaemonProcess and WSGIProcessGroup).",
    )
}

/// No interpreter for an application group.
pub fn interpreter_failed(name: &[u8]) -> String {
    numbered(35, format!("Unable to create Python interpreter for application group '{}'.", text(name)))
}

/// CPython's reason.
pub fn interpreter_status(reason: &str) -> String {
    numbered(103, format!("Python refused to create a sub-interpreter: {reason}."))
}

/// Own GIL asked for where there is none.
pub fn no_own_gil(version: (u32, u32)) -> String {
    numbered(
        198,
        format!(
            "WSGIPerInterpreterGIL needs Python 3.12 or newer; Python {}.{} runs here, and the GIL is shared.",
            version.0, version.1
        ),
    )
}

/// The switch interval cannot be set.
pub fn no_switch_interval(number: u16, reason: &str) -> String {
    numbered(number, format!("The switch interval is not set, because {reason}."))
}

/// The switch interval was set.
pub fn switch_interval(seconds: f64, interpreter: &Interpreter) -> String {
    format!("Switch interval set to {seconds} seconds in {}.", interpreter.place())
}

/// An interpreter is being furnished.
pub fn interpreter_made(interpreter: &Interpreter) -> String {
    if interpreter.is_main {
        return format!(
            "Using the main Python interpreter for application group '{}'.",
            text(interpreter.name())
        );
    }
    let gil = if interpreter.own_gil { " with its own GIL" } else { "" };
    format!("Creating Python interpreter for application group '{}'{gil}.", text(interpreter.name()))
}

/// An interpreter is being ended.
pub fn interpreter_ends(interpreter: &Interpreter) -> String {
    format!("Destroying Python interpreter for application group '{}'.", text(interpreter.name()))
}

/// An interpreter cannot be ended.
pub fn interpreter_busy(interpreter: &Interpreter) -> String {
    format!(
        "Python interpreter for application group '{}' still has daemon threads; only its exit handlers were run.",
        text(interpreter.name())
    )
}

/// The external package was found.
pub fn package_grafted(interpreter: &Interpreter) -> String {
    format!("Sub-modules of the installed package 'mod_wsgi' can be imported in {}.", interpreter.place())
}

/// A stream or handler was not replaced.
pub fn not_installed(number: u16, what: &str) -> String {
    numbered(number, format!("Unable to replace {what}."))
}

/// A directory could not be added to the path.
pub fn path_failed() -> String {
    numbered(91, "A directory could not be added to sys.path; the rest of its list is left out.")
}

/// The interpreter of a request is not to be had.
pub fn no_interpreter(group: &[u8]) -> String {
    numbered(87, format!("Cannot acquire interpreter '{}'.", text(group)))
}

/// A path outside of the chroot directory.
pub fn outside_chroot(path: &[u8], root: &[u8]) -> String {
    numbered(
        81,
        format!(
            "The script '{}' is not below '{}', the chroot directory of this process.",
            text(path),
            text(root)
        ),
    )
}

/// The callable is not there.
pub fn no_callable(script: &[u8], name: &[u8]) -> String {
    numbered(
        89,
        format!("Target WSGI script '{}' does not contain WSGI application '{}'.", text(script), text(name)),
    )
}

/// A script was looked for and its file is gone.
pub fn script_vanished(script: &[u8]) -> String {
    numbered(83, format!("The modification time of script '{}' cannot be found out.", text(script)))
}

/// A script is about to be loaded.
pub fn loading(verb: &str, script: &[u8], place: &str) -> String {
    format!("{verb} WSGI script '{}' into {place}.", text(script))
}

/// A script cannot be read or compiled.
pub fn unreadable(script: &[u8], preload: bool) -> String {
    let number = if preload { 106 } else { 105 };
    numbered(number, format!("Could not read or compile Python script file '{}'.", text(script)))
}

/// A script ended itself while being loaded.
pub fn exited(script: &[u8], preload: bool) -> String {
    let number = if preload { 108 } else { 107 };
    numbered(
        number,
        format!("SystemExit exception raised when doing exec of Python script file '{}'.", text(script)),
    )
}

/// A script raised an exception while being loaded.
pub fn not_executed(script: &[u8], preload: bool) -> String {
    let number = if preload { 110 } else { 109 };
    numbered(number, format!("Unable to execute Python script file '{}'.", text(script)))
}

/// `close()` could not be looked up.
pub fn no_close() -> String {
    numbered(194, "Unable to look up close() of the object that the WSGI application returned.")
}

/// An exception of an application: number and text, between which the script prefix goes.
pub fn raised(class: &str, script: &[u8], place: &str, is_exit: bool) -> (u16, String) {
    let script = text(script);
    if is_exit {
        (175, format!("SystemExit exception raised by WSGI script '{script}' for {place}; ignored."))
    } else {
        (174, format!("{class} exception raised processing WSGI script '{script}' for {place}."))
    }
}

/// An exception while an interpreter was furnished.
pub fn raised_at_startup(class: &str, place: &str, is_exit: bool) -> String {
    let number = if is_exit { 189 } else { 188 };
    numbered(
        number,
        format!("{class} exception raised during Python interpreter initialisation, for {place}."),
    )
}

/// An exception in a callback.
pub fn raised_in_callback(class: &str, event: &str, place: &str, is_exit: bool) -> String {
    let number = if is_exit { 190 } else { 112 };
    numbered(number, format!("{class} exception raised by event callback for '{event}', for {place}."))
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
