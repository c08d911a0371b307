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
pub use populate::populate_main_basics;

use crate::host::Host;
use crate::python::class::StoredClass;
use crate::python::{Attached, Object, Owned, Result, Stored, TextValues};
use crate::wsgi::InterpreterKit;
use crate::wsgi::script_table::InterpreterScripts;
use pyo3::ffi;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

/// The class of log objects (`crate::wsgi::log_object`).
pub struct LogClass;

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
    log_class: OnceLock<StoredClass<LogClass>>,
    ended: AtomicBool,
    /// Place in the table, counted from 1; 0 before it is there.
    number: AtomicUsize,
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
pub fn current(py: Attached<'_>) -> Option<&'static Interpreter> {
    let raw = threads::current_interpreter(py);
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.iter().copied().find(|interpreter| interpreter.raw == raw)
}

/// The interpreter with a number of [`Interpreter::number`]; none has 0.
pub fn numbered(number: usize) -> Option<&'static Interpreter> {
    let place = number.checked_sub(1)?;
    TABLE.read().unwrap_or_else(PoisonError::into_inner).get(place).copied()
}

/// Whether the calling thread is attached to it.
pub fn is_current(py: Attached<'_>, interpreter: &Interpreter) -> bool {
    interpreter.raw == threads::current_interpreter(py)
}

fn add(interpreter: &'static Interpreter) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table.push(interpreter);
    interpreter.number.store(table.len(), Relaxed);
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
            number: AtomicUsize::new(0),
            states: Mutex::default(),
        }))
    }

    /// Makes the calling thread's interpreter the main one of this process.
    pub fn adopt_main(host: &'static Host, py: Attached<'_>) -> &'static Self {
        let interpreter = Self::new(host, threads::current_interpreter(py), true, false);
        threads::adopt(py, interpreter);
        add(interpreter);
        interpreter
    }

    /// What [`numbered`] finds it by.
    pub fn number(&self) -> usize {
        self.number.load(Relaxed)
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

    /// The class of log objects, which is needed before everything else; `make` makes it.
    pub fn log_class(
        &self,
        make: impl FnOnce() -> Result<StoredClass<LogClass>>,
    ) -> Result<&StoredClass<LogClass>> {
        if let Some(class) = self.log_class.get() {
            return Ok(class);
        }
        let class = make()?;
        Ok(self.log_class.get_or_init(|| class))
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
