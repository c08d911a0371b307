//! The daemon's side of its supervisor: ready bytes out, order bytes in, and the heirloom for a successor.

use super::os::{self, DaemonDescriptor};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wsgi_protocol::death::EndReason;
use wsgi_protocol::heirloom::Heirloom;
use wsgi_protocol::launch::{self, DaemonOrder, HEIRLOOM_MAX, ReadyByte, SOCKETS_SIGN};

/// Bytes in front of the encoded text: its length, because the file's own size is sealed.
const LENGTH: usize = 4;

/// Lines and files of a failure, where all of them are too many.
const SHORT: usize = 20;

/// What the predecessor of this process left; nothing if there was none.
#[must_use]
pub fn inherited() -> Heirloom {
    DaemonDescriptor::Heirloom.file().and_then(|file| read(&file)).unwrap_or_default()
}

fn read(file: &File) -> Option<Heirloom> {
    let mut length = [0; LENGTH];
    file.read_exact_at(&mut length, 0).ok()?;
    let length = u32::from_le_bytes(length) as usize;
    let mut bytes = vec![0; Some(length).filter(|n| (1..=HEIRLOOM_MAX - LENGTH).contains(n))?];
    file.read_exact_at(&mut bytes, LENGTH as u64).ok()?;
    launch::decode(&bytes).ok()
}

fn write(file: &File, left: &Heirloom) -> io::Result<()> {
    let mut encoded = launch::encode(left).map_err(io::Error::other)?;
    if encoded.len() + LENGTH > HEIRLOOM_MAX {
        encoded = launch::encode(&shortened(left)).map_err(io::Error::other)?;
    }
    if encoded.len() + LENGTH > HEIRLOOM_MAX {
        return Err(io::Error::other("too many scripts"));
    }
    // The length goes last: a successor never sees a new length with old contents.
    file.write_all_at(&0u32.to_le_bytes(), 0)?;
    file.write_all_at(&encoded, LENGTH as u64)?;
    file.write_all_at(&(encoded.len() as u32).to_le_bytes(), 0)
}

/// Without what can be done without.
fn shortened(left: &Heirloom) -> Heirloom {
    let mut short = left.clone();
    for broken in short.scripts.iter_mut().filter_map(|heir| heir.broken.as_mut()) {
        broken.source = None;
        broken.tried.files.clear();
    }
    for failure in &mut short.failures {
        failure.lines.truncate(SHORT);
        failure.tried.files.truncate(SHORT);
    }
    short
}

/// Leaves something to the successor, or to the predecessor.
///
/// # Errors
/// The file cannot be written, or it is too much; the successor then starts cold.
pub(super) fn leave(left: &Heirloom) -> io::Result<()> {
    DaemonDescriptor::Heirloom.file().map_or(Ok(()), |file| write(&file, left))
}

/// Says one thing to the supervisor. False: nobody listens.
pub(super) fn say(ready: ReadyByte) -> bool {
    SUPERVISED.load(Relaxed) && DaemonDescriptor::Ready.write_byte(ready as u8)
}

/// Tells the supervisor that the number of WebSockets is another one.
pub(super) fn say_sockets() {
    if SUPERVISED.load(Relaxed) {
        // Nobody may be listening, and then nobody is told.
        let _ = DaemonDescriptor::Ready.write_byte(SOCKETS_SIGN);
    }
}

/// The descriptors are those of a supervisor: set by [`prepare_descriptors`].
static SUPERVISED: AtomicBool = AtomicBool::new(false);

/// Tells the supervisor why the process is about to stop, for the line about its end.
pub(super) fn say_why(reason: &str) {
    let Some(reason) = EndReason::from_name(reason).filter(|_| SUPERVISED.load(Relaxed)) else { return };
    // Nobody may be listening, and then nobody is told.
    let _ = DaemonDescriptor::Ready.write_byte(reason as u8);
}

