//! The option table of WSGIDaemonProcess (spec/directives.md §7): one row per option, sorted by name.

mod values;

use super::{OptionInfo, OptionRow, ValueSetter};
use crate::config::DaemonOptions;
use crate::effect::RowEffect;

const NEWRELIC: RowEffect =
    RowEffect::Legacy("the New Relic agent is started by the application now, remove the option");
const RENAMED: RowEffect = RowEffect::Legacy("write response-buffer-size= instead, it is taken as that");

/// Lets a row stand on five lines; expands to plain [`OptionRow`] literals.
macro_rules! rows {
    ($($name:literal $value:literal, default $default:literal, unit $unit:literal, takes $range:literal,
        since $since:literal, good $good:literal, bad $bad:expr, effect $effect:expr,
        error $thing:literal, set $set:expr, $doc:literal;)*) => {
        &[$(OptionRow {
            info: OptionInfo {
                name: $name,
                value: $value,
                default: $default,
                unit: $unit,
                range: $range,
                since: $since,
                doc: $doc,
                effect: $effect,
                good: $good,
                bad: $bad,
            },
            thing: $thing,
            set: $set,
        },)*]
    };
}

/// Options of WSGIDaemonProcess.
pub static DAEMON_OPTIONS: &[OptionRow<DaemonOptions>] = rows! {
    "chroot" "DIR", default "", unit "", takes "an absolute path",
        since "3.0", good "/srv/jail", bad Some("jail"), effect RowEffect::Acts,
        error "chroot directory", set ValueSetter::Custom(values::chroot),
        "Directory the processes chroot to; needs root. Scripts, the interpreter with its libraries, and the module's folder mod_wsgi must lie under it, by the same paths.";
    "connect-timeout" "N", default "15", unit "s", takes "a number of seconds",
        since "4.1.0", good "30", bad Some("never"), effect RowEffect::Acts,
        error "connect timeout", set ValueSetter::Seconds(|o| &mut o.connect_timeout),
        "How long an httpd child keeps trying to reach a busy or starting group.";
    "cpu-priority" "N", default "0", unit "nice value", takes "a whole number",
        since "3.0", good "10", bad Some("low"), effect RowEffect::Acts,
        error "CPU priority", set ValueSetter::Custom(values::cpu_priority),
        "Scheduling priority of the processes, set before root is given up.";
    "cpu-time-limit" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "3.0", good "600", bad Some("-1"), effect RowEffect::Acts,
        error "CPU time limit", set ValueSetter::SecondsOrOff(|o| &mut o.cpu_time_limit),
        "CPU time after which a process is replaced.";
    "deadlock-timeout" "N", default "300", unit "s", takes "a number of seconds, 0 is off",
        since "2.0", good "60", bad Some("never"), effect RowEffect::Acts,
        error "deadlock timeout", set ValueSetter::SecondsOrOff(|o| &mut o.deadlock_timeout),
        "Replace a process whose GIL could not be taken, or whose event loop did not come back, for this long.";
    "display-name" "TEXT", default "(%{GROUP})", unit "", takes "any text",
        since "2.0", good "%{GROUP}", bad None, effect RowEffect::Acts,
        error "display name", set ValueSetter::Text(|o| &mut o.display_name),
        "Name shown by ps, and sys.orig_argv of the processes; %{GROUP} is replaced by (wsgi:NAME).";
    "drain-timeout" "N", default "600", unit "s", takes "a number of seconds",
        since "new", good "3600", bad Some("-1"), effect RowEffect::Acts,
        error "drain timeout", set ValueSetter::Seconds(|o| &mut o.drain_timeout),
        "Time the requests of a process may take after a successor has replaced it (changed script, graceful restart, recycling), while their clients wait. mod_wsgi-ctl status shows those that drain, and their memory.";
    "end-session" "On|Off", default "On", unit "", takes "On or Off",
        since "new", good "Off", bad Some("always"), effect RowEffect::Acts,
        error "end session flag", set ValueSetter::Flag(|o| &mut o.end_session),
        "What a process has started and not taken into a session of its own (setsid) is ended with it; with a delegated control group (Delegate=yes), all that it has started.";
    "env" "KEY[=VALUE]", default "", unit "", takes "KEY=VALUE with a non-empty KEY, or KEY",
        since "new", good "DJANGO_SETTINGS_MODULE=site.settings", bad Some("=value"), effect RowEffect::Acts,
        error "environment variable", set ValueSetter::Custom(values::env),
        "Environment variable set before Python starts; without a value it is passed on from httpd, as by pass-env=. May be repeated.";
    "env-file" "PATH", default "", unit "", takes "an absolute path",
        since "new", good "/etc/site.env", bad Some("site.env"), effect RowEffect::Acts,
        error "environment file", set ValueSetter::Custom(values::env_file),
        "File of KEY=VALUE lines read as root before Python starts; may be repeated, env= wins.";
    "eviction-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is graceful-timeout",
        since "4.4.7", good "60", bad Some("-1"), effect RowEffect::Acts,
        error "eviction timeout", set ValueSetter::SecondsOrOff(|o| &mut o.eviction_timeout),
        "Time a process may drain after SIGUSR1.";
    "graceful-timeout" "N", default "15", unit "s", takes "a number of seconds",
        since "4.1.0", good "30", bad Some("-1"), effect RowEffect::Acts,
        error "graceful timeout", set ValueSetter::Seconds(|o| &mut o.graceful_timeout),
        "Time a process may drain before it is ended; longer (drain-timeout) once a successor serves.";
    "group" "GROUP", default "(httpd's Group)", unit "", takes "a group name or #gid",
        since "1.0", good "#33", bad Some(""), effect RowEffect::Acts,
        error "group", set ValueSetter::Custom(values::group),
        "Primary group of the processes; not derived from user=. Needs root.";
    "header-buffer-size" "N", default "32768", unit "bytes", takes "0 or at least 8192",
        since "4.1.0", good "65536", bad Some("4096"), effect RowEffect::Acts,
        error "header buffer size", set ValueSetter::Custom(values::header_buffer),
        "Longest response header line that is relayed.";
    "home" "DIR", default "", unit "", takes "an absolute path",
        since "1.0", good "/srv/site", bad Some("srv/site"), effect RowEffect::Acts,
        error "home directory", set ValueSetter::Absolute(|o| &mut o.home),
        "Working directory of the processes and first entry of sys.path.";
    "inactivity-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "2.0", good "300", bad Some("idle"), effect RowEffect::Acts,
        error "inactivity timeout", set ValueSetter::SecondsOrOff(|o| &mut o.inactivity_timeout),
        "Replace a process that has been idle for this long.";
    "interface" "auto|wsgi|asgi", default "auto", unit "", takes "auto, wsgi or asgi",
        since "new", good "asgi", bad Some("fastcgi"), effect RowEffect::Acts,
        error "interface", set ValueSetter::Custom(values::interface),
        "How the applications of the group are called: auto takes a coroutine function, or an object whose __call__ is one, for an \
         ASGI application. With asgi they run in the main interpreter, and are started before the process takes requests.";
    "interrupt-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "6.0.0", good "5", bad Some("-1"), effect RowEffect::Acts,
        error "interrupt timeout", set ValueSetter::SecondsOrOff(|o| &mut o.interrupt_timeout),
        "After request-timeout raise mod_wsgi.RequestTimeout first and give it this long.";
    "lang" "TEXT", default "", unit "", takes "any text",
        since "3.4", good "en_GB.UTF-8", bad None, effect RowEffect::Acts,
        error "lang", set ValueSetter::Text(|o| &mut o.lang),
        "LANG in the environment of the processes.";
    "listen-backlog" "N", default "100", unit "connections", takes "a number from 0",
        since "4.1.0", good "500", bad Some("-1"), effect RowEffect::Acts,
        error "listen backlog", set ValueSetter::Custom(values::listen_backlog),
        "Length of the queue of connections before the group.";
    "locale" "TEXT", default "", unit "", takes "any text",
        since "3.4", good "C.UTF-8", bad None, effect RowEffect::Acts,
        error "locale", set ValueSetter::Text(|o| &mut o.locale),
        "LC_ALL in the environment of the processes.";
    "log-rate" "N", default "1000", unit "lines/s", takes "a number from 0, 0 is unlimited",
        since "new", good "200", bad Some("-1"), effect RowEffect::Acts,
        error "log rate", set ValueSetter::Custom(values::log_rate),
        "Lines per second of what the processes of the group write to standard output and error; each KiB counts as one, and ten seconds' worth may come at once. What exceeds it is dropped and counted. Requests that log more than ten times this in one child of httpd wait, and lose no line.";
    "loop" "auto|asyncio|uvloop", default "auto", unit "", takes "auto, asyncio or uvloop",
        since "new", good "asyncio", bad Some("trio"), effect RowEffect::Acts,
        error "event loop", set ValueSetter::Custom(values::event_loop),
        "Event loop that runs ASGI applications; auto is uvloop where it is installed.";
    "max-requests-in-flight" "N", default "1000", unit "requests", takes "a number from 1",
        since "new", good "200", bad Some("0"), effect RowEffect::Acts,
        error "number of requests in flight", set ValueSetter::Custom(values::requests_in_flight),
        "Requests of ASGI applications that a process runs at once; further ones wait in its queue.";
    "max-websockets" "N", default "10000", unit "WebSockets", takes "a number from 0",
        since "new", good "50000", bad Some("many"), effect RowEffect::Acts,
        error "number of WebSockets", set ValueSetter::Custom(values::websockets),
        "WebSockets that a process has open at once; a further one is refused with 503. Each takes a descriptor: the soft limit of open files is raised as far as the hard one allows.";
    "maximum-requests" "N", default "0", unit "requests", takes "a number from 0, 0 is unlimited",
        since "1.0", good "10000", bad Some("many"), effect RowEffect::Acts,
        error "request count", set ValueSetter::Custom(values::maximum_requests),
        "Replace a process after this many requests; those of one group follow each other over a further tenth. It serves until its successor does, so that no request waits for that: with 100, threads=15 and 16 clients, 4,248 were seen at most on two busy cores (half of the processes had 1,548 or more), 841 where each request took 10 ms. Where requests cost memory, add maximum-rss= or memory-limit=.";
    "maximum-rss" "N", default "0", unit "bytes", takes "a size, 0 is unlimited",
        since "new", good "512M", bad Some("512MB"), effect RowEffect::Acts,
        error "maximum resident size", set ValueSetter::Custom(values::maximum_rss),
        "Replace a process, after its requests, when its resident memory grows beyond this.";
    "memory-limit" "N", default "0", unit "bytes", takes "a size, 0 is unlimited",
        since "3.4", good "1G", bad Some("1GB"), effect RowEffect::Acts,
        error "memory limit", set ValueSetter::Custom(values::memory_limit),
        "Limit of the data segment (RLIMIT_DATA).";
    "newrelic-config-file" "PATH", default "", unit "", takes "any text",
        since "4.1.0", good "/etc/newrelic.ini", bad None, effect NEWRELIC,
        error "newrelic config file", set ValueSetter::Custom(values::ignored),
        "Removed in 6.0.0: configuration of the New Relic agent.";
    "newrelic-environment" "TEXT", default "", unit "", takes "any text",
        since "4.1.0", good "production", bad None, effect NEWRELIC,
        error "newrelic environment", set ValueSetter::Custom(values::ignored),
        "Removed in 6.0.0: environment of the New Relic agent.";
    "no-new-privileges" "On|Off", default "On", unit "", takes "On or Off",
        since "new", good "Off", bad Some("maybe"), effect RowEffect::Acts,
        error "no new privileges flag", set ValueSetter::Flag(|o| &mut o.no_new_privileges),
        "Set-user-id programs (sudo, sendmail) run without their privileges; Off lets them have them, as mod_wsgi does.";
    "pass-env" "NAME[,NAME...]", default "", unit "", takes "names of variables, with * for the rest of a name",
        since "new", good "DATABASE_URL,PG*", bad Some("A=B"), effect RowEffect::Acts,
        error "names of environment variables", set ValueSetter::Custom(values::pass_env),
        "Variables of httpd's own environment that the processes see, besides those of WSGIPassEnv; * alone means all but those of the shell and the service manager. May be repeated; env-file= and env= win.";
    "preload" "On|Off", default "Off", unit "", takes "On or Off",
        since "new", good "On", bad Some("eager"), effect RowEffect::Acts,
        error "preload flag", set ValueSetter::Flag(|o| &mut o.preload),
        "Import the group's applications once, then fork the processes from there.";
    "processes" "N|auto", default "1", unit "processes", takes "a number from 1, or auto",
        since "1.0", good "4", bad Some("0"), effect RowEffect::Acts,
        error "process count", set ValueSetter::Custom(values::processes),
        "Number of processes; auto is the number of CPUs that httpd may use, by its binding and the quota of its control groups. Written at all, even as 1, it makes wsgi.multiprocess True.";
    "proxy-buffer-size" "N", default "8388608", unit "bytes", takes "0 or at least 65536",
        since "4.3.1", good "131072", bad Some("1024"), effect RENAMED,
        error "response buffer size", set ValueSetter::Custom(values::response_buffer),
        "Old name of response-buffer-size.";
    "python-eggs" "DIR", default "", unit "", takes "any text",
        since "2.0", good "/var/cache/eggs", bad None, effect RowEffect::Acts,
        error "python eggs", set ValueSetter::Text(|o| &mut o.python_eggs),
        "PYTHON_EGG_CACHE of the processes.";
    "python-home" "DIR", default "(WSGIPythonHome)", unit "", takes "any text",
        since "3.4", good "/srv/venv", bad None, effect RowEffect::Acts,
        error "python home", set ValueSetter::Text(|o| &mut o.python_home),
        "Python prefix or virtual environment; its own interpreter runs the processes.";
    "python-path" "DIR[:DIR...]", default "", unit "", takes "any text",
        since "2.0", good "/srv/site:/srv/lib", bad None, effect RowEffect::Acts,
        error "python path", set ValueSetter::Custom(values::python_path),
        "Directories put in front of sys.path; WSGIPythonPath is not inherited.";
    "queue-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "4.1.0", good "45", bad Some("-1"), effect RowEffect::Acts,
        error "queue timeout", set ValueSetter::SecondsOrOff(|o| &mut o.queue_timeout),
        "Answer 504 to requests that waited longer than this for a process.";
    "receive-buffer-size" "N", default "0", unit "bytes", takes "0 or at least 512",
        since "2.0", good "65536", bad Some("511"), effect RowEffect::Acts,
        error "receive buffer size", set ValueSetter::Custom(values::receive_buffer),
        "SO_RCVBUF of the daemon socket.";
    "reload" "overlap|exclusive|immediate", default "overlap", unit "", takes "overlap, exclusive or immediate",
        since "new", good "exclusive", bad Some("never"), effect RowEffect::Acts,
        error "reload method", set ValueSetter::Custom(values::reload),
        "How a process is replaced (changed script, graceful restart, recycling): a successor is tried first; the old one ends \
         first, for applications that hold a port or lock file; the same at once, as in mod_wsgi. Also rolling, for overlap.";
    "request-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "4.1.0", good "60", bad Some("soon"), effect RowEffect::Acts,
        error "request timeout", set ValueSetter::SecondsOrOff(|o| &mut o.request_timeout),
        "Time a request may take, scaled by 1 + ln(threads).";
    "response-buffer-size" "N", default "8388608", unit "bytes", takes "0 or at least 65536",
        since "4.4.7", good "1M", bad Some("1024"), effect RowEffect::Acts,
        error "response buffer size", set ValueSetter::Custom(values::response_buffer),
        "Flush to the client after this many response bytes at the latest.";
    "response-flush-delay" "N", default "5", unit "ms", takes "a number of milliseconds",
        since "6.0.2", good "0", bad Some("-1"), effect RowEffect::Acts,
        error "response flush delay", set ValueSetter::Millis(|o| &mut o.response_flush_delay),
        "How long to wait for more response data before flushing to the client.";
    "response-socket-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is socket-timeout",
        since "4.5.13", good "120", bad Some("-1"), effect RowEffect::Acts,
        error "response socket timeout", set ValueSetter::SecondsOrOff(|o| &mut o.response_socket_timeout),
        "Timeout of writes to the client while a response is relayed.";
    "restart-interval" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "4.5.12", good "86400", bad Some("-1"), effect RowEffect::Acts,
        error "restart interval", set ValueSetter::SecondsOrOff(|o| &mut o.restart_interval),
        "Replace a process this long after its start; those of one group follow each other over a further tenth.";
    "script-group" "GROUP", default "", unit "", takes "a group name or #gid",
        since "3.0", good "#33", bad Some(""), effect RowEffect::Acts,
        error "script group", set ValueSetter::Custom(values::script_group),
        "Serve only scripts owned by this group, in directories owned by it.";
    "script-user" "USER", default "", unit "", takes "a user name or #uid",
        since "3.0", good "#33", bad Some(""), effect RowEffect::Acts,
        error "script user", set ValueSetter::Custom(values::script_user),
        "Serve only scripts owned by this user, in directories owned by it.";
    "send-buffer-size" "N", default "0", unit "bytes", takes "0 or at least 512",
        since "2.0", good "65536", bad Some("511"), effect RowEffect::Acts,
        error "send buffer size", set ValueSetter::Custom(values::send_buffer),
        "SO_SNDBUF of the daemon socket.";
    "server-metrics" "On|Off", default "Off", unit "", takes "On or Off",
        since "4.2.0", good "On", bad Some("yes"), effect RowEffect::Acts,
        error "server metrics flag", set ValueSetter::Flag(|o| &mut o.server_metrics),
        "Allow mod_wsgi.server_metrics() in these processes.";
    "shutdown-timeout" "N", default "5", unit "s", takes "a number of seconds, 0 never forces",
        since "1.0", good "10", bad Some("-1"), effect RowEffect::Acts,
        error "shutdown timeout", set ValueSetter::SecondsOrOff(|o| &mut o.shutdown_timeout),
        "Time a stopping process has before it is ended by force.";
    "socket-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is httpd's Timeout",
        since "4.1.0", good "60", bad Some("-1"), effect RowEffect::Acts,
        error "socket timeout", set ValueSetter::SecondsOrOff(|o| &mut o.socket_timeout),
        "Timeout of reads and writes between httpd and the process.";
    "socket-user" "USER", default "(httpd's User)", unit "", takes "a user name or #uid",
        since "4.4.1", good "#33", bad Some(""), effect RowEffect::Acts,
        error "socket user", set ValueSetter::Custom(values::socket_user),
        "Owner of the daemon socket.";
    "stack-size" "N", default "(system)", unit "bytes", takes "a size from 1",
        since "2.0", good "524288", bad Some("0"), effect RowEffect::Acts,
        error "stack size", set ValueSetter::Custom(values::stack_size),
        "Stack size of threads.";
    "startup-timeout" "N", default "0", unit "s", takes "a number of seconds, 0 is off",
        since "4.5.6", good "30", bad Some("-1"), effect RowEffect::Acts,
        error "startup timeout", set ValueSetter::SecondsOrOff(|o| &mut o.startup_timeout),
        "Replace a process that could not load a script this long after its first request, or whose Python does not serve this long after its start (a .pth file on a mount that does not answer).";
    "supplementary-groups" "GROUP[,GROUP...]", default "(memberships of the user)", unit "", takes "a comma-separated list of group names or #gid",
        since "3.4", good "#33", bad None, effect RowEffect::Acts,
        error "supplementary groups", set ValueSetter::Custom(values::supplementary_groups),
        "Exactly these supplementary groups, instead of the memberships of the user.";
    "switch-interval" "SECONDS", default "(Python's own, 0.005)", unit "s", takes "a positive number of seconds",
        since "6.0.0", good "0.01", bad Some("0"), effect RowEffect::Acts,
        error "switch interval", set ValueSetter::Custom(values::switch_interval),
        "sys.setswitchinterval() of the processes.";
    "tasks-max" "N", default "0", unit "tasks", takes "a number from 0, 0 is unlimited",
        since "new", good "500", bad Some("-1"), effect RowEffect::Acts,
        error "task count", set ValueSetter::Custom(values::tasks_max),
        "Most processes and threads (RLIMIT_NPROC). The kernel counts all of the user, so give the group a user of its own.";
    "threads" "N", default "15", unit "threads", takes "a number from 0 to 65533",
        since "1.0", good "5", bad Some("65534"), effect RowEffect::Acts,
        error "thread count", set ValueSetter::Custom(values::threads),
        "Most requests a process runs at once; 0 is a service without requests. For ASGI applications, the threads of the default executor.";
    "umask" "OCTAL", default "(inherited)", unit "", takes "an octal number up to 7777",
        since "1.0", good "0027", bad Some("9"), effect RowEffect::Acts,
        error "umask", set ValueSetter::Custom(values::umask),
        "File mode creation mask of the processes.";
    "user" "USER", default "(httpd's User)", unit "", takes "a user name or #uid, not root",
        since "1.0", good "#33", bad Some(""), effect RowEffect::Acts,
        error "user", set ValueSetter::Custom(values::user),
        "User the processes run as. Needs root.";
    "virtual-memory-limit" "N", default "0", unit "bytes", takes "a size, 0 is unlimited",
        since "3.4", good "4G", bad Some("4 GB"), effect RowEffect::Acts,
        error "virtual memory limit", set ValueSetter::Custom(values::virtual_memory_limit),
        "Limit of the address space (RLIMIT_AS).";
};
