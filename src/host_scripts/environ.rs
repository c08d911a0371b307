//! The environ of a host script. A dispatch script sees what the application would; the others only what came with the
//! request, and nothing that SetEnv or mod_ssl added (spec/behaviour.md §6.9, §7.1).

use crate::environ::{self, decimal};
use crate::httpd::request::Request;
use crate::job::RequestJob;
use wsgi_directives::{HeaderFate, find_path_info, header_fate, write_cgi_key};
use wsgi_protocol::request::RequestWriter;

/// For `process_group()` and its like: the table of the request, before anything has been chosen.
pub fn for_dispatch(job: &RequestJob<'_>, group: &[u8], writer: &mut RequestWriter<'_>) {
    const OWN: [&[u8]; 3] =
        [b"mod_wsgi.process_group", b"mod_wsgi.application_group", b"mod_wsgi.callable_object"];
    for (key, value) in job.r.subprocess_env().iter() {
        if !OWN.contains(&key) && !environ::is_reserved(key) {
            writer.pair(key, value);
        }
    }
    if job.https {
        writer.pair(b"HTTPS", b"1");
    }
    let handler = job.handler_script.map(|script| script.path.as_bytes()).unwrap_or_default();
    writer.pair(b"mod_wsgi.handler_script", handler);
    add_groups(group, writer);
}

/// For access and authentication.
pub fn for_access(r: Request<'_>, group: &[u8], writer: &mut RequestWriter<'_>) {
    add_headers(r, writer);
    add_server(r, writer);
    add_client(r, writer);
    writer.pair(b"REQUEST_METHOD", r.method());
    writer.pair(b"QUERY_STRING", r.args());
    writer.pair(b"REQUEST_URI", &environ::request_uri(r));
    let included = r.protocol() == b"INCLUDED" || r.path_info().is_empty();
    let end = if included { r.uri().len() } else { find_path_info(r.uri(), r.path_info()) };
    writer.pair(b"SCRIPT_NAME", &r.uri()[..end]);
    writer.pair(b"PATH_INFO", r.path_info());
    add_groups(group, writer);
}

fn add_groups(group: &[u8], writer: &mut RequestWriter<'_>) {
    writer.pair(b"mod_wsgi.process_group", b"");
    writer.pair(b"mod_wsgi.application_group", group);
}

/// Headers with doubtful names are left out, as are credentials.
fn add_headers(r: Request<'_>, writer: &mut RequestWriter<'_>) {
    let mut key = Vec::with_capacity(64);
    for (name, value) in r.headers_in().iter() {
        match header_fate(name, false, false) {
            HeaderFate::Remove | HeaderFate::Hide => {}
            HeaderFate::ContentType => writer.pair(b"CONTENT_TYPE", value),
            HeaderFate::ContentLength => writer.pair(b"CONTENT_LENGTH", value),
            HeaderFate::Pass => {
                key.clear();
                write_cgi_key(name, &mut key);
                writer.pair(&key, value);
            }
        }
    }
}

fn add_server(r: Request<'_>, writer: &mut RequestWriter<'_>) {
    let texts = [
        (&b"SERVER_SIGNATURE"[..], r.server_signature()),
        (b"SERVER_SOFTWARE", r.server_banner()),
        (b"SERVER_NAME", r.server_name_in_html()),
        (b"SERVER_ADDR", r.local_address()),
        (b"SERVER_PROTOCOL", r.protocol_text()),
        (b"SERVER_ADMIN", r.server().admin()),
        (b"DOCUMENT_ROOT", r.document_root()),
    ];
    for (key, text) in texts {
        writer.pair(key, text.bytes().unwrap_or_default());
    }
    writer.pair(b"SERVER_PORT", decimal(u64::from(r.port())).as_bytes());
}

fn add_client(r: Request<'_>, writer: &mut RequestWriter<'_>) {
    writer.pair(b"REMOTE_ADDR", r.client_address());
    if let Some(port) = r.client_port() {
        writer.pair(b"REMOTE_PORT", decimal(u64::from(port)).as_bytes());
    }
    if let Some(name) = r.client_name() {
        writer.pair(b"REMOTE_HOST", name);
    }
}
