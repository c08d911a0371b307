//! Bucket brigades on their way to the client, and request bodies on their way in.

use super::block::{self, MemoryBlock};
use super::bucket::{self, FileSource};
use super::record::HttpdText;
use super::request::Request;
use apr_sys as sys;
use std::ffi::c_char;
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use wsgi_system::shared_bytes::SharedBytes;

/// A brigade of one request.
pub struct Brigade<'r> {
    raw: *mut sys::apr_bucket_brigade,
    request: Request<'r>,
    /// The last file that was appended to be read later.
    source: Option<Arc<FileSource>>,
    is_cut: bool,
}

/// Why the output chain or the input chain refused: an APR status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AprStatus(pub i32);

impl AprStatus {
    /// Nothing to read right now.
    pub fn is_again(self) -> bool {
        sys::mw_is_status_eagain(self.0) != 0
    }

    /// A timeout.
    pub fn is_timeout(self) -> bool {
        sys::mw_is_status_timeup(self.0) != 0
    }

    /// The client has closed or reset its connection.
    pub fn is_gone(self) -> bool {
        /// apr_errno.h: APR_INCOMPLETE and APR_EOF.
        const ENDED: [i32; 2] = [70008, 70014];
        ENDED.contains(&self.0) || matches!(self.0, libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE)
    }

    /// More came than LimitRequestBody allows; httpd has logged it.
    pub fn is_over_limit(self) -> bool {
        self.0 == libc::ENOSPC
    }

    /// httpd's own filter has already answered the client.
    pub fn is_answered(self) -> bool {
        self.0 == AP_FILTER_ERROR
    }

    /// APR's text.
    pub fn text(self) -> String {
        let mut buffer = [0 as c_char; 200];
        // SAFETY: apr_strerror writes at most `len` bytes and ends them with a NUL.
        unsafe { HttpdText::from_raw(sys::apr_strerror(self.0, buffer.as_mut_ptr(), buffer.len())) }.lossy()
    }
}

/// httpd.h's AP_FILTER_ERROR: a filter has sent an error page itself.
pub const AP_FILTER_ERROR: i32 = -102;

/// Files up to this length are read at once; httpd's own bound for sendfile is 256 bytes.
pub const SMALL: u64 = 8 * 1024;

/// How much of a part of a file may be mapped. Its end is read instead, which fails if the file was cut anywhere: a mapping ends
/// with zeros up to the end of its page, which must not complete a response.
///
/// The system maps from the beginning of a page only.
fn mapped_length(offset: u64, length: u64) -> u64 {
    /// Of whole pages.
    const PIECE: u64 = block::SIZE as u64;
    if offset.is_multiple_of(PIECE) { length.saturating_sub(1) / PIECE * PIECE } else { 0 }
}

/// What stands behind bytes that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehindBytes {
    /// Nothing: the next ones may go with them.
    Nothing,
    /// They leave at once.
    Flush,
    /// The end of the response.
    End,
}

impl<'r> Brigade<'r> {
    /// An empty brigade in the request's pool.
    pub fn new(request: Request<'r>) -> Self {
        // SAFETY: pool and bucket allocator belong to the live request.
        let raw = unsafe { sys::apr_brigade_create(request.pool().raw(), request.bucket_alloc()) };
        Self { raw, request, source: None, is_cut: false }
    }

    /// Whether it holds no bucket.
    pub fn is_empty(&self) -> bool {
        // SAFETY: the brigade is valid.
        unsafe { sys::mw_brigade_empty(self.raw) != 0 }
    }

    /// Appends bytes that stay valid until the brigade was passed on; filters copy what they keep.
    ///
    /// # Safety
    /// `bytes` lives until [`Brigade::pass`] returned.
    pub unsafe fn add_transient(&mut self, bytes: &[u8]) {
        // SAFETY: the caller keeps the bytes; the bucket is appended to a valid brigade.
        unsafe {
            let bucket = sys::apr_bucket_transient_create(
                bytes.as_ptr().cast(),
                bytes.len(),
                self.request.bucket_alloc(),
            );
            sys::mw_brigade_append(self.raw, bucket);
        }
    }

    /// Appends a copy of bytes.
    pub fn add_copied(&mut self, bytes: &[u8]) {
        let alloc = self.request.bucket_alloc();
        // SAFETY: without a function to free them the bytes are copied; the bucket goes to a valid brigade.
        unsafe {
            let bucket = sys::apr_bucket_heap_create(bytes.as_ptr().cast(), bytes.len(), None, alloc);
            sys::mw_brigade_append(self.raw, bucket);
        }
    }

