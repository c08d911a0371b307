//! What is shown before the server starts.

use crate::machine::httpd::Mpm;
use crate::plan::{OUTPUTS, RunMode, ServerPlan};

/// One aligned line for each fact.
pub fn print(plan: &ServerPlan, starts: bool) {
    let lines = lines(plan, starts);
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in lines {
        let _ = crate::output::print(format_args!("{label:width$} : {value}\n")); // the server matters more
    }
}

fn lines(plan: &ServerPlan, starts: bool) -> Vec<(&'static str, String)> {
    let values = &plan.values;
    let mut lines = vec![("Server URL", plan.url())];
    lines.extend(plan.https_url().map(|url| ("Server URL (HTTPS)", url)));
    if values.flag("server-status") {
        lines.push(("Server status", format!("{}server-status", plan.url())));
    }
    lines.push(("Server root", crate::paths::text(&plan.root)));
    lines.push(("Configuration", plan.file("httpd.conf")));
    let log = |option: &str| format!("{}/{}", plan.log_directory(), values.text(option).unwrap_or_default());
    let level = values.text("log-level").unwrap_or_default();
    let error_log = if plan.logs_to_terminal() { "standard error".to_owned() } else { log("error-log-name") };
    lines.push(("Error log", format!("{error_log} ({level})")));
    if values.flag("access-log") {
        let target =
            if plan.logs_to_terminal() { "standard output".to_owned() } else { log("access-log-name") };
        lines.push(("Access log", target));
    }
    if values.flag("startup-log") {
        lines.push(("Startup log", log("startup-log-name")));
    }
    for ((flag, option, below), label) in
        OUTPUTS.into_iter().zip(["Coverage reports", "Profiles", "Recorded requests"])
    {
        if values.flag(flag) {
            lines.push((label, plan.path_or(option, below)));
        }
    }
    if values.is_given("rewrite-rules") || !starts {
        lines.push(("Rewrite rules", plan.path_or("rewrite-rules", "rewrite.conf")));
    }
    if values.is_given("envvars-script") || !starts {
        lines.push(("Environment variables", plan.path_or("envvars-script", "envvars")));
    }
    if !starts {
        lines.push(("Control script", plan.file("apachectl")));
    }
    capacity(plan, &mut lines);
    lines.push(("Locale", plan.locale.clone()));
    lines
}

fn capacity(plan: &ServerPlan, lines: &mut Vec<(&'static str, String)>) {
    let values = &plan.values;
    let mode = match plan.mode {
        RunMode::Daemon => "daemon",
        RunMode::Embedded => "embedded",
        RunMode::Debug => "debug",
        RunMode::Static => "static files only",
    };
    lines.push(("Operating mode", mode.to_owned()));
    if let Some(python) = &plan.python {
        lines.push(("Python", format!("{} ({})", python.version, python.home)));
    }
    if plan.mode == RunMode::Daemon {
        let demand = plan.demand();
        lines.push((
            "Request capacity",
            format!("{} ({} process(es) * {} threads)", demand.capacity(), demand.processes, demand.threads),
        ));
        let seconds = |option: &str| format!("{} (seconds)", values.int(option));
        lines.push(("Request timeout", seconds("request-timeout")));
        if values.int("interrupt-timeout") > 0 {
            lines.push(("Interrupt timeout", seconds("interrupt-timeout")));
        }
        lines.push(("Startup timeout", seconds("startup-timeout")));
        lines.push(("Queue backlog", format!("{} (connections)", values.int("daemon-backlog"))));
        lines.push(("Queue timeout", seconds("queue-timeout")));
        let threaded = demand.daemon(Mpm::Event).workers;
        let prefork = demand.daemon(Mpm::Prefork).workers;
        lines.push(("Server capacity", format!("{threaded} (event/worker), {prefork} (prefork)")));
    }
    lines.push(("Server backlog", format!("{} (connections)", values.int("server-backlog"))));
}
