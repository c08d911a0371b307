//! Configuration glue: httpd's records around the records of `wsgi-directives`, and one directive handler.

use crate::callbacks;
use crate::generation::runtime::ChildRuntime;
use crate::httpd::command::CommandLine;
use crate::httpd::origin::LogServers;
use crate::httpd::pattern::HttpdPattern;
use crate::httpd::pool::{self, Pool};
use crate::httpd::request::DirectoryRecord;
use crate::httpd::server::{Server, ServerRecord, is_config_test};
use crate::httpd::tree::ConfigTree;
use apr_sys as sys;
use std::collections::HashMap;
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use wsgi_directives::{
    DIRECTIVES, DirConfig, DirectivePlace, GlobalConfig, LineScope, MergedRecord, Notice, NoticeLevel,
    ServerConfig, SystemFacts, UriRegex, VhostId,
};
use wsgi_protocol::events::{self, LogEvent};

/// What one configuration pass collects over all servers. Lives from pre_config until the configuration pool
/// is cleared; children inherit it by fork and only read it.
#[derive(Default)]
pub struct ConfigState {
    /// Main-server settings, daemon groups, preloads.
    pub global: GlobalConfig,
    /// The virtual hosts that have a number.
    pub hosts: VirtualHosts,
    /// What is to be said about single lines, to which server's log.
    notices: Vec<(Server<'static>, &'static LogEvent, String)>,
    /// By which lines of other processes are logged; made in post_config.
    pub log_servers: LogServers,
    /// The main server, once post_config has it.
    pub main: Option<Server<'static>>,
    /// What post_config made of it.
    pub runtime: Option<ChildRuntime>,
}

/// Servers by [`VhostId`], and the other way round: each request asks.
#[derive(Default)]
pub struct VirtualHosts {
    list: Vec<Server<'static>>,
    numbers: HashMap<Server<'static>, VhostId>,
}

impl VirtualHosts {
    /// Number of a virtual host, given now if it has none; `None` for the main server.
    pub fn number(&mut self, s: Server<'static>) -> Option<VhostId> {
        if !s.is_virtual() {
            return None;
        }
        let Self { list, numbers } = self;
        let number = numbers.entry(s).or_insert_with(|| {
            list.push(s);
            VhostId(list.len() as u32 - 1)
        });
        Some(*number)
    }

    /// Number of a virtual host as far as a directive stood in it.
    pub fn known(&self, s: Server<'_>) -> Option<VhostId> {
        self.numbers.get(&s).copied()
    }

    /// The server behind a number.
    pub fn server(&self, id: VhostId) -> Option<Server<'static>> {
        self.list.get(id.0 as usize).copied()
    }
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
/// Only where C enters httpd's parent on its only thread: nobody else uses it until the parent is back in C.
pub unsafe fn state_mut() -> Option<&'static mut ConfigState> {
    // SAFETY: by the contract.
    unsafe { STATE.load(Ordering::Acquire).as_mut() }
}

/// What children need of the current configuration.
pub fn runtime() -> Option<&'static ChildRuntime> {
    state()?.runtime.as_ref()
}

/// pre_config: forgets the last pass. Statics may or may not have survived a reload (decisions.md, "Statics may
/// survive a reload").
pub fn reset(pconf: Pool<'_>) -> c_int {
    forget();
    OWNER.store(std::process::id(), Ordering::Release);
    STATE.store(Box::into_raw(Box::default()), Ordering::Release);
    // Before httpd unloads the module, which is registered on the same pool earlier.
    pconf.call_when_cleared(forget);
    sys::OK as c_int
}

/// Whether this is the process that made the state: httpd's parent, also where it serves itself (`httpd -X`).
pub fn is_owner() -> bool {
    OWNER.load(Ordering::Acquire) == std::process::id()
}

/// Drops the state, and lets the supervisor know that no further child of this generation will come.
fn forget() {
    if !is_owner() {
        return;
    }
    let old = STATE.swap(ptr::null_mut(), Ordering::AcqRel);
    if old.is_null() {
        return;
    }
    // SAFETY: made by Box::into_raw in `reset`; nothing borrows it when the parent's only thread clears the configuration. The
    // servers are still there, which is what the callback wants.
    unsafe {
        let mut state = Box::from_raw(old);
        if let Some(main) = state.main.take() {
            (callbacks::handed().generation_ends)(main);
        }
    }
}

/// A record of ours that httpd has made for each server or directory, and merged with that of the one around it.
pub trait ConfigRecord: Default + 'static {
    /// What holds within.
    fn merged(around: &Self, within: &Self) -> MergedRecord<Self>;
}

impl ConfigRecord for ServerConfig {
    fn merged(around: &Self, within: &Self) -> MergedRecord<Self> {
        Self::merged(around, within)
    }
}

impl ConfigRecord for DirConfig {
    fn merged(around: &Self, within: &Self) -> MergedRecord<Self> {
        Self::merged(around, within)
    }
}

