//! Applications that are started before their process takes requests: the lifespan protocol as a readiness gate. On the
//! main thread, detached.

use super::{is_asgi, looks_like_it};
use crate::host::Host;
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, Owned, TextValues};
use crate::wsgi::USUAL_ASGI;
use crate::wsgi::failures::LogScope;
use crate::wsgi::script::{LoadReason, ScriptLookup, entry};
use wsgi_protocol::heirloom::{HeirScript, LoadFailure, TriedVersions};
use wsgi_protocol::launch::{ApplicationInterface, MountedApplication, PreloadScript};
use wsgi_protocol::request::RequestFlags;

/// Starts what the predecessor of this process had loaded and called.
///
/// # Errors
/// Why that is not possible; the predecessor shall go on.
pub fn start_heir(host: &'static Host, heir: &HeirScript) -> Result<(), LoadFailure> {
    let launch = host.launch();
    if launch.zygote || launch.threads == 0 || launch.interface == ApplicationInterface::Wsgi {
        return Ok(());
    }
    let group = &heir.script.application_group;
    for callable in &heir.callables {
        if let Err(line) = start(host, &heir.script.script, group, callable, ApplicationInterface::Auto) {
            let mtime = crate::wsgi::early::mtime_of(&heir.script.script);
            let tried = TriedVersions { mtime, files: Vec::new() };
            return Err(LoadFailure { script: heir.script.clone(), tried, lines: vec![line] });
        }
    }
    Ok(())
}

/// Starts what the configuration mounts in the main interpreter, if it is an ASGI application: loads those that it calls so.
/// What fails is logged; requests try again.
pub fn start_mounted(host: &'static Host) {
    let launch = host.launch();
    if launch.threads == 0 {
        return;
    }
    for MountedApplication { script, callable, interface } in &launch.mounted {
        if *interface == ApplicationInterface::Asgi && host.load(&seen(script)).is_err() {
            continue;
        }
        let path = host.inside_chroot(script).unwrap_or(script);
        let is_there = |name: &[u8]| {
            let main = interpreter::main();
            threads::within(main, |py| look_up(py, main, path, name).map(drop)).is_some()
        };
        // As a request looks for it.
        let callable = if callable == b"application" && host.is_loaded(&seen(path)) && !is_there(callable) {
            USUAL_ASGI
        } else {
            callable
        };
        if let Err(line) = start(host, path, b"", callable, *interface) {
            host.log(log::ERROR, &line);
        }
    }
}

/// A script of the main interpreter.
fn seen(script: &[u8]) -> PreloadScript {
    PreloadScript { script: script.to_vec(), application_group: Vec::new() }
}

/// Starts one callable if it is loaded, and an ASGI application of the main interpreter.
fn start(
    host: &'static Host,
    script: &[u8],
    group: &[u8],
    callable: &[u8],
    interface: ApplicationInterface,
) -> Result<(), String> {
    let seen = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
    let Some(interpreter) = interpreter::find(group).filter(|found| found.is_main) else { return Ok(()) };
    if !host.is_loaded(&seen) {
        return Ok(());
    }
    let is_it = threads::within(interpreter, |py| {
        let found = look_up(py, interpreter, script, callable)?;
        if !is_wanted(py, interpreter, interface, &found) {
            return None;
        }
        // So that a successor starts it as well.
        host.note_callable(script, interpreter.name(), callable);
        Some(())
    });
    if is_it.is_none() {
        return Ok(());
    }
    let event_loop = super::STATE.event_loop();
    if !event_loop.start_and_wait(host) {
        return Ok(());
    }
    let failure = threads::within(interpreter, |py| {
        let application = look_up(py, interpreter, script, callable)?;
        let answer =
            py.path(script).and_then(|script| event_loop.call(py, "start", &[&application, &script]));
        match answer {
            Ok(answer) if answer.is_none() => None,
            Ok(answer) => Some(answer.lossy(py)),
            Err(raised) => {
                let exception = raised.take(py);
                Some(format!("{}: {}", exception.name(py), exception.value.lossy(py)))
            }
        }
    });
    match failure {
        Some(text) => Err(messages::startup_failed(script, &text)),
        None => Ok(()),
    }
}

fn is_wanted(
    py: Attached<'_>,
    interpreter: &Interpreter,
    interface: ApplicationInterface,
    found: &Owned<'_>,
) -> bool {
    match interface {
        ApplicationInterface::Asgi => true,
        ApplicationInterface::Wsgi => false,
        // One that is mounted as WSGI somewhere does not look like ASGI.
        ApplicationInterface::Auto if interpreter.host.launch().interface == ApplicationInterface::Asgi => {
            looks_like_it(py, interpreter, found)
        }
        ApplicationInterface::Auto => is_asgi(py, interpreter, RequestFlags::default(), found),
    }
}

/// The callable of a loaded script.
fn look_up<'py>(
    py: Attached<'py>,
    interpreter: &'static Interpreter,
    script: &[u8],
    callable: &[u8],
) -> Option<Owned<'py>> {
    let case_insensitive = interpreter.host.launch().case_insensitive;
    let script =
        interpreter.scripts.get(py, script, case_insensitive).map_err(|raised| raised.clear(py)).ok()?;
    let ScriptLookup::Namespace(space) =
        script.obtain(py, interpreter, LogScope::Server, LoadReason::Preload)
    else {
        return None;
    };
    let name = py.latin1(script.callable(callable)).map_err(|raised| raised.clear(py)).ok()?;
    entry(py, &space, &name)?
}
