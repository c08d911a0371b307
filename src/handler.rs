//! The content handler: pre-checks, environ, choice of the process, and hand-over (spec/behaviour.md §1.1).

use crate::config::{self, ConfigState};
use crate::environ::{self, ExpansionNames};
use crate::httpd::answer::INTERNAL_ERROR;
use crate::httpd::request::Request;
use crate::httpd::websocket::is_websocket;
use crate::job::{RequestJob, records};
use crate::translate::MountedAlias;
use crate::{buffered, daemon, embedded, host_scripts, messages, respond};
use apr_sys as sys;
use std::ffi::c_int;
use wsgi_directives::request::effective::handler_script;
use wsgi_directives::{
    ApplicationInterface, BodyLength, FileKind, GroupChoice, PrecheckFacts, PrecheckRefusal, RequestConfig,
    application_group, callable_object, effective, precheck, process_group, select_group,
};

const SCRIPT_HANDLERS: [&[u8]; 2] = [b"wsgi-script", b"application/x-httpd-wsgi"];

/// Whether the request's handler name is one of ours.
pub fn is_ours(r: Request<'_>) -> bool {
    let name = r.handler();
    if SCRIPT_HANDLERS.contains(&name) {
        return true;
    }
    let (server, dir) = records(r);
    !name.is_empty() && handler_script(server, dir, name).is_some()
}

/// Handles a request whose handler name is ours; returns httpd's status.
pub fn handle(r: Request<'_>) -> c_int {
    let Some(state) = config::state() else { return INTERNAL_ERROR };
    #[cfg(feature = "fault-injection")]
    crate::job::inject_fault(r, "handler");
    let status = match prepare(r) {
        Ok(job) => job.run(state),
        Err(status) => status,
    };
    if status >= sys::HTTP_BAD_REQUEST as c_int {
        respond::prepare_error(r);
    }
    status
}

/// Pre-checks and environ.
fn prepare(r: Request<'_>) -> Result<RequestJob<'_>, c_int> {
    let (server, dir) = records(r);
    let is_script = SCRIPT_HANDLERS.contains(&r.handler());
    let bound = if is_script { None } else { handler_script(server, dir, r.handler()) };
    let mount = MountedAlias::of(r).filter(|_| is_script);
    let options = bound.map(|script| &script.options).or(mount.map(|mount| &mount.alias.options));
    let config = effective(server, dir, options);
    let module = mount.map(|mount| mount.module.as_str()).filter(|module| !module.is_empty());
    let facts = facts(r, &config, is_script && module.is_none(), mount.is_some());
    let body = match precheck(&facts) {
        // One that is allowed is a body, but for the frames of a WebSocket.
        Ok(BodyLength::Chunked) if !is_websocket(r) => BodyLength::Chunked,
        Err(PrecheckRefusal::ChunkedOff) | Ok(BodyLength::Chunked) if buffered::is_empty_stream(r)? => {
            // It is mod_http2's own, and true of no body.
            r.headers_in().unset(c"Transfer-Encoding");
            BodyLength::Known(0)
        }
        checked => checked.map_err(|refusal| refuse(r, refusal))?,
    };
    let script = match (bound, module) {
        (Some(bound), _) => bound.path.clone().into_bytes(),
        (None, Some(module)) => module.as_bytes().to_vec(),
        (None, None) => r.filename().to_vec(),
    };
    let https = environ::build(r, &config);
    let target_callable = mount.and_then(|mount| mount.callable.as_deref());
    Ok(RequestJob {
        r,
        config,
        script,
        handler_script: bound,
        target_callable,
        body,
        buffered_at: None,
        https,
    })
}

fn facts<'r>(r: Request<'r>, config: &RequestConfig<'_>, is_file: bool, is_alias: bool) -> PrecheckFacts<'r> {
    let (exec_cgi, reject, limit) = (r.allows_exec_cgi(), r.rejects_path_info(), r.body_limit());
    let file = if !r.file_exists() {
        FileKind::Missing
    } else if r.is_directory() {
        FileKind::Directory
    } else {
        FileKind::Present
    };
    PrecheckFacts {
        is_script: is_file,
        is_alias,
        exec_cgi,
        file,
        reject_path_info: reject,
        path_info: r.path_info(),
        transfer_encoding: r.headers_in().get(c"Transfer-Encoding"),
        chunked_request: config.chunked_request || config.request_buffering > 0,
        content_length: r.headers_in().get(c"Content-Length"),
        body_limit: limit,
    }
}

fn refuse(r: Request<'_>, refusal: PrecheckRefusal) -> c_int {
    if let Some(number) = refusal.number() {
        let text = format!("{}: {}", refusal.message(), String::from_utf8_lossy(r.filename()));
        let event = messages::event(number);
        r.log_event(event, &messages::about(r.filename(), event, text));
    } else if refusal == PrecheckRefusal::BodyTooLarge {
        let (event, text) = messages::body_too_large(r.filename(), r.body_limit());
        r.log_event(event, &text);
    }
    c_int::from(refusal.status())
}

impl<'r> RequestJob<'r> {
    fn run(mut self, state: &'static ConfigState) -> c_int {
        let r = self.r;
        let names = ExpansionNames { r, state };
        let routes = match host_scripts::dispatch(&self, state) {
            Ok(routes) => routes,
            Err(status) => return status,
        };
        let configured = |text: Option<&'r str>| text.map(str::as_bytes);
        let group = routes.process_group.as_deref().or(configured(self.config.process_group));
        let group = process_group(group, &names);
        let host = state.hosts.known(r.server());
        let server_name = r.server().name().utf8();
        let choice = select_group(&state.global, &self.config, &group, host, server_name);
        let application = routes.application_group.as_deref().or(configured(self.config.application_group));
        let application = application_group(application.or(self.usual_interpreter(&choice)), &names);
        let callable = match &routes.callable_object {
            Some(name) => callable_object(Some(name), &names).into_owned(),
            None => self.callable(&names),
        };
        let (env, pool) = (r.subprocess_env(), r.pool());
        env.set(pool, c"mod_wsgi.process_group", &group);
        env.set(pool, c"mod_wsgi.application_group", &application);
        env.set(pool, c"mod_wsgi.callable_object", &callable);
        let handler = self.handler_script.map(|script| script.path.as_bytes()).unwrap_or_default();
        env.set(pool, c"mod_wsgi.handler_script", handler);
        match choice {
            GroupChoice::Embedded => embedded::run(&mut self, state, &application, &callable),
            GroupChoice::Daemon(chosen) => daemon::run(&mut self, state, chosen, &application, &callable),
            GroupChoice::Refused(refusal) => {
                let advice = state.global.advice(refusal);
                let text = format!("{}; {advice}.", refusal.message(&group));
                self.fail(messages::event(refusal.number()), &text);
                INTERNAL_ERROR
            }
        }
    }

    /// The application group of an ASGI application where none is named: there is one event loop, in the main interpreter.
    fn usual_interpreter(&self, choice: &GroupChoice<'_>) -> Option<&'static [u8]> {
        let GroupChoice::Daemon(group) = choice else { return None };
        let interface = self.config.interface.unwrap_or(group.options.asgi.interface);
        (interface == ApplicationInterface::Asgi).then_some(b"%{GLOBAL}")
    }

    fn callable(&self, names: &ExpansionNames<'_>) -> Vec<u8> {
        if self.handler_script.is_some() {
            return b"handle_request".to_vec();
        }
        match self.target_callable {
            Some(name) => name.as_bytes().to_vec(),
            None => self.config.callable.resolve(names).into_owned(),
        }
    }
}