// SAFETY: `boundary` has records of servers made of this type only.
unsafe impl ServerRecord for ServerConfig {}
// SAFETY: `boundary` has records of directories made of this type only.
unsafe impl DirectoryRecord for DirConfig {}

/// What a line outside of .htaccess files may change.
pub struct LineRecords<'l> {
    /// The state, as it should be.
    pub state: Option<&'l mut ConfigState>,
    /// The server in whose part it stands, and its record.
    pub server: Server<'static>,
    /// See `server`.
    pub record: Option<&'l mut ServerConfig>,
}

/// Applies a line; `true` when it opened a section whose content has to be walked. A line of a .htaccess file changes no more
/// than the directory's record.
pub fn apply(
    line: CommandLine<'_>,
    dir: Option<&mut DirConfig>,
    args: &[u8],
    records: Option<LineRecords<'_>>,
) -> Result<bool, String> {
    let (id, row) = (line.row(), &DIRECTIVES[line.row()]);
    let args = std::str::from_utf8(args)
        .map_err(|_| format!("{} holds bytes that are not UTF-8; write the file in UTF-8", row.name))?;
    let Some(LineRecords { state, server, record }) = records else {
        // Requests run now: the shared state is not touched, and notices would come again and again with each request.
        let place = place(line, None, None);
        let scope = LineScope { global: None, server: None, dir };
        let machine = HttpdMachine { hosts: self::state().map(|state| &state.hosts), tree: None };
        wsgi_directives::apply(id, args, &place, scope, &machine).map_err(|e| e.to_string())?;
        return Ok(row.is_section());
    };
    let ConfigState { global, hosts, notices, .. } = state.ok_or("the configuration state is missing")?;
    let place = place(line, hosts.number(server), Some(global));
    let scope = LineScope { global: Some(global), server: record, dir };
    let machine = HttpdMachine { hosts: Some(hosts), tree: None };
    let told = wsgi_directives::apply(id, args, &place, scope, &machine).map_err(|e| e.to_string())?;
    // Kept until the error logs are open: httpd opens them after it has read its configuration.
    let directive = line.directive();
    notices.extend(told.iter().map(|notice| {
        let text = format!("{notice} ({}:{})", directive.file(), directive.line());
        (server, event_of(notice), text)
    }));
    Ok(row.is_section())
}

/// Where a line stands; without the main server's record it is one of a `.htaccess`.
fn place<'a>(
    line: CommandLine<'a>,
    virtual_host: Option<VhostId>,
    global: Option<&GlobalConfig>,
) -> DirectivePlace<'a> {
    let directive = line.directive();
    let enclosing = directive.parent().and_then(|parent| parent.known_name());
    DirectivePlace {
        file: directive.known_file().unwrap_or("?"),
        line: directive.line(),
        virtual_host,
        server_name: line.server().name().utf8(),
        directory: line.path().utf8(),
        htaccess: global.is_none(),
        in_interpreter_options: global.and_then(|global| global.block_within(enclosing)),
    }
}

/// The event that a notice is about.
pub fn event_of(notice: &Notice) -> &'static LogEvent {
    let of_level = match notice.level {
        NoticeLevel::Warning => &events::CONFIGURATION_DOUBTED,
        NoticeLevel::Notice => &events::CONFIGURATION_NOTED,
        NoticeLevel::Info => &events::CONFIGURATION_IGNORED,
    };
    notice.number.and_then(LogEvent::find).unwrap_or(of_level)
}

/// Logs the notices of the pass; once per start, although httpd reads its configuration twice.
pub fn tell_notices(state: &mut ConfigState) {
    let notices = std::mem::take(&mut state.notices);
    for (server, event, text) in notices.into_iter().filter(|_| is_final_pass()) {
        server.log_event(event, &text);
    }
}

/// Whether this pass is the one whose messages count: not the first of the two at start-up.
pub fn is_final_pass() -> bool {
    is_config_test()
        || sys::ap_state_query(sys::AP_SQ_MAIN_STATE as c_int) != sys::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}

/// The machine as `wsgi-directives` asks for it.
pub struct HttpdMachine<'m> {
    /// The virtual hosts so far.
    pub hosts: Option<&'m VirtualHosts>,
    /// All lines, once they have been read.
    pub tree: Option<ConfigTree<'m>>,
}

impl SystemFacts for HttpdMachine<'_> {
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
        Some(Arc::new(HttpdPattern::new(pattern)?))
    }

    fn server_root_relative(&self, path: &str) -> Option<String> {
        pool::server_root_relative(path)
    }

    fn neighbours(&self) -> wsgi_directives::NeighbourDirectives {
        self.tree.map(crate::lifecycle::checks::neighbours::find).unwrap_or_default()
    }

    fn server_name_of(&self, host: VhostId) -> Option<String> {
        self.hosts?.server(host)?.name().utf8().map(str::to_owned)
    }
}
