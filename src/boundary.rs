//! The one door from C: every callback httpd can call stands here, catches panics, and names beside its
//! signature what it answers then. That value always fails closed.

use crate::callbacks::{self, HandedCallbacks};
use crate::panics::{self, guard};
use crate::{config, embedded, handler, host_scripts, httpd, lifecycle, status, translate};
use apr_sys as sys;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

const DECLINED: c_int = sys::DECLINED;
const INTERNAL_ERROR: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
const FORBIDDEN: c_int = sys::HTTP_FORBIDDEN as c_int;
/// What a failed phase of the start answers: httpd refuses to start.
const START_FAILED: c_int = INTERNAL_ERROR;

/// Names of other modules, ended by a null pointer, as httpd's hook order wants them.
#[repr(transparent)]
struct ModuleNames<const N: usize>([*const c_char; N]);

// SAFETY: pointers to static strings, never written.
unsafe impl<const N: usize> Sync for ModuleNames<N> {}

/// mod_alias maps URLs before us (spec/directives.md §5.2).
static RUN_BEFORE_US: ModuleNames<2> = ModuleNames([c"mod_alias.c".as_ptr(), ptr::null()]);
/// mod_userdir and mod_vhost_alias map URLs after us.
static RUN_AFTER_US: ModuleNames<3> =
    ModuleNames([c"mod_userdir.c".as_ptr(), c"mod_vhost_alias.c".as_ptr(), ptr::null()]);

/// mod_ssl says first whether a connection is good enough, and mod_authz_host is asked after our script
/// (spec/directives.md §18).
static CHECKS_BEFORE_US: ModuleNames<2> = ModuleNames([c"mod_ssl.c".as_ptr(), ptr::null()]);
static CHECKS_AFTER_US: ModuleNames<2> = ModuleNames([c"mod_authz_host.c".as_ptr(), ptr::null()]);

/// # Safety
/// Called by httpd with valid pointers.
pub unsafe extern "C" fn create_server_config(
    p: *mut sys::apr_pool_t,
    s: *mut sys::server_rec,
) -> *mut c_void {
    // SAFETY: httpd passes a live pool and server.
    guard(ptr::null_mut(), || unsafe { config::create_server(p, s) })
}

/// # Safety
/// Called by httpd with records made by [`create_server_config`].
pub unsafe extern "C" fn merge_server_config(
    p: *mut sys::apr_pool_t,
    base: *mut c_void,
    child: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd passes a live pool and two of our records.
    guard(child, || unsafe { config::merge_server(p, base, child) })
}

/// # Safety
/// Called by httpd with valid pointers.
pub unsafe extern "C" fn create_dir_config(p: *mut sys::apr_pool_t, _dir: *mut c_char) -> *mut c_void {
    // SAFETY: httpd passes a live pool.
    guard(ptr::null_mut(), || unsafe { config::create_dir(p) })
}

/// # Safety
/// Called by httpd with records made by [`create_dir_config`].
pub unsafe extern "C" fn merge_dir_config(
    p: *mut sys::apr_pool_t,
    base: *mut c_void,
    child: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd passes a live pool and two of our records.
    guard(child, || unsafe { config::merge_dir(p, base, child) })
}

/// # Safety
/// Called by httpd for each directive of the table.
pub unsafe extern "C" fn directive(
    parms: *mut sys::cmd_parms,
    record: *mut c_void,
    args: *const c_char,
) -> *const c_char {
    let failed = c"mod_wsgi: internal error while reading this directive (see the lines above)";
    // SAFETY: httpd passes valid parms, our directory record and a NUL-terminated rest of the line.
    guard(failed.as_ptr(), || unsafe { config::directive(parms, record, args) })
}

