//! The manual page mod_wsgi-express(1).

use crate::NAME;
use crate::command_line::{server, shown};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

/// Headings and paragraphs after the options.
const AFTER: [(&str, &[&str]); 6] = [
    (
        "ENTRY POINT",
        &[
            "A Python file, a module (both with :NAME when the callable is not called application), an ini file of PasteDeploy, or a \
             folder of files. Without one, a page says that the server works.",
        ],
    ),
    (
        "SIGNALS",
        &[
            "SIGTERM ends the server when its requests have ended, after --stop-timeout at the latest; a second one at once. SIGINT \
             (Ctrl-C) ends it now; a second one kills it. SIGHUP and SIGUSR1 are httpd's restart and graceful restart.",
            "This holds for process 1 of a container too.",
        ],
    ),
    (
        "EXIT STATUS",
        &[
            "That of httpd; 2 for a wrong command line, 4 when this machine lacks something, 5 when the application cannot be loaded: \
             its traceback is then on the terminal.",
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            "The application gets the environment that the command, or apachectl, was started with. Variables are replaced in \
             arguments: --port '$PORT'.",
            "HTTPD names the program of httpd. VIRTUAL_ENV names the Python that runs the application, unless --python-home does. \
             NO_COLOR leaves colours out.",
        ],
    ),
    (
        "FILES",
        &[
            "The server root holds httpd.conf, apachectl, handler.wsgi, error_log and what else the server needs. It belongs to who \
             runs the command, and nobody else may look into it; the group of --user may where it must. A second start in a folder \
             whose server runs is refused.",
        ],
    ),
    ("SEE ALSO", &["mod_wsgi-ctl(1), apache2(8), httpd(8), systemd.unit(5)"]),
];

/// The whole page.
pub fn render() -> std::io::Result<Vec<u8>> {
    let man = |command| Man::new(command).date("").manual("mod_wsgi");
    let mut out = Vec::new();
    let page = man(shown());
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    commands().to_writer(&mut out)?;
    // All commands that take options take these; clap shows a page of its own for each.
    man(server("start-server", "").disable_help_flag(true)).render_options_section(&mut out)?;
    let mut roff = Roff::new();
    for (heading, paragraphs) in AFTER {
        roff.control("SH", [heading]);
        for paragraph in paragraphs {
            roff.control("PP", []);
            roff.text([roman(*paragraph)]);
        }
    }
    roff.to_writer(&mut out)?;
    Ok(out)
}

/// Synopsis, description and commands.
fn commands() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold(NAME),
        roman(" "),
        italic("command"),
        roman(" ["),
        italic("entry-point"),
        roman("] ["),
        italic("options"),
        roman("]"),
    ]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "One command serves a WSGI application with Apache httpd: it writes a configuration, starts httpd in the foreground, and \
         says when the application is ready.",
    )]);
    for example in [
        "mod_wsgi-express start-server wsgi.py",
        "mod_wsgi-express start-server package.module:app --port 80 --user www-data --group www-data",
    ] {
        roff.control("PP", []);
        roff.control("RS", ["4"]);
        roff.text([bold(example)]);
        roff.control("RE", []);
    }
    roff.control("SH", ["COMMANDS"]);
    for command in shown().get_subcommands() {
        roff.control("TP", []);
        roff.text([bold(command.get_name())]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff.control("PP", []);
    roff.text([roman(
        "The first five take an entry point and the options below. Values may follow their option after = or as the next word; \
         names of options may be cut short.",
    )]);
    roff
}
