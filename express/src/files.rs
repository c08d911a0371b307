//! The generated files beside the configuration: the script that loads the application, and apachectl.

use crate::entry::EntryKind;
use crate::paths;
use crate::plan::{RunMode, ServerPlan};
use crate::quoting::{python, shell};

/// Options whose values may be secrets.
const SECRET: [&str; 1] = ["setenv"];

/// Replaces each `@NAME@` of a template.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        let known = after.split_once('@').and_then(|(name, tail)| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (value, tail))
        });
        match known {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('@');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn boolean(is_true: bool) -> String {
    if is_true { "True" } else { "False" }.to_owned()
}

/// `handler.wsgi`.
pub fn handler(plan: &ServerPlan) -> String {
    let target = match plan.entry.kind {
        EntryKind::Welcome => plan.file("default.wsgi"),
        _ => plan.entry.target.clone(),
    };
    let callable = if plan.entry.kind == EntryKind::Welcome { "application" } else { &plan.entry.callable };
    let is_debug = plan.mode == RunMode::Debug;
    let is_reloaded = plan.mode == RunMode::Daemon && !plan.values.flag("disable-reloading");
    fill(
        include_str!("templates/handler.py.in"),
        &[
            ("KIND", python(plan.entry.kind.name())),
            ("TARGET", python(&target)),
            ("CALLABLE", python(callable)),
            ("MOUNT_POINT", python(&plan.mount_point())),
            ("STATE", python(&plan.file("state"))),
            ("IS_RELOADED", boolean(is_reloaded)),
            ("MARKS", marks(plan)),
            ("DEBUGGING", if is_debug { debugging(plan) } else { String::new() }),
            ("WRAP", if is_debug { "application = Watched(application)" } else { "" }.to_owned()),
        ],
    )
}

fn debugging(plan: &ServerPlan) -> String {
    let folder = |flag: &str, option: &str, below: &str| {
        if plan.values.flag(flag) { python(&plan.path_or(option, below)) } else { "None".to_owned() }
    };
    fill(
        include_str!("templates/debugging.py.in"),
        &[
            ("IS_DEBUGGED", boolean(plan.values.flag("enable-debugger"))),
            ("DEBUGS_STARTUP", boolean(plan.values.flag("debugger-startup"))),
            ("COVERAGE", folder("enable-coverage", "coverage-directory", "htmlcov")),
            ("PROFILES", folder("enable-profiler", "profiler-directory", "pstats")),
            ("ARCHIVE", folder("enable-recorder", "recorder-directory", "archive")),
        ],
    )
}

/// Variables that tell an application how it is served (spec/express.md §7.1).
fn marks(plan: &ServerPlan) -> String {
    let values = &plan.values;
    let mut pairs = vec![
        ("MOD_WSGI_EXPRESS", "true".to_owned()),
        ("MOD_WSGI_EXPRESS_STATE", plan.file("state")),
        ("MOD_WSGI_SERVER_NAME", values.text("server-name").unwrap_or_default().to_owned()),
        ("MOD_WSGI_SERVER_ALIASES", values.list("server-alias").join(" ")),
    ];
    let mut when = |is_on: bool, name: &'static str| {
        if is_on {
            pairs.push((name, "true".to_owned()));
        }
    };
    when(values.flag("reload-on-changes"), "MOD_WSGI_RELOADER_ENABLED");
    when(plan.mode == RunMode::Debug, "MOD_WSGI_DEBUG_MODE");
    when(values.flag("enable-debugger"), "MOD_WSGI_DEBUGGER_ENABLED");
    when(values.flag("enable-coverage"), "MOD_WSGI_COVERAGE_ENABLED");
    when(values.flag("enable-profiler"), "MOD_WSGI_PROFILER_ENABLED");
    when(values.flag("enable-recorder"), "MOD_WSGI_RECORDER_ENABLED");
    when(values.flag("enable-gdb"), "MOD_WSGI_GDB_ENABLED");
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}: {}", python(name), python(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `resource.wsgi`.
pub fn resource(plan: &ServerPlan) -> String {
    let script = |(extension, script): (&str, &str)| {
        let dotted = format!(".{}", extension.trim_start_matches('.'));
        format!("{}: {}", python(&dotted), python(&paths::absolute_text(script)))
    };
    let scripts: Vec<String> = plan.values.pairs("add-handler").into_iter().map(script).collect();
    fill(include_str!("templates/resource.py.in"), &[("SCRIPTS", format!("{{{}}}", scripts.join(", ")))])
}

