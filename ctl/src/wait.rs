//! Waiting until what was begun is done, by looking at the status.

use crate::socket::{self, ControlAddress};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wsgi_protocol::operator::{GroupStatus, OperatorQuestion, ProcessState, ProcessStatus, ServerStatus};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until a group is as `question` wanted it.
///
/// # Errors
/// A sentence: it takes too long, or the new processes do not come up.
pub fn until_done(
    address: &ControlAddress,
    question: &OperatorQuestion,
    before: &ServerStatus,
    limit: Duration,
) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let status = socket::status(address)?;
        if is_done(question, before, &status)? {
            return Ok(());
        }
        if start.elapsed() > limit {
            return Err(format!(
                "not done after {} s; it goes on, 'mod_wsgi-ctl status' shows how far",
                limit.as_secs()
            ));
        }
        sleep(PAUSE);
    }
}

fn is_done(question: &OperatorQuestion, before: &ServerStatus, now: &ServerStatus) -> Result<bool, String> {
    let name = match question {
        OperatorQuestion::Restart { group }
        | OperatorQuestion::Scale { group, .. }
        | OperatorQuestion::Stop { group }
        | OperatorQuestion::Start { group }
        | OperatorQuestion::Stacks { group } => group,
        OperatorQuestion::Status | OperatorQuestion::Metrics | OperatorQuestion::Drain { .. } => {
            return Ok(true);
        }
    };
    let find = |status: &ServerStatus| status.groups.iter().find(|group| group.name == *name).cloned();
    let Some(group) = find(now) else { return Err("the group is gone".to_owned()) };
    Ok(match question {
        OperatorQuestion::Stop { .. } => group.processes.is_empty(),
        OperatorQuestion::Scale { processes, .. } => is_complete(&group, *processes as usize),
        OperatorQuestion::Restart { .. } if group.import_failed => {
            return Err(
                "a new process did not come up, the old ones keep serving; the error log says why".to_owned()
            );
        }
        OperatorQuestion::Restart { .. } => {
            let old: Vec<i32> = find(before).map(|group| pids(&group)).unwrap_or_default();
            is_complete(&group, group.wanted as usize) && !pids(&group).iter().any(|pid| old.contains(pid))
        }
        _ => is_complete(&group, group.wanted as usize),
    })
}

/// The processes that serve, or shall.
fn pids(group: &GroupStatus) -> Vec<i32> {
    staying(group).map(|process| process.pid).collect()
}

fn staying(group: &GroupStatus) -> impl Iterator<Item = &ProcessStatus> {
    group
        .processes
        .iter()
        .filter(|process| !matches!(process.state, ProcessState::Draining | ProcessState::Zygote))
}

/// As many processes serve as shall; those that leave may still be leaving.
fn is_complete(group: &GroupStatus, processes: usize) -> bool {
    let serving = |state: ProcessState| matches!(state, ProcessState::Serving | ProcessState::Service);
    staying(group).count() == processes && staying(group).all(|process| serving(process.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(processes: &[(i32, ProcessState)]) -> ServerStatus {
        let row =
            |&(pid, state): &(i32, ProcessState)| ProcessStatus { pid, state, ..ProcessStatus::default() };
        let processes = processes.iter().map(row).collect();
        let group = GroupStatus { name: b"a".to_vec(), wanted: 2, processes, ..GroupStatus::default() };
        ServerStatus { groups: vec![group], ..ServerStatus::default() }
    }

    #[test]
    fn restart_is_done_when_all_are_others() {
        use ProcessState::{Draining, Serving, Succeeding};
        let question = OperatorQuestion::Restart { group: b"a".to_vec() };
        let before = status(&[(1, Serving), (2, Serving)]);
        let rows: [(&[(i32, ProcessState)], bool); 4] = [
            (&[(1, Serving), (2, Serving)], false),
            (&[(1, Serving), (2, Serving), (3, Succeeding)], false),
            (&[(3, Serving), (2, Serving), (1, Draining)], false),
            (&[(3, Serving), (4, Serving), (2, Draining)], true),
        ];
        for (now, done) in rows {
            assert_eq!(is_done(&question, &before, &status(now)), Ok(done), "{now:?}");
        }
    }

    #[test]
    fn stop_is_done_when_all_are_gone() {
        let question = OperatorQuestion::Stop { group: b"a".to_vec() };
        let before = ServerStatus::default();
        assert_eq!(is_done(&question, &before, &status(&[(1, ProcessState::Draining)])), Ok(false));
        assert_eq!(is_done(&question, &before, &status(&[])), Ok(true));
    }
}
