//! Buckets of bytes in memory that a daemon shares. They lend it out as it is; what has to wait is copied, so that the memory
//! is soon free for the next response.

use super::block::{self, MemoryBlock};
use crate::panics::guard;
use apr_sys as sys;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use wsgi_system::shared_bytes::SharedBytes;

/// What is shorter gets no block of its own: a daemon may send ever so many parts of a byte.
const SMALL: usize = 4096;

/// What buckets of one part share; apr counts them.
#[repr(C)]
struct SharedPart {
    count: sys::apr_bucket_refcount,
    memory: Arc<SharedBytes>,
}

/// Holds pointers to functions and a static string only.
#[repr(transparent)]
struct MemoryBucketKind(sys::apr_bucket_type_t);

// SAFETY: never written.
unsafe impl Sync for MemoryBucketKind {}

static KIND: MemoryBucketKind = MemoryBucketKind(sys::apr_bucket_type_t {
    name: c"WSGI MEMORY".as_ptr(),
    num_func: 5,
    is_metadata: sys::APR_BUCKET_DATA,
    destroy: Some(destroy_memory_bucket),
    read: Some(read_memory_bucket),
    setaside: Some(keep_memory_bucket),
    split: Some(sys::apr_bucket_shared_split),
    copy: Some(sys::apr_bucket_shared_copy),
});

/// A bucket of `len` bytes from `start`.
///
/// # Safety
/// `alloc` is the allocator of the connection it is for, and the bytes lie within the memory.
pub unsafe fn create(
    memory: Arc<SharedBytes>,
    start: usize,
    len: usize,
    alloc: *mut sys::apr_bucket_alloc_t,
) -> *mut sys::apr_bucket {
    // SAFETY: all-zero is a valid count, which apr sets.
    let count = unsafe { std::mem::zeroed() };
    let shared = Box::into_raw(Box::new(SharedPart { count, memory }));
    // SAFETY: by the contract; the shared part is freed by `destroy`, when apr has counted down to nothing.
    unsafe {
        let bucket = super::file_bucket::blank(alloc);
        sys::apr_bucket_shared_make(bucket, shared.cast(), start as sys::apr_off_t, len);
        (*bucket).type_ = &KIND.0;
        bucket
    }
}

/// # Safety
/// Called by apr for buckets of this kind.
unsafe extern "C" fn destroy_memory_bucket(data: *mut c_void) {
    // SAFETY: by the contract.
    guard((), || unsafe { destroy(data) });
}

/// # Safety
/// As [`destroy_memory_bucket`], with places for the answer.
unsafe extern "C" fn read_memory_bucket(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    len: *mut usize,
    _block: sys::apr_read_type_e,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::EIO, || unsafe { read(bucket, data, len) })
}

/// # Safety
/// As [`destroy_memory_bucket`].
unsafe extern "C" fn keep_memory_bucket(
    bucket: *mut sys::apr_bucket,
    _pool: *mut sys::apr_pool_t,
) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard(libc::ENOMEM, || unsafe { keep(bucket) })
}

/// # Safety
/// Called by apr for a bucket that [`create`] has made, or that was split off or copied from one.
unsafe fn destroy(data: *mut c_void) {
    // SAFETY: by the contract.
    unsafe {
        if sys::apr_bucket_shared_destroy(data) != 0 {
            drop(Box::from_raw(data.cast::<SharedPart>()));
        }
    }
}

/// Says where the bytes lie.
///
/// # Safety
/// As [`destroy`], with places for the answer.
unsafe fn read(bucket: *mut sys::apr_bucket, data: *mut *const c_char, len: *mut usize) -> c_int {
    // SAFETY: by the contract; the shared part lives as long as the bucket.
    unsafe {
        let shared = (*bucket).data.cast::<SharedPart>();
        *data = (*shared).memory.address((*bucket).start as usize).cast();
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
        let memory = &(*data.cast::<SharedPart>()).memory;
        if let Some(mut block) = block {
            memory.read(start, &mut block[..len]);
            let raw = block.into_raw().cast();
            sys::apr_bucket_heap_make(bucket, raw, len, Some(super::cleanup::give_back_block));
        } else {
            // apr copies.
            sys::apr_bucket_heap_make(bucket, memory.address(start).cast_mut().cast(), len, None);
        }
        destroy(data);
    }
    0
}
