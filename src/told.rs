//! What is told about a script at most once a minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about one script.
const PAUSE: Duration = Duration::from_secs(60);
/// Scripts that are remembered; more than that are told about in turn.
const SCRIPTS: usize = 256;

/// When each script was told about.
static TOLD: Mutex<BTreeMap<Vec<u8>, Instant>> = Mutex::new(BTreeMap::new());

/// Whether it is time to tell about the script; then it counts as told.
pub fn may_tell(script: &[u8], now: Instant) -> bool {
    // A map is whole even if somebody panicked with it.
    may_tell_in(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner), script, now)
}

fn may_tell_in(told: &mut BTreeMap<Vec<u8>, Instant>, script: &[u8], now: Instant) -> bool {
    told.retain(|_, at| now.saturating_duration_since(*at) < PAUSE);
    if told.contains_key(script) || told.len() >= SCRIPTS {
        return false;
    }
    told.insert(script.to_vec(), now);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_once_a_minute() {
        let (mut told, start) = (BTreeMap::new(), Instant::now());
        let mut ask =
            |script: &[u8], seconds| may_tell_in(&mut told, script, start + Duration::from_secs(seconds));
        assert!(ask(b"a", 0) && !ask(b"a", 59) && ask(b"b", 59) && ask(b"a", 60) && !ask(b"b", 61));
        assert!((0..600u32).filter(|n| ask(&n.to_le_bytes(), 100)).count() < SCRIPTS);
    }
}