    /// Appends bytes and what shall stand behind them, and passes all of it on.
    ///
    /// # Errors
    /// As [`Brigade::pass`].
    pub fn pass_bytes(&mut self, bytes: &[u8], behind: BehindBytes) -> Result<(), AprStatus> {
        // SAFETY: they live until it has been passed on, below.
        unsafe { self.add_transient(bytes) };
        match behind {
            BehindBytes::Nothing => {}
            BehindBytes::Flush => self.add_flush(),
            BehindBytes::End => self.add_eos(),
        }
        self.pass()
    }

    /// Appends the first `len` bytes of a block (at most all) without copying; the bucket gives it back.
    pub fn add_block(&mut self, block: MemoryBlock, len: usize) {
        let len = len.min(block.len());
        // SAFETY: the function takes what `into_raw` gave, of which so many bytes are there.
        unsafe {
            let alloc = self.request.bucket_alloc();
            let start = block.into_raw().cast::<c_char>();
            let bucket = sys::apr_bucket_heap_create(start, len, Some(bucket::give_back_block), alloc);
            sys::mw_brigade_append(self.raw, bucket);
        }
    }

    /// Appends `len` bytes from `start` of what a daemon has left in memory. Nothing but httpd's core may read them where they
    /// lie, because the daemon can change them at any time (see [`Request::sends_plainly`]); others get a copy, and that in
    /// pieces: how many bytes were appended.
    pub fn add_memory(&mut self, memory: &Arc<SharedBytes>, start: usize, len: usize) -> usize {
        let len = memory.length_from(start).min(len);
        if self.request.sends_plainly() {
            // SAFETY: the allocator of the request's connection, and bytes within the memory; the bucket goes to a valid brigade.
            unsafe {
                let bucket = bucket::of_memory(memory.clone(), start, len, self.request.bucket_alloc());
                sys::mw_brigade_append(self.raw, bucket);
            }
            return len;
        }
        let Some(mut block) = MemoryBlock::take() else { return 0 };
        let room = len.min(block.len());
        let have = memory.read(start, &mut block[..room]);
        self.add_block(block, have);
        have
    }

    /// Appends `length` bytes of a regular file from `offset`. What is too small for sendfile is read at once: httpd would move
    /// the position that the descriptor shares with the application's. If nothing of httpd's reads it on its way, the system may
    /// copy the file to the client's socket with `sendfile`, or else from a mapping (EnableMMAP); httpd breaks a connection off
    /// on which that comes short. See [`Brigade::is_cut`] for all other ways.
    pub fn add_file(&mut self, fd: OwnedFd, offset: u64, length: u64, sendfile: bool) {
        let file = File::from(fd);
        if length <= SMALL {
            let mut block = vec![0; length as usize];
            if file.read_exact_at(&mut block, offset).is_err() {
                self.is_cut = true;
                return;
            }
            return self.add_copied(&block);
        }
        if !self.request.sends_plainly() {
            return self.add_read_file(FileSource::new(file), offset, length);
        }
        if sendfile {
            return self.add_httpd_file(file.into(), offset, length, sys::APR_FOPEN_SENDFILE_ENABLED);
        }
        let mapped = mapped_length(offset, length);
        if mapped > 0
            && self.request.enables_mmap()
            && let Ok(own) = file.try_clone()
        {
            self.add_httpd_file(own.into(), offset, mapped, 0);
            return self.add_read_file(FileSource::end_of_mapped(file), offset + mapped, length - mapped);
        }
        self.add_read_file(FileSource::new(file), offset, length);
    }

    /// Appends a part of a file that is read piece by piece.
    fn add_read_file(&mut self, source: Arc<FileSource>, offset: u64, length: u64) {
        self.source = Some(source.clone());
        // SAFETY: the allocator of the request's connection; the bucket goes to a valid brigade.
        unsafe {
            let bucket = bucket::of_file(source, offset, length, self.request.bucket_alloc());
            sys::mw_brigade_append(self.raw, bucket);
        }
    }

    /// Appends httpd's own kind of bucket, of a file with APR's `flags`; the pool closes the descriptor.
    fn add_httpd_file(&mut self, fd: OwnedFd, offset: u64, length: u64, flags: u32) {
        let pool = self.request.pool();
        let mut raw_fd = pool.own_descriptor(fd);
        // SAFETY: the descriptor stays open as long as the request's pool, for which apr_os_file_put wraps it.
        unsafe {
            let mut file: *mut sys::apr_file_t = std::ptr::null_mut();
            let flags = (sys::APR_FOPEN_READ | flags) as i32;
            sys::apr_os_file_put(&mut file, &mut raw_fd, flags, pool.raw());
            // Splits at apr's bound with buckets that share one file, so that setting one aside keeps the others good.
            sys::apr_brigade_insert_file(
                self.raw,
                file,
                offset as sys::apr_off_t,
                length as sys::apr_off_t,
                pool.raw(),
            );
        }
    }

