//! How far the log writers have come: a page that they share with httpd's parent, so that it can tell a record that has
//! ended its writer from one that only stood first when something else did.

use std::sync::atomic::{AtomicU32, Ordering};
use wsgi_system::memory::{LastingMapping, SharedMapping};

/// The page.
#[derive(Debug, Clone, Copy)]
pub struct WriterProgress {
    begun: &'static AtomicU32,
    done: &'static AtomicU32,
}

/// Bytes of it.
pub const LENGTH: usize = 2 * size_of::<AtomicU32>();

impl WriterProgress {
    /// Makes the page, which then stays as long as httpd. `None` where there is no memory for it.
    pub fn map() -> Option<LastingMapping> {
        Some(SharedMapping::anonymous(LENGTH).ok()?.leak())
    }

    /// What the page says.
    pub fn of(page: LastingMapping) -> Option<Self> {
        Some(Self { begun: page.record(0)?, done: page.record(size_of::<AtomicU32>())? })
    }

    /// In the writer: the record that stands first is being written.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    /// In the writer: it has been written, and taken away.
    pub fn finish(&self) {
        self.done.fetch_add(1, Ordering::Release);
    }

    /// In the parent, when a writer has ended: whether it was at work on a record, and how many had been finished by then. The
    /// next writer begins with that record.
    pub fn settle(&self) -> (bool, u32) {
        let done = self.done.load(Ordering::Acquire);
        (self.begun.swap(done, Ordering::AcqRel) != done, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_had_begun_is_told_from_an_idle_one() {
        let progress = WriterProgress::map().and_then(WriterProgress::of).expect("there is memory");
        assert_eq!(progress.settle(), (false, 0));
        progress.begin();
        progress.finish();
        assert_eq!(progress.settle(), (false, 1));
        progress.begin();
        assert_eq!(progress.settle(), (true, 1));
        assert_eq!(progress.settle(), (false, 1));
    }
}
