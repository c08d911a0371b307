//! The one door from C: every callback httpd can call stands here, catches panics, and names beside its
//! signature what it answers then. That value always fails closed.

use crate::callbacks::{self, HandedCallbacks};
use crate::config::{ConfigRecord, LineRecords};
use crate::httpd::command::CommandLine;
use crate::httpd::origin::LogField;
use crate::httpd::parent::ParentThread;
use crate::httpd::pool::Pool;
use crate::httpd::record::{HttpdText, OwnText, Record};
use crate::httpd::request::Request;
use crate::httpd::server::{Server, log_to};
use crate::httpd::tree::TreeDirective;
use crate::lifecycle::{HttpdParent, KeptRecords};
use crate::panics::{self, guard, guard_or};
use crate::{config, handler, host_scripts, lifecycle, messages, status, translate};
use apr_sys as sys;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use wsgi_directives::{DirConfig, MergedRecord, ServerConfig};
use wsgi_system::signals::{EndingAtOnce, SignalNumber};

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
/// Called by httpd with a live pool, and the server or the directory's name.
pub unsafe extern "C" fn create_config<R: ConfigRecord, P>(
    p: *mut sys::apr_pool_t,
    _: *mut P,
) -> *mut c_void {
    // SAFETY: by the contract.
    guard(ptr::null_mut(), || unsafe { Pool::of(Record::from_raw(p)) }.own(R::default()).cast())
}

/// # Safety
/// Called by httpd with a live pool and two records made by [`create_config`], or here.
pub unsafe extern "C" fn merge_config<R: ConfigRecord>(
    p: *mut sys::apr_pool_t,
    base: *mut c_void,
    child: *mut c_void,
) -> *mut c_void {
    guard(child, || {
        // SAFETY: by the contract; nobody changes them any more.
        let (pool, around, within) =
            unsafe { (Pool::of(Record::from_raw(p)), &*base.cast::<R>(), &*child.cast::<R>()) };
        match R::merged(around, within) {
            MergedRecord::Base => base,
            MergedRecord::Child => child,
            MergedRecord::New(record) => pool.own(record).cast(),
        }
    })
}

/// # Safety
/// Called by httpd for each directive of the table.
pub unsafe extern "C" fn directive(
    parms: *mut sys::cmd_parms,
    record: *mut c_void,
    args: *const c_char,
) -> *const c_char {
    let failed = c"mod_wsgi: internal error while reading this directive (see the lines above)";
    guard(failed.as_ptr(), || {
        // SAFETY: httpd passes valid parms, our directory record and a NUL-terminated rest of the line. Outside of .htaccess
        // files it is the parent's only thread, and this line the only one that is being read: nobody else has the records.
        let (line, result) = unsafe {
            let line = CommandLine::of(Record::from_raw(parms));
            let records = (!line.is_in_htaccess()).then(|| {
                let server = Server::of(Record::from_raw(line.server().raw()));
                let record = server.own_record::<ServerConfig>().as_mut();
                LineRecords { state: config::state_mut(), server, record }
            });
            let (dir, args) = (record.cast::<DirConfig>().as_mut(), HttpdText::from_raw(args));
            (line, config::apply(line, dir, args.bytes().unwrap_or_default(), records))
        };
        match result {
            Ok(true) => line.read_section(),
            Ok(false) => ptr::null(),
            Err(text) => line.pool().dup(text.as_bytes()).raw(),
        }
    })
}

/// # Safety
/// Called by httpd once per load of the module.
pub unsafe extern "C" fn register_hooks(p: *mut sys::apr_pool_t) {
    panics::install_hook(|panic| {
        let (event, text) = messages::panicked(panic);
        log_to(None, event.level as u8, event.line(text).as_bytes());
    });
    callbacks::hand_in(&CALLBACKS);
    let middle = sys::APR_HOOK_MIDDLE as c_int;
    // SAFETY: httpd sorts the hooks later, so the neighbour lists are statics of this module.
    unsafe {
        sys::mw_set_module(crate::module_record());
        register_log_handlers(p);
        sys::ap_hook_pre_config(Some(pre_config), ptr::null(), ptr::null(), middle);
        sys::ap_hook_check_config(Some(parent_hook::<CheckConfig>), ptr::null(), ptr::null(), middle);
        sys::ap_hook_post_config(Some(parent_hook::<PostConfig>), ptr::null(), ptr::null(), middle);
        sys::ap_hook_child_init(Some(child_init), ptr::null(), ptr::null(), middle);
        sys::ap_hook_child_status(Some(child_status), ptr::null(), ptr::null(), middle);
        sys::ap_hook_monitor(Some(monitor), ptr::null(), ptr::null(), middle);
        sys::ap_hook_translate_name(
            Some(request_hook::<TranslateName>),
            (&raw const RUN_BEFORE_US).cast(),
            (&raw const RUN_AFTER_US).cast(),
            middle,
        );
        sys::ap_hook_access_checker(
            Some(request_hook::<AccessChecker>),
            (&raw const CHECKS_BEFORE_US).cast(),
            (&raw const CHECKS_AFTER_US).cast(),
            middle,
        );
        sys::ap_hook_map_to_storage(Some(request_hook::<MapToStorage>), ptr::null(), ptr::null(), middle);
        sys::ap_hook_handler(Some(request_hook::<Handle>), ptr::null(), ptr::null(), middle);
        sys::ap_hook_log_transaction(Some(request_hook::<RequestEnded>), ptr::null(), ptr::null(), middle);
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
        sys::ap_register_errorlog_handler(p, c"P".as_ptr().cast_mut(), Some(log_field::<false>), 0);
        sys::ap_register_errorlog_handler(p, c"T".as_ptr().cast_mut(), Some(log_field::<true>), 0);
    }
}

