//! Buckets of our own: of a file, and of memory that a daemon shares.
//!
//! httpd's own buckets take a file that is shorter than it was, or cannot be read, for one that has ended: fewer bytes leave than
//! were announced, and the client reads the next response as the rest of this one. Those of [`FileSource`] fail instead, and tell
//! it whoever has made them, because some filters ignore that a bucket could not be read.
//!
//! Those of shared memory lend it out as it is; what has to wait is copied, so that the memory is soon free for the next response.

use super::block::{self, MemoryBlock};
use crate::panics::guard;
use apr_sys as sys;
use std::ffi::{c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wsgi_system::shared_bytes::SharedBytes;

/// What is shorter gets no block of its own: a daemon may send ever so many parts of a byte.
const SMALL: usize = 4096;

/// A file on its way to a client.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    /// It is not read before all that stands before it has left.
    is_last: bool,
    is_cut: AtomicBool,
}

impl FileSource {
    /// For buckets of this file.
    pub fn new(file: File) -> Arc<Self> {
        Arc::new(Self { file, is_last: false, is_cut: AtomicBool::new(false) })
    }

    /// For the end of a file that is mapped up to there: it says whether the file was cut while the rest left.
    pub fn end_of_mapped(file: File) -> Arc<Self> {
        Arc::new(Self { file, is_last: true, is_cut: AtomicBool::new(false) })
    }

    /// Whether bytes were missing.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    fn read(&self, block: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(block, offset).inspect_err(|_| self.is_cut.store(true, Ordering::Relaxed))
    }
}

/// What the buckets of one source share; apr counts them.
#[repr(C)]
struct BucketPart<T> {
    count: sys::apr_bucket_refcount,
    source: T,
}

/// Holds pointers to functions and a static string only.
#[repr(transparent)]
struct BucketKind(sys::apr_bucket_type_t);

// SAFETY: never written.
unsafe impl Sync for BucketKind {}

static FILE: BucketKind = BucketKind(sys::apr_bucket_type_t {
    name: c"WSGI FILE".as_ptr(),
    num_func: 5,
    is_metadata: sys::APR_BUCKET_DATA,
    destroy: Some(destroy_bucket::<Arc<FileSource>>),
    read: Some(read_file_bucket),
    // The file is the bucket's own, and no pool's.
    setaside: Some(sys::apr_bucket_setaside_noop),
    split: Some(sys::apr_bucket_shared_split),
    copy: Some(sys::apr_bucket_shared_copy),
});

static MEMORY: BucketKind = BucketKind(sys::apr_bucket_type_t {
    name: c"WSGI MEMORY".as_ptr(),
    destroy: Some(destroy_bucket::<Arc<SharedBytes>>),
    read: Some(read_memory_bucket),
    setaside: Some(keep_memory_bucket),
    ..FILE.0
});

/// A bucket of `length` bytes of a file, from `offset`.
///
/// # Safety
/// `alloc` is the allocator of the connection it is for.
pub unsafe fn of_file(
    source: Arc<FileSource>,
    offset: u64,
    length: u64,
    alloc: *mut sys::apr_bucket_alloc_t,
) -> *mut sys::apr_bucket {
    // SAFETY: by the contract, and the kind is that of files.
    unsafe { create(&FILE, source, offset as sys::apr_off_t, length as usize, alloc) }
}

/// A bucket of `length` bytes of shared memory, from `start`.
///
/// # Safety
/// `alloc` is the allocator of the connection it is for, and the bytes lie within the memory.
pub unsafe fn of_memory(
    memory: Arc<SharedBytes>,
    start: usize,
    length: usize,
    alloc: *mut sys::apr_bucket_alloc_t,
) -> *mut sys::apr_bucket {
    // SAFETY: by the contract, and the kind is that of memory.
    unsafe { create(&MEMORY, memory, start as sys::apr_off_t, length, alloc) }
}

/// # Safety
/// `alloc` is the allocator of the connection it is for, and the kind's functions are those for this source.
unsafe fn create<T>(
    kind: &'static BucketKind,
    source: T,
    start: sys::apr_off_t,
    length: usize,
    alloc: *mut sys::apr_bucket_alloc_t,
) -> *mut sys::apr_bucket {
    // SAFETY: by the contract; all-zero is a valid count, which apr sets. The shared part is freed by `destroy`, when apr has
    // counted down to nothing.
    unsafe {
        let shared = Box::into_raw(Box::new(BucketPart { count: std::mem::zeroed(), source }));
        let bucket = blank(alloc);
        sys::apr_bucket_shared_make(bucket, shared.cast(), start, length);
        (*bucket).type_ = &kind.0;
        bucket
    }
}