    /// Whether a file that was passed on, or was to be appended, has ended too early or could not be read.
    pub fn is_cut(&self) -> bool {
        self.is_cut || self.source.as_ref().is_some_and(|source| source.is_cut())
    }

    /// Appends "send what you hold".
    pub fn add_flush(&mut self) {
        // SAFETY: allocator and brigade are valid.
        unsafe { sys::mw_brigade_append(self.raw, sys::apr_bucket_flush_create(self.request.bucket_alloc())) }
    }

    /// Appends the end of the response.
    pub fn add_eos(&mut self) {
        // SAFETY: allocator and brigade are valid.
        unsafe { sys::mw_brigade_append(self.raw, sys::apr_bucket_eos_create(self.request.bucket_alloc())) }
    }

    /// Appends the mark that makes the chunk filter withhold the final chunk and HTTP/2 reset the stream.
    pub fn add_broken(&mut self) {
        let request = self.request;
        // SAFETY: pool, allocator and brigade are valid; httpd's 502 mark is what mod_proxy uses, too.
        unsafe {
            let bucket = sys::ap_bucket_error_create(
                sys::HTTP_BAD_GATEWAY as i32,
                std::ptr::null(),
                request.pool().raw(),
                request.bucket_alloc(),
            );
            sys::mw_brigade_append(self.raw, bucket);
        }
    }

    /// Sends the brigade down the output chain and empties it.
    ///
    /// # Errors
    /// The chain's status, also when the connection is known to be aborted.
    pub fn pass(&mut self) -> Result<(), AprStatus> {
        // SAFETY: request and brigade are valid and used by this thread only.
        let status = unsafe {
            let filters = self.request.record().get(|r| r.output_filters);
            let status = sys::ap_pass_brigade(filters, self.raw);
            sys::apr_brigade_cleanup(self.raw.cast());
            status
        };
        if status == 0 && self.is_cut() {
            return Err(AprStatus(libc::EIO));
        }
        if status != 0 || self.request.is_aborted() { Err(AprStatus(status)) } else { Ok(()) }
    }

    /// Reads up to `limit` bytes of the request body into the (empty) brigade. What comes along with an error is no body.
    ///
    /// # Errors
    /// The chain's status; [`AprStatus::is_again`] when `block` is false and nothing is there yet.
    pub fn fill(&mut self, limit: usize, block: bool) -> Result<(), AprStatus> {
        let mode = if block { sys::APR_BLOCK_READ } else { sys::APR_NONBLOCK_READ };
        // SAFETY: request and brigade are valid and used by this thread only.
        let status = unsafe {
            let filters = self.request.record().get(|r| r.input_filters);
            let limit = limit as sys::apr_off_t;
            let status = sys::ap_get_brigade(filters, self.raw, sys::AP_MODE_READBYTES, mode, limit);
            if status != 0 {
                sys::apr_brigade_cleanup(self.raw.cast());
            }
            status
        };
        if status == 0 { Ok(()) } else { Err(AprStatus(status)) }
    }

