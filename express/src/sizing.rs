//! How many workers httpd has (spec/express.md §4.2).

use crate::machine::httpd::Mpm;

/// What the numbers depend on.
#[derive(Clone, Copy, Debug)]
pub struct SizingInput {
    /// Daemon processes.
    pub processes: i64,
    /// Threads of each.
    pub threads: i64,
    /// `--max-clients`.
    pub max_clients: Option<i64>,
    /// `--initial-workers`.
    pub initial: Option<f64>,
    /// `--minimum-spare-workers`.
    pub minimum_spare: Option<f64>,
    /// `--maximum-spare-workers`.
    pub maximum_spare: Option<f64>,
}

/// The numbers of the MPM's directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpmSizing {
    /// `ServerLimit`
    pub servers: i64,
    /// `ThreadsPerChild` and `ThreadLimit`; 1 for prefork.
    pub threads: i64,
    /// `MaxRequestWorkers`
    pub workers: i64,
    /// `StartServers`
    pub start: i64,
    /// `MinSpareThreads` or `MinSpareServers`
    pub minimum_spare: i64,
    /// `MaxSpareThreads` or `MaxSpareServers`
    pub maximum_spare: i64,
}

impl SizingInput {
    /// What daemon processes can handle at once.
    pub fn capacity(self) -> i64 {
        self.processes * self.threads
    }

    /// For a server that passes requests on to daemon processes.
    pub fn daemon(self, mpm: Mpm) -> MpmSizing {
        let capacity = self.capacity();
        let most = self.max_clients.map_or(10 + (capacity * 3 / 2).max(10), |clients| clients.max(capacity));
        let part = |fraction: f64, of: i64| (fraction * of as f64).floor() as i64;
        if mpm == Mpm::Prefork {
            let initial = self.initial.unwrap_or(0.05);
            return MpmSizing {
                servers: most,
                threads: 1,
                workers: most,
                start: part(initial, most).max(1),
                minimum_spare: part(self.minimum_spare.unwrap_or(initial), most).max(1),
                maximum_spare: part(self.maximum_spare.unwrap_or(0.1), most).max(1),
            };
        }
        let threads = if most > 20 { most / (most / 20 + 1) } else { 10 };
        let servers = (most + threads - 1) / threads;
        let initial = self.initial.unwrap_or(0.2);
        let spare = |fraction: f64| (part(fraction, servers) * threads).max(threads);
        MpmSizing {
            servers,
            threads,
            workers: servers * threads,
            start: part(initial, servers).max(1),
            minimum_spare: spare(self.minimum_spare.unwrap_or(initial)),
            maximum_spare: spare(self.maximum_spare.unwrap_or(0.6)),
        }
    }

    /// For a server whose own processes run the application.
    pub fn embedded(self, mpm: Mpm) -> MpmSizing {
        let all = self.capacity();
        if mpm == Mpm::Prefork {
            return MpmSizing {
                servers: all,
                threads: 1,
                workers: all,
                start: all,
                minimum_spare: all,
                maximum_spare: all,
            };
        }
        let (servers, threads) = (self.processes, self.threads);
        MpmSizing { servers, threads, workers: all, start: servers, minimum_spare: all, maximum_spare: all }
    }
}

impl MpmSizing {
    /// One request at a time.
    pub const ONE: MpmSizing =
        MpmSizing { servers: 1, threads: 1, workers: 1, start: 1, minimum_spare: 1, maximum_spare: 1 };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(capacity: i64) -> SizingInput {
        SizingInput {
            processes: 1,
            threads: capacity,
            max_clients: None,
            initial: None,
            minimum_spare: None,
            maximum_spare: None,
        }
    }

    #[test]
    fn numbers_are_those_of_the_specification() {
        for (capacity, most, threads, servers, workers, start, minimum_spare, maximum_spare, prefork) in [
            (5, 20, 10, 2, 20, 1, 10, 10, (1, 2)),
            (10, 25, 12, 3, 36, 1, 12, 12, (1, 2)),
            (20, 40, 13, 4, 52, 1, 13, 26, (2, 4)),
            (30, 55, 18, 4, 72, 1, 18, 36, (2, 5)),
            (50, 85, 17, 5, 85, 1, 17, 51, (4, 8)),
            (100, 160, 17, 10, 170, 2, 34, 102, (8, 16)),
            (200, 310, 19, 17, 323, 3, 57, 190, (15, 31)),
        ] {
            let expected = MpmSizing { servers, threads, workers, start, minimum_spare, maximum_spare };
            assert_eq!(demand(capacity).daemon(Mpm::Event), expected, "{capacity}");
            let one_each = demand(capacity).daemon(Mpm::Prefork);
            assert_eq!(
                (one_each.workers, one_each.start, one_each.maximum_spare),
                (most, prefork.0, prefork.1)
            );
        }
        let asked = SizingInput { max_clients: Some(3), ..demand(20) };
        assert_eq!(asked.daemon(Mpm::Prefork).workers, 20);
    }

    #[test]
    fn embedded_mode() {
        let demand = SizingInput { processes: 3, ..demand(4) };
        let sizing = demand.embedded(Mpm::Worker);
        assert_eq!((sizing.servers, sizing.threads, sizing.workers), (3, 4, 12));
        assert_eq!(demand.embedded(Mpm::Prefork).servers, 12);
    }
}
