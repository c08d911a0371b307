//! The title of the process in `ps` (spec/daemon.md §1.5): argv's own memory, and the kernel's short name.

use std::fs;

/// Fields of /proc/self/stat counted from the one behind the command's name, which is number 3.
const ARG_START: usize = 48 - 3;
const ARG_END: usize = 49 - 3;

/// Shows `title` instead of the command line. Without /proc only the short name changes.
pub(super) fn set(title: &[u8]) {
    if let Some((start, end)) = fs::read("/proc/self/stat").ok().and_then(|stat| arguments(&stat)) {
        let room = end - start;
        let len = title.len().min(room.saturating_sub(1));
        // SAFETY: the kernel says that the process's arguments, writable memory on the initial stack, fill exactly
        // these addresses; Python made its own copy of them at its start.
        let area = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, room) };
        area[..len].copy_from_slice(&title[..len]);
        area[len..].fill(0);
    }
    wsgi_system::process::set_name(&title[..title.len().min(15)]);
}

/// First and end address of the arguments.
fn arguments(stat: &[u8]) -> Option<(usize, usize)> {
    // The name may hold spaces and parentheses: the fields count from the last parenthesis.
    let rest = &stat[stat.iter().rposition(|b| *b == b')')? + 2..];
    let field = |n: usize| {
        std::str::from_utf8(rest.split(|b| *b == b' ').nth(n)?).ok()?.trim_end().parse::<usize>().ok()
    };
    let (start, end) = (field(ARG_START)?, field(ARG_END)?);
    // A kernel that hides addresses says 0; anything implausibly long is not believed.
    (start > 0 && end > start && end - start < 1 << 21).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_found() {
        let stat = fs::read("/proc/self/stat").unwrap();
        let (start, end) = arguments(&stat).unwrap();
        // SAFETY: see `set`.
        let area = unsafe { std::slice::from_raw_parts(start as *const u8, end - start) };
        assert_eq!(area, fs::read("/proc/self/cmdline").unwrap());
        assert_eq!(arguments(b"1 (a) b) S 1 2"), None);
    }
}
