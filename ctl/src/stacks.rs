//! The stacks that the processes of a group have written to their log: shown from there, as they come.

use nix::fcntl::OFlag;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Waits for the first line so long, and then until nothing comes for [`QUIET`].
const PATIENCE: Duration = Duration::from_secs(3);
/// See [`PATIENCE`].
const QUIET: Duration = Duration::from_millis(300);
/// Most bytes of log that are read.
const MOST: u64 = 4 << 20;

/// The lines of `pids` in a log from `offset` on; without a log file, where else to look.
///
/// # Errors
/// No process was asked, or the log cannot be read.
pub fn show(log: Option<(Vec<u8>, u64)>, pids: &[i32], as_json: bool) -> Result<String, String> {
    if pids.is_empty() {
        return Err("no process of the group serves at the moment".to_owned());
    }
    let Some((path, offset)) = log else {
        if as_json {
            return Ok(format!("{:#}\n", json!({"log": null, "pids": pids, "lines": []})));
        }
        return Ok("the stacks are where the error log of the group goes (it is no file)\n".to_owned());
    };
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    let failed = |error: Error| format!("the stacks are in '{}': {error}", path.display());
    let mut file = open(&path).map_err(failed)?;
    let lines = gather(&mut file, offset, pids).map_err(failed)?;
    if as_json {
        return Ok(format!(
            "{:#}\n",
            json!({"log": path.display().to_string(), "pids": pids, "lines": lines})
        ));
    }
    if lines.is_empty() {
        return Ok(format!("nothing yet; the stacks will be in '{}'\n", path.display()));
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// Opens a log. Its directory may be another user's, who can have put a pipe or a device there.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW).bits();
    let is_plain = |facts: std::fs::Metadata| facts.is_file();
    if !std::fs::symlink_metadata(path).is_ok_and(is_plain) {
        return Err(Error::other("it is no plain file any more"));
    }
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if is_plain(file.metadata()?) { Ok(file) } else { Err(Error::other("it is no plain file any more")) }
}

fn gather(file: &mut File, offset: u64, pids: &[i32]) -> std::io::Result<Vec<String>> {
    let start = Instant::now();
    let (mut lines, mut grown) = (Vec::new(), Instant::now());
    loop {
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.by_ref().take(MOST).read_to_end(&mut bytes)?;
        let found = lines_of(&String::from_utf8_lossy(&bytes), pids);
        if found.len() > lines.len() {
            (lines, grown) = (found, Instant::now());
        }
        let is_over = if lines.is_empty() { start.elapsed() > PATIENCE } else { grown.elapsed() > QUIET };
        if is_over {
            return Ok(lines);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The lines of these processes, with the process before each and without the rest of httpd's prefix.
fn lines_of(log: &str, pids: &[i32]) -> Vec<String> {
    let of = |line: &str| {
        let (_, rest) = line.split_once("[pid ")?;
        let (pid, rest) = rest.split_once(|c: char| !c.is_ascii_digit())?;
        let (_, text) = rest.split_once("] ")?;
        pids.contains(&pid.parse().ok()?).then(|| format!("{pid}  {text}"))
    };
    log.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_opened() {
        for path in ["/dev/zero", "/dev", "/proc/self/exe", "/no/such/file"] {
            assert!(open(Path::new(path)).is_err(), "{path}");
        }
        assert!(open(Path::new("/etc/passwd")).is_ok());
    }

    #[test]
    fn lines_of_others_are_left_out() {
        let log = "[Sat] [wsgi:error] [pid 12:tid 12] Thread 0x1 (most recent call first):\n\
                   [Sat] [wsgi:error] [pid 13:tid 13] other\n[Sat] [core:info] no pid\n";
        assert_eq!(lines_of(log, &[12]), ["12  Thread 0x1 (most recent call first):"]);
    }
}