    /// What the first bucket holds. `None` at the end of the brigade.
    ///
    /// # Errors
    /// The bucket's read status.
    pub fn front(&mut self) -> Result<Option<BrigadePiece<'_>>, AprStatus> {
        // SAFETY: the brigade is valid; the first bucket is only read while `self` is borrowed.
        unsafe {
            let bucket = sys::mw_brigade_first(self.raw);
            if sys::mw_brigade_is_sentinel(self.raw, bucket) != 0 {
                return Ok(None);
            }
            if sys::mw_bucket_is_eos(bucket) != 0 {
                return Ok(Some(BrigadePiece::End));
            }
            if sys::mw_bucket_is_metadata(bucket) != 0 {
                return Ok(Some(BrigadePiece::Metadata));
            }
            let mut data: *const c_char = std::ptr::null();
            let mut len = 0;
            let status = sys::mw_bucket_read(bucket, &mut data, &mut len, 1);
            if status != 0 {
                return Err(AprStatus(status));
            }
            if len == 0 {
                return Ok(Some(BrigadePiece::Metadata));
            }
            Ok(Some(BrigadePiece::Data(std::slice::from_raw_parts(data.cast(), len))))
        }
    }

    /// Keeps what is held over the next read: a filter (mod_ssl) may lend bytes of a buffer that it fills again.
    ///
    /// # Errors
    /// A bucket that cannot be kept.
    pub fn set_aside(&mut self) -> Result<(), AprStatus> {
        // SAFETY: the brigade and its buckets are valid; a kept bucket stays in its place.
        unsafe {
            let mut bucket = sys::mw_brigade_first(self.raw);
            while sys::mw_brigade_is_sentinel(self.raw, bucket) == 0 {
                let status = sys::mw_bucket_setaside(bucket, self.request.pool().raw());
                if status != 0 && status != sys::APR_ENOTIMPL as i32 {
                    return Err(AprStatus(status));
                }
                bucket = sys::mw_bucket_next(bucket);
            }
        }
        Ok(())
    }

    /// Moves what `other` holds to the end of this one.
    pub fn append(&mut self, other: &mut Self) {
        // SAFETY: both brigades are valid and belong to the same request.
        unsafe { sys::mw_brigade_concat(self.raw, other.raw) }
    }

    /// Lays the bytes of the leading data buckets, at most `limit`, into `parts`.
    pub fn pieces<'b>(&'b mut self, limit: usize, parts: &mut [IoSlice<'b>]) -> BrigadeSpan {
        let BrigadeSpan { mut bytes, mut count, mut is_bounded } = BrigadeSpan::default();
        // SAFETY: the brigade is valid, and its buckets stay as long as it is borrowed.
        unsafe {
            let mut bucket = sys::mw_brigade_first(self.raw);
            while bytes < limit && count < parts.len() && sys::mw_brigade_is_sentinel(self.raw, bucket) == 0 {
                let mut data: *const c_char = std::ptr::null();
                let mut len = 0;
                // What is not in memory yet is left for the next look.
                if sys::mw_bucket_is_metadata(bucket) != 0
                    || sys::mw_bucket_read(bucket, &mut data, &mut len, 0) != 0
                {
                    is_bounded = true;
                    break;
                }
                let len = len.min(limit - bytes);
                if len > 0 {
                    parts[count] = IoSlice::new(std::slice::from_raw_parts(data.cast(), len));
                    (bytes, count) = (bytes + len, count + 1);
                }
                bucket = sys::mw_bucket_next(bucket);
            }
        }
        BrigadeSpan { bytes, count, is_bounded }
    }

    /// Removes the first `len` bytes, which [`Brigade::pieces`] has shown.
    pub fn consume_all(&mut self, mut len: usize) {
        while len > 0 && !self.is_empty() {
            // SAFETY: the brigade is valid and has a first bucket.
            let first = unsafe { (*sys::mw_brigade_first(self.raw)).length };
            self.consume(len.min(first));
            len -= len.min(first);
        }
    }

    /// Removes the first bucket, whatever it holds.
    pub fn drop_front(&mut self) {
        // SAFETY: the brigade is valid; the first bucket is deleted only if there is one.
        unsafe {
            let bucket = sys::mw_brigade_first(self.raw);
            if sys::mw_brigade_is_sentinel(self.raw, bucket) == 0 {
                sys::mw_bucket_delete(bucket);
            }
        }
    }

    /// Removes the first bucket, or only its first `len` bytes when it is longer.
    pub fn consume(&mut self, len: usize) {
        // SAFETY: as in `front`; a split keeps the rest as the next bucket.
        unsafe {
            let bucket = sys::mw_brigade_first(self.raw);
            if sys::mw_brigade_is_sentinel(self.raw, bucket) != 0 {
                return;
            }
            if (*bucket).length > len {
                sys::mw_bucket_split(bucket, len);
            }
            sys::mw_bucket_delete(bucket);
        }
    }
}

/// What [`Brigade::pieces`] found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrigadeSpan {
    /// Bytes of data.
    pub bytes: usize,
    /// Parts they lie in.
    pub count: usize,
    /// Something that is no data, as the end of the body, or not in memory stands behind them.
    pub is_bounded: bool,
}

/// What stands at the front of a brigade.
pub enum BrigadePiece<'b> {
    /// Bytes, one at least.
    Data(&'b [u8]),
    /// Nothing that the application is given: metadata other than the end, or no bytes.
    Metadata,
    /// End of the request body.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_is_not_mapped() {
        let piece = block::SIZE as u64;
        assert_eq!((mapped_length(0, 1), mapped_length(0, piece)), (0, 0));
        assert_eq!((mapped_length(0, piece + 1), mapped_length(piece, piece + 1)), (piece, piece));
        assert_eq!(mapped_length(3 * piece, 4 * piece), 3 * piece);
        assert_eq!(mapped_length(7, 4 * piece), 0, "in the midst of a page");
    }
}
