//! What apr calls when a pool is cleared or a bucket is gone.

use super::block::MemoryBlock;
use crate::panics::guard;
use apr_sys as sys;
use std::ffi::{c_int, c_void};

/// Drops what [`super::pool::Pool::own`] boxed.
///
/// # Safety
/// `data` is a pointer from `Box::<T>::into_raw` that nobody uses any more.
pub unsafe extern "C" fn drop_boxed<T>(data: *mut c_void) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard((), || drop(unsafe { Box::from_raw(data.cast::<T>()) }));
    0
}

/// Closes a descriptor whose number is the pointer's value.
///
/// # Safety
/// `data` is the number of a descriptor owned by the pool.
pub unsafe extern "C" fn close_descriptor(data: *mut c_void) -> sys::apr_status_t {
    // SAFETY: the pool is the owner of this descriptor and calls once.
    unsafe { libc::close(data as usize as c_int) };
    0
}

/// Frees the memory of a bucket that holds a block.
///
/// # Safety
/// `data` came from `MemoryBlock::into_raw`, and is not used any more.
pub unsafe extern "C" fn give_back_block(data: *mut c_void) {
    // SAFETY: by the contract.
    guard((), || drop(unsafe { MemoryBlock::from_raw(data) }));
}
