//! Scripts: which module one is, loading it, and noticing that it has changed (spec/behaviour.md §6).

use super::exclusive;
use super::failures::{self, LogScope};
use super::load_fault::{LoadFault, raise_io, system_text};
use super::loading::ImportWatch;
use super::script_table::{Script, ScriptTarget};
use crate::forked;
use crate::host::ReloadDecision;
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::embedded_source;
use crate::python::{
    Attached, ExceptionKind, NumberValues, Object, Owned, Result, TextValues, detached, lock, modules,
};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Instant;
use wsgi_protocol::request::{RequestFlags, RequestHead};

/// What came of looking for a script.
pub enum ScriptLookup<'py> {
    /// The module's namespace.
    Namespace(Owned<'py>),
    /// Another process shall run the request.
    Refused,
    /// It cannot be loaded; that has been logged.
    Failed,
}

/// Why a script is loaded.
#[derive(Clone, Copy)]
pub enum LoadReason<'a, 'r> {
    /// A request needs it.
    Request(&'a RequestHead<'r>),
    /// It is asked about a request: `reload_required` does not count (spec/behaviour.md §6.3).
    Question(&'a RequestHead<'r>),
    /// The configuration or a predecessor said so.
    Preload,
    /// As [`LoadReason::Preload`], with this code instead of what the file holds.
    OldCode(&'a [u8]),
}

fn micros(metadata: &Metadata) -> i64 {
    metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1000
}

pub(super) fn mtime_of(path: &[u8]) -> Option<i64> {
    fs::metadata(OsStr::from_bytes(path)).ok().map(|metadata| micros(&metadata))
}

impl Script {
    /// The name of the callable, which a target may hold itself.
    pub fn callable<'a>(&'a self, configured: &'a [u8]) -> &'a [u8] {
        match &self.target {
            ScriptTarget::Module { callable: Some(callable), .. } => callable,
            _ => configured,
        }
    }

