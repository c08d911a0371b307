//! Configuration glue: httpd's records around the records of `wsgi-directives`, and one directive handler.

use crate::callbacks;
use crate::generation::runtime::ChildRuntime;
use crate::httpd::log;
use crate::httpd::origin::LogServers;
use crate::httpd::pool::Pool;
use crate::httpd::{bytes, server};
use apr_sys as sys;
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use wsgi_directives::{
    DIRECTIVES, DirConfig, DirectivePlace, GlobalConfig, LineScope, MergedRecord, NoticeLevel, RegexMatch,
    ServerConfig, SystemFacts, UriRegex, VhostId,
};

/// What one configuration pass collects over all servers. Lives from pre_config until the configuration pool
/// is cleared; children inherit it by fork and only read it.
#[derive(Default)]
pub struct ConfigState {
    /// Main-server settings, daemon groups, preloads.
    pub global: GlobalConfig,
    /// Server records by [`VhostId`], and the other way round: each request asks.
    hosts: Vec<*mut sys::server_rec>,
    numbers: HashMap<*mut sys::server_rec, VhostId>,
    /// What is to be said about single lines, to which server's log.
    notices: Vec<(*mut sys::server_rec, log::LogLevel, String)>,
    /// By which lines of other processes are logged; made in post_config.
    pub log_servers: LogServers,
    /// What post_config made of it.
    pub runtime: Option<ChildRuntime>,
}

static STATE: AtomicPtr<ConfigState> = AtomicPtr::new(ptr::null_mut());

/// The process that made the state: a child that exits runs the cleanups of its inherited pools, too, while its
/// threads may still be using what they would free.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The state of the current configuration.
pub fn state() -> Option<&'static ConfigState> {
    // SAFETY: set by `reset`, freed by `forget`, both on the parent's only thread while no request runs.
    unsafe { STATE.load(Ordering::Acquire).as_ref() }
}

/// The state, to be changed.
///
/// # Safety
/// Only while httpd reads its configuration or runs post_config: single-threaded, no other borrow.
pub unsafe fn state_mut() -> Option<&'static mut ConfigState> {
    // SAFETY: by the contract.
    unsafe { STATE.load(Ordering::Acquire).as_mut() }
}

/// pre_config: forgets the last pass. Statics may or may not have survived a reload (decisions.md, "Statics may
/// survive a reload").
///
/// # Safety
/// `pconf` is the live configuration pool.
pub unsafe fn reset(pconf: *mut sys::apr_pool_t) -> c_int {
    forget();
    OWNER.store(std::process::id(), Ordering::Release);
    STATE.store(Box::into_raw(Box::default()), Ordering::Release);
    // SAFETY: the cleanup runs before httpd unloads the module, which is registered on the same pool earlier.
    unsafe {
        Pool::from_raw(pconf).on_clear(ptr::null_mut(), callbacks::handed().configuration_cleared);
    }
    sys::OK as c_int
}

/// Whether this is the process that made the state: httpd's parent, also where it serves itself (`httpd -X`).
pub fn is_owner() -> bool {
    OWNER.load(Ordering::Acquire) == std::process::id()
}

/// Drops the state, and lets the supervisor know that no further child of this generation will come.
pub fn forget() {
    if !is_owner() {
        return;
    }
    (callbacks::handed().generation_ends)();
    let old = STATE.swap(ptr::null_mut(), Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: made by Box::into_raw in `reset`; nothing borrows it when the configuration pool is cleared.
        drop(unsafe { Box::from_raw(old) });
    }
}

/// # Safety
/// `p` is a live pool.
pub unsafe fn create_server(p: *mut sys::apr_pool_t, _s: *mut sys::server_rec) -> *mut c_void {
    // SAFETY: by the contract.
    unsafe { Pool::from_raw(p) }.own(ServerConfig::default()).cast()
}

/// # Safety
/// `p` is a live pool; the records were made by [`create_server`] and live as long as `p`.
pub unsafe fn merge_server(p: *mut sys::apr_pool_t, base: *mut c_void, child: *mut c_void) -> *mut c_void {
    // SAFETY: by the contract.
    let merged =
        unsafe { ServerConfig::merged(&*base.cast::<ServerConfig>(), &*child.cast::<ServerConfig>()) };
    match merged {
        MergedRecord::Base => base,
        MergedRecord::Child => child,
        // SAFETY: by the contract.
        MergedRecord::New(record) => unsafe { Pool::from_raw(p) }.own(record).cast(),
    }
}

