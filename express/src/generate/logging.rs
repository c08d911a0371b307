//! Logs: their files, their formats, their rotation.

use crate::configuration::Configuration;
use crate::plan::ServerPlan;
use crate::quoting;

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    if plan.logs_to_terminal() {
        // apachectl says what stands for the terminal: that depends on how it was started.
        conf.from("log-to-terminal").fixed("ErrorLog \"${MOD_WSGI_ERROR_LOG}\"");
    } else {
        conf.from("log-directory error-log-name rotate-logs");
        conf.line("ErrorLog", &[&target(plan, "error-log-name")]);
    }
    if let Some(format) = values.text("error-log-format") {
        conf.from("error-log-format").line("ErrorLogFormat", &[format]);
    }
    let levels: Vec<&str> = values.text("log-level").unwrap_or_default().split_whitespace().collect();
    conf.from("log-level").line("LogLevel", &levels);
    if !values.flag("access-log") {
        return;
    }
    const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";
    let format = values.text("access-log-format").unwrap_or_default();
    let nickname = if matches!(format, "common" | "combined") { format } else { "custom" };
    conf.from("access-log-format").line("LogFormat", &[COMMON, "common"]);
    conf.line("LogFormat", &[&format!("{COMMON} \"%{{Referer}}i\" \"%{{User-agent}}i\""), "combined"]);
    if nickname == "custom" {
        conf.line("LogFormat", &[format, "custom"]);
    }
    if plan.logs_to_terminal() {
        conf.from("log-to-terminal").fixed(&format!("CustomLog \"${{MOD_WSGI_ACCESS_LOG}}\" {nickname}"));
    } else {
        conf.from("access-log log-directory access-log-name rotate-logs");
        conf.line("CustomLog", &[&target(plan, "access-log-name"), nickname]);
    }
}

/// A file, or a pipe to rotatelogs.
pub(super) fn target(plan: &ServerPlan, name_option: &str) -> String {
    file(plan, plan.values.text(name_option).unwrap_or_default())
}

/// The same for a file name in the folder for logs.
pub(super) fn file(plan: &ServerPlan, name: &str) -> String {
    let folder = plan.log_directory();
    let path = if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") };
    if !plan.values.flag("rotate-logs") {
        return path;
    }
    let program = plan.path("rotatelogs-executable").unwrap_or_else(rotatelogs);
    let pattern = format!("{}.%Y-%m-%d-%H_%M_%S", quoting::without_format(&path));
    format!("|{} {} {}M", word(&program), word(&pattern), plan.values.int("max-log-size"))
}

/// A word of a command that httpd splits itself.
fn word(text: &str) -> String {
    if text.contains([' ', '\t', '"', '\'', '\\']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}

fn rotatelogs() -> String {
    crate::machine::program("rotatelogs")
        .map_or_else(|| "rotatelogs".to_owned(), |path| crate::paths::text(&path))
}
