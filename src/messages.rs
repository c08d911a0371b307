//! The lines httpd's side writes: text, and what to do. Number and status are those of the error map
//! (`wsgi_protocol::events`).

use std::fmt::Display;
use std::path::Path;
use wsgi_protocol::death::ProcessDeath;
use wsgi_protocol::events::{self, LogEvent};

pub use wsgi_protocol::events::EventLine;

/// A line about a request: the script first, then the number (spec/behaviour.md §3.6).
pub fn about(script: &[u8], event: &LogEvent, text: impl Display) -> String {
    format!("[script {}] {}", String::from_utf8_lossy(script), event.line(text))
}

/// The event behind a number of `wsgi-directives`; a tidy test sees that there is one.
pub fn event(number: u16) -> &'static LogEvent {
    LogEvent::find(number).unwrap_or(&events::INTERNAL_ERROR)
}

/// A panic in our own code.
pub fn panicked(info: &str) -> EventLine {
    (&events::INTERNAL_ERROR, format!("mod_wsgi: internal error, please report it: {info}"))
}

/// No shared memory for the state of processes.
pub fn status_memory(error: &std::io::Error) -> EventLine {
    (
        &events::NO_STATUS_MEMORY,
        format!("Shared memory for the state of daemon processes cannot be made: {error}."),
    )
}

/// No shared memory for counters.
pub fn metrics_memory(error: &std::io::Error) -> EventLine {
    (&events::NO_METRICS_MEMORY, format!("Shared memory for counters cannot be made: {error}."))
}

/// The module's own file is unknown.
pub fn own_file_unknown() -> EventLine {
    let text = "The directory of mod_wsgi.so cannot be found out; set WSGISupportDirectory.";
    (&events::OWN_FILE_UNKNOWN, text.to_owned())
}

/// The supervisor could not be started or informed.
pub fn supervisor_failed(program: &Path, error: &std::io::Error) -> EventLine {
    (
        &events::NO_SUPERVISOR,
        format!(
            "Daemon processes cannot be started: '{}': {error}. It is tried again. Check that the file exists and can be \
             executed, or set WSGISupportDirectory; and the limits of processes and memory.",
            program.display()
        ),
    )
}

/// A supervisor that does not take the new configuration.
pub fn supervisor_given_up(pid: i32, error: &std::io::Error) -> EventLine {
    (
        &events::SUPERVISOR_GIVEN_UP,
        format!(
            "The supervisor of the daemon processes (process {pid}) does not take the new configuration: {error}. It is \
         killed, and another one takes over."
        ),
    )
}

/// The supervisor ended while httpd runs.
pub fn supervisor_died(how: &str) -> EventLine {
    (
        &events::SUPERVISOR_DIED,
        format!("The supervisor of the daemon processes ended ({how}); another one is started."),
    )
}

/// The log writer ended while httpd runs.
pub fn log_writer_died(status: i32) -> EventLine {
    (
        &events::LOG_WRITER_DIED,
        format!(
            "The process that writes the log of daemons ended (status or signal {status}); another one goes on."
        ),
    )
}

/// A line has ended two log writers.
pub fn log_line_discarded(pid: u32, length: usize) -> EventLine {
    (
        &events::LOG_LINE_DISCARDED,
        format!(
            "A line of process {pid} ({length} bytes) is left out: two processes in a row ended as soon as they were to write it."
        ),
    )
}

/// There is no log writer.
pub fn no_log_writer(error: &std::io::Error) -> EventLine {
    (
        &events::NO_LOG_WRITER,
        format!(
            "The process that writes the log of daemons cannot be started: {error}. Their lines are written without \
         ErrorLogFormat, and none to syslog, until httpd is restarted."
        ),
    )
}

/// A group that cannot serve at all.
pub fn group_unavailable(group: &str, reason: &str) -> EventLine {
    (&events::GROUP_UNAVAILABLE, format!("Unable to connect to WSGI daemon process '{group}': {reason}."))
}

/// All processes of a group keep failing.
pub fn group_failing(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Unable to connect to WSGI daemon process '{group}': its processes cannot be started, or end while they \
             start; the lines above this one in the log of the group say why."
        ),
    )
}

/// There is no supervisor.
pub fn group_unsupervised(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Unable to connect to WSGI daemon process '{group}': the supervisor of the daemon processes could not be \
             started; httpd's main error log says why, and it is tried again."
        ),
    )
}

/// Its processes have sent descriptors that cannot be closed.
pub fn group_banned(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Daemon process group '{group}' is not asked any more: it has sent descriptors which nobody wants, and which \
             cannot be closed. Distrust the application; 'mod_wsgi-ctl restart {group}' gives it another try."
        ),
    )
}

/// An operator has stopped the group.
pub fn group_stopped(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Unable to connect to WSGI daemon process '{group}': it has been stopped; 'mod_wsgi-ctl start {group}' \
             starts it again."
        ),
    )
}

