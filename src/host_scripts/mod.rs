//! Scripts that httpd asks about a request: dispatch, access, authentication, groups (spec/behaviour.md §6.9, §7).
//! They run in the embedded Python of this child, wherever applications run.

mod access;
mod environ;

pub use access::{check_access, check_groups, check_password, negates, realm_hash};

use crate::config::ConfigState;
use crate::embedded::{self, ScriptAnswer};
use crate::environ::{ExpansionNames, decimal};
use crate::httpd::answer::INTERNAL_ERROR;
use crate::httpd::request::Request;
use crate::job::RequestJob;
use std::ffi::c_int;
use wsgi_directives::{ScriptRef, script_group};
use wsgi_protocol::call::{self, DispatchRoute, ScriptQuestion, ScriptVerdict};
use wsgi_protocol::request::{RequestFlags, RequestHead, RequestWriter};

/// What a dispatch script chose; unexpanded, `None` keeps what is configured.
#[derive(Default)]
pub struct DispatchRoutes {
    /// The process group.
    pub process_group: Option<Vec<u8>>,
    /// The application group.
    pub application_group: Option<Vec<u8>>,
    /// The callable.
    pub callable_object: Option<Vec<u8>>,
}

/// Asks WSGIDispatchScript, if there is one; httpd's status if the request cannot go on.
pub fn dispatch(job: &RequestJob<'_>, state: &'static ConfigState) -> Result<DispatchRoutes, c_int> {
    let mut routes = DispatchRoutes::default();
    let Some(script) = job.config.dispatch_script else { return Ok(routes) };
    let switches =
        ScriptSwitches { reloading: job.config.script_reloading, record: job.config.pass_apache_request };
    let asked = HostScriptRequest { r: job.r, state, script, switches };
    let (verdict, answers) = asked.ask(ScriptQuestion::Dispatch, [b"", b""], |writer, group| {
        environ::for_dispatch(job, group, writer);
    });
    if verdict != ScriptVerdict::Granted {
        return Err(INTERNAL_ERROR);
    }
    for (number, text) in answers {
        let route = [
            (DispatchRoute::ProcessGroup, &mut routes.process_group),
            (DispatchRoute::ApplicationGroup, &mut routes.application_group),
            (DispatchRoute::CallableObject, &mut routes.callable_object),
        ];
        for (_, place) in route.into_iter().filter(|(route, _)| *route as u32 == number) {
            *place = Some(text.clone());
        }
    }
    Ok(routes)
}

/// What a script's environ and reloading depend on.
struct ScriptSwitches {
    /// WSGIScriptReloading.
    reloading: bool,
    /// WSGIPassApacheRequest.
    record: bool,
}

/// A request and the script that is asked about it.
struct HostScriptRequest<'r> {
    r: Request<'r>,
    state: &'static ConfigState,
    script: &'r ScriptRef,
    switches: ScriptSwitches,
}

impl HostScriptRequest<'_> {
    /// Asks. `pairs` writes the environ, given the script's application group.
    fn ask(
        &self,
        question: ScriptQuestion,
        arguments: [&[u8]; 2],
        pairs: impl FnOnce(&mut RequestWriter<'_>, &[u8]),
    ) -> ScriptAnswer {
        let (r, state) = (self.r, self.state);
        let names = ExpansionNames { r, state };
        let group = self.script.application_group.as_deref().map(str::as_bytes);
        let group = script_group(group, &names);
        let record = decimal(r.raw().addr() as u64);
        let head = RequestHead {
            flags: RequestFlags(if self.switches.reloading { RequestFlags::SCRIPT_RELOADING } else { 0 }),
            request_start_us: r.start_us(),
            log_level: r.log_level(),
            script: self.script.path.as_bytes(),
            resource: r.filename(),
            application_group: &group,
            request_rec: if self.switches.record { record.as_bytes() } else { b"" },
            ..RequestHead::default()
        };
        let mut payload = Vec::with_capacity(2048);
        call::begin(&mut payload, question, arguments);
        let mut writer = RequestWriter::begin(&mut payload, &head);
        pairs(&mut writer, &group);
        writer.finish();
        embedded::call(r, state, &payload)
    }
}
