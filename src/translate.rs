//! URL mapping: WSGIScriptAlias and WSGIScriptAliasMatch (spec/directives.md §5.1, §5.2).

use crate::httpd::request::{Request, RequestState};
use crate::job::records;
use apr_sys as sys;
use std::ffi::c_int;
use wsgi_directives::{MappedUri, ScriptAlias, find_alias};

const DECLINED: c_int = sys::DECLINED;

/// What an alias leaves for the later phases; lives in the request's pool.
#[derive(Debug)]
pub struct MountedAlias<'r> {
    /// The alias that matched.
    pub alias: &'r ScriptAlias,
    /// `module:…` of a module target, empty for files.
    pub module: String,
    /// Callable named by a module target.
    pub callable: Option<String>,
    /// Length of the target in the file name, if the rest of it can be nothing but path info once the target is a file.
    target_len: Option<usize>,
}

/// Where it is kept.
struct Mount;

// SAFETY: the only one of this module; its own strings are all that is dropped.
unsafe impl RequestState for Mount {
    type Of<'r> = MountedAlias<'r>;
}

impl<'r> MountedAlias<'r> {
    /// The mount of a request, if an alias matched.
    pub fn of(r: Request<'r>) -> Option<&'r Self> {
        r.kept::<Mount>().or_else(|| {
            // A fast redirect (DirectoryIndex) takes over notes and URI of the request that was mapped, but not this.
            let is_ours = r.notes().get(c"alias-forced-type") == Some(b"wsgi-script");
            let (found, _) = is_ours.then(|| find(r)).flatten()?;
            r.keep::<Mount>(found);
            r.kept::<Mount>()
        })
    }
}

/// The translate_name hook.
pub fn translate_name(r: Request<'_>) -> c_int {
    let Some((mount, target)) = find(r) else { return DECLINED };
    match target {
        AliasTarget::File(name) => r.set_filename(&name),
        AliasTarget::Module { script_end } => {
            // A module has no file: the path info is known at once, and the directory walk is skipped.
            r.set_filename(mount.module.as_bytes());
            r.set_path_info(&r.uri()[script_end..]);
        }
    }
    r.set_handler(c"wsgi-script");
    note_options(r, mount.alias);
    r.keep::<Mount>(mount);
    sys::OK as c_int
}

/// What an alias maps a URI to.
enum AliasTarget {
    File(Vec<u8>),
    /// Length of the part of the URI that is the script.
    Module {
        script_end: usize,
    },
}

/// The alias of the request's URI, and where it leads.
fn find(r: Request<'_>) -> Option<(MountedAlias<'_>, AliasTarget)> {
    let (server, _) = records(r);
    let uri = r.uri();
    if server.aliases.is_empty() || (!uri.is_empty() && uri[0] != b'/') {
        return None;
    }
    let found = find_alias(&server.aliases, uri)?;
    let alias: &ScriptAlias = found.alias;
    Some(match found.target(uri) {
        MappedUri::File(name) => {
            let target_len = alias.plain_target(&name);
            (
                MountedAlias { alias, module: String::new(), callable: None, target_len },
                AliasTarget::File(name),
            )
        }
        MappedUri::Module { module, callable, script_end } => {
            let (module, callable) = (format!("module:{module}"), callable.map(str::to_owned));
            (MountedAlias { alias, module, callable, target_len: None }, AliasTarget::Module { script_end })
        }
    })
}

/// The map_to_storage hook. There is nothing to walk for a module. A target that is a file is looked at once: httpd would
/// ask for a file of the whole name first, and then for each folder on its way, to find out where the path info begins.
pub fn map_to_storage(r: Request<'_>) -> c_int {
    let Some(mount) = MountedAlias::of(r) else { return DECLINED };
    if !mount.module.is_empty() {
        return sys::OK as c_int;
    }
    let Some(len) = mount.target_len.filter(|len| mount.alias.is_at(*len, r.filename())) else {
        return DECLINED;
    };
    r.walk_file(len).unwrap_or(DECLINED)
}

/// Notes of spec/directives.md §18, raw text.
fn note_options(r: Request<'_>, alias: &ScriptAlias) {
    let (pool, notes) = (r.pool(), r.notes());
    notes.set(pool, c"alias-forced-type", b"wsgi-script");
    let options = &alias.options;
    let texts = [
        (c"mod_wsgi.process_group", options.process_group.as_deref()),
        (c"mod_wsgi.application_group", options.application_group.as_deref()),
        (c"mod_wsgi.callable_object", options.callable_object.as_deref()),
        (c"mod_wsgi.pass_authorization", options.pass_authorization.map(|on| if on { "1" } else { "0" })),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            notes.set(pool, key, value.as_bytes());
        }
    }
}
