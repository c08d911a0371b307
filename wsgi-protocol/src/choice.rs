//! Which process of a group takes a request: the one before which the least stands, as far as its record says.

use crate::status::SlotState;

/// What stands before a request at a process; the smaller one is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessBurden {
    /// Requests under way, and for one that does not serve yet as many more as it could run at once.
    requests: u32,
    /// How much of that is for its start: of two that are loaded alike the one that serves is better.
    start: u32,
}

impl ProcessBurden {
    /// Of a process in this state with so many requests under way; `None`: it takes no request. A process that is still
    /// starting counts as fully loaded: it is worth waiting for when the others are, too.
    pub fn of(state: SlotState, in_flight: u32, capacity: impl FnOnce() -> u32) -> Option<Self> {
        let start = match state {
            SlotState::Serving => 0,
            SlotState::Starting | SlotState::Empty => capacity(),
            SlotState::Failed | SlotState::Service | SlotState::Retired | SlotState::Unsupervised => {
                return None;
            }
        };
        Some(Self { requests: in_flight.saturating_add(start), start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SlotState::{Empty, Failed, Retired, Serving, Starting, Unsupervised};

    /// Position of the process that is chosen, of processes that can run four requests at once.
    fn chosen(processes: &[(SlotState, u32)]) -> Option<usize> {
        let burdens = processes.iter().enumerate().filter_map(|(position, (state, in_flight))| {
            ProcessBurden::of(*state, *in_flight, || 4).map(|burden| (burden, position))
        });
        burdens.min().map(|(_, position)| position)
    }

    /// Processes by state and requests under way, and which of them is chosen.
    type ChoiceRow<'a> = (&'a [(SlotState, u32)], Option<usize>);

    #[test]
    fn the_least_stands_before_a_request_where_it_goes() {
        let rows: [ChoiceRow<'_>; 8] = [
            (&[(Serving, 2), (Serving, 1), (Serving, 1)], Some(1)),
            (&[(Serving, 3), (Starting, 0)], Some(0)),
            (&[(Serving, 4), (Starting, 0)], Some(0)),
            (&[(Serving, 5), (Starting, 0)], Some(1)),
            (&[(Starting, 1), (Empty, 0)], Some(1)),
            (&[(Failed, 0), (Serving, 9), (Retired, 0), (Unsupervised, 0)], Some(1)),
            (&[(SlotState::Service, 0), (Failed, 0)], None),
            (&[], None),
        ];
        for (processes, expected) in rows {
            assert_eq!(chosen(processes), expected, "{processes:?}");
        }
        let full = ProcessBurden::of(Starting, u32::MAX, || 4);
        assert!(full > ProcessBurden::of(Serving, u32::MAX, || 4), "counts do not run over");
    }
}
