//! httpd's command array, made at compile time from the directive table: every row is RAW_ARGS and carries its
//! index, so one trampoline serves all.

use crate::boundary;
use apr_sys as sys;
use std::ffi::c_char;
use std::ptr;
use wsgi_directives::{DIRECTIVES, Directive};

const COUNT: usize = DIRECTIVES.len();

/// Bytes of all names and one-line docs, each ended by a NUL.
const TEXT_LEN: usize = {
    let mut len = 0;
    let mut i = 0;
    while i < COUNT {
        len += DIRECTIVES[i].name.len() + DIRECTIVES[i].doc.len() + 2;
        i += 1;
    }
    len
};

static TEXT: [u8; TEXT_LEN] = {
    let mut out = [0; TEXT_LEN];
    let mut at = 0;
    let mut i = 0;
    while i < COUNT {
        at = copy(&mut out, at, DIRECTIVES[i].name.as_bytes());
        at = copy(&mut out, at, DIRECTIVES[i].doc.as_bytes());
        i += 1;
    }
    out
};

/// Copies `from` to `out[at..]`, leaves one NUL, returns where the next text starts.
const fn copy(out: &mut [u8; TEXT_LEN], at: usize, from: &[u8]) -> usize {
    let mut i = 0;
    while i < from.len() {
        out[at + i] = from[i];
        i += 1;
    }
    at + from.len() + 1
}

/// The array behind `module.cmds`, ended by a null record.
#[repr(transparent)]
pub struct CommandTable([sys::command_rec; COUNT + 1]);

// SAFETY: never written after compile time; the pointers are to statics.
unsafe impl Sync for CommandTable {}

pub static TABLE: CommandTable = CommandTable({
    let empty = sys::command_rec {
        name: ptr::null(),
        func: sys::cmd_func { no_args: None },
        cmd_data: ptr::null_mut(),
        req_override: 0,
        args_how: sys::RAW_ARGS,
        errmsg: ptr::null(),
    };
    let mut rows = [empty; COUNT + 1];
    let mut at = 0;
    let mut i = 0;
    while i < COUNT {
        let row = &DIRECTIVES[i];
        let errmsg = at + row.name.len() + 1;
        rows[i] = sys::command_rec {
            name: text(at),
            func: sys::cmd_func { raw_args: Some(boundary::directive) },
            cmd_data: ptr::without_provenance_mut(i),
            req_override: override_bits(row),
            args_how: sys::RAW_ARGS,
            errmsg: text(errmsg),
        };
        at = errmsg + row.doc.len() + 1;
        i += 1;
    }
    rows
});

const fn text(at: usize) -> *const c_char {
    (&raw const TEXT).cast::<c_char>().wrapping_add(at)
}

const fn override_bits(row: &Directive) -> i32 {
    let classes = row.override_classes();
    let mut bits = 0;
    if classes.rsrc_conf {
        bits |= sys::RSRC_CONF;
    }
    if classes.access_conf {
        bits |= sys::ACCESS_CONF;
    }
    if classes.file_info {
        bits |= sys::OR_FILEINFO;
    }
    if classes.auth_config {
        bits |= sys::OR_AUTHCFG;
    }
    bits as i32
}