/// # Safety
/// Called by httpd once per load of the module.
pub unsafe extern "C" fn register_hooks(p: *mut sys::apr_pool_t) {
    panics::install_hook();
    callbacks::hand_in(&CALLBACKS);
    let middle = sys::APR_HOOK_MIDDLE as c_int;
    // SAFETY: httpd sorts the hooks later, so the neighbour lists are statics of this module.
    unsafe {
        sys::mw_set_module(crate::module_record());
        register_log_handlers(p);
        sys::ap_hook_pre_config(Some(pre_config), ptr::null(), ptr::null(), middle);
        sys::ap_hook_check_config(Some(check_config), ptr::null(), ptr::null(), middle);
        sys::ap_hook_post_config(Some(post_config), ptr::null(), ptr::null(), middle);
        sys::ap_hook_child_init(Some(child_init), ptr::null(), ptr::null(), middle);
        sys::ap_hook_child_status(Some(child_status), ptr::null(), ptr::null(), middle);
        sys::ap_hook_monitor(Some(monitor), ptr::null(), ptr::null(), middle);
        sys::ap_hook_translate_name(
            Some(translate_name),
            (&raw const RUN_BEFORE_US).cast(),
            (&raw const RUN_AFTER_US).cast(),
            middle,
        );
        sys::ap_hook_access_checker(
            Some(access_checker),
            (&raw const CHECKS_BEFORE_US).cast(),
            (&raw const CHECKS_AFTER_US).cast(),
            middle,
        );
        sys::ap_hook_map_to_storage(Some(map_to_storage), ptr::null(), ptr::null(), middle);
        sys::ap_hook_handler(Some(handle), ptr::null(), ptr::null(), middle);
        sys::ap_hook_log_transaction(Some(request_ended), ptr::null(), ptr::null(), middle);
        let section = std::mem::transmute::<StatusHook, unsafe extern "C" fn()>(status_section);
        sys::apr_optional_hook_add(c"status_hook".as_ptr(), Some(section), ptr::null(), ptr::null(), middle);
        register_providers(p);
    }
}

/// `%P` and `%T` of ErrorLogFormat name the process and the thread whose line it is, daemons included.
///
/// # Safety
/// `p` is the live configuration pool: httpd's table of handlers goes with it, before this module does.
unsafe fn register_log_handlers(p: *mut sys::apr_pool_t) {
    // SAFETY: httpd reads the tags only, and knows both already.
    unsafe {
        sys::ap_register_errorlog_handler(p, c"P".as_ptr().cast_mut(), Some(log_process_id), 0);
        sys::ap_register_errorlog_handler(p, c"T".as_ptr().cast_mut(), Some(log_thread_id), 0);
    }
}

unsafe extern "C" fn log_process_id(
    _info: *const sys::ap_errorlog_info,
    _argument: *const c_char,
    buffer: *mut c_char,
    len: c_int,
) -> c_int {
    // SAFETY: httpd passes a buffer of this length.
    guard(0, || unsafe { httpd::origin::process_id(buffer, len) })
}

unsafe extern "C" fn log_thread_id(
    _info: *const sys::ap_errorlog_info,
    argument: *const c_char,
    buffer: *mut c_char,
    len: c_int,
) -> c_int {
    // SAFETY: as above; the argument is null or a C string.
    guard(0, || unsafe { httpd::origin::thread_id(argument, buffer, len) })
}

/// `AuthBasicProvider wsgi`, `AuthDigestProvider wsgi` and `Require wsgi-group`.
///
/// # Safety
/// `p` is the live configuration pool.
unsafe fn register_providers(p: *mut sys::apr_pool_t) {
    let kind = sys::AP_AUTH_INTERNAL_PER_CONF as c_int;
    let (authn, authz) = ((&raw const AUTHN).cast(), (&raw const AUTHZ).cast());
    // SAFETY: names and providers are statics of this module, which is unloaded after the pool is cleared.
    unsafe {
        let (group, version) = (sys::AUTHN_PROVIDER_GROUP.as_ptr(), sys::AUTHN_PROVIDER_VERSION.as_ptr());
        sys::ap_register_auth_provider(p, group.cast(), c"wsgi".as_ptr(), version.cast(), authn, kind);
        let (group, version) = (sys::AUTHZ_PROVIDER_GROUP.as_ptr(), sys::AUTHZ_PROVIDER_VERSION.as_ptr());
        sys::ap_register_auth_provider(p, group.cast(), c"wsgi-group".as_ptr(), version.cast(), authz, kind);
    }
}

