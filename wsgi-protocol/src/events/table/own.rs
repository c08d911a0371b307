//! Events that only this project has; those without a number of their own stand last.

use crate::events::ClientAnswer::{BrokenOff, Later, Status, StatusOrBroken, Unaffected as Served};
use crate::events::EventLevel::{Alert, Crit, Error, Info, Notice, Warn};
use crate::events::LineWriter::{Child, Daemon, Parent, Python, Supervisor};
use crate::events::LogEvent;
use crate::events::ProcessFate::{NotStarted, Replaced, Retried, Unaffected as LivesOn};

events! {
    INTERNAL_ERROR = 300, Child, Crit, StatusOrBroken(500), LivesOn =>
        "A fault of mod_wsgi itself; the request fails and nothing else.",
        "Please report the line.";
    OWN_FILE_UNKNOWN = 301, Parent, Crit, Later(500), NotStarted =>
        "The directory of mod_wsgi.so cannot be found out, and with it supervisor and host library.",
        "Set WSGISupportDirectory.";
    NO_STATUS_MEMORY = 302, Parent, Crit, Later(500), NotStarted =>
        "The memory for the state of daemons cannot be made.",
        "Free memory, or raise the limit of open files.";
    GROUP_LEFT_OUT = 303, Parent, Error, Later(503), NotStarted =>
        "A daemon group cannot be started; the others are.",
        "Correct what the line names, and restart httpd gracefully.";
    NO_SUPERVISOR = 304, Parent, Crit, Later(503), NotStarted =>
        "The supervisor of daemons cannot be started, or told what to start.",
        "Look whether the file exists and can be executed, or set WSGISupportDirectory.";
    SUPERVISOR_DIED = 305, Parent, Error, Served, Replaced =>
        "The supervisor of daemons ended while httpd runs.",
        "Find out who killed it; another one takes over.";
    NO_PYTHON_PROGRAM = 306, Supervisor, Alert, Later(503), Retried =>
        "The interpreter of a daemon could not be executed.",
        "Correct python-home=, or its permissions.";
    OTHER_VERSION = 307, Python, Crit, Later(503), Retried =>
        "Module and host library do not understand each other: they come from different versions.",
        "Install both from one package, and restart httpd.";
    PROTOCOL_BROKEN = 308, Child, Error, StatusOrBroken(502), LivesOn =>
        "What a daemon sent breaks the protocol: something else writes to its socket, or versions differ.",
        "Restart httpd after an upgrade; otherwise, distrust the application.";
    HOST_FAULT = 309, Python, Crit, Status(500), LivesOn =>
        "A fault of the host library itself; the request fails and nothing else.",
        "Please report the line.";
    NO_ACCEPT = 310, Daemon, Error, Served, LivesOn =>
        "A daemon cannot accept a connection from httpd, or wait for one.",
        "Raise its limit of open files.";
    CANNOT_WAIT = 311, Daemon, Crit, Served, LivesOn =>
        "A daemon cannot wait for requests; it tries again.",
        "Report it with the error it names.";
    SLOW_REQUEST = 312, Python, Warn, Served, LivesOn =>
        "A request has been running for longer than WSGISlowRequests; the line says where it is.",
        "Make faster what stands on top of the stack.";
    REQUEST_OVERDUE = 313, Daemon, Warn, StatusOrBroken(504), LivesOn =>
        "A request has been running for longer than request-timeout=; the line says where it is. It is interrupted, or its process is replaced.",
        "Make faster what stands on top of the stack, or raise request-timeout=.";
    NO_HOST_LIBRARY = 314, Supervisor, Alert, Later(503), Retried =>
        "The host library (python-host.abi3.so) is not there as the daemon sees it, or its user may not read it.",
        "Provide it below chroot= under the same path, correct its permissions, or set WSGISupportDirectory.";
    NO_ZYGOTE = 315, Supervisor, Error, Served, Retried =>
        "The zygote of a group with preload=on could not be started.",
        "Raise the limits of processes and open files, or free memory.";
    BARREN_ZYGOTE = 316, Supervisor, Warn, Served, Replaced =>
        "A zygote (preload=on) was asked for a process, and none came of it; the next zygote is asked.",
        "If it happens again, look for what the application does at its import or in os.register_at_fork, or write preload=off.";
    PRELOAD_GIVEN_UP = 317, Supervisor, Error, Served, LivesOn =>
        "preload=on does not work for a group: its zygote keeps failing. Processes are started one by one, and each imports the application.",
        "Correct what the lines about the zygote say; then change the script, or use `mod_wsgi-ctl restart` or a graceful restart. Or write preload=off.";
    THREADS_LOST = 318, Python, Warn, Served, LivesOn =>
        "The import of a script in a zygote (preload=on) has started threads, which the processes forked from it do not have.",
        "Start them at the first request or by os.register_at_fork(after_in_child=...), or write preload=off.";
    NOTHING_TO_SHARE = 319, Python, Warn, Served, LivesOn =>
        "preload=on has nothing to import early: no script is known to run in the main interpreter of the group.",
        "Name the process group by a fixed text and write WSGIApplicationGroup %{GLOBAL}, or add a WSGIImportScript.";
    OOM_SCORE = 330, Supervisor, Warn, Served, LivesOn =>
        "A daemon keeps httpd's protection from the OOM killer (a negative oom_score_adj): it could not be given up.",
        "Mount /proc writable where httpd runs, or start httpd without that protection.";
    SOCKET_SHUT = 331, Supervisor, Warn, Served, Replaced =>
        "An application has shut down the socket on which its process gets requests. Another socket takes its place, and another process.",
        "Find out what in the application calls shutdown() on a descriptor that is not its own.";
    LIMIT_TASKS = 332, Supervisor, Warn, Served, LivesOn =>
        "RLIMIT_NPROC could not be set for a daemon.",
        "Correct tasks-max=, or raise the limit that httpd is started with.";
    LOG_RATE = 333, Supervisor, Warn, Served, LivesOn =>
        "The processes of a group write more to standard output and error than log-rate= allows; the rest is dropped, and counted in the line.",
        "Have the application log less, or raise log-rate=.";
    CHATTER = 334, Supervisor, Warn, Served, LivesOn =>
        "A daemon sends its supervisor many more signs than it has to say anything; it is not listened to any more until it ends.",
        "Distrust the application: something in it writes to a descriptor that is not its own.";
    LOG_LINE_DISCARDED = 335, Parent, Error, Served, LivesOn =>
        "A line of a daemon has ended two log writers in a row (ErrorLog syslog, a piped logger, an ErrorLogFormat); it is left out, so that the others are written.",
        "Find the module whose hook for the error log crashes by it; a core file of wsgi-logs shows it.";
    STAYS_TAKEN = 336, Supervisor, Error, Later(500), LivesOn =>
        "What the application needs for itself alone (a lock, an address) stayed taken while its process was started again and again; now it serves all the same, and each request tries the import again.",
        "Find who holds it: the traceback above names it.";
    GROUP_CLOGGED = 337, Supervisor, Error, Later(503), Retried =>
        "Processes of a group were killed and do not end: they wait in the kernel for a file system (FUSE, NFS) or a device. No further one is started beside so many.",
        "End what they wait for (`/proc/PID/stack`, `/sys/fs/fuse/connections/NUMBER/abort`); then the group has processes again.";
    SUPERVISOR_FAILED = 338, Supervisor, Error, Served, LivesOn =>
        "The supervisor could not do what httpd asked for: take a configuration over, map memory, wait for events.",
        "Do what the line says (memory, limits); `apachectl graceful` tries again.";
    GROUP_REFUSED = 339, Supervisor, Alert, Later(503), NotStarted =>
        "A daemon group cannot be started as it is written.",
        "Correct what the line says, and restart httpd gracefully.";
    CANNOT_ADOPT = 340, Supervisor, Error, Served, LivesOn =>
        "The kernel does not give the supervisor the processes that daemons leave behind: preload=on and end-session=On do not work.",
        "Allow prctl(PR_SET_CHILD_SUBREAPER) in the container or its seccomp profile.";
    NO_OPERATOR_SOCKET = 341, Supervisor, Warn, Served, LivesOn =>
        "The socket for mod_wsgi-ctl cannot be made; all else works.",
        "Do what the line says; the supervisor tries again by itself.";
    NOT_UP_IN_TIME = 342, Supervisor, Warn, Served, Retried =>
        "A process was started and did not serve within startup-timeout= (or two minutes where another process serves); it is given up.",
        "Find what its import waits for (`mod_wsgi-ctl stacks GROUP`), or raise startup-timeout=.";
    KEEPS_FAILING = 343, Supervisor, Error, Later(503), Retried =>
        "Process after process of a slot has failed before it served, or soon after.",
        "Read the lines about their ends above.";
    PREDECESSOR_STAYS = 344, Supervisor, Error, Served, LivesOn =>
        "The successor of a process has failed: a broken deploy, or a configuration that cannot be started. The process goes on serving with the old code.",
        "Correct what the lines above say; then touch the script, or restart httpd gracefully.";
    LOG_LINES_LOST = 345, Supervisor, Warn, Served, LivesOn =>
        "A piped logger did not read, and lines were left out.",
        "Find out why the program behind ErrorLog is slow.";
    DAEMON_KILLED = 346, Supervisor, Warn, Served, Replaced =>
        "A process was told to end, did not within its time (shutdown-timeout=, graceful-timeout=), and was killed.",
        "Find what it waits for: the line has its last Python stack. Or raise the time.";
    DAEMON_ENDED_BADLY = 347, Supervisor, Warn, Served, Replaced =>
        "A process ended as it was told to, but by a signal or with an exit status.",
        "Look at what the application does when the interpreter ends (atexit, destructors, C extensions).";
    DAEMON_DIED = 348, Supervisor, Error, StatusOrBroken(502), Replaced =>
        "A daemon died: a crash, os._exit(), or a signal. In embedded mode the httpd child dies, and all its connections are reset.",
        "Read the line about its end, and look for a core file.";
    CHANGE_FAILED = 365, Python, Error, Served, LivesOn =>
        "A changed script, or what it imports, cannot be loaded, or its callable is gone: the lines before this one say why. The old code goes on serving.",
        "Correct it: it is tried again when the script or a file of the traceback changes, every few minutes, and at mod_wsgi-ctl restart GROUP.";
    NO_SUCCESSOR_YET = 366, Daemon, Warn, Served, LivesOn =>
        "Changed code takes much longer to load than the old did; requests that waited for it run with the old code.",
        "Look what hangs at the import of the new code; a corrected script is tried at once.";
    NO_HEIRLOOM = 367, Daemon, Warn, Served, LivesOn =>
        "A process cannot tell its successor which scripts to load; they are loaded by the first requests.",
        "Report it with the error it names.";
    IMPORT_HANGS = 368, Python, Warn, Served, LivesOn =>
        "A script has been loading for 30 seconds; the line says where it is.",
        "Take what does not come back out of the script: app.run() and other servers, waits for the network or for locks.";
    NO_SUB_INTERPRETERS = 369, Python, Error, Status(500), LivesOn =>
        "A module that a script imports refuses sub-interpreters.",
        "Write application-group=%{GLOBAL} for the script (one application of a group may have it), or give it a daemon group of its own.";
    NOT_BUFFERED = 370, Child, Error, Status(503), NotStarted =>
        "A request body could not be kept in a temporary file (WSGIRequestBuffering). The application is not called.",
        "Free space in the directory that the line names, have TMPDIR of httpd name another one, or lower WSGIRequestBuffering.";
    TOO_LONG_TO_BUFFER = 371, Child, Error, Status(413), NotStarted =>
        "A chunked request body is longer than WSGIRequestBuffering, and WSGIChunkedRequest is off. The application is not called.",
        "Raise WSGIRequestBuffering; or write WSGIChunkedRequest On, if the application reads bodies of unknown length.";
    SUPERVISOR_GIVEN_UP = 380, Parent, Error, Served, Replaced =>
        "The supervisor does not take the configuration of a restart: it is stopped (SIGSTOP, a debugger, a frozen cgroup), hangs in the kernel, or has lost its socket. It is killed, and another one takes over.",
        "Find out who stopped it; look at the disk its logs are on.";
    CONFLICT = 381, Supervisor, Warn, Served, Retried =>
        "A process that was started beside the one that serves has found something taken that two processes cannot have: a port, a lock, a lock file. The only process of a group from now on ends before its successor starts, and requests wait meanwhile.",
        "Write reload=exclusive, or have the application open it at its first request.";
    BROKEN_ALONE = 382, Daemon, Error, Later(500), LivesOn =>
        "A script that an earlier process had loaded cannot be loaded now, and no older process is left to serve instead.",
        "Correct what the traceback says.";
    DESCRIPTORS_LOST = 383, Supervisor, Error, Served, Replaced =>
        "An application has closed descriptors that are not its own (os.closerange): its process cannot accept requests any more. A successor takes over.",
        "Close only what the application has opened.";
    TOO_FEW_FILES = 384, Parent, Warn, Later(503), NotStarted =>
        "The limit of open files (RLIMIT_NOFILE) that httpd was started with is too low for its daemons: some may not start, or take no connections.",
        "Raise it where httpd is started: LimitNOFILE= of its systemd unit, or ulimit -n.";
    SOCKET_REMOVED = 385, Supervisor, Warn, Served, Replaced =>
        "Somebody has removed the socket file of a process, or of the whole directory. It is made again; where no name of the socket was left, another process takes over.",
        "Find out who removes it. Keep WSGISocketPrefix out of directories that are cleaned, or tell the cleaner (tmpfiles.d: x).";
    LOG_WRITER_DIED = 395, Parent, Warn, Served, Replaced =>
        "The process that writes the log of daemons (ErrorLog syslog, a piped logger, an ErrorLogFormat) ended while httpd runs. No line is lost.",
        "Find out who killed it; another one goes on.";
    NO_LOG_WRITER = 396, Parent, Error, Served, NotStarted =>
        "The process that writes the log of daemons cannot be started. Their lines are written to the log's descriptor without ErrorLogFormat, and none to syslog.",
        "Raise the limits of processes and open files, or free memory; then restart httpd.";
    NO_METRICS_MEMORY = 430, Parent, Error, Served, LivesOn =>
        "The memory for counters cannot be made: wsgi-status shows none.",
        "Free memory, or raise the limit of open files.";
    ASGI_EMBEDDED = 500, Python, Error, Status(500), LivesOn =>
        "An ASGI application was asked for in embedded mode, where there is no event loop.",
        "Define a group (WSGIDaemonProcess NAME) and write process-group=NAME behind its WSGIScriptAlias.";
    ASGI_SUB_INTERPRETER = 501, Python, Error, Status(500), LivesOn =>
        "An ASGI application was asked for in a sub-interpreter; the event loop of a process runs in its main one.",
        "Write application-group=%{GLOBAL} or interface=asgi behind its WSGIScriptAlias, or give it a daemon group of its own.";
    NO_UVLOOP = 502, Python, Warn, Served, LivesOn =>
        "loop=uvloop is written, and the Python of the group has no uvloop: asyncio's own loop is used.",
        "Install uvloop in the virtual environment, or write loop=auto.";
    NO_EVENT_LOOP = 503, Python, Error, Status(500), LivesOn =>
        "The event loop for ASGI applications could not be started, or has broken down.",
        "Do what the line says; `mod_wsgi-ctl restart GROUP` starts another process.";
    STARTUP_FAILED = 504, Python, Error, Later(500), LivesOn =>
        "An ASGI application has failed its startup (lifespan). A process that serves goes on with the old code; without one, each request tries again.",
        "Correct what the line says: a database that is not there, a setting that is missing.";
    ASGI_SHUTDOWN_FAILED = 505, Python, Warn, Served, LivesOn =>
        "An ASGI application has failed its shutdown (lifespan); its process ends all the same.",
        "Correct what the line says.";
    NO_ASGI_RESPONSE = 506, Python, Error, Status(500), LivesOn =>
        "An ASGI application has returned without sending a response.",
        "Send http.response.start and http.response.body on each way through it.";
    ASGI_INCOMPLETE = 507, Python, Error, BrokenOff, LivesOn =>
        "An ASGI application has returned in the middle of its response.",
        "Send the last http.response.body with more_body False.";
    LOOP_LEFT = 508, Python, Error, Served, LivesOn =>
        "A task or callback of an ASGI application has raised SystemExit or KeyboardInterrupt, which would end the event loop; it goes on.",
        "Take sys.exit() out of what runs in the loop.";
    LOOP_BLOCKED = 509, Python, Warn, Served, LivesOn =>
        "Something in an ASGI application has kept the event loop for more than a second, and with it all requests of the process; the line says where it is, in the log of the request whose task it is.",
        "Await what takes long, or run it on a thread: await loop.run_in_executor(None, ...), def instead of async def in FastAPI.";
    SOCKETS_FULL = 510, Python, Warn, Status(503), LivesOn =>
        "A process has as many WebSockets as max-websockets=, or its limit of open files, allows; a further handshake is answered with 503.",
        "Raise max-websockets= and the limit of open files, or processes=.";
    AUTHORIZATION_WITHHELD = 0, Child, Info, Served, LivesOn =>
        "An application answered 401 or 403 to a request whose Authorization header it was not shown (at most once a minute and script).",
        "WSGIPassAuthorization On, if the application checks users itself.";
    CLIENT_GONE = 0, Child, Info, BrokenOff, LivesOn =>
        "The client went away: while its body was read (one line), or while the response was sent (no line). The application is told by an OSError from wsgi.input, or stops at its next block; the access log keeps its status.",
        "Nothing.";
    BODY_TOO_LARGE = 0, Child, Error, Status(413), LivesOn =>
        "Content-Length is larger than LimitRequestBody. The application is not called.",
        "Raise LimitRequestBody, or nothing.";
    CONFIGURATION_REFUSED = 0, Parent, Error, Served, NotStarted =>
        "Lines of the configuration contradict each other: httpd does not start, and one that is restarted without a test (`apachectl graceful` makes one) ends.",
        "Change what the line names.";
    GROUP_TEST_FAILED = 0, Parent, Error, Served, NotStarted =>
        "In a test of the configuration with WSGI_STRICT: what keeps a daemon process group, or embedded mode, from starting. The line has the number that it has at a start, and this level.",
        "Read the line.";
    GROUP_TEST_WARNED = 0, Parent, Warn, Served, LivesOn =>
        "The same without WSGI_STRICT, at this level: the test passes.",
        "Read the line.";
    CONFIGURATION_DOUBTED = 0, Parent, Warn, Served, LivesOn =>
        "Something in the configuration probably will not do what is wanted.",
        "Change what the line names.";
    CONFIGURATION_NOTED = 0, Parent, Notice, Served, LivesOn =>
        "Something in the configuration has another effect than one may think, or none yet.",
        "Nothing, or take the line out.";
    CONFIGURATION_IGNORED = 0, Parent, Info, Served, LivesOn =>
        "A directive is accepted, and has no effect here.",
        "Nothing, or take the line out.";
    TIMEOUT_RECOVERED = 0, Daemon, Info, Status(504), LivesOn =>
        "request-timeout= interrupted the application before its response began; the body of the 504 is empty.",
        "Make the application faster, or raise request-timeout=.";
    TIMEOUT_TRUNCATED = 0, Daemon, Info, BrokenOff, LivesOn =>
        "request-timeout= interrupted the application in the middle of its response.",
        "Make the application faster, or raise request-timeout=.";
    REQUEST_TOO_LONG = 0, Daemon, Info, StatusOrBroken(502), Replaced =>
        "request-timeout= passed, and the application was not or could not be interrupted. Requests under way may finish within graceful-timeout= or shutdown-timeout=.",
        "Make the application faster, or raise request-timeout=.";
    DEADLOCK = 0, Daemon, Info, StatusOrBroken(502), Replaced =>
        "deadlock-timeout= passed without anything getting at Python.",
        "Find the C extension that keeps the GIL.";
}
