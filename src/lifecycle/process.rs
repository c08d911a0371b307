//! What the kernel says of a process in `/proc/PID/stat`.

/// The fields of one process, from its state on.
pub struct Stat(Vec<u8>);

impl Stat {
    /// Reads them; `None` when there is no such process, or /proc is hidden.
    pub fn of(pid: u32) -> Option<Self> {
        let mut stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name before the state may hold anything, brackets too.
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        stat.drain(..(end + 2).min(stat.len()));
        (!stat.is_empty()).then_some(Self(stat))
    }

    /// The letter of its state.
    pub fn state(&self) -> u8 {
        self.0[0]
    }

    /// Whether it has not ended: one that nobody has waited for is dead all the same.
    pub fn is_running(&self) -> bool {
        !b"ZX".contains(&self.state())
    }

    /// A numeric field, by its number in proc_pid_stat(5); the state is field 3.
    pub fn field(&self, number: usize) -> Option<u64> {
        let text = self.0.split(|byte| *byte == b' ').nth(number.checked_sub(3)?)?;
        std::str::from_utf8(text).ok()?.trim_end().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn fields_of_this_process() {
        let own = Stat::of(std::process::id()).expect("it runs");
        assert!(own.is_running() && b"RS".contains(&own.state()));
        assert_eq!(own.field(4), Some(u64::from(std::os::unix::process::parent_id())));
        assert!(own.field(24).is_some_and(|pages| pages > 0) && own.field(2).is_none());
        assert!(Stat::of(u32::MAX).is_none());
    }
}
