//! Scripts that httpd's child asks about a request before, or instead of, running an application: dispatch, access,
//! authentication (spec/behaviour.md §6.9, §7). Whatever goes wrong is [`ScriptVerdict::Failed`], never a yes, except that a
//! dispatch script which cannot be loaded leaves the choice to the configuration: it is no boundary.

mod answers;
mod environ;
mod messages;
pub mod ssl;

use crate::exchange::Exchange;
use crate::interpreter::Interpreter;
use crate::log;
use crate::python::{Attached, Object, Owned, PanicCleanup, Raised, Result, TextValues};
use crate::wsgi::failures::{self, LogScope};
use crate::wsgi::log_object::{TextLayer, close_request};
use crate::wsgi::request::{RequestState, RunningRequest};
use crate::wsgi::script::{LoadReason, ScriptLookup};
use std::sync::Arc;
use wsgi_protocol::call::{HostScriptCall, ScriptQuestion, ScriptVerdict};
use wsgi_protocol::request::RequestFlags;

/// What a script said.
#[derive(Debug)]
pub struct ScriptAnswer {
    /// Yes, no, or why not.
    pub verdict: ScriptVerdict,
    /// What else it said, with the number of the function (`wsgi_protocol::call::DispatchRoute`) or 0. Empty unless granted.
    pub answers: Vec<(u32, Vec<u8>)>,
}

impl Default for ScriptAnswer {
    fn default() -> Self {
        Self::from(ScriptVerdict::Failed)
    }
}

impl From<ScriptVerdict> for ScriptAnswer {
    fn from(verdict: ScriptVerdict) -> Self {
        Self { verdict, answers: Vec::new() }
    }
}

/// Ends the request for its Python objects, whatever happens.
struct QuestionOver<'py, 's>(Attached<'py>, &'s RequestState);

impl Drop for QuestionOver<'_, '_> {
    fn drop(&mut self) {
        close_request(self.0, self.1);
        self.1.end(self.0);
    }
}

/// Asks a script in `interpreter`, to which the thread is attached.
pub fn ask(
    py: Attached<'_>,
    interpreter: &'static Interpreter,
    thread_id: u32,
    call: &HostScriptCall<'_>,
    exchange: &mut dyn Exchange,
) -> ScriptAnswer {
    let head = &call.request.head;
    let state = RequestState::new(
        interpreter,
        thread_id,
        (head.log_level, RequestFlags::default()),
        head.resource,
        exchange,
    );
    let state = Arc::new(state);
    // What these functions print belongs to no request (spec/behaviour.md §7.2).
    let _nothing = RunningRequest::nothing();
    let asking = ScriptCall { py, interpreter, state: &state, call };
    let _clean = PanicCleanup(py);
    asking.run()
}

/// What all steps need.
struct ScriptCall<'py, 's, 'r> {
    py: Attached<'py>,
    interpreter: &'static Interpreter,
    state: &'s Arc<RequestState>,
    call: &'s HostScriptCall<'r>,
}

impl<'py> ScriptCall<'py, '_, '_> {
    fn run(&self) -> ScriptAnswer {
        let over = QuestionOver(self.py, self.state);
        let Some(namespace) = self.namespace() else {
            // The request goes on with what is configured; the next one tries again.
            let ignored = self.call.question == ScriptQuestion::Dispatch;
            return if ignored { ScriptVerdict::Granted.into() } else { ScriptAnswer::default() };
        };
        let layer = match TextLayer::obtain(self.py, self.state) {
            Ok(layer) => layer,
            Err(raised) => return self.failed(raised),
        };
        let answered = match environ::build(self, &layer.text) {
            Ok(environ) => {
                answers::of(self, &namespace, &environ).unwrap_or_else(|raised| self.failed(raised))
            }
            Err(raised) => self.failed(raised),
        };
        drop(over);
        layer.give_back(self.py, self.state);
        answered
    }

    fn namespace(&self) -> Option<Owned<'py>> {
        let (py, head) = (self.py, &self.call.request.head);
        let case_insensitive = self.interpreter.host.launch().case_insensitive;
        let script = match self.interpreter.scripts.get(py, head.script, case_insensitive) {
            Ok(script) => script,
            Err(raised) => {
                self.report(raised);
                return None;
            }
        };
        match script.obtain(py, self.interpreter, self.log_scope(), LoadReason::Question(head)) {
            ScriptLookup::Namespace(namespace) => Some(namespace),
            ScriptLookup::Refused | ScriptLookup::Failed => None,
        }
    }

    fn log_scope(&self) -> LogScope<'_> {
        LogScope::Request(self.state)
    }

    fn report(&self, raised: Raised) {
        let (py, script) = (self.py, self.call.request.head.script);
        failures::report(py, self.log_scope(), self.interpreter, script, raised.take(py));
    }

    fn failed(&self, raised: Raised) -> ScriptAnswer {
        self.report(raised);
        ScriptAnswer::default()
    }

    /// The script broke the rules.
    fn refuse(&self, message: &str) -> ScriptAnswer {
        self.log_scope().record(self.py, log::ERROR, message);
        ScriptAnswer::default()
    }

    /// A function of the script.
    fn function(&self, namespace: &Object, name: &str) -> Result<Option<Owned<'py>>> {
        namespace.dict_get(self.py, &*self.py.interned(name)?)
    }
}