/// A service daemon takes no requests.
pub fn group_is_service(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "WSGI daemon process '{group}' has threads=0 and serves no requests; choose another group here."
        ),
    )
}

/// connect() failed for another reason than a full queue.
pub fn connect_failed(group: &str, socket: &[u8], uid: u32, error: &std::io::Error) -> EventLine {
    let socket = String::from_utf8_lossy(socket);
    let advice = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "Write WSGISocketPrefix with a path whose directories this user may enter (chmod o+x)"
        }
        std::io::ErrorKind::NotFound => "Something has removed it: restart httpd gracefully",
        _ => "Restart httpd gracefully, and look at the lines of the group above this one",
    };
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Unable to connect to WSGI daemon process '{group}' at its socket '{socket}' as user id {uid}: {error}. {advice}."
        ),
    )
}

/// The client went away before its body was read.
pub fn client_left(script: &[u8], reason: &str) -> EventLine {
    let script = String::from_utf8_lossy(script);
    (
        &events::CLIENT_GONE,
        format!("[script {script}] The client went away while its request body was read ({reason})."),
    )
}

/// Content-Length is beyond LimitRequestBody.
pub fn body_too_large(script: &[u8], limit: u64) -> EventLine {
    let text = format!(
        "[script {}] The request body is larger than LimitRequestBody ({limit} bytes); raise it at this place if such \
         uploads are meant.",
        String::from_utf8_lossy(script)
    );
    (&events::BODY_TOO_LARGE, text)
}

/// A body could not be kept.
pub fn not_buffered(directory: &Path, error: &std::io::Error) -> EventLine {
    let text = format!(
        "The request body cannot be kept in '{}' (WSGIRequestBuffering): {error}. Free space there, have TMPDIR of httpd \
         name another directory, or lower WSGIRequestBuffering.",
        directory.display()
    );
    (&events::NOT_BUFFERED, text)
}

/// A chunked body is longer than its buffer.
pub fn too_long_to_buffer(limit: u64) -> EventLine {
    let text = format!(
        "The chunked request body is longer than WSGIRequestBuffering ({limit} bytes); raise it, or write WSGIChunkedRequest \
         On if the application reads bodies of unknown length."
    );
    (&events::TOO_LONG_TO_BUFFER, text)
}

/// An application refused a request whose Authorization header it was not shown.
pub fn authorization_withheld(script: &[u8], status: u16) -> EventLine {
    let text = format!(
        "[script {}] The application answered {status}, and was not shown the Authorization header of the request: \
         write WSGIPassAuthorization On if it checks users itself.",
        String::from_utf8_lossy(script)
    );
    (&events::AUTHORIZATION_WITHHELD, text)
}

/// The queue stayed full for connect-timeout.
pub fn connect_timeout(group: &str, seconds: u64) -> EventLine {
    (
        &events::QUEUE_FULL,
        format!(
            "Unable to connect to WSGI daemon process '{group}' within connect-timeout ({seconds} s): its listen \
             queue is full. Raise processes=, threads= or listen-backlog=."
        ),
    )
}

/// Nobody listened at the socket for connect-timeout.
pub fn nobody_listens(group: &str) -> EventLine {
    (
        &events::GROUP_UNAVAILABLE,
        format!(
            "Unable to connect to WSGI daemon process '{group}' within connect-timeout: nobody listens at its socket. The \
             lines of the supervisor in the error logs say why."
        ),
    )
}

/// A socket could not be made.
pub fn no_socket(error: &std::io::Error) -> EventLine {
    (&events::NO_SOCKET, format!("Unable to create socket to connect to WSGI daemon process: {error}."))
}

/// Too many processes answered that they are restarting.
pub fn restarts_exhausted(group: &str) -> EventLine {
    (
        &events::RESTARTS_EXHAUSTED,
        format!("Maximum number of WSGI daemon process '{group}' restart connects reached."),
    )
}

/// The request waited longer than queue-timeout.
pub fn queue_timeout(group: &str, seconds: f64) -> EventLine {
    let text = format!("Queue timeout expired for WSGI daemon process '{group}' after {seconds:.1} seconds.");
    (&events::QUEUE_TIMEOUT, text)
}

/// No head within socket-timeout.
pub fn response_timeout(group: &str) -> EventLine {
    (
        &events::RESPONSE_TIMEOUT,
        format!("Timeout when reading response headers from daemon process '{group}'."),
    )
}

/// The daemon closed its end before the head.
pub fn response_truncated(group: &str) -> EventLine {
    (
        &events::RESPONSE_MISSING,
        format!("Truncated or oversized response headers received from daemon process '{group}'."),
    )
}

/// The connection broke before the head.
pub fn response_failed(group: &str, error: &std::io::Error) -> EventLine {
    (
        &events::RESPONSE_FAILED,
        format!("Failed to read response headers from daemon process '{group}': {error}."),
    )
}

