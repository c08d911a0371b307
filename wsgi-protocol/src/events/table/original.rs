//! Events that the original has as well, under its numbers.

use crate::events::ClientAnswer::{
    BodyFault, BrokenOff, Later, Modes, Status, StatusOrBroken, Unaffected as Served,
};
use crate::events::EventLevel::{Alert, Crit, Error, Warn};
use crate::events::LineWriter::{Child, Daemon, Parent, Python, Supervisor};
use crate::events::LogEvent;
use crate::events::ProcessFate::{NotStarted, Retried, Unaffected as LivesOn, WithoutPython};

events! {
    EMBEDDED_UNUSABLE = 1, Parent, Crit, Later(500), WithoutPython =>
        "Embedded mode cannot work in this httpd child: no such Python, no shared libpython, or another module has already started Python.",
        "Correct WSGIPythonHome, or use daemon mode and WSGIRestrictEmbedded On.";
    CHROOT = 3, Supervisor, Alert, Later(503), Retried =>
        "chroot= of a daemon failed.",
        "Create the directory.";
    SET_GROUP = 4, Supervisor, Alert, Later(503), Retried =>
        "The group of a daemon could not be set.",
        "Start httpd as root, or leave user= and group= out.";
    SET_GROUPS = 5, Supervisor, Alert, Later(503), Retried =>
        "The groups of supplementary-groups= could not be set.",
        "Start httpd as root, or leave the option out.";
    INIT_GROUPS = 6, Supervisor, Alert, Later(503), Retried =>
        "The groups of the daemon's user could not be set.",
        "Look for the user in the group database.";
    SET_USER = 7, Supervisor, Alert, Later(503), Retried =>
        "The user of a daemon could not be set.",
        "Raise the limit of processes of that user.";
    HOME = 9, Supervisor, Alert, Later(503), Retried =>
        "The daemon cannot change to home=.",
        "Create the directory, or let the daemon's user search it.";
    PASSWD_HOME = 10, Supervisor, Alert, Later(503), Retried =>
        "The daemon cannot change to its user's home directory.",
        "Set home=, or create the directory.";
    NO_PASSWD_HOME = 11, Supervisor, Alert, Later(503), Retried =>
        "The daemon's user has no home directory.",
        "Set home=.";
    SOCKET = 12, Supervisor, Alert, Later(503), NotStarted =>
        "A listening socket could not be created.",
        "Raise the limit of open files.";
    BIND = 13, Supervisor, Alert, Later(503), NotStarted =>
        "A listening socket could not get its name.",
        "Let WSGISocketPrefix name a directory that exists and that httpd may write to.";
    LISTEN = 14, Supervisor, Alert, Later(503), NotStarted =>
        "listen() failed on a daemon's socket.",
        "Report it with the error it names.";
    SOCKET_OWNER = 15, Supervisor, Alert, Later(503), NotStarted =>
        "A daemon's socket could not be given to httpd's user.",
        "Correct socket-user=, or start httpd as root.";
    THREADS = 22, Daemon, Error, Served, LivesOn =>
        "A thread for requests could not be started; fewer requests run at the same time.",
        "Lower threads= or stack-size=, or raise the limit of processes.";
    FORK = 24, Supervisor, Alert, Later(503), Retried =>
        "fork() failed for a daemon.",
        "Raise the limit of processes, or free memory.";
    SET_UP = 25, Supervisor, Alert, Later(503), Retried =>
        "Another step failed on the way to a daemon; the line names it.",
        "Correct what the line names.";
    DAEMON_CANNOT_SERVE = 28, Daemon, Crit, Later(503), Retried =>
        "A daemon started and cannot serve.",
        "Correct what the line, and those above it, name.";
    ORIGIN = 33, Daemon, Crit, Status(502), LivesOn =>
        "Somebody else than httpd's user has connected to a daemon's socket; the connection is closed.",
        "Find out who: only root and httpd's user should be able to reach the socket.";
    NO_INTERPRETER_MADE = 35, Python, Crit, Status(500), LivesOn =>
        "No interpreter could be created for an application group; it is tried again at the next request.",
        "Read the line above it: usually a start-up file of Python has failed, or memory is short.";
    PYTHON_UNUSABLE = 36, Python, Crit, Later(503), Retried =>
        "Python could not be started.",
        "Correct python-home= or WSGIPythonHome as the line says.";
    NO_USER_SCRIPT = 41, Child, Error, Status(500), LivesOn =>
        "AuthBasicProvider wsgi without a script.",
        "Set WSGIAuthUserScript in the same section.";
    NO_INTERPRETER_FOR_PASSWORD = 42, Python, Error, Status(500), LivesOn =>
        "The interpreter of WSGIAuthUserScript could not be created.",
        "See 0035.";
    NO_PASSWORD_FUNCTION = 43, Python, Error, Status(500), LivesOn =>
        "WSGIAuthUserScript does not define check_password().",
        "Define it.";
    NO_HASH_SCRIPT = 44, Child, Error, Status(500), LivesOn =>
        "AuthDigestProvider wsgi without a script.",
        "Set WSGIAuthUserScript in the same section.";
    NO_INTERPRETER_FOR_HASH = 45, Python, Error, Status(500), LivesOn =>
        "The interpreter of WSGIAuthUserScript could not be created, for Digest.",
        "See 0035.";
    NO_HASH_FUNCTION = 46, Python, Error, Status(500), LivesOn =>
        "WSGIAuthUserScript does not define get_realm_hash().",
        "Define it.";
    NO_INTERPRETER_FOR_GROUPS = 48, Python, Error, Status(401), LivesOn =>
        "The interpreter of WSGIAuthGroupScript could not be created.",
        "See 0035.";
    GROUP_NOT_LATIN1 = 49, Python, Error, Status(401), LivesOn =>
        "groups_for_user() returned a str that is not latin-1.",
        "Return bytes, or other names.";
    GROUP_NOT_TEXT = 50, Python, Error, Status(401), LivesOn =>
        "groups_for_user() returned something that is no group.",
        "Return str or bytes.";
    GROUPS_NOT_ITERABLE = 51, Python, Error, Status(401), LivesOn =>
        "groups_for_user() did not return an iterable.",
        "Return a list, a tuple or a generator.";
    NO_GROUPS_FUNCTION = 52, Python, Error, Status(401), LivesOn =>
        "WSGIAuthGroupScript does not define groups_for_user().",
        "Define it.";
    NO_INTERPRETER_FOR_ACCESS = 54, Python, Error, Status(403), LivesOn =>
        "The interpreter of WSGIAccessScript could not be created.",
        "See 0035.";
    ACCESS_NOT_BOOLEAN = 55, Python, Error, Status(403), LivesOn =>
        "allow_access() returned something else than True, False and None.",
        "Return one of them.";
    NO_ACCESS_FUNCTION = 56, Python, Error, Status(403), LivesOn =>
        "WSGIAccessScript does not define allow_access().",
        "Define it.";
    ACCESS_DENIED = 57, Child, Error, Status(403), LivesOn =>
        "WSGIAccessScript did not let the client in.",
        "Nothing, if that was meant.";
    NO_GROUP_SCRIPT = 58, Child, Error, Status(401), LivesOn =>
        "Require wsgi-group without a script.",
        "Set WSGIAuthGroupScript in the same section.";
    USER_WITHOUT_GROUPS = 59, Child, Error, Status(401), LivesOn =>
        "groups_for_user() named no group of the user.",
        "Nothing, if that was meant.";
    USER_OF_OTHER_GROUPS = 60, Child, Error, Status(401), LivesOn =>
        "The user is in none of the groups of Require wsgi-group.",
        "Nothing, if that was meant.";
    CORE_DUMPS = 61, Supervisor, Warn, Served, LivesOn =>
        "Core dumps could not be enabled for a daemon.",
        "Remove CoreDumpDirectory if they are not wanted.";
    PATH_TOO_LONG = 64, Supervisor, Alert, Later(503), NotStarted =>
        "The path of a daemon's socket is longer than the system allows.",
        "Shorten WSGISocketPrefix.";
    STALE_SOCKET = 65, Supervisor, Warn, Served, LivesOn =>
        "A socket that an earlier httpd left behind was removed.",
        "Nothing.";
    NO_DEADLOCK_WATCH = 69, Daemon, Error, Served, LivesOn =>
        "The thread for deadlock-timeout could not be started.",
        "Raise the limit of processes.";
    UNLINK = 73, Supervisor, Warn, Served, LivesOn =>
        "A daemon's socket could not be removed.",
        "Remove it; the line names it.";
    PRIORITY = 75, Supervisor, Warn, Served, LivesOn =>
        "cpu-priority= could not be set.",
        "Start httpd as root, or leave the option out.";
    LIMIT_CPU = 76, Supervisor, Warn, Served, LivesOn =>
        "cpu-time-limit= could not be set.",
        "Look at httpd's own limits.";
    LIMIT_DATA = 77, Supervisor, Warn, Served, LivesOn =>
        "memory-limit= could not be set.",
        "Look at httpd's own limits.";
    LIMIT_ADDRESS_SPACE = 78, Supervisor, Warn, Served, LivesOn =>
        "virtual-memory-limit= could not be set.",
        "Look at httpd's own limits.";
    UNKNOWN_LOCALE = 79, Daemon, Warn, Served, LivesOn =>
        "The system lacks the locale of locale=.",
        "Install it (locale -a lists what there is), or name another.";
    ENVIRON_REFUSED = 80, Child, Error, Status(502), LivesOn =>
        "The environ of a request is larger than 16 MiB, or cannot be read by the daemon.",
        "Lower LimitRequestFieldSize; after an upgrade, restart httpd.";
    OUTSIDE_CHROOT = 81, Daemon, Error, Status(502), LivesOn =>
        "The script is not below chroot= of its daemon.",
        "Move the script, or choose another group for it.";
    SCRIPT_VANISHED = 83, Python, Warn, Served, LivesOn =>
        "The file of a loaded script is gone; the loaded one goes on serving.",
        "Put it back, or restart httpd.";
    QUEUE_TIMEOUT = 84, Child, Error, Status(504), LivesOn =>
        "The request waited longer than queue-timeout= for a thread.",
        "Raise processes= or threads=, or make the application faster.";
    NO_INTERPRETER_FOR_DISPATCH = 86, Python, Error, Status(500), LivesOn =>
        "The interpreter of WSGIDispatchScript could not be created.",
        "See 0035.";
    NO_INTERPRETER = 87, Python, Error, Status(500), LivesOn =>
        "The interpreter for the request cannot be had.",
        "Read the lines above it.";
    NO_CALLABLE = 89, Python, Error, Modes(404, 500), LivesOn =>
        "The script has no object of the wanted name.",
        "Define it (`application`), or set WSGICallableObject.";
    PYTHON_PATH = 91, Python, Error, Served, LivesOn =>
        "A directory could not be added to sys.path; the rest of its list is left out.",
        "Correct the directory or its .pth files, as the traceback says.";
    INTERPRETER_REFUSED = 103, Python, Error, Status(500), LivesOn =>
        "CPython refused to create a sub-interpreter.",
        "Use WSGIApplicationGroup %{GLOBAL}, or WSGIPerInterpreterGIL Off.";
    SCRIPT_UNREADABLE = 105, Python, Error, Status(500), LivesOn =>
        "A script cannot be read or compiled; it is tried again at the next request.",
        "Correct its permissions or its syntax, as the traceback says.";
    PRELOAD_UNREADABLE = 106, Python, Error, Served, LivesOn =>
        "A script to be preloaded cannot be read or compiled; the first request tries again.",
        "Correct its permissions or its syntax, as the traceback says.";
    SCRIPT_EXITED = 107, Python, Error, Status(500), LivesOn =>
        "A script called sys.exit() while it was loaded.",
        "Remove the call.";
    PRELOAD_EXITED = 108, Python, Error, Served, LivesOn =>
        "A script to be preloaded called sys.exit().",
        "Remove the call.";
    SCRIPT_FAILED = 109, Python, Error, Status(500), LivesOn =>
        "A script raised an exception while it was loaded; it is executed again at the next request.",
        "Correct what the traceback says.";
    PRELOAD_FAILED = 110, Python, Error, Served, LivesOn =>
        "A script to be preloaded raised an exception; the first request tries again.",
        "Correct what the traceback says.";
    CALLBACK_RAISED = 112, Python, Error, Served, LivesOn =>
        "A callback for events raised an exception.",
        "Correct what the traceback says.";
    NO_SOCKET = 115, Child, Error, Status(500), LivesOn =>
        "The httpd child cannot create a socket.",
        "Raise httpd's limit of open files.";
    QUEUE_FULL = 116, Child, Error, Status(503), LivesOn =>
        "The listen queue of the group stayed full for connect-timeout=.",
        "Raise processes=, threads= or listen-backlog=.";
    GROUP_UNAVAILABLE = 117, Child, Error, Status(503), LivesOn =>
        "No process of the group can be reached: it did not start, keeps failing, or serves no requests.",
        "Read the reason in the line, and the lines of the group above it.";
    RESPONSE_BROKEN = 119, Child, Error, BrokenOff, LivesOn =>
        "The response broke off: the daemon died, was silent for socket-timeout=, or sent less than its Content-Length.",
        "The line says which; of a death it names cause, process, request and, if there is one, the last Python stack.";
    REQUEST_NOT_SENT = 121, Child, Error, Status(500), LivesOn =>
        "The request could not be sent to the daemon within socket-timeout=.",
        "Look for the daemon's own lines above it.";
    RESTARTS_EXHAUSTED = 124, Child, Error, Status(503), LivesOn =>
        "Each process that was asked said that it is restarting, 2 × processes + 1 times over.",
        "Find out what keeps changing the script.";
    BODY_UNREADABLE = 126, Child, Error, BodyFault, LivesOn =>
        "The body of the request could not be read from the client; the application sees an OSError.",
        "Nothing, as a rule: the client was too slow, or went away.";
    EXEC_CGI_OFF = 134, Child, Error, Status(403), LivesOn =>
        "Options ExecCGI is off for the script.",
        "Use WSGIScriptAlias, or switch ExecCGI on.";
    SCRIPT_MISSING = 135, Child, Error, Status(404), LivesOn =>
        "The script does not exist, or httpd may not look at it.",
        "Correct the path in WSGIScriptAlias, or the permissions of its directories.";
    IS_DIRECTORY = 136, Child, Error, Status(403), LivesOn =>
        "The target is a directory.",
        "Name the script in WSGIScriptAlias.";
    PATH_INFO_REFUSED = 137, Child, Error, Status(404), LivesOn =>
        "AcceptPathInfo is off, and the URL goes on behind the script.",
        "Remove AcceptPathInfo Off, or nothing.";
    UNKNOWN_CODING = 138, Child, Error, Status(501), LivesOn =>
        "A Transfer-Encoding other than chunked.",
        "Nothing: the client asks for what HTTP does not require.";
    CHUNKED_OFF = 139, Child, Error, Status(411), LivesOn =>
        "A chunked request, and WSGIChunkedRequest is off.",
        "Write WSGIRequestBuffering 10M, or another size; or WSGIChunkedRequest On, if the application reads bodies of unknown length (Django does not).";
    BAD_LENGTH = 141, Child, Error, Status(400), LivesOn =>
        "Content-Length is no number.",
        "Nothing: the client is wrong.";
    EMBEDDED_OFF = 143, Child, Error, Status(500), LivesOn =>
        "The request would run in embedded mode, and WSGIRestrictEmbedded is On.",
        "Set WSGIProcessGroup or process-group= for it.";
    HEADER_TOO_LONG = 144, Child, Error, Status(500), LivesOn =>
        "A response header is longer than header-buffer-size=, or all of them are longer than twice that and 1 MiB.",
        "Send less, or raise header-buffer-size=.";
    RESPONSE_TIMEOUT = 145, Child, Error, Status(504), LivesOn =>
        "No response began within socket-timeout=; the application goes on running.",
        "Make the application faster, or raise socket-timeout= or Timeout.";
    RESPONSE_MISSING = 146, Child, Error, Status(502), LivesOn =>
        "The daemon closed the connection before it answered: it crashed, was killed, or ended at shutdown-timeout=.",
        "Read the cause in the line, with process, request and, if there is one, the last Python stack.";
    RESPONSE_FAILED = 147, Child, Error, Status(502), LivesOn =>
        "The connection to the daemon broke before it answered.",
        "Look for the lines about its end.";
    MALFORMED_HEAD = 148, Child, Error, Status(500), LivesOn =>
        "The head of a response cannot be sent: a status or header that breaks HTTP's rules.",
        "Correct the application; the line names the header.";
    GROUP_NOT_ALLOWED = 149, Child, Error, Status(500), LivesOn =>
        "WSGIRestrictProcess does not list the group.",
        "Add it there, or choose another group.";
    NO_GROUPS = 150, Child, Error, Status(500), LivesOn =>
        "A daemon group is asked for, and there is none at all.",
        "Write WSGIDaemonProcess.";
    UNKNOWN_GROUP = 151, Child, Error, Status(500), LivesOn =>
        "There is no daemon group of this name.",
        "Correct WSGIProcessGroup, or write WSGIDaemonProcess.";
    GROUP_ELSEWHERE = 152, Child, Error, Status(500), LivesOn =>
        "The daemon group belongs to a virtual host of another name.",
        "Define it outside of virtual hosts to share it.";
    SCRIPT_GROUP_UNKNOWN = 153, Child, Error, Status(403), LivesOn =>
        "script-group=: the group of the script cannot be found out.",
        "Correct the script's group.";
    SCRIPT_GROUP_WRONG = 155, Child, Error, Status(403), LivesOn =>
        "script-group=: the script belongs to another group.",
        "chgrp the script.";
    SCRIPT_GROUP_WRITABLE = 157, Child, Error, Status(403), LivesOn =>
        "script-group=: others may write to the script.",
        "chmod o-w the script.";
    PARENT_GROUP_UNKNOWN = 158, Child, Error, Status(403), LivesOn =>
        "script-group=: the group of the script's directory cannot be found out.",
        "Correct the directory's group.";
    PARENT_GROUP_WRONG = 160, Child, Error, Status(403), LivesOn =>
        "script-group=: the script's directory belongs to another group.",
        "chgrp the directory.";
    PARENT_GROUP_WRITABLE = 161, Child, Error, Status(403), LivesOn =>
        "script-group=: others may write to the script's directory.",
        "chmod o-w the directory.";
    SCRIPT_USER_UNKNOWN = 162, Child, Error, Status(403), LivesOn =>
        "script-user=: the owner of the script cannot be found out.",
        "Correct the script's owner.";
    SCRIPT_USER_WRONG = 164, Child, Error, Status(403), LivesOn =>
        "script-user=: the script belongs to somebody else.",
        "chown the script.";
    SCRIPT_USER_GROUP_WRITABLE = 166, Child, Error, Status(403), LivesOn =>
        "script-user=: the group of the script may write to it.",
        "chmod g-w the script.";
    SCRIPT_USER_WRITABLE = 168, Child, Error, Status(403), LivesOn =>
        "script-user=: others may write to the script.",
        "chmod o-w the script.";
    PARENT_USER_UNKNOWN = 169, Child, Error, Status(403), LivesOn =>
        "script-user=: the owner of the script's directory cannot be found out.",
        "Correct the directory's owner.";
    PARENT_USER_WRONG = 171, Child, Error, Status(403), LivesOn =>
        "script-user=: the script's directory belongs to somebody else.",
        "chown the directory.";
    PARENT_USER_WRITABLE = 172, Child, Error, Status(403), LivesOn =>
        "script-user=: others may write to the script's directory.",
        "chmod o-w the directory.";
    PARENT_USER_GROUP_WRITABLE = 173, Child, Error, Status(403), LivesOn =>
        "script-user=: the group of the script's directory may write to it.",
        "chmod g-w the directory.";
    APPLICATION_RAISED = 174, Python, Error, StatusOrBroken(500), LivesOn =>
        "An application, or its script, raised an exception; the traceback follows.",
        "Correct what the traceback says.";
    APPLICATION_EXITED = 175, Python, Error, StatusOrBroken(500), LivesOn =>
        "An application called sys.exit(); the process goes on.",
        "Remove the call.";
    EMPTY_USER = 176, Python, Error, Status(500), LivesOn =>
        "check_password() returned an empty name.",
        "Return True, or the name of a user.";
    NOT_A_USER = 177, Python, Error, Status(500), LivesOn =>
        "check_password() returned something that is neither True, False, None nor a name.",
        "Return one of them.";
    EMPTY_HASH = 178, Python, Error, Status(500), LivesOn =>
        "get_realm_hash() returned an empty hash.",
        "Return None for an unknown user.";
    NOT_A_HASH = 179, Python, Error, Status(500), LivesOn =>
        "get_realm_hash() returned something that is no hash.",
        "Return str, bytes or None.";
    STDERR_KEPT = 183, Python, Error, Served, LivesOn =>
        "sys.stderr could not be replaced; what is written to it goes to the log of the daemon's group.",
        "Correct what the traceback says.";
    STDOUT_KEPT = 184, Python, Error, Served, LivesOn =>
        "sys.stdout could not be replaced; what is written to it goes to the log of the daemon's group.",
        "Correct what the traceback says.";
    STDIN_KEPT = 185, Python, Error, Served, LivesOn =>
        "sys.stdin could not be restricted.",
        "Correct what the traceback says.";
    NO_SIGTERM_HANDLER = 186, Python, Error, Served, LivesOn =>
        "The SIGTERM handler of a service daemon could not be installed.",
        "Correct what the traceback says.";
    SIGNAL_KEPT = 187, Python, Error, Served, LivesOn =>
        "signal.signal could not be replaced.",
        "Correct what the traceback says.";
    START_UP_RAISED = 188, Python, Error, Served, LivesOn =>
        "An exception while an interpreter was set up; the traceback follows.",
        "Correct what the traceback says.";
    START_UP_EXITED = 189, Python, Error, Served, LivesOn =>
        "sys.exit() was called while an interpreter was set up.",
        "Remove the call.";
    CALLBACK_EXITED = 190, Python, Error, Served, LivesOn =>
        "A callback for events called sys.exit().",
        "Remove the call.";
    NO_CLOSE = 194, Python, Error, Served, LivesOn =>
        "close() of what the application returned could not be looked up.",
        "Correct what the traceback says.";
    NO_OWN_GIL = 198, Python, Warn, Served, LivesOn =>
        "WSGIPerInterpreterGIL needs Python 3.12; the GIL is shared.",
        "Use a newer Python, or remove the directive.";
    INTERVAL_OF_SHARED_GIL = 199, Python, Warn, Served, LivesOn =>
        "A switch interval for one interpreter is not set, because it shares the GIL.",
        "Set it for the process.";
    FREE_THREADING_OF_GROUP = 201, Parent, Warn, Served, LivesOn =>
        "WSGIFreeThreading is ignored for a single application group.",
        "Select whole processes by process-group.";
    NO_PYTHON = 210, Child, Error, Status(500), LivesOn =>
        "Python is not there in this httpd child.",
        "Read the reason in the line, and WSGI0001 above it.";
}
