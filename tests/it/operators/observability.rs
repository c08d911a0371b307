//! `examples/observability/`, and the autoscaler of `examples/kubernetes/`: every query of dashboard and alerts finds its
//! series in what a real server tells, and Prometheus' own tool, where it is installed, can read them.

use crate::operators::status::parsed;
use crate::product::examples::example;
use integration::{Mode, Subject, eventually, workspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const APP: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";

fn text(name: &str) -> String {
    let path = workspace().join("examples/observability").join(name);
    std::fs::read_to_string(path).expect("it is there")
}

/// All queries of the dashboard and the alerts.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("a list"));
    let shown = targets.map(|target| target["expr"].as_str().expect("a query").to_owned());
    let alerts = text("alerts.yml");
    let alerts = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    shown.chain(alerts).collect()
}

/// What the autoscaler of `examples/kubernetes` asks the adapter for, and what the adapter asks Prometheus for.
fn autoscaling() -> (String, Vec<String>) {
    let text = |name: &str| {
        let path = workspace().join("examples/kubernetes").join(name);
        std::fs::read_to_string(path).expect("it is there")
    };
    let between = |text: &str, start: &str, end: char| {
        let (_, rest) = text.split_once(start).expect("it is written");
        rest.split(end).next().unwrap_or_default().trim().to_owned()
    };
    let (rule, scaler) = (text("adapter-rule.yaml"), text("autoscaler.yaml"));
    let wanted = between(&scaler, "metric: {name: ", '}');
    assert_eq!(between(&rule, "name: {as: ", '}'), wanted, "both talk of the same metric");
    let (_, query) = rule.split_once("metricsQuery: >-").expect("it is written");
    let series = between(&rule, "seriesQuery: '", '{');
    // Labels of pods are the scraper's; the adapter fills the rest in.
    let query = query.replace("{<<.LabelMatchers>>}", "").replace("(<<.GroupBy>>)", "()");
    (series, vec![query])
}

/// A metric with the labels, and perhaps values, that a query asks for.
type MetricSelector = (String, Vec<(String, Option<String>)>);

/// Names of metrics in a query, with the labels and values that it asks for.
fn selectors(query: &str) -> Vec<MetricSelector> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let query = without_labels(query);
    let mut found = Vec::new();
    let starts = query.match_indices(is_name).map(|(at, _)| at);
    for at in starts.filter(|at| !query[..*at].ends_with(is_name)) {
        let rest = &query[at..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let is_metric = name.starts_with("wsgi_") || name.starts_with("http_server_");
        if !is_metric || query[..at].ends_with(['{', ',']) {
            continue;
        }
        let inside = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let matchers = inside.map_or("", |part| part.0).split("\",").filter_map(|part| {
            let (label, value) = part.split_once('=')?;
            let exact = value.strip_prefix('"').filter(|_| !label.ends_with('!'));
            let exact = exact.map(|value| value.trim_end_matches('"').to_owned());
            Some((label.trim_end_matches('!').to_owned(), exact))
        });
        found.push((name.to_owned(), matchers.filter(|(label, _)| label != "instance").collect()));
    }
    found
}

/// A query without the labels it adds up or joins by.
fn without_labels(query: &str) -> String {
    let mut rest = query.to_owned();
    for word in ["by (", "on ("] {
        while let Some(at) = rest.find(word) {
            let end = rest[at..].find(')').map_or(rest.len(), |end| at + end + 1);
            rest.replace_range(at..end, "");
        }
    }
    rest
}

#[test]
fn every_query_finds_its_series() {
    if Subject::skips("there are no metrics for Prometheus") {
        return;
    }
    let server = example("observability", "httpd.conf", &[])
        .mode(Mode::Daemon)
        .python_home(integration::pythons().first().map(|python| python.venv.as_path()))
        .app(APP)
        .start();
    server.get("/").ok();
    // The process serves a moment before its supervisor has noted it.
    eventually("it is fit", || (server.get("/wsgi-health").status == 200).then_some(()));
    let scrape =
        server.request("GET", "/wsgi-status").header("Accept", "application/openmetrics-text").send().ok();
    let samples = parsed(&scrape.text(), "openmetrics");
    let queries = queries();
    assert!(queries.len() > 25, "{}", queries.len());
    let mut names = BTreeSet::new();
    for query in &queries {
        let selectors = selectors(query);
        assert!(!selectors.is_empty(), "{query}");
        for (name, matchers) in selectors {
            let fits = |sample: &&Value| {
                let labels = &sample["labels"];
                sample["name"] == *name
                    && matchers.iter().all(|(label, value)| match value {
                        Some(value) => labels[label] == **value,
                        None => labels[label].is_string(),
                    })
            };
            assert!(samples.iter().find(fits).is_some(), "{name} {matchers:?} of {query}");
            names.insert(name);
        }
    }
    assert!(names.len() > 15, "{names:?}");
    let (series, queries) = autoscaling();
    let asked: Vec<String> = queries.iter().flat_map(|query| selectors(query)).map(|found| found.0).collect();
    assert_eq!(asked, ["wsgi_thread_busy_seconds_total", "wsgi_threads_limit"]);
    for name in asked.iter().chain([&series]) {
        assert!(samples.iter().any(|sample| sample["name"] == **name), "{name}");
    }
}

#[test]
fn promtool_can_read_the_rules() {
    let rules = workspace().join("examples/observability/alerts.yml");
    let Ok(output) = Command::new("promtool").arg("check").arg("rules").arg(rules).output() else {
        println!("promtool is not installed: apt-get install prometheus");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