    /// The namespace of the loaded script, loading it if need be.
    pub fn obtain<'py>(
        &self,
        py: Attached<'py>,
        interpreter: &'static Interpreter,
        log_scope: LogScope<'_>,
        reason: LoadReason<'_, '_>,
    ) -> ScriptLookup<'py> {
        let mut verb = "Loading";
        if let Some(namespace) = self.loaded(py) {
            let Some(mtime) = self.change(py, interpreter, log_scope, reason, &namespace) else {
                return ScriptLookup::Namespace(namespace);
            };
            match interpreter.host.on_changed(&self.path, interpreter.name(), mtime) {
                Some(ReloadDecision::ServeOld) => return ScriptLookup::Namespace(namespace),
                Some(ReloadDecision::Tell(lines)) => {
                    for line in lines {
                        log_scope.record(py, log::ERROR, &line);
                    }
                    return ScriptLookup::Namespace(namespace);
                }
                Some(ReloadDecision::Refuse) => return ScriptLookup::Refused,
                None => verb = "Reloading",
            }
        }
        match self.load(py, interpreter, log_scope, reason, verb) {
            Some(namespace) => ScriptLookup::Namespace(namespace),
            None => ScriptLookup::Failed,
        }
    }

    /// The namespace, if the script is completely loaded.
    fn loaded<'py>(&self, py: Attached<'py>) -> Option<Owned<'py>> {
        if !self.ready.load(Relaxed) {
            return None;
        }
        match modules(py).dict_get(py, self.key.get(py)) {
            Ok(module) => module?.module_space().map(|space| space.own(py)),
            Err(raised) => {
                raised.clear(py);
                None
            }
        }
    }

    /// The modification time of a script that has to be loaded again, 0 if there is none.
    fn change(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
        log_scope: LogScope<'_>,
        reason: LoadReason<'_, '_>,
        namespace: &Object,
    ) -> Option<u64> {
        let (head, is_application) = match reason {
            LoadReason::Request(head) => (head, true),
            LoadReason::Question(head) => (head, false),
            LoadReason::Preload | LoadReason::OldCode(_) => return None,
        };
        if !head.flags.has(RequestFlags::SCRIPT_RELOADING) {
            return None;
        }
        let names = &interpreter.kit().names;
        let (known, file) = match &self.target {
            ScriptTarget::File => {
                (entry(py, namespace, names.mtime.get(py))?.and_then(|t| t.as_int(py)), None)
            }
            ScriptTarget::Module { mtime, .. } => match mtime.load(Relaxed) {
                0 => return None,
                known => (Some(known), module_file(py, namespace)),
            },
        };
        // httpd has just looked at the file; only another answer is worth a look of our own.
        if known.is_none_or(|known| u64::try_from(known) != Ok(head.script_mtime_us)) {
            let now = mtime_of(file.as_deref().unwrap_or(&self.path));
            // Whoever asks a script says itself that it cannot be loaded.
            if now.is_none() && is_application {
                log_scope.record(py, log::WARN, &messages::script_vanished(&self.path));
            }
            if known.is_none() || now != known {
                return Some(now.and_then(|now| u64::try_from(now).ok()).unwrap_or(0));
            }
        }
        (is_application && self.hook_wants_reload(py, interpreter, log_scope, head, namespace)).then_some(0)
    }

    /// Asks the script's own `reload_required(path)`.
    fn hook_wants_reload(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
        log_scope: LogScope<'_>,
        head: &RequestHead<'_>,
        namespace: &Object,
    ) -> bool {
        let hook = interpreter.kit().names.reload_required.get(py);
        let Some(Some(hook)) = entry(py, namespace, hook) else { return false };
        let path = if head.resource.is_empty() { &self.path } else { head.resource };
        let answer = py.path(path).and_then(|path| hook.call_out(py, &[&path])?.is_true());
        answer.unwrap_or_else(|raised| {
            failures::report(py, log_scope, interpreter, &self.path, raised.take(py));
            false
        })
    }

    /// Loads it, unless another thread has done so while this one waited for it, or has failed to.
    fn load<'py>(
        &self,
        py: Attached<'py>,
        interpreter: &'static Interpreter,
        log_scope: LogScope<'_>,
        reason: LoadReason<'_, '_>,
        verb: &str,
    ) -> Option<Owned<'py>> {
        let preload = matches!(reason, LoadReason::Preload | LoadReason::OldCode(_));
        let failures = self.failures.load(Relaxed);
        let _loading = lock(py, &self.loading);
        if let Some(namespace) = self.loaded(py) {
            if verb == "Loading" || self.change(py, interpreter, log_scope, reason, &namespace).is_none() {
                return Some(namespace);
            }
            self.ready.store(false, Relaxed);
            modules(py).dict_remove(py, self.key.get(py));
        } else if self.failures.load(Relaxed) != failures && self.is_as_it_was_tried() {
            // The same code would fail in the same way, and make those behind wait for it once more.
            log_scope.record_after(py, log::ERROR, "", &messages::just_tried(&self.path, preload));
            return None;
        }
        log_scope.record(py, log::INFO, &messages::loading(verb, &self.path, &interpreter.place()));
        match self.run_watched(py, interpreter, reason) {
            Ok((source, mtime)) => {
                self.ready.store(true, Relaxed);
                interpreter.host.note_loaded(&self.path, interpreter.name(), source, mtime);
                self.loaded(py)
            }
            Err(fault) => {
                self.report(py, interpreter, log_scope, preload, fault);
                None
            }
        }
    }

    /// Runs its code; if it does not come back, somebody says so.
    fn run_watched(
        &self,
        py: Attached<'_>,
        interpreter: &'static Interpreter,
        reason: LoadReason<'_, '_>,
    ) -> std::result::Result<ScriptCode, LoadFault> {
        let begun = Instant::now();
        // A service script is not expected to come back.
        let is_service = interpreter.host.is_service();
        let watch = (!is_service).then(|| ImportWatch::begin(interpreter, &self.path)).flatten();
        let result = match &self.target {
            ScriptTarget::File => match reason {
                LoadReason::OldCode(source) => self.execute_source(py, interpreter, source.to_vec(), 1),
                _ => self.execute_file(py, interpreter),
            },
            ScriptTarget::Module { mtime, .. } => self.import(py, interpreter, mtime),
        };
        // The thread that watches, and whoever waits for this script, are the parent's.
        forked::end_if_forked();
        interpreter.host.note_load_time(begun.elapsed());
        if let Some(watch) = watch {
            watch.end(py);
        }
        result
    }

    /// Says why it cannot be loaded.
    fn report(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
        log_scope: LogScope<'_>,
        preload: bool,
        fault: LoadFault,
    ) {
        let cause = fault.cause();
        let exception = fault.raised().take(py);
        if !exception.is_a(interpreter.kit().request_timeout.get(py)) {
            // That one would be about the request, and those who wait may have time left.
            self.failures.fetch_add(1, Relaxed);
        }
        if interpreter.host.is_service() && exception.is(py, ExceptionKind::SystemExit) {
            // That is how a service ends.
            return;
        }
        let message = match &cause {
            Some(_) => messages::unreadable(&self.path, preload),
            None if exception.is(py, ExceptionKind::SystemExit) => messages::exited(&self.path, preload),
            None => messages::not_executed(&self.path, preload),
        };
        log_scope.record_after(py, log::ERROR, cause.as_deref().unwrap_or_default(), &message);
        if let Some(module) = failures::refusing_module(py, interpreter, &exception) {
            log_scope.record(py, log::ERROR, &messages::refuses(&module, &interpreter.place()));
        }
        if preload && exclusive::is_evidence(py, interpreter, &exception) {
            interpreter.host.note_conflict(&self.path, interpreter.name());
        }
        failures::report(py, log_scope, interpreter, &self.path, exception);
    }

    /// Whether the file is the one whose code was last run, as far as it can be seen.
    fn is_as_it_was_tried(&self) -> bool {
        match &self.target {
            ScriptTarget::File => mtime_of(&self.path) == Some(self.tried_mtime.load(Relaxed)),
            ScriptTarget::Module { .. } => true,
        }
    }

    fn execute_file(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
    ) -> std::result::Result<ScriptCode, LoadFault> {
        let (source, mtime) = detached(|| read(&self.path))
            .map_err(|error| LoadFault::Read(raise_io(py, &error, &self.path), system_text(&error)))?;
        self.execute_source(py, interpreter, source, mtime)
    }

    fn execute_source(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
        source: Vec<u8>,
        mtime: i64,
    ) -> std::result::Result<ScriptCode, LoadFault> {
        self.tried_mtime.store(mtime, Relaxed);
        self.wsgi.store(std::ptr::null_mut(), Relaxed);
        let code = self.compile(py, interpreter, &source).map_err(LoadFault::Compile)?;
        self.execute(py, interpreter, &code, mtime).map_err(LoadFault::Execute)?;
        Ok((Some(source.into()), mtime))
    }

    /// Whether a callable is known to be a WSGI application.
    #[inline]
    pub fn is_wsgi(&self, application: &Object, flags: RequestFlags) -> bool {
        self.wsgi.load(Relaxed) == application.as_ptr() && !flags.has(RequestFlags::ASGI)
    }

    /// It is one, without its alias saying so.
    pub fn note_wsgi(&self, application: &Object, flags: RequestFlags) {
        if !flags.has(RequestFlags::WSGI) {
            self.wsgi.store(application.as_ptr(), Relaxed);
        }
    }

    /// A request uses a callable of this script.
    pub fn note_use(&self, interpreter: &Interpreter, name: &[u8]) {
        if self.used.get().is_none_or(|used| **used != *name) {
            // Of several names the first one is kept here.
            let _ = self.used.set(name.into());
            interpreter.host.note_callable(&self.path, interpreter.name(), name);
        }
    }

    fn compile<'py>(
        &self,
        py: Attached<'py>,
        interpreter: &Interpreter,
        source: &[u8],
    ) -> Result<Owned<'py>> {
        let (source, path) = (py.bytes(source)?, py.path(&self.path)?);
        let mode = py.text("exec")?;
        let compile = interpreter.kit().compile.get(py);
        compile.call(py, &[&source, &path, &mode, &*py.int(0)?, py.truth(true)])
    }

    fn execute(&self, py: Attached<'_>, interpreter: &Interpreter, code: &Object, mtime: i64) -> Result<()> {
        let path = py.path(&self.path)?;
        let module = embedded_source::execute(py, self.key.get(py), code, &path)?;
        module.put_attr(interpreter.kit().names.mtime.get(py), &*py.int(mtime)?)
    }

    fn import(
        &self,
        py: Attached<'_>,
        interpreter: &Interpreter,
        mtime: &AtomicI64,
    ) -> std::result::Result<ScriptCode, LoadFault> {
        let module = interpreter.fixture(py, "import_module", &[self.key.get(py)]);
        let namespace = module.and_then(|module| module.attr_named(py, "__dict__"));
        let namespace = namespace.map_err(LoadFault::Execute)?;
        let time = module_file(py, &namespace).and_then(|file| mtime_of(&file));
        mtime.store(time.unwrap_or(0), Relaxed);
        Ok((None, time.unwrap_or(0)))
    }
}

/// The text of a script, and its modification time, µs.
type ScriptCode = (Option<Arc<[u8]>>, i64);

/// An entry of a namespace; the outer `None` if it cannot even be looked for.
pub fn entry<'py>(py: Attached<'py>, namespace: &Object, name: &Object) -> Option<Option<Owned<'py>>> {
    namespace.dict_get(py, name).map_err(|raised| raised.clear(py)).ok()
}

/// `__file__` of a module.
pub(super) fn module_file(py: Attached<'_>, namespace: &Object) -> Option<Vec<u8>> {
    let name = py.text("__file__").map_err(|raised| raised.clear(py)).ok()?;
    let file = entry(py, namespace, &name)??;
    if !file.is_str() {
        return None;
    }
    file.to_path(py).map_err(|raised| raised.clear(py)).ok()?.as_bytes().map(<[u8]>::to_vec)
}

fn read(path: &[u8]) -> io::Result<(Vec<u8>, i64)> {
    let mut file = File::open(OsStr::from_bytes(path))?;
    let metadata = file.metadata()?;
    let mut source = Vec::new();
    file.read_to_end(&mut source)?;
    Ok((source, micros(&metadata)))
}
