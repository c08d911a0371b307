//! What a server may leave behind: sockets and lock files in its ServerRoot, System V and POSIX shared memory.

use crate::server_root::PREFIX;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Shared memory of the whole machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedMemory {
    /// Rows of `/proc/sysvipc/*` as kind, id and creator's pid; semaphores name none, so theirs is 0.
    system_v: BTreeSet<(&'static str, String, i32)>,
    /// Files of `/dev/shm`.
    posix: BTreeSet<PathBuf>,
}

impl SharedMemory {
    /// As it is now.
    pub fn now() -> SharedMemory {
        let system_v = ["shm", "sem", "msg"].into_iter().flat_map(rows).collect();
        let posix = fs::read_dir("/dev/shm").map(|entries| entries.flatten().map(|e| e.path()).collect());
        SharedMemory { system_v, posix: posix.unwrap_or_default() }
    }

    /// What is here and was not in `before`. Segments made by processes other than `pids` are somebody else's, and so are files
    /// that are named after the ServerRoot of another test.
    pub fn left_since(&self, before: &SharedMemory, pids: &BTreeSet<i32>, root: &Path) -> Vec<String> {
        let is_of_others =
            |path: &Path| path.to_string_lossy().contains(PREFIX) && path.file_stem() != root.file_name();
        let segments = self.system_v.difference(&before.system_v);
        let ours = segments.filter(|(kind, _, creator)| *kind == "sem" || pids.contains(creator));
        let names = ours.map(|(kind, id, _)| format!("System V {kind} {id}"));
        let files = self.posix.difference(&before.posix).filter(|path| !is_of_others(path));
        let files = files.map(|path| path.display().to_string());
        names.chain(files).collect()
    }
}

/// Whether a connection to one of these ports is being ended on the side that listens: its client has closed it, httpd has not yet
/// (proc_net_tcp: states 4, 8, 9 and 11).
pub(crate) fn ends_a_connection(ports: &[u16]) -> bool {
    let is_one = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(1).and_then(|own| u16::from_str_radix(own.rsplit(':').next()?, 16).ok());
        let is_ours = port.is_some_and(|port| ports.contains(&port));
        is_ours && fields.get(3).is_some_and(|state| ["04", "08", "09", "0B"].contains(state))
    };
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .any(|table| fs::read_to_string(table).unwrap_or_default().lines().any(is_one))
}

/// Sockets and lock files below `root`.
pub(crate) fn sockets_and_locks(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            found.extend(sockets_and_locks(&path));
        } else if kind.is_socket()
            || kind.is_fifo()
            || path.extension().is_some_and(|e| e == "lock" || e == "sock")
        {
            found.push(path);
        }
    }
    found
}

fn rows(kind: &'static str) -> Vec<(&'static str, String, i32)> {
    let table = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let creator = if kind == "shm" { fields.get(4)?.parse().ok()? } else { 0 };
        Some((kind, (*fields.get(1)?).to_owned(), creator))
    };
    table.lines().skip(1).filter_map(parse).collect()
}
