//! Readers of those WSGIDaemonProcess values that are more than a text, a switch or a time.

use crate::config::daemon::{HEADER_BUFFER, RESPONSE_BUFFER};
use crate::config::{DaemonOptions, EventLoop, NamedAccount, ReloadMode, Umask};
use crate::error::ConfigError;
use crate::options::{OptionContext, identity, value};
use crate::place::Notice;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

type Context<'x, 'c, 'a, 's> = &'x mut OptionContext<'c, 'a, 's>;
type Done = Result<(), ConfigError>;

/// The number of `count`, or the option's error.
fn number(text: &str, cx: Context<'_, '_, '_, '_>) -> Result<u32, ConfigError> {
    value::count(text).ok_or_else(|| cx.invalid(text))
}

/// A size; 0 becomes `None`.
fn size(text: &str, cx: Context<'_, '_, '_, '_>) -> Result<Option<NonZeroU64>, ConfigError> {
    value::bytes(text).map(NonZeroU64::new).ok_or_else(|| cx.invalid(text))
}

/// A buffer size that is 0 or at least `least`; `complaint` is the text for smaller ones.
fn buffer(
    text: &str,
    least: u64,
    complaint: &'static str,
    cx: Context<'_, '_, '_, '_>,
) -> Result<Option<NonZeroU64>, ConfigError> {
    if text.is_empty() {
        return Err(cx.invalid(text));
    }
    match value::bytes(text).map(NonZeroU64::new) {
        Some(given) if given.is_none_or(|size| size.get() >= least) => Ok(given),
        _ => {
            let hint = format!("{}={text} is not; write for example {}.", cx.info.name, cx.info.good);
            Err(ConfigError::value(complaint, hint))
        }
    }
}

pub(super) fn processes(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let given = if text.eq_ignore_ascii_case("auto") { cpus() } else { NonZeroU32::new(number(text, cx)?) };
    o.processes = Some(given.ok_or_else(|| cx.invalid(text))?);
    Ok(())
}

/// CPUs that this process may use: those it is bound to, or the quota of its control groups (a container's limit), rounded
/// down, if that is less.
fn cpus() -> Option<NonZeroU32> {
    let told = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroU32::new(u32::try_from(told).unwrap_or(1))
}

pub(super) fn threads(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let threads = u16::try_from(number(text, cx)?).ok().filter(|n| *n <= 65_533);
    o.threads = threads.ok_or_else(|| cx.invalid(text))?;
    Ok(())
}

pub(super) fn maximum_requests(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.maximum_requests = NonZeroU32::new(number(text, cx)?);
    Ok(())
}

pub(super) fn log_rate(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.log_rate = number(text, cx)?;
    Ok(())
}

pub(super) fn tasks_max(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.tasks_max = NonZeroU32::new(number(text, cx)?);
    Ok(())
}

pub(super) fn listen_backlog(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.listen_backlog = number(text, cx)?;
    Ok(())
}

pub(super) fn cpu_priority(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.cpu_priority = value::integer(text).ok_or_else(|| cx.invalid(text))?;
    Ok(())
}

pub(super) fn umask(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let bits = u16::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777);
    o.umask = Some(Umask::new(bits.ok_or_else(|| cx.invalid(text))?));
    Ok(())
}

pub(super) fn stack_size(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.stack_size = Some(size(text, cx)?.ok_or_else(|| cx.invalid(text))?);
    Ok(())
}

pub(super) fn memory_limit(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.memory_limit = size(text, cx)?;
    Ok(())
}

pub(super) fn virtual_memory_limit(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.virtual_memory_limit = size(text, cx)?;
    Ok(())
}

pub(super) fn maximum_rss(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.maximum_rss = size(text, cx)?;
    Ok(())
}

pub(super) fn send_buffer(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let complaint = "Send buffer size must be >= 512 bytes, or 0 for system default.";
    o.send_buffer_size = buffer(text, 512, complaint, cx)?;
    Ok(())
}

pub(super) fn receive_buffer(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let complaint = "Receive buffer size must be >= 512 bytes, or 0 for system default.";
    o.receive_buffer_size = buffer(text, 512, complaint, cx)?;
    Ok(())
}

pub(super) fn header_buffer(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let complaint = "Header buffer size must be >= 8192 bytes, or 0 for default.";
    o.header_buffer_size = buffer(text, 8192, complaint, cx)?.unwrap_or(HEADER_BUFFER);
    Ok(())
}

pub(super) fn response_buffer(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let complaint = "Response buffer size must be >= 65536 bytes, or 0 for default.";
    o.response_buffer_size = buffer(text, 65_536, complaint, cx)?.unwrap_or(RESPONSE_BUFFER);
    Ok(())
}

pub(super) fn switch_interval(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.switch_interval = Some(value::positive_seconds(text).ok_or_else(|| cx.invalid(text))?);
    Ok(())
}

pub(super) fn python_path(o: &mut DaemonOptions, text: &str, _: Context<'_, '_, '_, '_>) -> Done {
    // An empty text is what a variable without a value leaves.
    o.python_path = (!text.is_empty()).then(|| text.split(':').map(str::to_owned).collect());
    Ok(())
}

