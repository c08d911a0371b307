//! Files without a name, in httpd's directory for temporary ones.

use super::pool::Pool;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use wsgi_system::descriptors;

/// Where large temporary files are to be (hier(7)).
const ON_DISK: &str = "/var/tmp";

/// A file that only its holders can reach. Its space is free again when it is dropped, whoever holds a copy of
/// its descriptor.
#[derive(Debug)]
pub struct TemporaryFile {
    writer: File,
    /// Cannot be written through.
    reader: File,
    len: u64,
}

/// The directory for temporary files: that of TMPDIR, TMP or TEMP; `/var/tmp`, because `/tmp` often is memory; or another of
/// apr's. Found once by each child.
pub fn directory(pool: Pool<'_>) -> io::Result<&'static Path> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let is_named = ["TMPDIR", "TMP", "TEMP"].iter().any(|name| std::env::var_os(name).is_some());
    if !is_named && descriptors::is_writable_folder(Path::new(ON_DISK)) {
        return Ok(FOUND.get_or_init(|| PathBuf::from(ON_DISK)));
    }
    // It has written to each of them, so the last error is about one of them.
    let name = pool.temporary_directory().ok_or_else(io::Error::last_os_error)?;
    Ok(FOUND.get_or_init(|| name))
}

impl TemporaryFile {
    /// An empty one in a directory, for this process's user.
    pub fn create(directory: &Path) -> io::Result<Self> {
        let (writer, reader) = match Self::nameless(directory) {
            Ok(both) => both,
            // Not every file system can do that, and without /proc it cannot be opened again.
            Err(_) => Self::unlinked(directory)?,
        };
        Ok(Self { writer, reader, len: 0 })
    }

    /// One that never had a name, and cannot be given one (O_EXCL).
    fn nameless(directory: &Path) -> io::Result<(File, File)> {
        let flags = libc::O_TMPFILE | libc::O_EXCL;
        let writer =
            OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags).open(directory)?;
        let reader = File::open(format!("/proc/self/fd/{}", writer.as_raw_fd()))?;
        Ok((writer, reader))
    }

    fn unlinked(directory: &Path) -> io::Result<(File, File)> {
        let name = directory.join("mod_wsgi-XXXXXX");
        let (writer, path) = descriptors::named_temporary_file(&name)?;
        let reader = File::open(&path);
        std::fs::remove_file(&path)?;
        Ok((writer, reader?))
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads from a place on; 0 is the end.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reader.read_at(buffer, offset)
    }

    /// The descriptor that others may have: to read, at any place.
    pub fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Fails for no reason that anybody could do something about.
        let _ = self.writer.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(made: io::Result<(File, File)>) {
        let (writer, reader) = made.unwrap();
        let mut file = TemporaryFile { writer, reader, len: 0 };
        file.append(b"one").unwrap();
        file.append(b"two").unwrap();
        let mut buffer = [0; 8];
        assert_eq!((file.len(), file.read(&mut buffer, 1).unwrap()), (6, 5));
        assert_eq!(&buffer[..5], b"netwo");
        let copy = File::from(file.reader().try_clone_to_owned().unwrap());
        assert!((&copy).write_all(b"x").is_err(), "its copies cannot be written to");
        assert_eq!(copy.metadata().unwrap().len(), 6);
        drop(file);
        assert_eq!(copy.metadata().unwrap().len(), 0, "a copy that is kept keeps no space");
    }

    #[test]
    fn both_ways_make_files_without_a_name() {
        let folder = std::env::temp_dir().join(format!("mod-wsgi-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        check(TemporaryFile::nameless(&folder));
        check(TemporaryFile::unlinked(&folder));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
        assert!(TemporaryFile::create(&folder).is_err());
    }
}
