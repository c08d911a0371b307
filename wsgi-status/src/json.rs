//! The report as JSON. Members are added, never changed or removed (`"schema": "wsgi-status/1"`).

use crate::{GroupReport, ProcessReport, ReportQuery, RequestReport, StatusReport};
use serde_json::{Map, Value, json};
use wsgi_protocol::metrics::{Distribution, OUTCOMES, RequestPhase, STOPS, stop_name};

/// The report.
#[must_use]
pub fn json(report: &StatusReport, query: &ReportQuery) -> Value {
    let server = &report.server;
    let shown =
        report.groups.iter().filter(|group| query.group.as_ref().is_none_or(|name| *name == group.name));
    json!({
        "schema": "wsgi-status/1",
        "server": {
            "version": server.version,
            "httpd": server.httpd,
            "mpm": server.mpm,
            "workers": server.workers,
            "pid": server.pid,
            "generation": server.generation,
            "reloads": server.reloads,
            "start_time": seconds(server.started_us),
            "config_time": seconds(server.configured_us),
            "now": seconds(server.now_us),
            "stopping": server.is_stopping,
            "draining": server.is_draining(),
        },
        "groups": shown.map(group).collect::<Vec<_>>(),
    })
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn group(group: &GroupReport) -> Value {
    let totals = &group.totals;
    let classes = (1..).zip(totals.classes).map(|(class, count)| (format!("{class}xx"), json!(count)));
    let outcomes = OUTCOMES
        .iter()
        .map(|(outcome, name)| ((*name).to_owned(), json!(totals.outcomes[*outcome as usize])));
    let latency =
        RequestPhase::ALL.iter().map(|phase| (phase.name().to_owned(), distribution(totals.phase(*phase))));
    json!({
        "name": group.name,
        "mode": if group.is_embedded { "embedded" } else { "daemon" },
        "python": group.python,
        "failed": group.failed,
        "stopped": group.is_stopped,
        "config": {
            "processes": group.wanted,
            "threads": group.threads,
            "requests_on_loop": group.requests_on_loop,
            "listen_backlog": group.backlog,
        },
        "totals": {
            "requests": totals.requests(),
            "status": classes.collect::<Map<_, _>>(),
            "outcomes": outcomes.collect::<Map<_, _>>(),
            "bytes_in": totals.bytes.0,
            "bytes_out": totals.bytes.1,
            "cpu_user": seconds(group.cpu_us.0),
            "cpu_system": seconds(group.cpu_us.1),
            "request_cpu": totals.cpu_ns as f64 / 1e9,
        },
        "capacity": {
            "threads": group.limit(),
            "busy": group.busy(),
            "queue": group.queue(),
            "websockets": group.websockets(),
            "websockets_relayed": group.websockets_relayed(),
            "websockets_limit": group.websockets_limit(),
            "oldest_request": group.oldest(),
            "rss": group.rss(),
        },
        "latency": latency.collect::<Map<_, _>>(),
        "lifecycle": lifecycle(group),
        "processes": group.processes.iter().map(process).collect::<Vec<_>>(),
        "requests": group.requests.iter().map(request).collect::<Vec<_>>(),
    })
}

fn distribution(of: &Distribution) -> Value {
    json!({
        "count": of.count(),
        "sum": of.sum_ns as f64 / 1e9,
        "p50": of.percentile(0.5),
        "p95": of.percentile(0.95),
        "p99": of.percentile(0.99),
    })
}

fn lifecycle(group: &GroupReport) -> Value {
    let told = &group.lifecycle;
    let stops = [false, true].iter().flat_map(|graceful| (0..STOPS).map(move |reason| (*graceful, reason)));
    let stops = stops.filter_map(|(graceful, reason)| {
        let count = told.stops[usize::from(graceful)][reason];
        (count > 0).then(|| json!({ "reason": stop_name(reason), "graceful": graceful, "count": count }))
    });
    let last = told.last_reload.map(|(at, succeeded)| json!({ "time": seconds(at), "succeeded": succeeded }));
    json!({
        "starts": told.starts,
        "stops": stops.collect::<Vec<_>>(),
        "reloads": told.reloads.0,
        "failed_reloads": told.reloads.1,
        "last_reload": last,
    })
}

fn process(process: &ProcessReport) -> Value {
    json!({
        "slot": process.place,
        "pid": process.pid,
        "state": process.state,
        "active": process.in_flight,
        "websockets": process.sockets,
        "requests": process.requests,
        "age": process.age,
        "rss": process.rss,
        "cpu_user": seconds(process.cpu_us.0),
        "cpu_system": seconds(process.cpu_us.1),
    })
}

fn request(request: &RequestReport) -> Value {
    json!({
        "child": request.child,
        "pid": request.pid,
        "age": request.age,
        "stage": request.stage.text(),
        "request": String::from_utf8_lossy(&request.text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn numbers_are_where_they_are_looked_for() {
        let value = json(&sample(), &ReportQuery::read(b"", b""));
        assert_eq!(value["groups"].as_array().unwrap().len(), 3);
        let group = &value["groups"][1];
        assert_eq!(group["totals"]["requests"], 100);
        assert_eq!(group["totals"]["status"]["5xx"], 3);
        assert_eq!(group["totals"]["outcomes"]["daemon_lost"], 3);
        assert_eq!((&group["capacity"]["busy"], &group["capacity"]["queue"]), (&json!(4), &json!(2)));
        assert_eq!(group["latency"]["request"]["count"], 100);
        assert_eq!(group["latency"]["queue"]["p50"], Value::Null);
        assert_eq!(group["lifecycle"]["stops"][0], json!({"reason": "crash", "graceful": false, "count": 1}));
        assert_eq!(group["requests"][0]["stage"], "running");
        let asgi = &value["groups"][2];
        assert_eq!(asgi["config"]["requests_on_loop"], 1000);
        let capacity = &asgi["capacity"];
        assert_eq!(
            (&capacity["threads"], &capacity["busy"], &capacity["queue"]),
            (&json!(2000), &json!(300), &json!(0)),
            "an event loop runs more requests than there are threads"
        );
        assert_eq!((&capacity["websockets"], &capacity["websockets_limit"]), (&json!(7), &json!(20_000)));
        assert_eq!(
            (&asgi["requests"][0]["stage"], &capacity["oldest_request"]),
            (&json!("websocket"), &json!(2.5))
        );
        let one = json(&sample(), &ReportQuery::read(b"group=nobody", b""));
        assert_eq!(one["groups"], json!([]));
    }
}
