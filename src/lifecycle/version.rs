//! What `Server:` says of this module.

use crate::config::ConfigState;
use crate::httpd::parent::ParentThread;

/// Names mod_wsgi, and Python where all that certainly runs is of one version; in post_config.
pub fn add(state: &ConfigState, parent: ParentThread) {
    let (major, minor, micro) = wsgi_plan::VERSION;
    let mut names = vec![format!("mod_wsgi/{major}.{minor}.{micro}")];
    if let Some(runtime) = &state.runtime {
        let embedded = runtime.embedded_python.iter().filter(|_| state.global.embedded_is_eager());
        let of_groups = runtime.groups.iter().filter_map(|group| group.python.as_ref());
        let mut versions: Vec<&String> = of_groups.chain(embedded).collect();
        versions.dedup();
        names.extend((versions.len() == 1).then(|| format!("Python/{}", versions[0])));
    }
    names.iter().for_each(|name| parent.add_version(name));
}