static AUTHN: sys::authn_provider =
    sys::authn_provider { check_password: Some(check_password), get_realm_hash: Some(get_realm_hash) };
static AUTHZ: sys::authz_provider =
    sys::authz_provider { check_authorization: Some(check_groups), parse_require_line: Some(parse_groups) };

/// What others register.
static CALLBACKS: HandedCallbacks = HandedCallbacks {
    httpd_ends,
    child_exit,
    configuration_cleared,
    supervisor_changed,
    log_writer_changed,
    generation_ends: lifecycle::generation_ends,
};

unsafe extern "C" fn pre_config(
    pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
) -> c_int {
    // SAFETY: httpd passes the live configuration pool.
    guard(START_FAILED, || unsafe { config::reset(pconf) })
}

unsafe extern "C" fn check_config(
    pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    main: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes the live configuration pool and the main server.
    guard(START_FAILED, || unsafe { lifecycle::check_config(pconf, main) })
}

unsafe extern "C" fn post_config(
    pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    main: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes the live configuration pool and the main server.
    guard(START_FAILED, || unsafe { lifecycle::post_config(pconf, main) })
}

unsafe extern "C" fn child_init(pchild: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // A child whose initialisation panicked has no embedded host and no pools: its requests get 500.
    // SAFETY: httpd passes the child's pool and the main server.
    guard((), || unsafe { lifecycle::child_init(pchild, main) });
}

/// In the parent: a child has started or ended.
unsafe extern "C" fn child_status(
    _main: *mut sys::server_rec,
    pid: sys::pid_t,
    _generation: sys::ap_generation_t,
    _slot: c_int,
    status: sys::mpm_child_status,
) {
    if status == sys::MPM_CHILD_EXITED {
        guard((), || lifecycle::child_ended(pid));
    }
}

/// The supervisor ended or httpd's configuration pool is being cleared.
///
/// # Safety
/// Registered with apr's other-child list; `data` is null.
unsafe extern "C" fn supervisor_changed(reason: c_int, _data: *mut c_void, status: c_int) {
    guard((), || lifecycle::supervisor_changed(reason, status));
}

/// httpd's parent ends: called before any of its pools is cleared.
///
/// # Safety
/// Registered on the process pool by `post_config`; `data` is unused.
unsafe extern "C" fn httpd_ends(_data: *mut c_void) -> sys::apr_status_t {
    guard((), lifecycle::httpd_ends);
    0
}

/// In the parent, every ten seconds.
unsafe extern "C" fn monitor(_p: *mut sys::apr_pool_t, _main: *mut sys::server_rec) -> c_int {
    guard((), lifecycle::watch);
    DECLINED
}

/// A log writer ended or httpd's configuration pool is being cleared.
///
/// # Safety
/// Registered with apr's other-child list; `data` is the process record.
unsafe extern "C" fn log_writer_changed(reason: c_int, data: *mut c_void, status: c_int) {
    // SAFETY: by the contract.
    guard((), || unsafe { lifecycle::log_writer::changed(reason, data.cast(), status) });
}

/// # Safety
/// Registered on the child's pool by `child_init`; `data` is unused.
unsafe extern "C" fn child_exit(_data: *mut c_void) -> sys::apr_status_t {
    guard((), embedded::stop);
    0
}

/// # Safety
/// Registered on the configuration pool; `data` is unused.
unsafe extern "C" fn configuration_cleared(_data: *mut c_void) -> sys::apr_status_t {
    guard((), config::forget);
    0
}

unsafe extern "C" fn translate_name(r: *mut sys::request_rec) -> c_int {
    // SAFETY: httpd passes a live request of this thread.
    guard(INTERNAL_ERROR, || translate::translate_name(unsafe { httpd::request::Request::from_raw(r) }))
}

unsafe extern "C" fn access_checker(r: *mut sys::request_rec) -> c_int {
    guard(FORBIDDEN, || {
        // SAFETY: httpd passes a live request of this thread.
        let r = unsafe { httpd::request::Request::from_raw(r) };
        status::let_go(r);
        host_scripts::check_access(r)
    })
}

