//! The report as a page that works without JavaScript and asks again by itself.

use crate::query::encode;
use crate::{EarlierCounters, GroupReport, ProcessReport, ReportQuery, RequestReport, StatusReport};
use std::fmt::Write;
use wsgi_protocol::metrics::{OUTCOMES, RequestOutcome, RequestPhase, STOPS, ThreadStage, stop_name};

const STYLE: &str = include_str!("page.css");

/// Requests shown per group.
const MOST_REQUESTS: usize = 100;

/// Text that means nothing to a browser.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

macro_rules! put {
    // Writing to a String cannot fail.
    ($out:expr, $($arg:tt)*) => { let _ = write!($out, $($arg)*); };
}

/// The page.
#[must_use]
pub fn page(report: &StatusReport, query: &ReportQuery) -> String {
    let server = &report.server;
    let mut out = String::with_capacity(16 * 1024);
    let now = EarlierCounters {
        at_us: server.now_us,
        requests: report.groups.iter().map(|group| group.totals.requests()).collect(),
    };
    let mut address = format!("?refresh={}&amp;was={}", query.refresh, now.encode());
    if let Some(group) = &query.group {
        put!(address, "&amp;group={}", encode(group));
    }
    out.push_str(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>mod_wsgi status</title>\n",
    );
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\">\n");
    if query.refresh > 0 {
        put!(out, "<meta http-equiv=\"refresh\" content=\"{};url={address}\">\n", query.refresh);
    }
    put!(
        out,
        "<style>{STYLE}</style></head><body>\n<header><h1>mod_wsgi {}</h1>\n<p>",
        escape(&server.version)
    );
    put!(
        out,
        "{} ({}), process {}, up {}",
        escape(&server.httpd),
        escape(&server.mpm),
        server.pid,
        since(server.now_us, server.started_us)
    );
    put!(
        out,
        "; configuration read {} ago; graceful restarts: {}",
        since(server.now_us, server.configured_us),
        server.reloads
    );
    if server.is_stopping {
        out.push_str("; <strong class=\"bad\">stopping</strong>");
    }
    if server.drained_us != 0 {
        let since = since(server.now_us, server.drained_us);
        put!(out, "; <strong class=\"bad\">draining</strong> for {since} (mod_wsgi-ctl undrain ends it)");
    }
    put!(out, "</p>\n<p class=\"links\"><a href=\"{address}\">refresh</a>");
    out.push_str(" · <a href=\"?refresh=0\">hold</a> · <a href=\"?format=json\">JSON</a> · <a href=\"?format=openmetrics\">OpenMetrics</a></p></header>\n");
    for (index, group) in report.groups.iter().enumerate() {
        if query.group.as_ref().is_none_or(|name| *name == group.name) {
            let rate = rate(report, query.earlier.as_ref(), index);
            section(&mut out, group, rate);
        }
    }
    out.push_str("</body></html>\n");
    out
}

/// Requests per second since the earlier page, or since the start; and which of both.
fn rate(report: &StatusReport, earlier: Option<&EarlierCounters>, index: usize) -> (f64, bool) {
    let server = &report.server;
    let requests = report.groups[index].totals.requests();
    let (at, before, is_recent) = match earlier {
        Some(earlier) if earlier.at_us < server.now_us && earlier.at_us >= server.started_us => {
            (earlier.at_us, earlier.requests.get(index).copied().unwrap_or(0), true)
        }
        _ => (server.started_us, 0, false),
    };
    let seconds = server.now_us.saturating_sub(at) as f64 / 1e6;
    (requests.saturating_sub(before) as f64 / seconds.max(0.001), is_recent)
}

fn since(now_us: u64, then_us: u64) -> String {
    age(now_us.saturating_sub(then_us) as f64 / 1e6)
}

/// A time span for people.
fn age(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// A latency for people.
fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(s) if s < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.2} s"),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// What is wrong with a group, or what it does.
fn condition(group: &GroupReport) -> (&'static str, String) {
    if let Some(reason) = &group.failed {
        return ("bad", format!("cannot serve: {reason}"));
    }
    match group {
        group if group.is_stopped => ("bad", "stopped by an operator".to_owned()),
        group if group.is_embedded => ("good", "in httpd's children".to_owned()),
        group if group.is_service => ("good", "service, takes no requests".to_owned()),
        group if group.serving() == 0 => ("bad", "no process serves".to_owned()),
        group if group.queue() > 0 => {
            ("warn", format!("{} requests wait {}", group.queue(), waited_for(group)))
        }
        group if (group.serving() as u32) < group.wanted => ("warn", "not all processes serve".to_owned()),
        _ => ("good", "serving".to_owned()),
    }
}

