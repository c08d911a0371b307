//! httpd's side of the C table, in miniature.

use std::ffi::c_void;
use std::sync::Mutex;
use wsgi_protocol::abi;
use wsgi_protocol::response::ResponseHead;

/// What a request of this test looks like to the callbacks.
#[derive(Default)]
pub struct TestRequest {
    pub input: Vec<u8>,
    pub head: Option<(String, Vec<(String, String)>)>,
    pub body: Vec<u8>,
    pub gone: bool,
    /// What host scripts answered.
    pub answers: Vec<(u32, String)>,
}

/// All records.
pub static LOG: Mutex<String> = Mutex::new(String::new());

/// # Safety
/// `request` is a [`TestRequest`].
unsafe fn handle<'h>(request: *mut c_void) -> &'h mut TestRequest {
    // SAFETY: by the contract.
    unsafe { &mut *request.cast() }
}

pub unsafe extern "C" fn read_body(
    request: *mut c_void,
    buffer: *mut u8,
    len: usize,
    read: *mut usize,
    error: *mut i32,
) -> i32 {
    // SAFETY: the host keeps the contract of the table.
    unsafe {
        let handle = handle(request);
        if handle.gone {
            *error = 70014;
            return abi::FAILED;
        }
        let take = handle.input.len().min(len).min(3);
        std::ptr::copy_nonoverlapping(handle.input.as_ptr(), buffer, take);
        handle.input.drain(..take);
        *read = take;
    }
    abi::OK
}

pub unsafe extern "C" fn send_head(request: *mut c_void, head: *const u8, len: usize) -> i32 {
    // SAFETY: as above.
    let (handle, payload) = unsafe { (handle(request), std::slice::from_raw_parts(head, len)) };
    let Ok(head) = ResponseHead::decode(payload) else { return abi::FAILED };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    handle.head = Some((text(head.line), head.headers().map(|(n, v)| (text(n), text(v))).collect()));
    abi::OK
}

pub unsafe extern "C" fn write(
    request: *mut c_void,
    data: *const u8,
    len: usize,
    _: i32,
    error: *mut i32,
) -> i32 {
    // SAFETY: as above.
    unsafe {
        if handle(request).gone {
            *error = libc::ECONNRESET;
            return abi::FAILED;
        }
        handle(request).body.extend_from_slice(std::slice::from_raw_parts(data, len));
    }
    abi::OK
}

pub unsafe extern "C" fn send_file(request: *mut c_void, _: i32, offset: u64, len: u64, _: *mut i32) -> i32 {
    // SAFETY: as above.
    unsafe { handle(request) }.body.extend_from_slice(format!("file {offset} {len}").as_bytes());
    abi::OK
}

pub unsafe extern "C" fn log(_: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: as above.
    let text = unsafe { std::slice::from_raw_parts(text, len) };
    LOG.lock().unwrap().push_str(&format!("<{level}>{}\n", String::from_utf8_lossy(text)));
}

pub unsafe extern "C" fn is_aborted(request: *mut c_void) -> i32 {
    // SAFETY: as above.
    i32::from(unsafe { handle(request) }.gone)
}

pub unsafe extern "C" fn error_text(error: i32, buffer: *mut u8, len: usize) -> usize {
    let text = format!("error {error}");
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, text.len().min(len)) };
    text.len().min(len)
}

pub unsafe extern "C" fn answer(request: *mut c_void, number: u32, text: *const u8, len: usize) -> i32 {
    // SAFETY: as above.
    let (handle, text) = unsafe { (handle(request), std::slice::from_raw_parts(text, len)) };
    if handle.gone {
        return abi::FAILED;
    }
    handle.answers.push((number, String::from_utf8_lossy(text).into_owned()));
    abi::OK
}

pub unsafe extern "C" fn ssl_is_https(_: *mut c_void) -> i32 {
    1
}

pub unsafe extern "C" fn ssl_variable(
    _: *mut c_void,
    name: *const u8,
    len: usize,
    text: *mut *const u8,
    text_len: *mut usize,
) -> i32 {
    // SAFETY: as above.
    unsafe {
        if std::slice::from_raw_parts(name, len) != b"SSL_PROTOCOL" {
            return abi::FAILED;
        }
        (*text, *text_len) = (b"TLSv1.3".as_ptr(), 7);
    }
    abi::OK
}

pub unsafe extern "C" fn scoreboard(_: *mut u8, _: usize) -> usize {
    0
}
