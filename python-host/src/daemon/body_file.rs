//! The part of a request body that httpd has buffered in a file (WSGIRequestBuffering): it comes before all that is sent.

use super::os::{self, WaitMode};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wsgi_protocol::request::RequestFlags;

/// See the module's comment.
#[derive(Debug)]
pub(super) enum BodyFile {
    /// There is none, or all of it has been read.
    None,
    /// Its descriptor comes with the answer to the first WANT_BODY.
    Expected,
    /// It is being read: where, and how many bytes there are still.
    Open { file: OwnedFd, at: u64, left: u64 },
}

impl BodyFile {
    /// What a request's flags say.
    pub(super) fn of(flags: RequestFlags) -> Self {
        if flags.has(RequestFlags::BODY_IN_FILE) { Self::Expected } else { Self::None }
    }

    /// Whether a descriptor is still to come.
    pub(super) fn is_expected(&self) -> bool {
        matches!(self, Self::Expected)
    }

    /// Whether there is something to be read.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { left: 1.., .. })
    }

    /// Receives the beginning of the frame that brings it.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
        wait: WaitMode,
    ) -> io::Result<usize> {
        let mut found = None;
        let got = os::recv_with_descriptor(socket, buffer, wait, &mut found)?;
        if let Some(file) = found {
            // Its length stands in the frame.
            *self = Self::Open { file, at: 0, left: 0 };
        }
        Ok(got)
    }

    /// Takes its length from the frame. False: no descriptor has come along.
    pub(super) fn announce(&mut self, length: u64) -> bool {
        let Self::Open { left, .. } = self else { return false };
        *left = length;
        true
    }

    /// Reads on; `None` when nothing of it is left. No bytes: httpd has given the request up, and the file with it.
    pub(super) fn read(&mut self, buffer: &mut [u8], wait: WaitMode) -> Option<io::Result<usize>> {
        let Self::Open { file, at, left: left @ 1.. } = self else { return None };
        let part = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let got = os::read_at(file.as_fd(), &mut buffer[..part], *at, wait);
        if let Ok(n) = got {
            (*at, *left) = (*at + n as u64, *left - n as u64);
            if *left == 0 {
                *self = Self::None;
            }
        }
        Some(got)
    }
}
