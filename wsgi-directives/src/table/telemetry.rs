//! Metrics and telemetry (spec/directives.md §14).

use crate::arity::Arity;
use crate::config::{TelemetryFlags, TelemetryService};
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::value;
use std::time::Duration;

const NOT_CAPTURED: RowEffect =
    RowEffect::Never("slow requests are logged with their Python stack (WSGISlowRequests), not sent");

pub(super) const SERVER_METRICS: Directive = Directive {
    name: "WSGIServerMetrics",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "Off",
    since: "4.2.0",
    doc: "Allow mod_wsgi.server_metrics() in embedded mode.",
    details: "It shows the requests of all virtual hosts. Daemons cannot see httpd's scoreboard.",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::GlobalFlag(|global| &mut global.server_metrics),
};

pub(super) const SLOW_REQUESTS: Directive = Directive {
    name: "WSGISlowRequests",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "SECONDS",
    default: "0",
    since: "6.0.0",
    doc: "Log where requests are that run longer than this, once each; 0 logs none.",
    details: "The line with the Python stack stands in the request's own error log. Fractions are allowed. Text that is no number is an error (mod_wsgi took it as 0).",
    effect: RowEffect::Acts,
    good: "2.5",
    bad: Some("-1"),
    action: RowAction::Custom(slow_requests),
};

pub(super) const TELEMETRY_OPTIONS: Directive = Directive {
    name: "WSGITelemetryOptions",
    arity: Arity::RawArgs,
    contexts: DirectiveContexts::G,
    syntax: "[+|-]FLAG...|None|All",
    default: "None",
    since: "6.0.0",
    doc: "Optional captures of the telemetry reports; the only flag is CaptureUserAgent.",
    details: "Names without a sign replace the set, names with + or - change it; the two forms do not mix.",
    effect: NOT_CAPTURED,
    good: "+CaptureUserAgent",
    bad: Some("CaptureEverything"),
    action: RowAction::Custom(telemetry_options),
};

pub(super) const TELEMETRY_SERVICE: Directive = Directive {
    name: "WSGITelemetryService",
    arity: Arity::Take12,
    contexts: DirectiveContexts::G,
    syntax: "unix:PATH [interval=SECONDS]",
    default: "",
    since: "6.0.0",
    doc: "Datagram socket that telemetry reports are sent to, at an interval of 1 s or as given (at least 0.5).",
    details: "The reports are those of mod_wsgi's telemetry program: what a process did in each interval, its start and its end. Slow requests go to the log (WSGISlowRequests), collections of garbage are not told. request_metrics() and process_metrics() return None.",
    effect: RowEffect::Acts,
    good: "unix:/run/telemetry.sock interval=5",
    bad: Some("/run/telemetry.sock"),
    action: RowAction::Custom(telemetry_service),
};

fn slow_requests(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    let time = value::seconds(&word).ok_or_else(|| {
        let hint = format!("'{word}' is no such number of seconds; write for example WSGISlowRequests 2.5.");
        ConfigError::value("WSGISlowRequests threshold must be non-negative.", hint)
    })?;
    line.global()?.slow_requests = (!time.is_zero()).then_some(time);
    Ok(())
}

fn telemetry_service(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let mut words = line.words();
    let target = words.next().unwrap_or_default();
    let path = target.strip_prefix("unix:").filter(|path| !path.is_empty()).ok_or_else(|| {
        ConfigError::value("WSGITelemetryService target must be 'unix:/path'.", format!("'{target}' is not."))
    })?;
    let interval = match words.next() {
        None => Duration::from_secs(1),
        Some(word) => {
            let text = word.strip_prefix("interval=").ok_or_else(|| {
                let hint = format!("'{word}' is not.");
                ConfigError::value("WSGITelemetryService second argument must be 'interval=N'.", hint)
            })?;
            value::seconds(text).filter(|time| *time >= Duration::from_millis(500)).ok_or_else(|| {
                let hint = format!("'{text}' is not; write for example interval=1.");
                ConfigError::value("WSGITelemetryService interval must be at least 0.5 seconds.", hint)
            })?
        }
    };
    let service = TelemetryService { path: path.to_owned(), interval };
    line.global()?.telemetry_service = Some(service);
    Ok(())
}

/// What all flags mean to the set: `None`, `All`, or a change of one flag.
fn telemetry_options(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let wrong = |text: String| ConfigError::value(format!("WSGITelemetryOptions: {text}"), "");
    let words: Vec<_> = line.words().collect();
    if words.is_empty() {
        return Err(wrong("at least one flag required".into()));
    }
    let signed = |word: &str| word.starts_with(['+', '-']);
    let named = words.iter().filter(|word| !word.is_empty());
    let relative = named.clone().any(|word| signed(word));
    let mut flags = if relative { line.global()?.telemetry_options } else { TelemetryFlags::default() };
    for word in named {
        let (sign, name) = if signed(word) { word.split_at(1) } else { ("", word.as_ref()) };
        if !sign.is_empty() && name.is_empty() {
            return Err(wrong("bare '+' / '-' is not a flag".into()));
        }
        if relative && sign.is_empty() {
            return Err(wrong("cannot mix +/- form with absolute names in a single directive".into()));
        }
        let group = ["None", "All"].into_iter().find(|group| name.eq_ignore_ascii_case(group));
        match group {
            Some(group) if !sign.is_empty() => {
                return Err(wrong(format!("'{group}' may not have a +/- prefix")));
            }
            Some("None") => flags = TelemetryFlags::default(),
            Some(_) => flags = TelemetryFlags { capture_user_agent: true },
            None if name.eq_ignore_ascii_case("CaptureUserAgent") => flags.capture_user_agent = sign != "-",
            None => return Err(wrong(format!("unknown flag '{name}'"))),
        }
    }
    line.global()?.telemetry_options = flags;
    Ok(())
}
