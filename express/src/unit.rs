//! `systemd`: a unit for the server of a command line.

use crate::paths;
use crate::plan::ServerPlan;
use crate::problem::ExpressError;
use crate::table::{self, ValueKind};
use crate::values::OptionValues;
use std::fmt::Write;

/// Options that the unit says in its own words.
const OWN: [&str; 5] = ["user", "group", "server-root", "setup-only", "entry-point"];

/// Options with a path, which is made absolute.
const PATHS: [&str; 2] = ["DIRECTORY", "FILE"];

/// Prints the unit.
///
/// # Errors
/// As [`ServerPlan::make`], and a server that is not for a unit.
pub fn print(values: OptionValues) -> Result<u8, ExpressError> {
    let plan = ServerPlan::make(values)?;
    if plan.identity.uid.is_root() {
        return Err(ExpressError::Usage("name the user of the service with --user (and --group)".to_owned()));
    }
    crate::output::print(render(&plan))?;
    Ok(0)
}

fn render(plan: &ServerPlan) -> String {
    let values = &plan.values;
    let name: String =
        plan.group().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let folder = format!("mod_wsgi-{name}");
    // The longest that an orderly end takes: requests, then processes; 0 means that requests may take any time.
    let stop = values.int("stop-timeout");
    let patience = if stop == 0 {
        "infinity".to_owned()
    } else {
        (stop + values.int("shutdown-timeout") + 10).to_string()
    };
    let low = values.int("port") < 1024 || plan.https.as_ref().is_some_and(|https| https.port < 1024);
    let mut out = format!(
        "[Unit]\nDescription=WSGI application {}\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\nType=exec\n\
         User={}\nGroup={}\nWorkingDirectory={}\nRuntimeDirectory={folder}\nRuntimeDirectoryMode=0700\n",
        plan.entry.target.replace('%', "%%"),
        plan.identity.user.trim_start_matches('#'),
        plan.identity.group.trim_start_matches('#'),
        plan.working_directory().replace('%', "%%"),
    );
    let _ = writeln!(out, "ExecStart={}", command(plan, &folder)); // writing to a String cannot fail
    out.push_str("ExecReload=/bin/kill -USR1 $MAINPID\n");
    let _ = write!(
        out,
        "KillMode=mixed\nTimeoutStopSec={patience}\nRestart=on-failure\nRestartPreventExitStatus=2\n"
    );
    let logs = if values.is_given("log-directory") {
        plan.log_directory().replace('%', "%%")
    } else {
        String::new()
    };
    out.push_str("NoNewPrivileges=yes\nPrivateTmp=yes\nProtectSystem=full\nProtectControlGroups=yes\nProtectKernelModules=yes\n");
    out.push_str("ProtectKernelTunables=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\n");
    if !logs.is_empty() {
        let _ = writeln!(out, "ReadWritePaths={logs}");
    }
    let capability = if low { "CAP_NET_BIND_SERVICE" } else { "" };
    let _ = write!(out, "CapabilityBoundingSet={capability}\nAmbientCapabilities={capability}\n");
    out.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    out
}

fn command(plan: &ServerPlan, folder: &str) -> String {
    let values = &plan.values;
    let mut words = vec![paths::text(&plan.module.program("mod_wsgi-express")), "start-server".to_owned()];
    if plan.entry.kind != crate::entry::EntryKind::Welcome {
        words.push(plan.entry.target.clone());
        words.extend(["--application-type".to_owned(), plan.entry.kind.name().to_owned()]);
        words.extend(["--callable-object".to_owned(), plan.entry.callable.clone()]);
    }
    if let Some(python) = plan.python.as_ref().filter(|_| !values.is_given("python-home")) {
        words.extend(["--python-home".to_owned(), python.home.clone()]);
    }
    if !values.is_given("log-directory") && !values.flag("log-to-terminal") {
        words.push("--log-to-terminal".to_owned());
    }
    let rest = table::rows().filter(|row| !OWN.contains(&row.name));
    for row in rest.filter(|row| {
        !["application-type", "callable-object"].contains(&row.name) && values.is_given(row.name)
    }) {
        if row.kind == ValueKind::Flag {
            words.push(format!("--{}", row.name));
        }
        for values in values.uses(row.name) {
            words.push(format!("--{}", row.name));
            words.extend(values.iter().zip(row.values).map(|(value, kind)| {
                if PATHS.iter().any(|path| kind.contains(path)) {
                    paths::absolute_text(value)
                } else {
                    value.clone()
                }
            }));
        }
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{} --server-root %t/{folder}", words.join(" "))
}

/// A word of a unit's command line.
fn quoted(word: &str) -> String {
    // `$NAME` is expanded once by systemd and once by the command itself.
    let plain = word.replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%$".contains(c);
    if !plain.is_empty() && plain.chars().all(is_plain) {
        return plain;
    }
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_unit() {
        assert_eq!(quoted("a b\"c"), "\"a b\\\"c\"");
        assert_eq!(quoted("100%"), "100%%");
        assert_eq!(quoted("$X"), "$$X");
        assert_eq!(quoted(""), "\"\"");
    }
}