/// # Safety
/// `p` is a live pool.
pub unsafe fn create_dir(p: *mut sys::apr_pool_t) -> *mut c_void {
    // SAFETY: by the contract.
    unsafe { Pool::from_raw(p) }.own(DirConfig::default()).cast()
}

/// # Safety
/// `p` is a live pool; the records were made by [`create_dir`] and live as long as `p`.
pub unsafe fn merge_dir(p: *mut sys::apr_pool_t, base: *mut c_void, child: *mut c_void) -> *mut c_void {
    // SAFETY: by the contract.
    let merged = unsafe { DirConfig::merged(&*base.cast::<DirConfig>(), &*child.cast::<DirConfig>()) };
    match merged {
        MergedRecord::Base => base,
        MergedRecord::Child => child,
        // SAFETY: by the contract.
        MergedRecord::New(record) => unsafe { Pool::from_raw(p) }.own(record).cast(),
    }
}

/// The record of a server.
///
/// # Safety
/// `s` is a valid server record.
pub unsafe fn of_server<'a>(s: *mut sys::server_rec) -> &'a ServerConfig {
    // SAFETY: httpd made the record by `create_server` or `merge_server`; it lives as long as the server.
    unsafe { &*sys::mw_get_module_config((*s).module_config, crate::module_record()).cast() }
}

/// The directory-level record in force for a request.
///
/// # Safety
/// `r` is a live request.
pub unsafe fn of_directory<'a>(r: *mut sys::request_rec) -> &'a DirConfig {
    // SAFETY: httpd made the record by `create_dir` or `merge_dir`; it lives as long as the request.
    unsafe { &*sys::mw_get_module_config((*r).per_dir_config, crate::module_record()).cast() }
}

/// Number of a virtual host; `None` for the main server.
///
/// # Safety
/// `s` is a valid server record.
pub unsafe fn vhost_id(state: &mut ConfigState, s: *mut sys::server_rec) -> Option<VhostId> {
    // SAFETY: by the contract.
    if unsafe { (*s).is_virtual } == 0 {
        return None;
    }
    let ConfigState { hosts, numbers, .. } = state;
    let number = numbers.entry(s).or_insert_with(|| {
        hosts.push(s);
        VhostId(hosts.len() as u32 - 1)
    });
    Some(*number)
}

/// Number of a virtual host as far as a directive stood in it.
pub fn known_vhost(state: &ConfigState, s: *mut sys::server_rec) -> Option<VhostId> {
    state.numbers.get(&s).copied()
}

/// The server record behind a number.
pub fn server_of(state: &ConfigState, id: VhostId) -> Option<*mut sys::server_rec> {
    state.hosts.get(id.0 as usize).copied()
}

/// Handles any directive of the table.
///
/// # Safety
/// Called by httpd: valid parms, our directory record, NUL-terminated rest of the line.
pub unsafe fn directive(
    parms: *mut sys::cmd_parms,
    record: *mut c_void,
    args: *const c_char,
) -> *const c_char {
    // SAFETY: by the contract; the record is ours and nobody else uses it while the line is read.
    let (pool, result) = unsafe {
        let pool = Pool::from_raw((*parms).pool);
        (pool, apply(parms, record.cast::<DirConfig>().as_mut(), bytes(args).unwrap_or_default()))
    };
    match result {
        // SAFETY: as above.
        Ok(true) => unsafe {
            let first = (*(*parms).directive).first_child;
            sys::ap_walk_config(first, parms, (*parms).context)
        },
        Ok(false) => ptr::null(),
        Err(text) => pool.dup(text.as_bytes()),
    }
}

