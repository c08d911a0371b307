//! What `Server:` says of this module.

use crate::config::ConfigState;
use crate::httpd::pool::Pool;
use apr_sys as sys;

/// Names mod_wsgi, and Python where all that certainly runs is of one version.
///
/// # Safety
/// The live configuration pool, in post_config.
pub unsafe fn add(state: &ConfigState, pool: Pool<'_>) {
    let (major, minor, micro) = wsgi_plan::VERSION;
    let mut names = vec![format!("mod_wsgi/{major}.{minor}.{micro}")];
    if let Some(runtime) = &state.runtime {
        let embedded = runtime.embedded_python.iter().filter(|_| state.global.embedded_is_eager());
        let of_groups = runtime.groups.iter().filter_map(|group| group.python.as_ref());
        let mut versions: Vec<&String> = of_groups.chain(embedded).collect();
        versions.dedup();
        names.extend((versions.len() == 1).then(|| format!("Python/{}", versions[0])));
    }
    for name in names {
        // SAFETY: by the contract; pool strings live as long as the configuration.
        unsafe { sys::ap_add_version_component(pool.raw(), pool.dup(name.as_bytes())) };
    }
}
