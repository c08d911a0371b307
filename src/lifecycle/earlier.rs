//! Generations from before a graceful restart whose children may still serve: the parent keeps what the next supervisor has
//! to know of them, should the present one die.

use super::process::close_kept;
use super::supervisor::{PersistentState, memory_file};
use crate::generation::runtime::ChildRuntime;
use crate::httpd::pool::persistent;
use apr_sys as sys;
use std::io;
use std::os::fd::{IntoRawFd, RawFd};
use wsgi_protocol::control::ParentCommand;
use wsgi_protocol::launch::encode;

/// Key of the record in the process pool; the number is the layout's version.
const KEY: &std::ffi::CStr = c"mod_wsgi:earlier-generations:1";
/// How many are kept. Each holds three descriptors in the parent; most are gone within seconds.
const MOST: usize = 32;

/// One of them: descriptors, -1 for none.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct EarlierGeneration {
    /// Memory file with the configuration as the supervisor got it.
    configuration: i32,
    /// The status memory that its children see.
    status: i32,
    /// Read end of the pipe whose write ends they hold.
    lifeline: i32,
}

/// All that is kept, and the configuration of the present generation: plain numbers, like [`PersistentState`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct EarlierGenerations {
    /// The present generation's configuration, -1 before the first supervisor was to get it.
    configuration: i32,
    count: usize,
    kept: [EarlierGeneration; MOST],
}

impl EarlierGeneration {
    const NONE: Self = Self { configuration: -1, status: -1, lifeline: -1 };

    fn descriptors(&mut self) -> [&mut i32; 3] {
        [&mut self.configuration, &mut self.status, &mut self.lifeline]
    }

    fn close(&mut self) {
        self.descriptors().into_iter().for_each(close_kept);
    }

    /// Whether a child of it may live.
    fn may_serve(&self) -> bool {
        let mut polled = libc::pollfd { fd: self.lifeline, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        let ready = unsafe { libc::poll(&mut polled, 1, 0) };
        ready <= 0 || polled.revents & libc::POLLHUP == 0
    }
}

impl EarlierGenerations {
    /// The record of this httpd.
    ///
    /// # Safety
    /// `main` is a valid server record; parent process only.
    pub unsafe fn of<'a>(main: *mut sys::server_rec) -> &'a mut Self {
        let initial = Self { configuration: -1, count: 0, kept: [EarlierGeneration::NONE; MOST] };
        // SAFETY: the process pool lives as long as httpd; the record holds no pointer into this module.
        unsafe { &mut *persistent((*(*main).process).pool, KEY, initial) }
    }

    /// A memory file with the present generation's configuration as it is now.
    pub fn write_configuration(&mut self, runtime: &ChildRuntime) -> io::Result<RawFd> {
        let bytes = encode(&runtime.configuration).map_err(io::Error::other)?;
        let file = memory_file(&bytes)?.into_raw_fd();
        close_kept(&mut self.configuration);
        self.configuration = file;
        Ok(file)
    }

    /// The present generation is over, as far as the parent is concerned.
    pub fn keep(&mut self, persistent: &mut PersistentState) {
        persistent.close_lifeline_writer();
        let take = |fd: &mut i32| std::mem::replace(fd, -1);
        let mut left = EarlierGeneration {
            configuration: take(&mut self.configuration),
            status: take(&mut persistent.status_fd),
            lifeline: take(&mut persistent.lifeline_reader),
        };
        self.forget_ended();
        match left.descriptors().iter().any(|fd| **fd < 0) {
            true => left.close(),
            false => self.push(left),
        }
    }

    /// The oldest makes room where there are too many.
    fn push(&mut self, generation: EarlierGeneration) {
        if self.count == MOST {
            self.remove(0);
        }
        self.kept[self.count] = generation;
        self.count += 1;
    }

    /// Drops those without children.
    fn forget_ended(&mut self) {
        for index in (0..self.count).rev() {
            if !self.kept[index].may_serve() {
                self.remove(index);
            }
        }
    }

    fn remove(&mut self, index: usize) {
        self.kept[index].close();
        self.kept.copy_within(index + 1..self.count, index);
        self.count -= 1;
    }

    /// Tells a supervisor that was just started of all that may still have children. One that cannot be told is done without:
    /// what counts is the configuration that follows.
    pub fn tell(&mut self, persistent: &PersistentState, runtime: &ChildRuntime) {
        self.forget_ended();
        let Ok(command) = encode(&ParentCommand::Inherit) else { return };
        for earlier in &self.kept[..self.count] {
            let main_log = runtime.logs.first().copied().unwrap_or(libc::STDERR_FILENO);
            let (metrics, board) = persistent.shared_memories(runtime, earlier.status);
            let fds = [earlier.configuration, earlier.status, earlier.lifeline, metrics, board, main_log];
            let _ = persistent.send_record(&command, &fds);
        }
    }

    /// In a child: gives up its copies.
    pub fn close(&mut self) {
        while self.count > 0 {
            self.remove(self.count - 1);
        }
        close_kept(&mut self.configuration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> [i32; 2] {
        let mut fds = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        fds
    }

    #[test]
    fn generations_without_children_are_dropped_and_the_oldest_when_there_are_too_many() {
        let mut all =
            EarlierGenerations { configuration: -1, count: 0, kept: [EarlierGeneration::NONE; MOST] };
        let mut writers = Vec::new();
        for _ in 0..=MOST {
            let [reader, writer] = pipe();
            writers.push(writer);
            all.push(EarlierGeneration { lifeline: reader, ..EarlierGeneration::NONE });
        }
        all.forget_ended();
        assert_eq!(all.count, MOST);
        // SAFETY: descriptors of this test; that of the second pipe is the oldest one kept.
        unsafe { writers[1..].iter().step_by(2).for_each(|fd| _ = libc::close(*fd)) };
        all.forget_ended();
        assert_eq!(all.count, MOST / 2);
        all.close();
        assert_eq!(all.count, 0);
    }
}