/// What came from the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SupervisorMessage {
    /// An order.
    Order(DaemonOrder),
    /// The supervisor is gone.
    End,
    /// Nothing (more) now.
    Nothing,
}

/// Takes the next order from a non-blocking pipe.
pub(super) fn next_order(pipe: BorrowedFd<'_>) -> SupervisorMessage {
    loop {
        let mut byte = [0u8];
        match wsgi_system::descriptors::read(pipe, &mut byte) {
            Ok(0) => return SupervisorMessage::End,
            Ok(_) => match DaemonOrder::from_number(byte[0]) {
                Some(order) => return SupervisorMessage::Order(order),
                None => continue,
            },
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => return SupervisorMessage::Nothing,
                _ => return SupervisorMessage::End,
            },
        }
    }
}

/// Has faulthandler write the stacks of all threads of the main interpreter to standard error, without the GIL
/// (the bootstrap asked it to; without that the signal does nothing).
pub(super) fn dump_stacks() {
    // Ignored by default.
    wsgi_system::process::signal_self(libc::SIGURG);
}

/// Keeps the inherited descriptors from programs that the application executes, and makes reading orders
/// non-blocking.
pub fn prepare_descriptors() {
    SUPERVISED.store(true, Relaxed);
    // The last one may be none of ours: then it is a file of Python's, which closes at exec anyway.
    use DaemonDescriptor::{Board, Heirloom, Listener, Order, Ready};
    [Listener, Ready, Order, Heirloom, Board].into_iter().for_each(DaemonDescriptor::close_at_exec);
    // Failure means that it is not open, which reading it will show.
    let _ = os::set_nonblocking(Order.borrow());
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::heirloom::{BrokenChange, HeirScript};
    use wsgi_protocol::launch::PreloadScript;
    use wsgi_system::memory::MemorySeal;

    #[test]
    fn scripts_survive_in_a_file_of_any_size() {
        let file = tempfile();
        assert_eq!(read(&file), None);
        file.set_len(HEIRLOOM_MAX as u64).unwrap();
        assert_eq!(read(&file), None);
        let script = |n: usize| HeirScript {
            script: PreloadScript { script: vec![n as u8; 40], application_group: b"g".to_vec() },
            ..HeirScript::default()
        };
        let of = |count| Heirloom { scripts: (0..count).map(script).collect(), ..Heirloom::default() };
        write(&file, &of(2)).unwrap();
        write(&file, &of(1)).unwrap();
        assert_eq!(read(&file), Some(of(1)));
        assert!(write(&file, &of(2000)).is_err());
        let mut large = of(1);
        large.scripts[0].broken =
            Some(BrokenChange { source: Some(vec![0; HEIRLOOM_MAX]), ..BrokenChange::default() });
        write(&file, &large).unwrap();
        assert_eq!(read(&file).unwrap().scripts[0].broken, Some(BrokenChange::default()), "without its code");
        write(&file, &of(0)).unwrap();
        assert_eq!(read(&file), Some(of(0)));
    }

    fn tempfile() -> File {
        wsgi_system::memory::memory_file(c"heirloom", 0, MemorySeal::empty()).unwrap().into()
    }

    #[test]
    fn orders_come_in_order_and_end() {
        let (reader, writer) = std::io::pipe().unwrap();
        use std::io::Write;
        use std::os::fd::AsFd;
        os::set_nonblocking(reader.as_fd()).unwrap();
        let fd = reader.as_fd();
        assert_eq!(next_order(fd), SupervisorMessage::Nothing);
        (&writer).write_all(b"?KD").unwrap();
        assert_eq!(next_order(fd), SupervisorMessage::Order(DaemonOrder::Keep));
        assert_eq!(next_order(fd), SupervisorMessage::Order(DaemonOrder::Drain));
        drop(writer);
        assert_eq!(next_order(fd), SupervisorMessage::End);
    }
}
