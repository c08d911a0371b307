//! From what the operator wrote to what the supervisor is told: defaults filled in, users resolved, paths made.

use crate::generation::GenerationFacts;
use crate::python::{HomeError, PythonInterpreter, path_bytes};
use crate::{environment, launch, messages};
use wsgi_directives::{DaemonGroup, NamedAccount};
use wsgi_protocol::control::{DaemonIdentity, GroupSockets, GroupSpec, LogTarget, ResourceLimits};
use wsgi_protocol::launch::PythonSettings;
use wsgi_protocol::operator::{SCALE_LIMIT, SOCKET_SUFFIX};

/// What becomes of a group.
#[derive(Debug)]
pub struct GroupPlan {
    /// What the supervisor is told, or one sentence that says why the group is left out and what to do.
    pub spec: Result<GroupSpec, String>,
    /// The line to log if it cannot be started as things are; one whose interpreter is not there yet is tried nevertheless.
    pub complaint: Option<String>,
    /// Version of its Python, as far as it shows.
    pub python: Option<String>,
}

/// Plans one group; its records in the status memory begin at `first_slot`.
pub fn plan_group(
    common: &GenerationFacts<'_>,
    group: &DaemonGroup,
    ordinal: usize,
    first_slot: usize,
    log: LogTarget,
) -> GroupPlan {
    let spec = group_spec(common, group, ordinal, first_slot, log);
    let reason = spec.as_ref().err().cloned().or_else(|| missing_home(common, group));
    let complain =
        |reason: String| messages::group_cannot_start(&group.name, &reason, &group.place.to_string());
    let python = interpreter(common, group).ok().as_ref().and_then(PythonInterpreter::version);
    GroupPlan { spec, complaint: reason.map(complain), python }
}

/// Builds the specification of one group.
///
/// # Errors
/// One sentence that says why the group cannot be started and what to do.
fn group_spec(
    common: &GenerationFacts<'_>,
    group: &DaemonGroup,
    ordinal: usize,
    first_slot: usize,
    log: LogTarget,
) -> Result<GroupSpec, String> {
    let global = common.global();
    let interpreter = interpreter(common, group)?;
    let identity = identity(common, group)?;
    let python = launch::python_settings(global);
    let launch = launch::of_group(common, group, &identity, log);
    Ok(GroupSpec {
        name: group.name.clone().into_bytes(),
        first_slot: first_slot as u32,
        processes: group.options.process_count(),
        interpreter: path_bytes(interpreter.program()),
        argument_zero: interpreter
            .stand_in
            .as_ref()
            .map(|_| path_bytes(&interpreter.path))
            .unwrap_or_default(),
        flags: flags(&python),
        environment: environment::of_group(common, group, &identity, &python)?,
        limits: ResourceLimits {
            cpu_seconds: group.options.cpu_time_limit.map_or(0, |d| d.as_secs()),
            data: group.options.memory_limit.map_or(0, |n| n.get()),
            address_space: group.options.virtual_memory_limit.map_or(0, |n| n.get()),
            tasks: group.options.tasks_max.map_or(0, |n| n.get().into()),
            core_dumps: common.core_dumps,
        },
        sockets: sockets(common, group, ordinal, identity.uid),
        identity,
        log,
        ends_session: group.options.end_session,
        log_rate: group.options.log_rate,
        preload: group.options.preload,
        // Nobody makes room for a process that cannot be started.
        exclusive: group.options.reload != wsgi_directives::ReloadMode::Overlap
            && missing_home(common, group).is_none(),
        metrics: None,
        launch,
    })
}