/// `default.wsgi`.
pub fn welcome() -> &'static str {
    include_str!("templates/welcome.py")
}

/// `apachectl`. `arguments` are those of the command line.
pub fn apachectl(plan: &ServerPlan, arguments: &[String]) -> String {
    let values = &plan.values;
    let express = paths::text(&plan.module.program("mod_wsgi-express"));
    let startup = format!("{}/{}", plan.log_directory(), values.text("startup-log-name").unwrap_or_default());
    let when = |is_on: bool, text: String| if is_on { text } else { String::new() };
    let name = format!("{} (mod_wsgi-express)", plan.httpd.name());
    let is_watched = values.flag("reload-on-changes") && plan.has_daemon();
    let watch = "(\"$express\" x-watch --server-root \"$root\" &)";
    let gdb =
        format!("exec {} --args \"$httpd\" \"$@\"", shell(values.text("gdb-executable").unwrap_or("gdb")));
    let number = |name: &str| shell(values.text(name).unwrap_or_default());
    let body = fill(
        include_str!("templates/apachectl.sh.in"),
        &[
            ("COMMAND", command(arguments)),
            ("ROOT", shell(&paths::text(&plan.root))),
            ("PID_FILE", shell(&plan.path_or("pid-file", "httpd.pid"))),
            ("HTTPD", shell(&paths::text(&plan.httpd.program))),
            ("EXPRESS", shell(&express)),
            ("PROCESS_NAME", shell(values.text("process-name").unwrap_or(&name))),
            ("USER", shell(&plan.identity.user)),
            ("GROUP", shell(&plan.identity.group)),
            ("MODULES", shell(&paths::text(&plan.httpd.modules))),
            ("HOST", shell(&plan.host)),
            ("PORT", number("port")),
            ("HTTPS_PORT", plan.https.as_ref().map(|https| https.port.to_string()).unwrap_or_default()),
            ("WORKING_DIRECTORY", shell(&plan.working_directory())),
            ("LOCALE", shell(&plan.locale)),
            ("STARTUP_LOG", when(values.flag("startup-log"), format!("-E {}", shell(&startup)))),
            ("ONE_PROCESS", when(plan.mode == RunMode::Debug, "-DONE_PROCESS".to_owned())),
            ("GDB", when(values.flag("enable-gdb"), gdb)),
            ("WATCH", when(is_watched, watch.to_owned())),
        ],
    );
    format!("#!{}\n{body}", shell_program(plan))
}

fn shell_program(plan: &ServerPlan) -> String {
    let found = || crate::machine::program("bash").map(|path| paths::text(&path));
    plan.path("shell-executable").or_else(found).unwrap_or_else(|| "/bin/sh".to_owned())
}

/// The command line, without values that may be secrets.
fn command(arguments: &[String]) -> String {
    let mut out = String::from(crate::NAME);
    let mut hidden = 0;
    for word in arguments {
        let name = word.trim_start_matches("--");
        if hidden == 1 {
            out.push_str(" ...");
        } else {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
            let plain = !word.is_empty() && word.chars().all(is_plain);
            out.push(' ');
            out.push_str(&if plain { word.clone() } else { shell(&word.replace(['\n', '\r'], " ")) });
        }
        hidden = if SECRET.iter().any(|secret| name.len() > 2 && secret.starts_with(name)) {
            2
        } else {
            i32::max(hidden - 1, 0)
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_once() {
        let values = [("A", "@B@ mail@example".to_owned()), ("B", "x".to_owned())];
        assert_eq!(fill("@A@ @B@ @C@ a@b", &values), "@B@ mail@example x @C@ a@b");
    }

    #[test]
    fn secrets_are_not_in_the_comment() {
        let words =
            ["start-server", "my app.py", "--setenv", "KEY", "secret", "--port", "80"].map(str::to_owned);
        assert_eq!(command(&words), "mod_wsgi-express start-server 'my app.py' --setenv KEY ... --port 80");
    }
}