pub(super) fn reload(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.reload = match text.to_ascii_lowercase().as_str() {
        "overlap" | "rolling" => ReloadMode::Overlap,
        "exclusive" => ReloadMode::Exclusive,
        "immediate" => ReloadMode::Immediate,
        _ => return Err(cx.invalid(text)),
    };
    Ok(())
}

pub(super) fn interface(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.asgi.interface = value::interface(text).ok_or_else(|| cx.invalid(text))?;
    Ok(())
}

pub(super) fn event_loop(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.asgi.event_loop = match text.to_ascii_lowercase().as_str() {
        "auto" => EventLoop::Auto,
        "asyncio" => EventLoop::Asyncio,
        "uvloop" => EventLoop::Uvloop,
        _ => return Err(cx.invalid(text)),
    };
    Ok(())
}

pub(super) fn requests_in_flight(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.asgi.requests_in_flight = NonZeroU32::new(number(text, cx)?).ok_or_else(|| cx.invalid(text))?;
    Ok(())
}

pub(super) fn websockets(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.asgi.websockets = number(text, cx)?;
    Ok(())
}

pub(super) fn env(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let Some((key, value)) = text.split_once('=') else {
        let is_name = !text.ends_with('*') && o.pass_env.add(text);
        return if is_name { Ok(()) } else { Err(cx.invalid(text)) };
    };
    if key.is_empty() {
        return Err(cx.invalid(text));
    }
    if let Some(variable) = unset_variable(value) {
        cx.line.notices.push(Notice::warning(format!(
            "env={key}: {variable} is set nowhere, neither by Define nor in httpd's environment, and stays in the value as \
             it is written; set it, or remove env={key}."
        )));
    }
    o.env.push((key.to_owned(), value.to_owned()));
    Ok(())
}

/// What httpd replaces where it is set: `${NAME}`.
fn unset_variable(value: &str) -> Option<&str> {
    let start = value.find("${")?;
    let end = value[start..].find('}')?;
    (end > 2).then(|| &value[start..=start + end])
}

pub(super) fn pass_env(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    match text.split(',').all(|word| o.pass_env.add(word)) {
        true => Ok(()),
        false => Err(cx.invalid(text)),
    }
}

pub(super) fn env_file(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    if !text.starts_with('/') {
        return Err(cx.invalid(text));
    }
    o.env_files.push(text.to_owned());
    Ok(())
}

/// Root only, because anyone else's daemon could not start (spec/directives.md §7.1).
pub(super) fn chroot(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    if !cx.line.system.is_root() {
        return Err(ConfigError::value(
            "Cannot chroot WSGI daemon process when not root.",
            "Start httpd (and configtest) as root, or remove chroot=.",
        ));
    }
    if !text.starts_with('/') {
        return Err(cx.invalid(text));
    }
    o.chroot = Some(text.to_owned());
    Ok(())
}

pub(super) fn user(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    let who = identity::user(text, "Couldn't determine user name from uid.", cx)?;
    if who.id == 0 {
        return Err(ConfigError::value(
            "WSGI process blocked from running as root.",
            format!("user={text} is uid 0; write the name of an ordinary user."),
        ));
    }
    o.user = Some(who);
    Ok(())
}

pub(super) fn group(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.group = Some(identity::group(text, None, cx)?);
    Ok(())
}

/// A leading comma ends the list at once; later runs of commas count as one (spec/directives.md §7.1).
pub(super) fn supplementary_groups(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    if text.starts_with(',') {
        let advice = format!("supplementary-groups='{text}' begins with a comma: no group is taken from it.");
        cx.line.notices.push(Notice::warning(advice));
        o.supplementary_groups = Some(Vec::new());
        return Ok(());
    }
    let names = text.split(',').filter(|name| !name.is_empty());
    let groups: Vec<NamedAccount> =
        names.map(|name| identity::group(name, None, cx)).collect::<Result<_, _>>()?;
    let most = cx.line.system.ngroups_max();
    if groups.len() > most {
        return Err(ConfigError::value(
            "Too many supplementary groups WSGI daemon process.",
            format!("The system allows {most}."),
        ));
    }
    o.supplementary_groups = Some(groups);
    Ok(())
}

pub(super) fn socket_user(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.socket_user = Some(identity::user(text, "Couldn't determine user name from socket user.", cx)?);
    Ok(())
}

pub(super) fn script_user(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.script_user = Some(identity::user(text, "Couldn't determine uid from script user.", cx)?);
    Ok(())
}

pub(super) fn script_group(o: &mut DaemonOptions, text: &str, cx: Context<'_, '_, '_, '_>) -> Done {
    o.script_group = Some(identity::group(text, Some("Couldn't determine gid from script group."), cx)?);
    Ok(())
}

/// Options that old configurations still carry.
pub(super) fn ignored(_: &mut DaemonOptions, _: &str, _: Context<'_, '_, '_, '_>) -> Done {
    Ok(())
}
