//! Whether the server is fit to get requests: for load balancers and orchestrators.

use crate::{GroupReport, StatusReport};
use serde_json::{Value, json};

/// Whether `report` is fit, and what is said about it. `group` names the only one that counts.
#[must_use]
pub fn health(report: &StatusReport, group: Option<&str>) -> (bool, Value) {
    let counted: Vec<&GroupReport> = report
        .groups
        .iter()
        .filter(|candidate| !candidate.is_service && group.is_none_or(|name| candidate.name == name))
        .collect();
    let is_known = group.is_none() || !counted.is_empty();
    let is_draining = report.server.is_draining() || counted.iter().any(|group| group.is_stopped);
    let is_ready = is_known && !is_draining && counted.iter().all(|group| obstacle(group).is_none());
    let rows: Vec<Value> = counted.iter().map(|group| row(group)).collect();
    let value = json!({
        "schema": "wsgi-health/1",
        "live": true,
        "ready": is_ready,
        "draining": is_draining,
        "groups": rows,
    });
    (is_ready, value)
}

fn row(group: &GroupReport) -> Value {
    json!({
        "name": group.name,
        "ready": obstacle(group).is_none(),
        "why": obstacle(group),
        "serving": group.serving(),
        "queue": group.queue(),
    })
}

/// Why a group should get no requests.
fn obstacle(group: &GroupReport) -> Option<String> {
    if let Some(reason) = &group.failed {
        return Some(reason.clone());
    }
    if group.is_stopped {
        return Some("it has been stopped by an operator".to_owned());
    }
    if group.is_embedded {
        return None;
    }
    if group.serving() == 0 {
        return Some("no process serves yet".to_owned());
    }
    let limit = group.backlog.saturating_mul(u32::try_from(group.serving()).unwrap_or(u32::MAX));
    (group.queue() >= limit)
        .then(|| format!("{} requests wait, as many as listen-backlog= allows", group.queue()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn ready_means_that_each_group_serves() {
        let mut report = sample();
        assert!(health(&report, None).0);
        report.groups[1].processes[0].in_flight = 4 + 100;
        let (fit, value) = health(&report, None);
        assert!(!fit && value["groups"][1]["why"].as_str().unwrap().contains("listen-backlog"), "{value}");
        assert!(health(&report, Some("")).0, "embedded mode only");
        assert!(!health(&report, Some("unheard-of")).0);
        report.groups[1].processes[0].state = "starting";
        assert_eq!(health(&report, None).1["groups"][1]["why"], "no process serves yet");
    }

    #[test]
    fn stopping_is_draining() {
        let mut report = sample();
        report.groups[1].is_stopped = true;
        let (fit, value) = health(&report, None);
        assert_eq!((fit, &value["draining"], &value["live"]), (false, &json!(true), &json!(true)));
        report.groups[1].is_stopped = false;
        report.server.is_stopping = true;
        assert!(!health(&report, None).0);
        report.server.is_stopping = false;
        report.server.drained_us = 1;
        let (fit, value) = health(&report, None);
        assert_eq!(
            (fit, &value["draining"], &value["groups"][1]["ready"]),
            (false, &json!(true), &json!(true))
        );
    }
}