/// `%T`, or `%P`.
unsafe extern "C" fn log_field<const OF_THREAD: bool>(
    _info: *const sys::ap_errorlog_info,
    argument: *const c_char,
    buffer: *mut c_char,
    len: c_int,
) -> c_int {
    guard(0, || {
        // SAFETY: httpd passes a buffer of this length; the argument is null or a C string.
        let (field, argument) = unsafe { (LogField::from_raw(buffer, len), HttpdText::from_raw(argument)) };
        if OF_THREAD { field.put_thread_id(argument) } else { field.put_process_id() }
    })
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
    supervisor_changed: child_changed::<false>,
    log_writer_changed: child_changed::<true>,
    generation_ends,
};

unsafe extern "C" fn pre_config(
    pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
) -> c_int {
    // SAFETY: httpd passes the live configuration pool.
    guard(START_FAILED, || config::reset(unsafe { Pool::of(Record::from_raw(pconf)) }))
}

/// A hook of httpd's parent, which refuses to start where it panics.
trait ParentHook {
    fn run(parent: HttpdParent) -> c_int;
}

unsafe extern "C" fn parent_hook<H: ParentHook>(
    _pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    main: *mut sys::server_rec,
) -> c_int {
    guard(START_FAILED, || {
        // SAFETY: httpd's parent calls on its only thread, with the main server of the configuration that it has read.
        let parent = unsafe { HttpdParent::new(Server::of(Record::from_raw(main))) };
        parent.map_or(sys::OK as c_int, H::run)
    })
}

struct CheckConfig;

impl ParentHook for CheckConfig {
    fn run(parent: HttpdParent) -> c_int {
        lifecycle::check_config(parent)
    }
}

struct PostConfig;

impl ParentHook for PostConfig {
    fn run(parent: HttpdParent) -> c_int {
        lifecycle::post_config(parent)
    }
}

