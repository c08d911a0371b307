//! httpd's scoreboard as a daemon with `server-metrics=On` sees it: the copy in a memory file that httpd's children renew.

use std::fs::File;
use std::os::unix::fs::FileExt;
use wsgi_protocol::scoreboard::{FILE_HEADER, Scoreboard};

/// How often a reader starts again while the copy is being renewed.
const TRIES: usize = 100;

/// The scoreboard; none before the first request, or if this group must not see it.
pub fn scoreboard() -> Option<Scoreboard> {
    read(&*super::os::DaemonDescriptor::Board.file()?)
}

fn read(file: &File) -> Option<Scoreboard> {
    let size = usize::try_from(file.metadata().ok()?.len()).ok()?;
    for _ in 0..TRIES {
        let (version, len) = front(file)?;
        if version % 2 == 0 {
            let len = usize::try_from(len).ok().filter(|len| *len > 0 && FILE_HEADER + len <= size)?;
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, FILE_HEADER as u64).ok()?;
            if front(file)?.0 == version {
                return Scoreboard::decode(&bytes).ok();
            }
        }
        std::thread::yield_now();
    }
    None
}

/// Version and length.
fn front(file: &File) -> Option<(u64, u64)> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (version, len) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_ne_bytes(*version), u64::from_ne_bytes(*len.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use wsgi_system::memory::MemorySeal;

    fn file(version: u64, bytes: &[u8], len: u64) -> File {
        let memory = wsgi_system::memory::memory_file(c"x", 0, MemorySeal::empty()).unwrap();
        let mut file = File::from(memory);
        file.write_all(&version.to_ne_bytes()).unwrap();
        file.write_all(&len.to_ne_bytes()).unwrap();
        file.write_all(&[0; FILE_HEADER - 16]).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn only_a_whole_copy_is_read() {
        let board = Scoreboard { server_limit: 3, ..Scoreboard::default() };
        let bytes = board.encode().unwrap();
        let len = bytes.len() as u64;
        assert_eq!(read(&file(2, &bytes, len)), Some(board));
        assert_eq!(read(&file(3, &bytes, len)), None, "it is being written");
        assert_eq!(read(&file(2, &bytes, len + 1)), None, "it is cut");
        assert_eq!(read(&file(0, &[], 0)), None);
    }
}
