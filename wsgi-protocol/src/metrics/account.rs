//! What a daemon tells about a request with the frame that ends it.

/// Bytes on the wire.
pub const LEN: usize = 32;

/// Times of one request in a daemon, ns. httpd's child takes them for numbers of the group's owner: they are cut to what
/// the child has measured itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestAccount {
    /// When the thread that runs it had read it (CLOCK_MONOTONIC).
    pub began: u64,
    /// When its application had ended.
    pub ended: u64,
    /// Waiting for the GIL, before and during it; [`ON_LOOP`] if no thread ran it.
    pub gil: u64,
    /// CPU time of the thread; 0 if it was not measured.
    pub cpu: u64,
}

/// Stands for the wait of a request that an event loop ran (ASGI): what the loop waits for belongs to no request.
const ON_LOOP: u64 = u64::MAX;

impl RequestAccount {
    /// Of a request that an event loop ran.
    #[must_use]
    pub fn on_loop(began: u64, ended: u64) -> Self {
        Self { began, ended, gil: ON_LOOP, cpu: 0 }
    }

    /// Whether an event loop ran it.
    #[must_use]
    pub fn is_on_loop(&self) -> bool {
        self.gil == ON_LOOP
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(self) -> [u8; LEN] {
        let mut out = [0; LEN];
        for (to, from) in out.chunks_exact_mut(8).zip([self.began, self.ended, self.gil, self.cpu]) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        out
    }

    /// Reads them; `None` for any other length.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let mut words =
            bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
        let mut next = || words.next().unwrap_or(0);
        Some(Self { began: next(), ended: next(), gil: next(), cpu: next() })
    }

    /// Queue, application, GIL and CPU time of a request that was sent at `sent` and had ended by `now`. They are never
    /// longer than the time in between.
    #[must_use]
    pub fn judged(self, sent: u64, now: u64) -> PlausibleTimes {
        let total = now.saturating_sub(sent);
        let queue = self.began.saturating_sub(sent).min(total);
        let application = self.ended.saturating_sub(self.began).min(total - queue);
        let gil = (!self.is_on_loop()).then(|| self.gil.min(total));
        PlausibleTimes { queue, application, gil, cpu: self.cpu.min(total) }
    }
}

/// Times that are plausible, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlausibleTimes {
    /// Until it was read.
    pub queue: u64,
    /// In the application.
    pub application: u64,
    /// Waiting for the GIL, if a thread ran it.
    pub gil: Option<u64>,
    /// CPU.
    pub cpu: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_round_trip_and_false_ones_are_cut() {
        let account = RequestAccount { began: 1 << 60, ended: u64::MAX, gil: 3, cpu: 0x0102 };
        assert_eq!(RequestAccount::decode(&account.encode()), Some(account));
        assert_eq!(RequestAccount::decode(&[0; 31]), None);
        let judged = account.judged(100, 150);
        assert_eq!((judged.queue, judged.application, judged.gil, judged.cpu), (50, 0, Some(3), 50));
        let judged = RequestAccount { began: 110, ended: 140, gil: 0, cpu: 0 }.judged(100, 150);
        assert_eq!((judged.queue, judged.application), (10, 30));
        assert_eq!(RequestAccount::on_loop(110, 140).judged(100, 150).gil, None);
        let judged = RequestAccount { began: 50, ended: 10, gil: 0, cpu: 0 }.judged(100, 150);
        assert_eq!((judged.queue, judged.application), (0, 0));
    }
}
