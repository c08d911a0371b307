//! Generations from before a graceful restart whose children may still serve: the parent keeps what the next supervisor has
//! to know of them, should the present one die.

use super::supervisor::{PersistentState, memory_file, shared_memories};
use crate::generation::runtime::ChildRuntime;
use crate::httpd::pool::{LastingRecord, ProcessPool};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use wsgi_protocol::control::ParentCommand;
use wsgi_protocol::launch::encode;
use wsgi_system::descriptors::KeptDescriptor;

/// How many are kept. Each holds three descriptors in the parent; most are gone within seconds.
const MOST: usize = 32;

/// One of them.
#[derive(Debug)]
#[repr(C)]
struct EarlierGeneration {
    /// Memory file with the configuration as the supervisor got it.
    configuration: KeptDescriptor,
    /// The status memory that its children see.
    status: KeptDescriptor,
    /// Read end of the pipe whose write ends they hold.
    lifeline: KeptDescriptor,
}

/// All that is kept, and the configuration of the present generation: plain numbers, like [`PersistentState`].
#[derive(Debug)]
#[repr(C)]
pub struct EarlierGenerations {
    /// The present generation's configuration; none before the first supervisor was to get it.
    configuration: KeptDescriptor,
    count: usize,
    kept: [EarlierGeneration; MOST],
}

impl EarlierGeneration {
    const NONE: Self = Self {
        configuration: KeptDescriptor::NONE,
        status: KeptDescriptor::NONE,
        lifeline: KeptDescriptor::NONE,
    };

    fn descriptors(&mut self) -> [&mut KeptDescriptor; 3] {
        [&mut self.configuration, &mut self.status, &mut self.lifeline]
    }

    fn close(&mut self) {
        self.descriptors().into_iter().for_each(KeptDescriptor::close);
    }

    /// Whether a child of it may live.
    fn may_serve(&self) -> bool {
        let seen = wsgi_system::polling::wait(self.lifeline.number(), libc::POLLIN, 0);
        // What cannot be asked is not taken for gone.
        seen.map_or(true, |seen| seen & libc::POLLHUP == 0)
    }
}

// SAFETY: numbers of descriptors.
unsafe impl LastingRecord for EarlierGenerations {
    const KEY: &'static std::ffi::CStr = c"mod_wsgi:earlier-generations:1";

    fn initial(_: ProcessPool) -> Self {
        Self::none()
    }
}

impl EarlierGenerations {
    fn none() -> Self {
        let kept = [const { EarlierGeneration::NONE }; MOST];
        Self { configuration: KeptDescriptor::NONE, count: 0, kept }
    }

    /// A memory file with the present generation's configuration as it is now.
    pub fn write_configuration(&mut self, runtime: &ChildRuntime) -> io::Result<BorrowedFd<'_>> {
        let bytes = encode(&runtime.configuration).map_err(io::Error::other)?;
        self.configuration.keep(memory_file(&bytes)?);
        Ok(self.configuration.borrow().ok_or(io::ErrorKind::NotFound)?)
    }

    /// The present generation is over, as far as the parent is concerned.
    pub fn keep(&mut self, persistent: &mut PersistentState) {
        persistent.close_lifeline_writer();
        let take = |kept: &mut KeptDescriptor| std::mem::replace(kept, KeptDescriptor::NONE);
        let mut left = EarlierGeneration {
            configuration: take(&mut self.configuration),
            status: take(&mut persistent.status_fd),
            lifeline: take(&mut persistent.lifeline_reader),
        };
        self.forget_ended();
        match left.descriptors().iter().any(|kept| !kept.is_some()) {
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
        self.kept[index..self.count].rotate_left(1);
        self.count -= 1;
    }

    /// Tells a supervisor that was just started of all that may still have children. One that cannot be told is done without:
    /// what counts is the configuration that follows.
    pub fn tell(&mut self, persistent: &PersistentState, runtime: &ChildRuntime) {
        self.forget_ended();
        let Ok(command) = encode(&ParentCommand::Inherit) else { return };
        for earlier in &self.kept[..self.count] {
            let EarlierGeneration { configuration, status, lifeline } = earlier;
            let kept = (configuration.borrow(), status.borrow(), lifeline.borrow());
            let (Some(configuration), Some(status), Some(lifeline)) = kept else { continue };
            let standard_error = std::io::stderr();
            let main_log = runtime.logs.first().copied().unwrap_or(standard_error.as_fd());
            let (metrics, board) = shared_memories(runtime, status);
            let fds = [configuration, status, lifeline, metrics, board, main_log];
            let _ = persistent.send_record(&command, &fds);
        }
    }

    /// In a child: gives up its copies.
    pub fn close(&mut self) {
        while self.count > 0 {
            self.remove(self.count - 1);
        }
        self.configuration.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_without_children_are_dropped_and_the_oldest_when_there_are_too_many() {
        let mut all = EarlierGenerations::none();
        let mut writers = Vec::new();
        for _ in 0..=MOST {
            let (reader, writer) = wsgi_system::descriptors::pipe().unwrap();
            writers.push(writer);
            let mut generation = EarlierGeneration::NONE;
            generation.lifeline.keep(reader);
            all.push(generation);
        }
        all.forget_ended();
        assert_eq!(all.count, MOST);
        // That of the second pipe is the oldest one kept.
        let mut number = 0..;
        writers.retain(|_| number.next().is_some_and(|number| number % 2 == 0));
        all.forget_ended();
        assert_eq!(all.count, MOST / 2);
        all.close();
        assert_eq!(all.count, 0);
    }
}
