//! Which files of a daemon httpd sends itself: regular ones, of file systems that the kernel answers for.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use wsgi_system::memory::is_memory_file;
use wsgi_system::stat::CachedFacts;

/// How long what is known of mounts is believed: the number of a mount that is gone is given to the next one.
const FRESH: Duration = Duration::from_secs(1);

/// Size of a file that can be sent, or what is wrong with it.
///
/// A file of a FUSE file system is read, and closed, when the process behind it answers: that of the daemon's own user
/// may never do so. The host library reads such files itself. Nothing is asked of the file system here (AT_STATX_DONT_SYNC);
/// if the size is not true any more, that is seen when the file ends too early.
pub fn sendable_size(file: &OwnedFd) -> Result<u64, &'static str> {
    let facts = CachedFacts::of(file.as_fd()).filter(CachedFacts::is_regular);
    let facts = facts.ok_or("FILE is not a regular file")?;
    // Files in memory are of no mount that can be seen.
    if facts.mount.is_some_and(|mount| !is_local(mount)) && !is_memory_file(file.as_fd()) {
        return Err("FILE is of a file system that a process answers for");
    }
    Ok(facts.size)
}

/// The mounts that a child sees, without those that are FUSE.
struct MountTable {
    read: Option<Instant>,
    local: Vec<u64>,
}

static MOUNTS: Mutex<MountTable> = Mutex::new(MountTable { read: None, local: Vec::new() });

/// Whether the kernel itself answers for the files of a mount. One that is not seen from here is somebody's own.
fn is_local(mount: u64) -> bool {
    // Nothing panics while it is locked.
    let mut mounts = MOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    if mounts.read.is_none_or(|read| read.elapsed() >= FRESH) {
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        mounts.local = local_mounts(&table);
        mounts.read = Some(Instant::now());
    }
    mounts.local.contains(&mount)
}

/// Numbers of the mounts in mountinfo (proc_pid_mountinfo(5)): number, fields, a dash, type of the file system.
fn local_mounts(table: &[u8]) -> Vec<u64> {
    let number = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let number = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        (kind != b"fuse" && !kind.starts_with(b"fuse.") && kind != b"fuseblk").then_some(number)
    };
    table.split(|byte| *byte == b'\n').filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_system::memory::{MemorySeal, memory_file};

    #[test]
    fn mounts_of_fuse_are_left_out() {
        let table = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      36 22 0:33 / /home/a\\040b/- rw - fuse.sshfs a@b:/ rw,user_id=1000\n\
                      40 22 0:9 / /mnt rw master:1 - fuse x rw\n\
                      41 22 0:10 / /x rw - fuseblk /dev/sdb1 rw\n\
                      42 22 0:11 / /y rw shared:5 master:2 - virtiofs y rw\nbroken\n";
        assert_eq!(local_mounts(table), [22, 42]);
    }

    #[test]
    fn only_regular_files_are_sent() {
        let open = |path: &str| OwnedFd::from(std::fs::File::open(path).unwrap());
        let own = std::env::temp_dir().join(format!("mod-wsgi-sendable-{}", std::process::id()));
        std::fs::write(&own, "12345").unwrap();
        assert_eq!(sendable_size(&open(own.to_str().unwrap())), Ok(5));
        std::fs::remove_file(&own).unwrap();
        for path in ["/dev/null", "/tmp"] {
            assert_eq!(sendable_size(&open(path)), Err("FILE is not a regular file"), "{path}");
        }
        let memory = memory_file(c"x", 0, MemorySeal::empty()).unwrap();
        assert_eq!(sendable_size(&memory), Ok(0));
    }
}