/// Why the interpreter of a group cannot be started as things are, if it may be there later.
fn missing_home(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Option<String> {
    let home = group.options.python_home.as_deref().or(common.global().python_home.as_deref());
    let found = common.survey.interpreter(&common.subjects.looker(group), home);
    let error = found.err()?;
    matches!(error, HomeError::NoDirectory(_) | HomeError::NoInterpreter(_)).then(|| error.to_string())
}

/// Who runs the group. One whose file system does not answer now may do so when it is executed, and one that is not there
/// is tried for as long as httpd runs, while older processes serve; the supervisor says so.
fn interpreter(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Result<PythonInterpreter, String> {
    let home = group.options.python_home.as_deref().or(common.global().python_home.as_deref());
    match common.survey.interpreter(&common.subjects.looker(group), home) {
        Err(HomeError::Silent(home, _) | HomeError::NoDirectory(home) | HomeError::NoInterpreter(home)) => {
            Ok(PythonInterpreter::unseen(&home))
        }
        found => found.map_err(|error| error.to_string()),
    }
}

fn identity(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Result<DaemonIdentity, String> {
    let options = &group.options;
    let uid = options.user.as_ref().map_or(common.httpd().uid, |who| who.id);
    let gid = options.group.as_ref().map_or(common.httpd().gid, |who| who.id);
    let entry = common.subjects.surroundings.accounts.user(uid);
    let name = match (&options.user, &entry) {
        (_, Some(entry)) => entry.name.clone(),
        (Some(who), None) => who.name.clone(),
        (None, None) => common.httpd().name.clone(),
    };
    if common.httpd().is_root && uid == 0 {
        return Err(format!(
            "WSGI process blocked from running as root: group '{}' would run as '{name}'; set user= or httpd's User",
            group.name
        ));
    }
    let ids = |list: &Vec<NamedAccount>| list.iter().map(|who| who.id).collect();
    Ok(DaemonIdentity {
        uid,
        gid,
        user: name.into_bytes(),
        passwd_home: entry.map(|e| e.home),
        supplementary: options.supplementary_groups.as_ref().map(ids),
        umask: options.umask.map(|mask| u32::from(mask.bits())),
        chroot: options.chroot.clone().map(String::into_bytes),
        home: options.home.clone().map(String::into_bytes),
        differs_from_httpd: uid != common.httpd().uid,
        cpu_priority: options.cpu_priority,
        may_gain_privileges: !options.no_new_privileges,
    })
}

/// How many processes a group can be scaled to while httpd runs.
pub fn places(group: &DaemonGroup) -> u32 {
    group.options.process_count().max(SCALE_LIMIT)
}

/// Path of the socket for `mod_wsgi-ctl`.
pub fn operator_socket(common: &GenerationFacts<'_>) -> Vec<u8> {
    format!(
        "{}.{}{SOCKET_SUFFIX}",
        common.subjects.surroundings.socket_prefix, common.subjects.surroundings.pid
    )
    .into_bytes()
}

/// Socket paths of spec/directives.md §8; the first process has the original's name.
fn sockets(common: &GenerationFacts<'_>, group: &DaemonGroup, ordinal: usize, uid: u32) -> GroupSockets {
    let rotation = common.global().socket_rotation.unwrap_or(true);
    let generation = if rotation { common.generation.to_string() } else { format!("u{uid}") };
    let pid = common.subjects.surroundings.pid;
    let base = format!("{}.{pid}.{generation}.{}", common.subjects.surroundings.socket_prefix, ordinal + 1);
    let name = |slot: u32| if slot == 0 { format!("{base}.sock") } else { format!("{base}.{slot}.sock") };
    let options = &group.options;
    let size = |n: Option<std::num::NonZeroU64>| n.map_or(0, |n| n.get().min(i32::MAX as u64) as u32);
    GroupSockets {
        paths: (0..places(group)).map(|slot| name(slot).into_bytes()).collect(),
        owner: options.socket_user.as_ref().map_or(common.httpd().uid, |who| who.id),
        backlog: options.listen_backlog,
        send_buffer: size(options.send_buffer_size),
        receive_buffer: size(options.receive_buffer_size),
    }
}

/// Interpreter flags for the directives of spec/directives.md §12.
fn flags(python: &PythonSettings) -> Vec<Vec<u8>> {
    let mut flags = vec![b"-X".to_vec(), b"faulthandler".to_vec()];
    if python.dont_write_bytecode {
        flags.push(b"-B".to_vec());
    }
    // CPython knows levels 1 and 2; higher ones mean 2.
    for _ in 0..python.optimize.min(2) {
        flags.push(b"-O".to_vec());
    }
    for filter in &python.warnings {
        flags.push(b"-W".to_vec());
        flags.push(filter.clone());
    }
    flags
}
