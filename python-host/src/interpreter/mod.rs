//! Interpreters by application group: the main one, and sub-interpreters made when they are first asked for
//! (spec/daemon.md §5).

mod create;
mod ending;
pub mod gates;
mod populate;
mod rules;
pub mod start;
pub mod threads;

pub use create::{is_for_main, obtain, runs_in_parallel};
pub use ending::{end, finish_main, run_exit_handlers};
pub use populate::{import, populate_main_basics};

use crate::host::Host;
use crate::python::{Attached, Object, Owned, Result, Stored, TextValues};
use crate::wsgi::script::InterpreterScripts;
use crate::wsgi::{self, InterpreterKit};
use pyo3::ffi;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

/// One interpreter; lives as long as the process.
#[derive(Debug)]
pub struct Interpreter {
    raw: *mut ffi::PyInterpreterState,
    /// Whether it is the main interpreter.
    pub is_main: bool,
    /// Whether it has a GIL of its own.
    pub own_gil: bool,
    /// The process that it belongs to.
    pub host: &'static Host,
    /// The scripts that it knows.
    pub scripts: InterpreterScripts,
    name: OnceLock<Box<[u8]>>,
    kit: OnceLock<InterpreterKit>,
    fixtures: OnceLock<Stored>,
    log_class: OnceLock<Stored>,
    ended: AtomicBool,
    states: Mutex<Vec<threads::StatePointer>>,
}

// SAFETY: the raw pointer is only given to functions that may be called from any thread.
unsafe impl Send for Interpreter {}
// SAFETY: as above.
unsafe impl Sync for Interpreter {}

/// The main interpreter, then the named ones in the order of their creation.
static TABLE: RwLock<Vec<&'static Interpreter>> = RwLock::new(Vec::new());

/// All interpreters that have not ended, main first.
pub fn all() -> Vec<&'static Interpreter> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.iter().copied().filter(|interpreter| !interpreter.ended.load(Relaxed)).collect()
}

/// The main interpreter.
pub fn main() -> &'static Interpreter {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    // It is added before anything else of this library runs.
    table.first().expect("the main interpreter is first")
}

/// The interpreter of an application group, if there is one already.
pub fn find(name: &[u8]) -> Option<&'static Interpreter> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.iter().copied().find(|interpreter| interpreter.kit.get().is_some() && interpreter.answers_to(name))
}

/// The interpreter that the calling thread is attached to.
pub fn current(_: Attached<'_>) -> Option<&'static Interpreter> {
    // SAFETY: attached.
    let raw = unsafe { ffi::PyInterpreterState_Get() };
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.iter().copied().find(|interpreter| interpreter.raw == raw)
}

fn add(interpreter: &'static Interpreter) {
    TABLE.write().unwrap_or_else(PoisonError::into_inner).push(interpreter);
}

impl Interpreter {
    fn new(
        host: &'static Host,
        raw: *mut ffi::PyInterpreterState,
        is_main: bool,
        own_gil: bool,
    ) -> &'static Self {
        Box::leak(Box::new(Self {
            raw,
            is_main,
            own_gil,
            host,
            scripts: InterpreterScripts::default(),
            name: OnceLock::new(),
            kit: OnceLock::new(),
            fixtures: OnceLock::new(),
            log_class: OnceLock::new(),
            ended: AtomicBool::new(false),
            states: Mutex::default(),
        }))
    }

    /// Makes the calling thread's interpreter the main one of this process.
    pub fn adopt_main(host: &'static Host, _: Attached<'_>) -> &'static Self {
        // SAFETY: attached.
        let interpreter = Self::new(host, unsafe { ffi::PyInterpreterState_Get() }, true, false);
        threads::adopt(interpreter);
        add(interpreter);
        interpreter
    }

    /// The application group that it serves; empty for a main interpreter that nobody has claimed.
    pub fn name(&self) -> &[u8] {
        self.name.get().map_or(&[], |name| name)
    }

    /// The empty name is always the main interpreter's, which may have another one too (decisions.md, "The first
    /// application group may have the main interpreter").
    fn answers_to(&self, name: &[u8]) -> bool {
        self.name() == name || (self.is_main && name.is_empty())
    }

    /// What requests need. Only interpreters that are completely furnished are ever found.
    pub fn kit(&self) -> &InterpreterKit {
        // `find` and `obtain` give out no other.
        self.kit.get().expect("furnished")
    }

    /// As [`Interpreter::kit`], for whoever got here without `find`.
    pub fn furnished(&self) -> Option<&InterpreterKit> {
        self.kit.get()
    }

    /// `main interpreter of daemon process 'x'` and the like, for messages (spec/behaviour.md §3.6).
    pub fn place(&self) -> String {
        let own = if self.is_main {
            "main interpreter".to_owned()
        } else {
            format!("sub-interpreter '{}'", String::from_utf8_lossy(self.name()))
        };
        format!("{own} {}", self.host.place())
    }

    /// The class of log objects, which is needed before everything else.
    pub fn log_class<'py>(&self, py: Attached<'py>) -> Result<&'py Object> {
        if let Some(class) = self.log_class.get() {
            return Ok(class.get(py));
        }
        let class = wsgi::log_object::class(py)?.store();
        Ok(self.log_class.get_or_init(|| class).get(py))
    }

    /// Calls a function of `fixtures.py`.
    pub fn fixture<'py>(&self, py: Attached<'py>, name: &str, arguments: &[&Object]) -> Result<Owned<'py>> {
        let Some(fixtures) = self.fixtures.get() else {
            return Err(crate::python::Raised::new(
                py,
                crate::python::ExceptionKind::Runtime,
                "not furnished",
            ));
        };
        match fixtures.get(py).dict_get(py, &*py.text(name)?)? {
            Some(function) => function.call(py, arguments),
            None => Err(crate::python::Raised::new(py, crate::python::ExceptionKind::Runtime, name)),
        }
    }
}