unsafe extern "C" fn child_init(pchild: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // A child whose initialisation panicked has no embedded host and no pools: its requests get 500.
    guard((), || {
        // Recent MPMs keep these signals back until an import is over, which may hang; in the older ones their handler destroys
        // pools in the midst of it.
        let _end =
            (!config::is_owner()).then(|| EndingAtOnce::by(&[SignalNumber::SIGTERM, SignalNumber::SIGHUP]));
        // SAFETY: httpd passes the child's pool and the main server, on the first thread of the child. What it has inherited by
        // fork is its own copy.
        let (pool, main) = unsafe {
            let main = Server::of(Record::from_raw(main));
            if !config::is_owner() {
                KeptRecords::of(ParentThread::new(main)).give_up_in_child();
            }
            (Pool::of(Record::from_raw(pchild)), main)
        };
        lifecycle::child_init(pool, main);
    });
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

/// The supervisor, or a log writer, has ended; or httpd's configuration pool is being cleared.
///
/// # Safety
/// Registered with apr's other-child list; `data` is the address of the process record.
unsafe extern "C" fn child_changed<const IS_WRITER: bool>(reason: c_int, data: *mut c_void, status: c_int) {
    let is_end = reason == sys::APR_OC_REASON_DEATH as c_int
        || IS_WRITER && reason == sys::APR_OC_REASON_LOST as c_int;
    if !is_end {
        return;
    }
    guard((), || {
        // SAFETY: apr has just told of what is on its list, on the only thread of httpd's parent.
        let parent = unsafe {
            sys::apr_proc_other_child_unregister(data);
            HttpdParent::serving()
        };
        match parent {
            Some(parent) if IS_WRITER => lifecycle::log_writer_changed(parent, data.addr(), status),
            Some(parent) => lifecycle::supervisor_changed(parent, status),
            None => {}
        }
    });
}

/// httpd's parent ends: called before any of its pools is cleared.
///
/// # Safety
/// Registered on the process pool by `post_config`; `data` is unused.
unsafe extern "C" fn httpd_ends(_data: *mut c_void) -> sys::apr_status_t {
    // SAFETY: httpd's parent, whose only thread is here.
    guard((), || unsafe { HttpdParent::serving() }.into_iter().for_each(lifecycle::httpd_ends));
    0
}

/// In the parent, every ten seconds.
unsafe extern "C" fn monitor(_p: *mut sys::apr_pool_t, _main: *mut sys::server_rec) -> c_int {
    // SAFETY: httpd's parent, whose only thread is here.
    guard((), || unsafe { HttpdParent::serving() }.into_iter().for_each(lifecycle::watch));
    DECLINED
}

/// # Safety
/// See [`HandedCallbacks::generation_ends`].
unsafe fn generation_ends(main: Server<'static>) {
    // SAFETY: by the contract.
    let (parent, kept) = unsafe {
        let parent = ParentThread::new(main);
        (parent, KeptRecords::of(parent))
    };
    lifecycle::generation_ends(parent, kept);
}

/// A hook that gets a request.
trait RequestHook {
    /// What it answers if it panics.
    const ON_PANIC: c_int;
    fn run(r: Request<'_>) -> c_int;
    /// What else is done then.
    fn clean_up(_: Request<'_>) {}
}

unsafe extern "C" fn request_hook<H: RequestHook>(r: *mut sys::request_rec) -> c_int {
    // SAFETY: httpd passes a live request of this thread.
    let r = unsafe { Request::of(Record::from_raw(r)) };
    let on_panic = || {
        H::clean_up(r);
        H::ON_PANIC
    };
    guard_or(on_panic, || H::run(r))
}

struct TranslateName;

impl RequestHook for TranslateName {
    const ON_PANIC: c_int = INTERNAL_ERROR;

    fn run(r: Request<'_>) -> c_int {
        translate::translate_name(r)
    }
}

struct MapToStorage;

impl RequestHook for MapToStorage {
    const ON_PANIC: c_int = INTERNAL_ERROR;

    fn run(r: Request<'_>) -> c_int {
        translate::map_to_storage(r)
    }
}

struct AccessChecker;

impl RequestHook for AccessChecker {
    const ON_PANIC: c_int = FORBIDDEN;

    fn run(r: Request<'_>) -> c_int {
        status::let_go(r);
        host_scripts::check_access(r)
    }
}

struct Handle;

impl RequestHook for Handle {
    const ON_PANIC: c_int = INTERNAL_ERROR;

    fn run(r: Request<'_>) -> c_int {
        if handler::is_ours(r) {
            return handler::handle(r);
        }
        status::asked(r).map_or(DECLINED, |page| status::answer(r, page))
    }

    fn clean_up(r: Request<'_>) {
        // Part of a response may be under way: the client must not take it for a whole one.
        r.close_connection();
    }
}

/// A request, of whatever handler, has ended.
struct RequestEnded;

impl RequestHook for RequestEnded {
    const ON_PANIC: c_int = DECLINED;

    fn run(_: Request<'_>) -> c_int {
        if let Some(board) = config::runtime().and_then(|runtime| runtime.board.as_ref()) {
            board.renew();
        }
        DECLINED
    }
}

unsafe extern "C" fn check_password(
    r: *mut sys::request_rec,
    user: *const c_char,
    password: *const c_char,
) -> sys::authn_status {
    guard(sys::AUTH_GENERAL_ERROR, || {
        // SAFETY: httpd passes a live request of this thread and NUL-terminated strings that live as long.
        let (r, texts) = unsafe {
            (Request::of(Record::from_raw(r)), [user, password].map(|text| HttpdText::from_raw(text)))
        };
        let [user, password] = texts.map(|text| text.bytes().unwrap_or_default());
        host_scripts::check_password(r, user, password)
    })
}

unsafe extern "C" fn get_realm_hash(
    r: *mut sys::request_rec,
    user: *const c_char,
    realm: *const c_char,
    hash: *mut *mut c_char,
) -> sys::authn_status {
    guard(sys::AUTH_GENERAL_ERROR, || {
        // SAFETY: as in `check_password`, and `hash` is a place for the answer.
        let (r, texts, place) = unsafe {
            (
                Request::of(Record::from_raw(r)),
                [user, realm].map(|text| HttpdText::from_raw(text)),
                &mut *hash,
            )
        };
        let [user, realm] = texts.map(|text| text.bytes().unwrap_or_default());
        let (status, found) = host_scripts::realm_hash(r, user, realm);
        found.map(OwnText::raw).into_iter().for_each(|found| *place = found);
        status
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
        // SAFETY: httpd passes the directive under way, and a place for the mark.
        let (line, mark) = unsafe { (CommandLine::of(Record::from_raw(cmd)), &mut *parsed) };
        let negates = |directive: TreeDirective<'_>| {
            host_scripts::negates(directive.name().as_bytes(), directive.arguments().as_bytes())
        };
        if line.directive().and_parents().any(negates) {
            *mark = (&raw const NEGATED).cast();
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
    guard(sys::AUTHZ_GENERAL_ERROR, || {
        // SAFETY: as in `check_password`.
        let (r, line) = unsafe { (Request::of(Record::from_raw(r)), HttpdText::from_raw(line)) };
        host_scripts::check_groups(r, line.bytes().unwrap_or_default(), !parsed.is_null())
    })
}

/// A hook of mod_status, if that is loaded.
type StatusHook = unsafe extern "C" fn(*mut sys::request_rec, c_int) -> c_int;

unsafe extern "C" fn status_section(r: *mut sys::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status passes a live request of this thread.
    guard(DECLINED, || status::section(unsafe { Request::of(Record::from_raw(r)) }, flags))
}