/// # Safety
/// See [`create`]. The bucket has to be made something before it is used.
unsafe fn blank(alloc: *mut sys::apr_bucket_alloc_t) -> *mut sys::apr_bucket {
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
/// Called by apr for buckets with this source.
unsafe extern "C" fn destroy_bucket<T>(data: *mut c_void) {
    // SAFETY: by the contract.
    guard((), || unsafe { destroy::<T>(data) });
}

/// Frees the memory of a bucket that holds a block.
///
/// # Safety
/// `data` came from `MemoryBlock::into_raw`, and is not used any more.
pub unsafe extern "C" fn give_back_block(data: *mut c_void) {
    // SAFETY: by the contract.
    guard((), || drop(unsafe { MemoryBlock::from_raw(data) }));
}

/// # Safety
/// Called by apr for buckets of files, with places for the answer.
unsafe extern "C" fn read_file_bucket(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    len: *mut usize,
    block: sys::apr_read_type_e,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::EIO, || unsafe { read_file(bucket, data, len, block == sys::APR_NONBLOCK_READ) })
}

/// # Safety
/// Called by apr for buckets of memory, with places for the answer.
unsafe extern "C" fn read_memory_bucket(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    len: *mut usize,
    _block: sys::apr_read_type_e,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::EIO, || unsafe { read_memory(bucket, data, len) })
}

/// # Safety
/// Called by apr for buckets of memory.
unsafe extern "C" fn keep_memory_bucket(
    bucket: *mut sys::apr_bucket,
    _pool: *mut sys::apr_pool_t,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::ENOMEM, || unsafe { keep(bucket) })
}

/// # Safety
/// Called by apr for a bucket that [`create`] has made of this source, or that was split off or copied from one.
unsafe fn destroy<T>(data: *mut c_void) {
    // SAFETY: by the contract.
    unsafe {
        if sys::apr_bucket_shared_destroy(data) != 0 {
            drop(Box::from_raw(data.cast::<BucketPart<T>>()));
        }
    }
}

/// Makes the bucket one of memory with the next bytes of the file, and another one behind it of what is left. Who reads without
/// waiting (`is_early`) has not sent all before it: httpd's core does so then, and comes back.
///
/// # Safety
/// As [`destroy`], with places for the answer.
unsafe fn read_file(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    len: *mut usize,
    is_early: bool,
) -> c_int {
    // SAFETY: by the contract.
    let (shared, start, length) = unsafe { ((*bucket).data, (*bucket).start as u64, (*bucket).length) };
    // SAFETY: alive as long as the bucket is.
    let source = unsafe { &(*shared.cast::<BucketPart<Arc<FileSource>>>()).source };
    if source.is_last && is_early {
        return libc::EAGAIN;
    }
    let Some(mut block) = MemoryBlock::take() else { return libc::ENOMEM };
    let part = length.min(block::SIZE);
    if source.read(&mut block[..part], start).is_err() {
        return libc::EIO;
    }
    // SAFETY: the ring and the bucket are valid. The new bucket takes the part in the shared file over.
    unsafe {
        *data = block.as_ptr().cast();
        *len = part;
        let raw = block.into_raw().cast();
        sys::apr_bucket_heap_make(bucket, raw, part, Some(give_back_block));
        if part == length {
            destroy::<Arc<FileSource>>(shared);
            return 0;
        }
        let rest = blank((*bucket).list);
        (*rest).type_ = &FILE.0;
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

/// Says where the bytes lie.
///
/// # Safety
/// As [`destroy`], with places for the answer.
unsafe fn read_memory(bucket: *mut sys::apr_bucket, data: *mut *const c_char, len: *mut usize) -> c_int {
    // SAFETY: by the contract; the shared part lives as long as the bucket.
    unsafe {
        let shared = (*bucket).data.cast::<BucketPart<Arc<SharedBytes>>>();
        *data = (*shared).source.address((*bucket).start as usize).cast();
        *len = (*bucket).length;
    }
    0
}

/// Copies what is not too much; more stays where it is, and keeps the memory.
///
/// # Safety
/// As [`destroy`].
unsafe fn keep(bucket: *mut sys::apr_bucket) -> c_int {
    // SAFETY: by the contract.
    let (data, start, len) = unsafe { ((*bucket).data, (*bucket).start as usize, (*bucket).length) };
    if len > block::SIZE {
        return 0;
    }
    let block = if len < SMALL { None } else { MemoryBlock::take() };
    if block.is_none() && len >= SMALL {
        return 0;
    }
    // SAFETY: the memory is alive as long as the bucket is, which becomes one of a copy; its part in the memory is given up once.
    unsafe {
        let memory = &(*data.cast::<BucketPart<Arc<SharedBytes>>>()).source;
        if let Some(mut block) = block {
            memory.read(start, &mut block[..len]);
            let raw = block.into_raw().cast();
            sys::apr_bucket_heap_make(bucket, raw, len, Some(give_back_block));
        } else {
            // apr copies.
            sys::apr_bucket_heap_make(bucket, memory.address(start).cast_mut().cast(), len, None);
        }
        destroy::<Arc<SharedBytes>>(data);
    }
    0
}
