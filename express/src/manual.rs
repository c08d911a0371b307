//! `docs/express.md`, the manual page and the completions for shells, rendered from the table of options.

mod page;

use crate::table::{GROUPS, OptionRow, OptionState, ValueKind};
use std::fmt::Write;

const HEAD: &str = "# mod_wsgi-express

<!-- Rendered from the table in express/src/table by `UPDATE_DOCS=1 cargo test -p mod_wsgi-express`. Do not edit. -->

One command serves a WSGI application with Apache httpd: it writes a configuration, starts httpd in the foreground, and says when the
application is ready.

    mod_wsgi-express start-server wsgi.py
    mod_wsgi-express start-server package.module:app --port 80 --user www-data --group www-data

The entry point is a Python file, a module (both with `:NAME` when the callable is not `application`), an ini file of PasteDeploy, or a
folder of files. Every option of mod_wsgi 6.1's command is accepted, with the same values and defaults;
[differences.md](differences.md) says what it does otherwise.

| Command | |
|---|---|
| `start-server [ENTRY-POINT] [OPTIONS]` | write everything and run httpd in the foreground |
| `setup-server [ENTRY-POINT] [OPTIONS]` | write everything; then `SERVER-ROOT/apachectl start` runs it |
| `check` | say what is wrong before anything is started: options, files, ports, `httpd -t`, and whether the application can be imported, as its user |
| `config` | print the configuration, each line below the option that made it |
| `systemd` | print a unit for systemd |
| `module-config` | print the lines that load the module, for httpd's own configuration |
| `install-module [--modules-directory DIRECTORY]` | copy the module into httpd's folder, and print these lines |
| `module-location` | print where the module is |
| `ctl [--server-root DIRECTORY] ...` | what [mod_wsgi-ctl](control.md) does, for the server of a server root |

The first five take the same options.

**Signals.** SIGTERM ends the server when its requests have ended, after `--stop-timeout` at the latest; a second one at
once. SIGINT (Ctrl-C) ends it now; a second one kills it. SIGHUP and SIGUSR1 are httpd's restart and graceful restart. This holds for
process 1 of a container too.

**Exit status.** httpd's; 2 for a wrong command line, 4 when this machine lacks something, 5 when the application cannot be loaded: its
traceback is then on the terminal.

**Server root.** The folder of the generated files belongs to who runs the command, and nobody else may look into it; the group of
`--user` may where it must. A second start in a folder whose server runs is refused. Whatever a value holds (blanks, quotes, `%`, `${...}`), it
stays a value.

**Environment.** The application gets the environment that the command, or apachectl, was started with. Variables are replaced in
arguments: `--port '$PORT'`.
";

/// The whole file.
pub fn render() -> String {
    let mut out = String::from(HEAD);
    for group in GROUPS {
        let _ =
            write!(out, "\n## {}\n\n| Option | Default | Becomes | |\n|---|---|---|---|\n", group.heading); // cannot fail
        for row in group.rows {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                cell(&usage(row)),
                default(row),
                cell(row.becomes),
                text(row)
            );
        }
    }
    out
}

fn usage(row: &OptionRow) -> String {
    let mut out = format!("--{}", row.name);
    for value in row.values {
        out.push(' ');
        out.push_str(value);
    }
    out
}

fn default(row: &OptionRow) -> String {
    match row.literal_default() {
        Some(default) => format!("`{default}`"),
        None if row.kind == ValueKind::Flag => "off".to_owned(),
        None => cell(row.described_default()),
    }
}

fn text(row: &OptionRow) -> String {
    let mut out = cell(row.help);
    if row.is_list {
        out.push_str(" *May be repeated.*");
    }
    match row.state {
        OptionState::NoEffect(why) => out.push_str(&format!(" *No effect: {why}.*")),
        OptionState::New => out.push_str(" *New.*"),
        OptionState::Works | OptionState::Hidden => {}
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NAME;
    use crate::command_line::shown;
    use clap_complete::Shell::{Bash, Fish, Zsh};

    /// The file is as rendered; with `UPDATE_DOCS` it is written first.
    fn is_current(file: &str, rendered: &[u8]) {
        let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, rendered).expect("it can be written");
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(found == rendered, "{file} is not current: UPDATE_DOCS=1 cargo test -p mod_wsgi-express");
    }

    #[test]
    fn docs_are_rendered_from_the_table() {
        is_current("docs/express.md", render().as_bytes());
    }

    #[test]
    fn the_manual_page_is_rendered_from_the_table() {
        is_current("packaging/man/mod_wsgi-express.1", &page::render().expect("written to memory"));
    }

    #[test]
    fn completions_are_rendered_from_the_table() {
        for (shell, name) in
            [(Bash, "mod_wsgi-express.bash"), (Zsh, "_mod_wsgi-express"), (Fish, "mod_wsgi-express.fish")]
        {
            let mut rendered = Vec::new();
            clap_complete::generate(shell, &mut shown(), NAME, &mut rendered);
            is_current(&format!("packaging/completions/{name}"), &rendered);
        }
    }
}