/// Applies the line; `true` when it opened a section whose content has to be walked.
///
/// # Safety
/// As [`directive`].
unsafe fn apply(
    parms: *mut sys::cmd_parms,
    dir: Option<&mut DirConfig>,
    args: &[u8],
) -> Result<bool, String> {
    // SAFETY: the row index is what `commands::TABLE` stored.
    let id = unsafe { (*(*parms).cmd).cmd_data }.addr();
    let row = &DIRECTIVES[id];
    let args = std::str::from_utf8(args)
        .map_err(|_| format!("{} holds bytes that are not UTF-8; write the file in UTF-8", row.name))?;
    // SAFETY: valid parms; a null answer means "not in .htaccess".
    let htaccess = unsafe { !sys::ap_check_cmd_context(parms, sys::NOT_IN_HTACCESS).is_null() };
    if htaccess {
        // SAFETY: as above. Requests run now: the shared state is not touched, and notices would come again and
        // again with each request.
        let place = unsafe { place(parms, None, None) };
        let scope = LineScope { global: None, server: None, dir };
        wsgi_directives::apply(id, args, &place, scope, &HttpdMachine).map_err(|e| e.to_string())?;
        return Ok(row.is_section());
    }
    // SAFETY: httpd reads its configuration on one thread.
    let state = unsafe { state_mut() }.ok_or("the configuration state is missing")?;
    // SAFETY: valid parms; server records outlive the pass.
    let (vhost, server) = unsafe {
        let s = (*parms).server;
        let config = sys::mw_get_module_config((*s).module_config, crate::module_record());
        (vhost_id(state, s), config.cast::<ServerConfig>().as_mut())
    };
    // SAFETY: as above.
    let place = unsafe { place(parms, vhost, Some(&state.global)) };
    let scope = LineScope { global: Some(&mut state.global), server, dir };
    for notice in wsgi_directives::apply(id, args, &place, scope, &HttpdMachine).map_err(|e| e.to_string())? {
        // SAFETY: valid parms.
        unsafe { keep(state, parms, &notice) };
    }
    Ok(row.is_section())
}

/// Where a line stands; without the main server's record it is one of a `.htaccess`.
///
/// # Safety
/// Valid parms.
unsafe fn place<'a>(
    parms: *mut sys::cmd_parms,
    virtual_host: Option<VhostId>,
    global: Option<&GlobalConfig>,
) -> DirectivePlace<'a> {
    // SAFETY: httpd's strings live in the configuration pool (or the request's, in .htaccess).
    unsafe {
        let text = |p: *const c_char| bytes(p).and_then(|b| std::str::from_utf8(b).ok());
        let directive = (*parms).directive;
        let parent = (*directive).parent;
        let enclosing = if parent.is_null() { None } else { text((*parent).directive) };
        DirectivePlace {
            file: text((*directive).filename).unwrap_or("?"),
            line: (*directive).line_num.max(0) as u32,
            virtual_host,
            server_name: text((*(*parms).server).server_hostname),
            directory: text((*parms).path),
            htaccess: global.is_none(),
            in_interpreter_options: global.and_then(|global| global.block_within(enclosing)),
        }
    }
}

/// Keeps a notice until the error logs are open (httpd opens them after it has read its configuration).
///
/// # Safety
/// Valid parms.
unsafe fn keep(state: &mut ConfigState, parms: *mut sys::cmd_parms, notice: &wsgi_directives::Notice) {
    // SAFETY: valid parms.
    let (server, text) = unsafe {
        let directive = (*parms).directive;
        let file = bytes((*directive).filename).map(String::from_utf8_lossy).unwrap_or_default();
        ((*parms).server, format!("{notice} ({file}:{})", (*directive).line_num))
    };
    state.notices.push((server, level_of(notice.level), text));
}

/// httpd's level of a notice.
pub fn level_of(level: NoticeLevel) -> log::LogLevel {
    match level {
        NoticeLevel::Warning => log::LogLevel::Warning,
        NoticeLevel::Notice => log::LogLevel::Notice,
        NoticeLevel::Info => log::LogLevel::Info,
    }
}

/// Logs the notices of the pass; once per start, although httpd reads its configuration twice.
pub fn tell_notices(state: &mut ConfigState) {
    let notices = std::mem::take(&mut state.notices);
    for (server, level, text) in notices.into_iter().filter(|_| is_final_pass()) {
        // SAFETY: server records live as long as the configuration.
        unsafe { log::server(server, level as u8, 0, text.as_bytes()) };
    }
}

/// Whether this pass is the one whose messages count: not the first of the two at start-up.
pub fn is_final_pass() -> bool {
    // SAFETY: plain queries.
    unsafe {
        sys::ap_state_query(sys::AP_SQ_RUN_MODE as c_int) == sys::AP_SQ_RM_CONFIG_TEST as c_int
            || sys::ap_state_query(sys::AP_SQ_MAIN_STATE as c_int) != sys::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
    }
}