fn waited_for(group: &GroupReport) -> &'static str {
    if group.requests_on_loop.is_some() { "for a place on an event loop" } else { "for a thread" }
}

fn section(out: &mut String, group: &GroupReport, (rate, is_recent): (f64, bool)) {
    let (class, said) = condition(group);
    let python =
        group.python.as_ref().map(|version| format!(" · Python {}", escape(version))).unwrap_or_default();
    put!(out, "<section><h2>{} <span class=\"{class}\">{}</span>", escape(group.title()), escape(&said));
    let each = match group.requests_on_loop {
        Some(requests) => format!("{requests} requests on the event loop"),
        None => format!("{} threads", group.threads),
    };
    put!(out, "<small>{} × {each}{python}</small></h2>\n<div class=\"facts\">", group.wanted);
    let (busy, limit) = (group.busy(), group.limit().max(1));
    let unit = if is_recent { "since the last look" } else { "since the start" };
    let errors = group.errors();
    let lost = group.totals.outcomes[RequestOutcome::ProcessLost as usize];
    put!(
        out,
        "<dl><dt>{}</dt><dd><meter min=\"0\" max=\"{limit}\" high=\"{}\" value=\"{busy}\"></meter> {busy} of {limit}</dd>\
         <dt>waiting</dt><dd>{}</dd><dt>oldest request</dt><dd>{}</dd>",
        if group.requests_on_loop.is_some() { "running" } else { "busy threads" },
        f64::from(limit) * 0.8,
        group.queue(),
        if group.oldest() > 0.0 { age(group.oldest()) } else { "–".to_owned() },
    );
    if group.requests_on_loop.is_some() {
        let (open, most, relayed) =
            (group.websockets(), group.websockets_limit(), group.websockets_relayed());
        put!(
            out,
            "<dt>open WebSockets</dt><dd>{open} <small>of at most {most}, {relayed} relayed by httpd</small></dd>"
        );
    }
    out.push_str("</dl>\n");
    put!(
        out,
        "<dl><dt>requests</dt><dd>{}</dd><dt>rate</dt><dd>{rate:.1}/s <small>{unit}</small></dd>\
         <dt>5xx</dt><dd class=\"{}\">{errors}</dd><dt>4xx</dt><dd>{}</dd><dt>cut off by a crash</dt><dd class=\"{}\">{lost}</dd></dl>\n",
        group.totals.requests(),
        if errors > 0 { "warn" } else { "" },
        group.totals.classes[3],
        if lost > 0 { "warn" } else { "" },
    );
    latencies(out, group);
    out.push_str("</div>\n");
    outcomes(out, group);
    if !group.is_embedded {
        processes(out, group);
        lifecycle(out, group);
    }
    requests(out, group);
    out.push_str("</section>\n");
}

fn latencies(out: &mut String, group: &GroupReport) {
    out.push_str("<table><tr><th>latency</th><th>p50</th><th>p95</th><th>p99</th></tr>\n");
    for phase in RequestPhase::ALL {
        let of = group.totals.phase(phase);
        let name = match phase {
            RequestPhase::Request => "request",
            RequestPhase::Queue => "· waiting to run",
            RequestPhase::Application => "· in the application",
            RequestPhase::Gil => "· waiting for the GIL",
        };
        let cells = [0.5, 0.95, 0.99].map(|share| format!("<td>{}</td>", latency(of.percentile(share))));
        put!(out, "<tr><th>{name}</th>{}</tr>\n", cells.concat());
    }
    out.push_str("</table>\n");
}

/// What went wrong, if anything did.
fn outcomes(out: &mut String, group: &GroupReport) {
    let told = OUTCOMES.iter().filter(|(outcome, _)| *outcome != RequestOutcome::Ok);
    let told = told.map(|(outcome, name)| (name, group.totals.outcomes[*outcome as usize]));
    let told: Vec<String> = told
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
        .collect();
    if !told.is_empty() {
        put!(out, "<p>not answered by the application: {}</p>\n", told.join(", "));
    }
}

fn processes(out: &mut String, group: &GroupReport) {
    out.push_str(
        "<table class=\"wide\"><tr><th>process</th><th>state</th><th>running</th><th>waiting</th><th>requests</th>\
         <th>memory</th><th>CPU</th><th>age</th></tr>\n",
    );
    let mut shown: Vec<&ProcessReport> = group.processes.iter().collect();
    shown.sort_by_key(|process| (std::cmp::Reverse(process.in_flight), process.place));
    for process in shown {
        let (busy, queue) = group.load(process);
        let (busy_us, system_us) = process.cpu_us;
        let class = match process.state {
            "serving" | "service" => "good",
            "failed" => "bad",
            _ => "warn",
        };
        put!(
            out,
            "<tr><td>{} <small>pid {}</small></td><td class=\"{class}\">{}</td><td>{}</td>\
             <td>{queue}</td><td>{}</td><td>{}</td><td>{:.2} s</td><td>{}</td></tr>\n",
            process.place,
            process.pid,
            process.state,
            running(group, busy),
            process.requests,
            megabytes(process.rss),
            (busy_us + system_us) as f64 / 1e6,
            process.age.map_or("–".to_owned(), age),
        );
    }
    out.push_str("</table>\n");
}

