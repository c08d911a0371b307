//! Python, the environment, the identity of the processes, and where the generated files go.

use super::{OptionGroup, OptionState, flag, text};

const DIRECTORY: &[&str] = &["DIRECTORY"];
const FILE: &[&str] = &["FILE"];

pub(super) const ENVIRONMENT: OptionGroup = OptionGroup {
    heading: "Environment",
    rows: &[
        text(
            "working-directory",
            DIRECTORY,
            "(where the command was run)",
            "home=",
            "The working directory of the application; modules are found there.",
        ),
        text("python-path", DIRECTORY, "", "python-path=", "A further folder to find modules in.").list(),
        text(
            "python-home",
            DIRECTORY,
            "(the virtual environment or Python that the command belongs to, else python3)",
            "WSGIPythonHome",
            "The virtual environment or installation of Python to run.",
        )
        .state(OptionState::New),
        text(
            "python-eggs",
            DIRECTORY,
            "(SERVER-ROOT/python-eggs)",
            "python-eggs=",
            "The folder that eggs are unpacked in.",
        ),
        text("python-warnings", &["FILTER"], "", "WSGIPythonWarnings", "As python -W.").list(),
        text("setenv", &["NAME", "VALUE"], "", "SetEnv", "An entry of the environ of each request.").list(),
        text(
            "passenv",
            &["NAME"],
            "",
            "PassEnv",
            "An environment variable to copy into the environ of each request.",
        )
        .list(),
        text(
            "envvars-script",
            FILE,
            "(SERVER-ROOT/envvars)",
            "apachectl",
            "A shell script that sets environment variables, read before httpd starts.",
        ),
        text(
            "locale",
            &["NAME"],
            "(as the command was run; C.UTF-8 instead of C)",
            "lang=, locale=",
            "The locale of the application.",
        ),
        text("lang", &["NAME"], "", "lang=, locale=", "The same as --locale.").state(OptionState::Hidden),
        text(
            "user",
            &["NAME"],
            "(who runs the command)",
            "User",
            "Started as root: the user that everything but httpd's parent runs as.",
        ),
        text("group", &["NAME"], "(the group of the user)", "Group", "Started as root: the group."),
    ],
};

pub(super) const PATHS: OptionGroup = OptionGroup {
    heading: "Files and programs",
    rows: &[
        text(
            "server-root",
            DIRECTORY,
            "(${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID)",
            "ServerRoot",
            "The folder for all generated files; made when missing.",
        ),
        text(
            "pid-file",
            FILE,
            "(SERVER-ROOT/httpd.pid)",
            "PidFile",
            "The file with the process id of httpd.",
        ),
        text(
            "process-name",
            &["NAME"],
            "(HTTPD (mod_wsgi-express))",
            "apachectl",
            "The name of httpd's parent in a list of processes.",
        ),
        text(
            "httpd-executable",
            FILE,
            "(the one that is installed; HTTPD in the environment goes first)",
            "apachectl",
            "The httpd program.",
        ),
        text(
            "modules-directory",
            DIRECTORY,
            "(that of httpd)",
            "LoadModule",
            "The folder with httpd's modules.",
        ),
        text("shell-executable", FILE, "(bash, else sh)", "apachectl", "The shell that apachectl runs in."),
        flag("setup-only", "", "Write the files and start nothing."),
    ],
};