/// The process that ran the request is dead. One line tells all that is known.
pub fn process_died(group: &str, begun: bool, death: &ProcessDeath, request_id: &[u8]) -> EventLine {
    let when = if begun { "in the middle of its response" } else { "before it had answered" };
    let mut text = format!("Daemon process {} of group '{group}' died {when}: {death}", death.pid);
    if !request_id.is_empty() {
        text.push_str(&format!("; request {}", String::from_utf8_lossy(request_id)));
    }
    if let Some(stack) = death.stack_line() {
        text.push_str(&format!("; Python stack: {stack}"));
    }
    (if begun { &events::RESPONSE_BROKEN } else { &events::RESPONSE_MISSING }, text)
}

/// A head is larger than a child takes in.
pub fn head_too_large(group: &str, length: usize, limit: usize) -> EventLine {
    (
        &events::HEADER_TOO_LONG,
        format!(
            "The response head from daemon process '{group}' has {length} bytes; {limit} are allowed (twice \
             header-buffer-size, and at least 1 MiB)."
        ),
    )
}

/// A header is longer than header-buffer-size.
pub fn header_too_long(group: &str) -> EventLine {
    (
        &events::HEADER_TOO_LONG,
        format!("A response header from daemon process '{group}' is longer than header-buffer-size allows."),
    )
}

/// A head that breaks the rules of HTTP.
pub fn malformed_head(group: &str, error: &dyn Display) -> EventLine {
    (&events::MALFORMED_HEAD, format!("Malformed response head from daemon process '{group}': {error}."))
}

/// What the daemon sent is no protocol.
pub fn protocol_broken(group: &str, error: &dyn Display) -> EventLine {
    (&events::PROTOCOL_BROKEN, format!("Malformed response from daemon process '{group}': {error}."))
}

/// The daemon runs a host library of another version.
pub fn other_version(group: &str) -> EventLine {
    let text = format!("Daemon process '{group}' speaks another version of the protocol; restart httpd.");
    (&events::PROTOCOL_BROKEN, text)
}

/// The environ is too long for a frame.
pub fn environ_too_long() -> EventLine {
    (&events::ENVIRON_REFUSED, "The environ of the request is larger than 16 MiB.".to_owned())
}

/// The response broke off after the head.
pub fn response_broken(group: &str, reason: &dyn Display) -> EventLine {
    (&events::RESPONSE_BROKEN, format!("Response from daemon process '{group}' broke off: {reason}."))
}

/// The request could not be sent.
pub fn request_failed(group: &str, error: &std::io::Error) -> EventLine {
    (&events::REQUEST_NOT_SENT, format!("Unable to send request to daemon process '{group}': {error}."))
}

/// The client's body could not be read.
pub fn body_failed(reason: &str) -> EventLine {
    (&events::BODY_UNREADABLE, format!("Unable to read request body from client: {reason}."))
}

/// A host access script did not allow the request. Programs that read logs know httpd's words, and look for the path.
pub fn access_denied(file: &[u8]) -> EventLine {
    let file = String::from_utf8_lossy(file);
    let text = format!("Client denied by server configuration: '{file}'. WSGIAccessScript did not allow it.");
    (&events::ACCESS_DENIED, text)
}

/// `AuthBasicProvider wsgi` or `AuthDigestProvider wsgi` without a script.
pub fn no_user_script(event: &'static LogEvent) -> EventLine {
    (event, "The authentication provider is 'wsgi', and WSGIAuthUserScript is not set here.".to_owned())
}

/// `Require wsgi-group` without a script.
pub const NO_GROUP_SCRIPT: (&LogEvent, &str) =
    (&events::NO_GROUP_SCRIPT, "Require wsgi-group is set, and WSGIAuthGroupScript is not.");

/// A user without any group.
pub fn no_groups(user: &[u8], uri: &[u8]) -> EventLine {
    (&events::USER_WITHOUT_GROUPS, not_authorized(user, uri, "The script names no group of the user"))
}

/// A user without the right groups.
pub fn other_groups(user: &[u8], uri: &[u8]) -> EventLine {
    (&events::USER_OF_OTHER_GROUPS, not_authorized(user, uri, "User is not a member of designated groups"))
}

fn not_authorized(user: &[u8], uri: &[u8], reason: &str) -> String {
    let (user, uri) = (String::from_utf8_lossy(user), String::from_utf8_lossy(uri));
    format!("Authorization of user '{user}' to access '{uri}' failed. {reason}.")
}

/// Embedded mode is off.
pub const EMBEDDED_OFF: (&LogEvent, &str) = (
    &events::EMBEDDED_OFF,
    "Embedded mode of mod_wsgi disabled by runtime configuration (WSGIRestrictEmbedded On); set \
           WSGIProcessGroup or process-group= for this request.",
);

/// Python is not there in this child.
pub fn no_python(reason: &str) -> EventLine {
    (&events::NO_PYTHON, format!("Python is not initialised in this httpd child process: {reason}."))
}

/// The output chain refused the head in embedded mode.
pub fn head_refused(error: &dyn Display) -> EventLine {
    (&events::MALFORMED_HEAD, format!("Malformed response head from the application: {error}."))
}
