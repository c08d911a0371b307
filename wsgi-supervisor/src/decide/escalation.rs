//! What is done to a process that shall end, and when: first it is asked, in the end it is killed.

use std::time::{Duration, Instant};
use wsgi_protocol::launch::{DaemonOrder, DaemonTimers};

/// Why a process shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndingReason {
    /// A successor serves, or its group was removed: it ends the requests under way first.
    Drain,
    /// The same, and its successor waits for it.
    MakeRoom,
    /// httpd stops: 3 seconds at most, like httpd gives its own helpers (spec/daemon.md §1.3).
    Stop,
    /// A service daemon makes room for its successor.
    StopService,
    /// It has not served yet and is not wanted any more.
    Discard,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscalationAction {
    /// Send this order.
    Order(DaemonOrder),
    /// Send SIGTERM: for a process that may not read orders yet. (One that does treats a second request as
    /// impatience: a service would get SystemExit within its own clean-up.)
    Terminate,
    /// Send SIGKILL.
    Kill,
}

/// What httpd grants at a stop.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// What a process gets beyond its own timers before it is taken for hung.
const MARGIN: Duration = Duration::from_secs(5);

/// The steps, in the order of their times since the decision. A shutdown timer of 0 means no limit.
#[must_use]
pub fn steps(ending: EndingReason, timers: &DaemonTimers) -> Vec<(Duration, EscalationAction)> {
    let now = Duration::ZERO;
    let shutdown = Duration::from_millis(timers.shutdown);
    let unlimited = shutdown.is_zero();
    let mut steps = match ending {
        EndingReason::Drain => vec![(now, EscalationAction::Order(DaemonOrder::Drain))],
        EndingReason::MakeRoom => vec![(now, EscalationAction::Order(DaemonOrder::MakeRoom))],
        EndingReason::Stop | EndingReason::StopService => {
            vec![(now, EscalationAction::Order(DaemonOrder::Stop))]
        }
        EndingReason::Discard => {
            vec![(now, EscalationAction::Order(DaemonOrder::Stop)), (now, EscalationAction::Terminate)]
        }
    };
    match ending {
        EndingReason::Drain | EndingReason::MakeRoom if unlimited => {}
        EndingReason::Drain => {
            let longest = timers.graceful.max(timers.drain);
            steps.push((Duration::from_millis(longest) + shutdown + MARGIN, EscalationAction::Kill));
        }
        EndingReason::MakeRoom => {
            steps.push((Duration::from_millis(timers.graceful) + shutdown + MARGIN, EscalationAction::Kill));
        }
        EndingReason::Stop => {
            let own = shutdown + Duration::from_millis(250);
            let limit = if unlimited { STOP_LIMIT } else { own.min(STOP_LIMIT) };
            steps.push((limit, EscalationAction::Kill));
        }
        EndingReason::StopService if unlimited => {}
        EndingReason::StopService => steps.push((shutdown + MARGIN, EscalationAction::Kill)),
        EndingReason::Discard => steps.push((Duration::from_secs(1), EscalationAction::Kill)),
    }
    steps
}

/// The steps under way for one process.
#[derive(Debug, Clone)]
pub struct Escalation {
    pub(super) since: Instant,
    pub(super) steps: std::collections::VecDeque<(Duration, EscalationAction)>,
}

impl Escalation {
    /// Begins now.
    #[must_use]
    pub fn new(now: Instant, ending: EndingReason, timers: &DaemonTimers) -> Self {
        Self { since: now, steps: steps(ending, timers).into() }
    }

    /// SIGKILL, once a process that hears no orders has had the time that httpd grants at a stop.
    #[must_use]
    pub fn of_the_deaf(now: Instant) -> Self {
        Self { since: now, steps: [(STOP_LIMIT, EscalationAction::Kill)].into() }
    }

    /// The next action that is due.
    pub fn next_due(&mut self, now: Instant) -> Option<EscalationAction> {
        let due = self.deadline()? <= now;
        if due { self.steps.pop_front().map(|(_, action)| action) } else { None }
    }

    /// When the next action is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.steps.front().map(|(after, _)| self.since + *after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_endings() {
        let timers = |graceful, shutdown| DaemonTimers { graceful, shutdown, ..DaemonTimers::default() };
        let order = |order| (0, EscalationAction::Order(order));
        let rows = [
            (
                EndingReason::Drain,
                timers(15_000, 5000),
                vec![order(DaemonOrder::Drain), (25_000, EscalationAction::Kill)],
            ),
            (
                EndingReason::Drain,
                timers(0, 5000),
                vec![order(DaemonOrder::Drain), (10_000, EscalationAction::Kill)],
            ),
            (EndingReason::Drain, timers(15_000, 0), vec![order(DaemonOrder::Drain)]),
            (
                EndingReason::Drain,
                DaemonTimers { drain: 600_000, ..timers(15_000, 5000) },
                vec![order(DaemonOrder::Drain), (610_000, EscalationAction::Kill)],
            ),
            (
                EndingReason::MakeRoom,
                DaemonTimers { drain: 600_000, ..timers(15_000, 5000) },
                vec![order(DaemonOrder::MakeRoom), (25_000, EscalationAction::Kill)],
            ),
            (
                EndingReason::Stop,
                timers(15_000, 5000),
                vec![order(DaemonOrder::Stop), (3000, EscalationAction::Kill)],
            ),
            (
                EndingReason::Stop,
                timers(0, 1000),
                vec![order(DaemonOrder::Stop), (1250, EscalationAction::Kill)],
            ),
            (
                EndingReason::Stop,
                timers(0, 0),
                vec![order(DaemonOrder::Stop), (3000, EscalationAction::Kill)],
            ),
            (EndingReason::StopService, timers(0, 0), vec![order(DaemonOrder::Stop)]),
            (
                EndingReason::StopService,
                timers(0, 2000),
                vec![order(DaemonOrder::Stop), (7000, EscalationAction::Kill)],
            ),
            (
                EndingReason::Discard,
                timers(0, 0),
                vec![
                    order(DaemonOrder::Stop),
                    (0, EscalationAction::Terminate),
                    (1000, EscalationAction::Kill),
                ],
            ),
        ];
        for (ending, timers, want) in rows {
            let got: Vec<_> = steps(ending, &timers).into_iter().map(|(t, a)| (t.as_millis(), a)).collect();
            assert_eq!(got, want, "{ending:?} {timers:?}");
        }
    }

    #[test]
    fn actions_come_when_they_are_due() {
        let start = Instant::now();
        let timers = DaemonTimers { shutdown: 1000, ..DaemonTimers::default() };
        let mut escalation = Escalation::new(start, EndingReason::Stop, &timers);
        assert_eq!(escalation.next_due(start), Some(EscalationAction::Order(DaemonOrder::Stop)));
        assert_eq!(escalation.next_due(start), None);
        assert_eq!(escalation.deadline(), Some(start + Duration::from_millis(1250)));
        let late = start + Duration::from_secs(9);
        assert_eq!(escalation.next_due(late), Some(EscalationAction::Kill));
        assert_eq!((escalation.next_due(late), escalation.deadline()), (None, None));
    }
}
