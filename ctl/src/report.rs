//! The status as a table for people and as JSON for programs.

use crate::{harmless, memory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use wsgi_protocol::operator::{GroupStatus, ProcessState, ProcessStatus, ServerStatus};

/// Words for a state.
pub(crate) fn word(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Waiting => "waiting",
        ProcessState::Starting => "starting",
        ProcessState::Serving => "serving",
        ProcessState::Succeeding => "successor",
        ProcessState::Draining => "draining",
        ProcessState::Service => "service",
        ProcessState::Zygote => "zygote",
    }
}

/// Text of a name, on one line.
pub(crate) fn text(bytes: &[u8]) -> String {
    harmless::text(&String::from_utf8_lossy(bytes)).replace('\n', "\\n")
}

/// All facts, one object; `memory` is resident bytes by process id.
#[must_use]
pub fn json(status: &ServerStatus, memory: &BTreeMap<i32, u64>) -> String {
    let process = |process: &ProcessStatus| {
        json!({
            "place": process.place,
            "pid": (process.pid != 0).then_some(process.pid),
            "state": word(process.state),
            "age_seconds": process.age as f64 / 1000.0,
            "memory_bytes": memory.get(&process.pid),
            "in_flight": process.in_flight,
            "websockets": process.sockets,
            "requests": process.requests,
            "restarts": process.restarts,
            "generation": process.generation,
            "last_death": process.last_death.as_ref().map(|(pid, cause)| json!({"pid": pid, "cause": cause})),
        })
    };
    let group = |group: &GroupStatus| {
        json!({
            "name": text(&group.name),
            "processes_configured": group.configured,
            "processes_wanted": group.wanted,
            "threads": group.threads,
            "at_once": group.at_once,
            "stopped": group.stopped,
            "import_failed": group.import_failed,
            "processes": group.processes.iter().map(process).collect::<Vec<Value>>(),
        })
    };
    let value = json!({
        "httpd": status.httpd,
        "supervisor": status.supervisor,
        "generation": status.generation,
        "draining": status.drained_us != 0,
        "groups": status.groups.iter().map(group).collect::<Vec<Value>>(),
    });
    format!("{value:#}\n")
}

/// A table.
#[must_use]
pub fn table(status: &ServerStatus, memory: &BTreeMap<i32, u64>) -> String {
    let mut out = format!(
        "httpd {}, supervisor {}, generation {}\n",
        status.httpd, status.supervisor, status.generation
    );
    if status.drained_us != 0 {
        out.push_str("the server is drained: 'mod_wsgi-ctl undrain' ends it\n");
    }
    let mut rows = vec![
        [
            "GROUP",
            "PLACE",
            "PID",
            "STATE",
            "AGE",
            "MEMORY",
            "IN FLIGHT",
            "REQUESTS",
            "RESTARTS",
            "GENERATION",
            "LAST DEATH",
        ]
        .map(str::to_owned),
    ];
    for group in &status.groups {
        rows.extend(group.processes.iter().map(|process| row(group, process, memory)));
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    for group in &status.groups {
        let sockets = group.processes.iter().map(|process| process.sockets).fold(0, u32::saturating_add);
        if sockets > 0 {
            let _ = writeln!(
                out,
                "group '{}' has {sockets} WebSockets that need no thread of httpd",
                text(&group.name)
            );
        }
        if let Some(remark) = remark(group) {
            let _ = writeln!(out, "{remark}");
        }
    }
    out
}

fn row(group: &GroupStatus, process: &ProcessStatus, memory: &BTreeMap<i32, u64>) -> [String; 11] {
    let pid = if process.pid == 0 { "-".to_owned() } else { process.pid.to_string() };
    let death = process.last_death.as_ref().map(|(pid, cause)| text(format!("{pid}: {cause}").as_bytes()));
    [
        text(&group.name),
        process.place.to_string(),
        pid,
        word(process.state).to_owned(),
        age(process.age),
        memory::text(memory.get(&process.pid)),
        process.in_flight.to_string(),
        process.requests.to_string(),
        process.restarts.to_string(),
        process.generation.to_string(),
        death.unwrap_or_else(|| "-".to_owned()),
    ]
}

pub(crate) fn age(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{}.{}s", seconds, millis % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// What a table of processes does not say.
fn remark(group: &GroupStatus) -> Option<String> {
    let name = text(&group.name);
    if group.stopped {
        return Some(format!("group '{name}' is stopped: 'mod_wsgi-ctl start {name}' starts it"));
    }
    if group.import_failed {
        return Some(format!(
            "group '{name}': a new process did not come up, so the code or configuration from before serves; the error log says why"
        ));
    }
    (group.wanted != group.configured).then(|| {
        format!("group '{name}' is scaled to {} processes, configured are {}", group.wanted, group.configured)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> ServerStatus {
        let process = ProcessStatus {
            place: 1,
            pid: 77,
            state: ProcessState::Serving,
            age: 61_900,
            in_flight: 2,
            last_death: Some((70, "signal 9\u{1b}[2J".to_owned())),
            ..ProcessStatus::default()
        };
        let group = GroupStatus {
            name: b"shop".to_vec(),
            configured: 1,
            wanted: 1,
            import_failed: true,
            processes: vec![process, ProcessStatus { place: 2, ..ProcessStatus::default() }],
            ..GroupStatus::default()
        };
        ServerStatus { httpd: 5, supervisor: 6, generation: 1, drained_us: 0, groups: vec![group] }
    }

    #[test]
    fn table_is_aligned_and_harmless() {
        let text = table(&status(), &BTreeMap::from([(77, 5 << 20)]));
        assert!(text.contains("shop   1      77   serving  1m01s  5.0M"), "{text}");
        assert!(text.contains("70: signal 9\\u001b[2J") && text.contains("did not come up"), "{text}");
    }

    #[test]
    fn json_has_the_facts() {
        let value: Value = serde_json::from_str(&json(&status(), &BTreeMap::from([(77, 5)]))).unwrap();
        let process = &value["groups"][0]["processes"][0];
        assert_eq!((&process["pid"], &process["state"]), (&json!(77), &json!("serving")));
        assert_eq!((&process["last_death"]["pid"], &process["memory_bytes"]), (&json!(70), &json!(5)));
        assert_eq!(value["groups"][0]["processes"][1]["pid"], Value::Null);
    }
}
