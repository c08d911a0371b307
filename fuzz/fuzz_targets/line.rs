//! Any directive with any arguments in any place: no panic, and a refused line stores no group and no alias.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use wsgi_directives::{
    DIRECTIVES, DirConfig, DirectivePlace, GlobalConfig, LineScope, NeighbourDirectives, RegexMatch,
    ServerConfig, SystemFacts, UriRegex, VhostId, apply,
};

/// A machine with one user and one group, whose regex engine takes every pattern and finds nothing.
struct Machine;

#[derive(Debug)]
struct Never;

impl UriRegex for Never {
    fn search(&self, _uri: &[u8]) -> Option<RegexMatch> {
        None
    }
}

impl SystemFacts for Machine {
    fn uid_of_name(&self, name: &str) -> Option<u32> {
        name.strip_prefix('#').map_or((name == "joe").then_some(1000), |number| number.parse().ok())
    }
    fn gid_of_name(&self, name: &str) -> Option<u32> {
        self.uid_of_name(name)
    }
    fn name_of_uid(&self, uid: u32) -> Option<String> {
        (uid == 1000).then(|| "joe".to_owned())
    }
    fn name_of_gid(&self, gid: u32) -> Option<String> {
        self.name_of_uid(gid)
    }
    fn is_root(&self) -> bool {
        true
    }
    fn ngroups_max(&self) -> usize {
        4
    }
    fn compile_regex(&self, _pattern: &str) -> Option<Arc<dyn UriRegex>> {
        Some(Arc::new(Never))
    }
    fn server_root_relative(&self, path: &str) -> Option<String> {
        Some(format!("/etc/httpd/{path}"))
    }
    fn neighbours(&self) -> NeighbourDirectives {
        NeighbourDirectives::default()
    }
    fn server_name_of(&self, _host: VhostId) -> Option<String> {
        None
    }
}

fuzz_target!(|input: (u8, u8, &str)| {
    let (id, place, args) = input;
    let (mut global, mut server, mut dir) =
        (GlobalConfig::default(), ServerConfig::default(), DirConfig::default());
    let place = DirectivePlace {
        file: "fuzz.conf",
        line: 1,
        virtual_host: (place & 1 != 0).then_some(VhostId(0)),
        directory: (place & 2 != 0).then_some("/srv"),
        ..DirectivePlace::default()
    };
    let id = usize::from(id) % DIRECTIVES.len();
    let scope = LineScope { global: Some(&mut global), server: Some(&mut server), dir: Some(&mut dir) };
    match apply(id, args, &place, scope, &Machine) {
        Ok(notices) => notices
            .iter()
            .for_each(|notice| assert!(!notice.to_string().contains('\n') || args.contains('\n'))),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(global.groups.is_empty() && server.aliases.is_empty() && global.imports.is_empty());
        }
    }
});
