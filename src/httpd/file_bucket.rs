//! Buckets that read a file, and fail when it ends too early.
//!
//! httpd's own buckets take a file that is shorter than it was, or cannot be read, for one that has ended: fewer bytes leave than
//! were announced, and the client reads the next response as the rest of this one. These fail instead, and tell it whoever
//! has made them, because some filters ignore that a bucket could not be read.

use super::block::{self, MemoryBlock};
use crate::panics::guard;
use apr_sys as sys;
use std::ffi::{c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file on its way to a client.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    is_cut: AtomicBool,
}

impl FileSource {
    /// For buckets of this file.
    pub fn new(file: File) -> Arc<Self> {
        Arc::new(Self { file, is_cut: AtomicBool::new(false) })
    }

    /// Whether bytes were missing.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    fn read(&self, block: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(block, offset).inspect_err(|_| self.is_cut.store(true, Ordering::Relaxed))
    }
}

/// What buckets of one file share; apr counts them.
#[repr(C)]
struct SharedFile {
    count: sys::apr_bucket_refcount,
    source: Arc<FileSource>,
}

/// Holds pointers to functions and a static string only.
#[repr(transparent)]
struct FileBucketKind(sys::apr_bucket_type_t);

// SAFETY: never written.
unsafe impl Sync for FileBucketKind {}

static KIND: FileBucketKind = FileBucketKind(sys::apr_bucket_type_t {
    name: c"WSGI FILE".as_ptr(),
    num_func: 5,
    is_metadata: sys::APR_BUCKET_DATA,
    destroy: Some(destroy_file_bucket),
    read: Some(read_file_bucket),
    // The file is the bucket's own, and no pool's.
    setaside: Some(sys::apr_bucket_setaside_noop),
    split: Some(sys::apr_bucket_shared_split),
    copy: Some(sys::apr_bucket_shared_copy),
});

/// A bucket of `length` bytes from `offset`.
///
/// # Safety
/// `alloc` is the allocator of the connection it is for.
pub unsafe fn create(
    source: Arc<FileSource>,
    offset: u64,
    length: u64,
    alloc: *mut sys::apr_bucket_alloc_t,
) -> *mut sys::apr_bucket {
    // SAFETY: all-zero is a valid count, which apr sets.
    let count = unsafe { std::mem::zeroed() };
    let shared = Box::into_raw(Box::new(SharedFile { count, source }));
    // SAFETY: by the contract; the shared part is freed by `destroy`, when apr has counted down to nothing.
    unsafe {
        let bucket = blank(alloc);
        sys::apr_bucket_shared_make(bucket, shared.cast(), offset as sys::apr_off_t, length as usize);
        (*bucket).type_ = &KIND.0;
        bucket
    }
}

/// # Safety
/// See [`create`]. The bucket has to be made something before it is used.
pub(super) unsafe fn blank(alloc: *mut sys::apr_bucket_alloc_t) -> *mut sys::apr_bucket {
    // SAFETY: by the contract; apr aborts when there is no memory.
    unsafe {
        let bucket = sys::apr_bucket_alloc(size_of::<sys::apr_bucket>(), alloc).cast::<sys::apr_bucket>();
        bucket.write(std::mem::zeroed());
        (*bucket).free = Some(sys::apr_bucket_free);
        (*bucket).list = alloc;
        bucket
    }
}

/// # Safety
/// Called by apr for buckets of this kind.
unsafe extern "C" fn destroy_file_bucket(data: *mut c_void) {
    // SAFETY: by the contract.
    guard((), || unsafe { destroy(data) });
}

/// # Safety
/// As [`destroy_file_bucket`], with places for the answer.
unsafe extern "C" fn read_file_bucket(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    len: *mut usize,
    _block: sys::apr_read_type_e,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::EIO, || unsafe { read(bucket, data, len) })
}

/// # Safety
/// Called by apr for a bucket that [`create`] has made, or that was split off or copied from one.
unsafe fn destroy(data: *mut c_void) {
    // SAFETY: by the contract.
    unsafe {
        if sys::apr_bucket_shared_destroy(data) != 0 {
            drop(Box::from_raw(data.cast::<SharedFile>()));
        }
    }
}

/// Makes the bucket one of memory with the next bytes of the file, and another one behind it of what is left.
///
/// # Safety
/// As [`destroy`], with places for the answer.
unsafe fn read(bucket: *mut sys::apr_bucket, data: *mut *const c_char, len: *mut usize) -> c_int {
    // SAFETY: by the contract.
    let (shared, start, length) = unsafe { ((*bucket).data, (*bucket).start as u64, (*bucket).length) };
    let Some(mut block) = MemoryBlock::take() else { return libc::ENOMEM };
    let part = length.min(block::SIZE);
    // SAFETY: alive as long as the bucket is.
    let source = unsafe { &(*shared.cast::<SharedFile>()).source };
    if source.read(&mut block[..part], start).is_err() {
        return libc::EIO;
    }
    // SAFETY: the ring and the bucket are valid. The new bucket takes the part in the shared file over.
    unsafe {
        *data = block.as_ptr().cast();
        *len = part;
        let raw = block.into_raw().cast();
        sys::apr_bucket_heap_make(bucket, raw, part, Some(super::cleanup::give_back_block));
        if part == length {
            destroy(shared);
            return 0;
        }
        let rest = blank((*bucket).list);
        (*rest).type_ = &KIND.0;
        (*rest).data = shared;
        (*rest).start = (start + part as u64) as sys::apr_off_t;
        (*rest).length = length - part;
        let next = (*bucket).link.next;
        (*rest).link.prev = bucket;
        (*rest).link.next = next;
        (*next).link.prev = rest;
        (*bucket).link.next = rest;
    }
    0
}