/// What the threads of a process do, or its event loop.
fn running(group: &GroupReport, busy: u32) -> String {
    if group.requests_on_loop.is_some() {
        return format!("{busy} on the event loop");
    }
    let idle = group.threads - busy;
    let strip = format!("{}{}", "W".repeat(busy.min(64) as usize), "_".repeat(idle.min(64) as usize));
    format!("<code>{strip}</code> {busy} busy, {idle} idle")
}

fn lifecycle(out: &mut String, group: &GroupReport) {
    let told = &group.lifecycle;
    put!(out, "<p>processes started: {}", told.starts);
    let stops = (0..STOPS).map(|reason| (stop_name(reason), told.stops[0][reason] + told.stops[1][reason]));
    let stops: Vec<String> = stops
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    if !stops.is_empty() {
        put!(out, "; ended: {}", stops.join(", "));
    }
    if let Some((_, succeeded)) = told.last_reload {
        let (class, said) =
            if succeeded { ("good", "succeeded") } else { ("bad", "failed, the old code serves on") };
        put!(
            out,
            "; {} reloads, the last one <span class=\"{class}\">{said}</span>",
            told.reloads.0 + told.reloads.1
        );
    }
    out.push_str("</p>\n");
}

fn requests(out: &mut String, group: &GroupReport) {
    if group.requests.is_empty() {
        return;
    }
    out.push_str(
        "<table class=\"wide\"><tr><th>running for</th><th>stage</th><th>process</th><th>request</th><th>httpd child</th></tr>\n",
    );
    for request in group.requests.iter().take(MOST_REQUESTS) {
        row(out, request);
    }
    out.push_str("</table>\n");
    let more = group.requests.len().saturating_sub(MOST_REQUESTS);
    if more > 0 {
        put!(out, "<p>and {more} more</p>\n");
    }
}

fn row(out: &mut String, request: &RequestReport) {
    let class = if request.age >= 5.0 && request.stage != ThreadStage::WebSocket { "warn" } else { "" };
    put!(
        out,
        "<tr><td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>\n",
        age(request.age),
        request.stage.text(),
        request.pid.map_or("–".to_owned(), |pid| pid.to_string()),
        escape(&String::from_utf8_lossy(&request.text)),
        request.child,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn nothing_a_client_says_becomes_markup() {
        let page = page(&sample(), &ReportQuery::read(b"group=%22%3E%3Cscript%3E&was=1", b""));
        assert!(!page.contains("<script") && !page.contains("\">\""), "{page}");
        let page = super::page(&sample(), &ReportQuery::read(b"", b""));
        assert!(page.contains("GET /&lt;b&gt;&quot;"), "{page}");
        assert!(page.contains("a\\&quot;&lt;g&gt;"));
    }

    #[test]
    fn rates_are_since_the_last_look() {
        let report = sample();
        let page = |query: &str| super::page(&report, &ReportQuery::read(query.as_bytes(), b""));
        assert!(page("").contains("2.5/s <small>since the start"));
        assert!(page("was=40000000.0.50").contains("5.0/s <small>since the last look"));
        assert!(page("was=40000000").contains("10.0/s"));
        assert!(page("").contains("content=\"5;url=?refresh=5&amp;was=50000000.0.100.0\""));
        assert!(!page("refresh=0").contains("http-equiv=\"refresh\""));
    }

    #[test]
    fn what_is_wrong_stands_in_the_title() {
        let page = page(&sample(), &ReportQuery::read(b"", b""));
        assert!(page.contains("<span class=\"warn\">2 requests wait for a thread</span>"), "{page}");
        assert!(page.contains("failed, the old code serves on") && page.contains("1 crash"), "{page}");
        assert!(
            page.contains("2 × 1000 requests on the event loop") && page.contains("300 on the event loop")
        );
        assert!(page.contains("<dt>open WebSockets</dt><dd>7 <small>of at most 20000, 2 relayed"), "{page}");
        assert!(page.contains("daemon lost 3") && !page.contains("draining"));
        let mut report = sample();
        report.server.drained_us = 20_000_000;
        assert!(super::page(&report, &ReportQuery::read(b"", b"")).contains("draining</strong> for 30 s"));
    }
}