/// The machine as `wsgi-directives` asks for it.
pub struct HttpdMachine;

impl SystemFacts for HttpdMachine {
    fn uid_of_name(&self, name: &str) -> Option<u32> {
        crate::lifecycle::accounts::uid_of(name)
    }

    fn gid_of_name(&self, name: &str) -> Option<u32> {
        crate::lifecycle::accounts::gid_of(name)
    }

    fn name_of_uid(&self, uid: u32) -> Option<String> {
        crate::lifecycle::accounts::user(uid).map(|user| user.name)
    }

    fn name_of_gid(&self, gid: u32) -> Option<String> {
        crate::lifecycle::accounts::group_name(gid)
    }

    fn is_root(&self) -> bool {
        wsgi_system::process::effective_uid() == 0
    }

    fn ngroups_max(&self) -> usize {
        wsgi_system::limits::most_groups().and_then(|most| most.try_into().ok()).unwrap_or(usize::MAX)
    }

    fn compile_regex(&self, pattern: &str) -> Option<Arc<dyn UriRegex>> {
        let pattern = CString::new(pattern).ok()?;
        // SAFETY: the pattern is NUL-terminated; the pool of the compiled form is destroyed with it.
        unsafe {
            let pool = sys::mw_pool_create(ptr::null_mut());
            if pool.is_null() {
                return None;
            }
            let compiled = sys::ap_pregcomp(pool, pattern.as_ptr(), sys::AP_REG_EXTENDED as c_int);
            if compiled.is_null() {
                sys::mw_pool_destroy(pool);
                return None;
            }
            Some(Arc::new(HttpdRegex { compiled, pool }))
        }
    }

    fn server_root_relative(&self, path: &str) -> Option<String> {
        let path = CString::new(path).ok()?;
        // SAFETY: the temporary pool holds the answer until it has been copied.
        unsafe {
            let pool = sys::mw_pool_create(ptr::null_mut());
            if pool.is_null() {
                return None;
            }
            let full = bytes(sys::ap_server_root_relative(pool, path.as_ptr()));
            let full = full.and_then(|b| String::from_utf8(b.to_vec()).ok());
            sys::mw_pool_destroy(pool);
            full
        }
    }

    fn neighbours(&self) -> wsgi_directives::NeighbourDirectives {
        crate::lifecycle::checks::neighbours::find()
    }

    fn server_name_of(&self, host: VhostId) -> Option<String> {
        let s = server_of(state()?, host)?;
        // SAFETY: server records outlive the configuration pass.
        let name = unsafe { server::hostname(s) }?;
        String::from_utf8(name.to_vec()).ok()
    }
}

/// A pattern compiled by httpd, in a pool of its own.
#[derive(Debug)]
struct HttpdRegex {
    compiled: *mut sys::ap_regex_t,
    pool: *mut sys::apr_pool_t,
}

// SAFETY: ap_regexec does not change the compiled form; httpd itself shares it between threads.
unsafe impl Send for HttpdRegex {}
// SAFETY: as above.
unsafe impl Sync for HttpdRegex {}

impl Drop for HttpdRegex {
    fn drop(&mut self) {
        // SAFETY: the pool was made for this pattern only.
        unsafe { sys::mw_pool_destroy(self.pool) }
    }
}

impl UriRegex for HttpdRegex {
    fn search(&self, uri: &[u8]) -> Option<RegexMatch> {
        let uri = CString::new(uri).ok()?;
        let mut found = [sys::ap_regmatch_t { rm_so: -1, rm_eo: -1 }; sys::AP_MAX_REG_MATCH as usize];
        let (pattern, places) = (self.compiled, found.as_mut_ptr());
        // SAFETY: pattern and subject are valid; `found` holds as many entries as announced.
        let status = unsafe { sys::ap_regexec(pattern, uri.as_ptr(), found.len(), places, 0) };
        if status != 0 {
            return None;
        }
        let offset = |n: c_int| usize::try_from(n).ok();
        let group = |m: &sys::ap_regmatch_t| Some((offset(m.rm_so)?, offset(m.rm_eo)?));
        let mut result = RegexMatch::default();
        for (slot, m) in result.groups.iter_mut().zip(&found) {
            *slot = group(m);
        }
        Some(result)
    }
}