unsafe extern "C" fn check_password(
    r: *mut sys::request_rec,
    user: *const c_char,
    password: *const c_char,
) -> sys::authn_status {
    // SAFETY: httpd passes a live request of this thread and NUL-terminated strings that live as long.
    guard(sys::AUTH_GENERAL_ERROR, || unsafe {
        let r = httpd::request::Request::from_raw(r);
        let text = |text| httpd::bytes(text).unwrap_or_default();
        host_scripts::check_password(r, text(user), text(password))
    })
}

unsafe extern "C" fn get_realm_hash(
    r: *mut sys::request_rec,
    user: *const c_char,
    realm: *const c_char,
    hash: *mut *mut c_char,
) -> sys::authn_status {
    // SAFETY: as in `check_password`, and `hash` is a place for the answer.
    guard(sys::AUTH_GENERAL_ERROR, || unsafe {
        let r = httpd::request::Request::from_raw(r);
        let text = |text| httpd::bytes(text).unwrap_or_default();
        host_scripts::realm_hash(r, text(user), text(realm), &mut *hash)
    })
}

/// Marks a requirement whose "no" opens something.
static NEGATED: u8 = 1;

/// Notes whether the line, or a section around it, turns the answer of the script around.
unsafe extern "C" fn parse_groups(
    cmd: *mut sys::cmd_parms,
    _line: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    guard((), || {
        // SAFETY: httpd passes the directive under way with all its parents, and a place for the mark.
        unsafe {
            let mut directive = (*cmd).directive;
            while !directive.is_null() {
                let name = httpd::bytes((*directive).directive).unwrap_or_default();
                let arguments = httpd::bytes((*directive).args).unwrap_or_default();
                if host_scripts::negates(name, arguments) {
                    *parsed = (&raw const NEGATED).cast();
                }
                directive = (*directive).parent;
            }
        }
    });
    ptr::null()
}

unsafe extern "C" fn check_groups(
    r: *mut sys::request_rec,
    line: *const c_char,
    parsed: *const c_void,
) -> sys::authz_status {
    // The status stops the request wherever the requirement stands, turned around or not.
    // SAFETY: as in `check_password`.
    guard(sys::AUTHZ_GENERAL_ERROR, || unsafe {
        let r = httpd::request::Request::from_raw(r);
        host_scripts::check_groups(r, httpd::bytes(line).unwrap_or_default(), !parsed.is_null())
    })
}

unsafe extern "C" fn map_to_storage(r: *mut sys::request_rec) -> c_int {
    // SAFETY: httpd passes a live request of this thread.
    guard(INTERNAL_ERROR, || translate::map_to_storage(unsafe { httpd::request::Request::from_raw(r) }))
}

unsafe extern "C" fn handle(r: *mut sys::request_rec) -> c_int {
    // SAFETY: httpd passes a live request of this thread.
    let request = unsafe { httpd::request::Request::from_raw(r) };
    if !handler::is_ours(request) {
        let page = status::asked(request);
        return page.map_or(DECLINED, |page| guard(INTERNAL_ERROR, || status::answer(request, page)));
    }
    match catch_unwind(AssertUnwindSafe(|| handler::handle(request))) {
        Ok(status) => status,
        Err(_) => {
            // Part of a response may be under way: the client must not take it for a whole one.
            request.close_connection();
            INTERNAL_ERROR
        }
    }
}

/// A request, of whatever handler, has ended.
unsafe extern "C" fn request_ended(_: *mut sys::request_rec) -> c_int {
    guard((), || {
        let runtime = config::state().and_then(|state| state.runtime.as_ref());
        if let Some(board) = runtime.and_then(|runtime| runtime.board.as_ref()) {
            board.renew();
        }
    });
    DECLINED
}

/// A hook of mod_status, if that is loaded.
type StatusHook = unsafe extern "C" fn(*mut sys::request_rec, c_int) -> c_int;

unsafe extern "C" fn status_section(r: *mut sys::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status passes a live request of this thread.
    guard(DECLINED, || status::section(unsafe { httpd::request::Request::from_raw(r) }, flags))
}
