//! A machine for unit tests: a few users and groups, a real regex engine, and a builder for configurations.

use crate::apply::{apply, find};
use crate::config::{DirConfig, GlobalConfig, ServerConfig};
use crate::error::ConfigError;
use crate::line::LineScope;
use crate::place::{DirectivePlace, NeighbourDirectives, Notice, RegexMatch, SystemFacts, UriRegex, VhostId};
use std::collections::HashMap;
use std::sync::Arc;

/// Users root (0), www-data (33), joe (1000); groups of the same names.
#[derive(Debug)]
pub(crate) struct FakeMachine {
    pub root: bool,
    pub server_names: HashMap<VhostId, String>,
    pub neighbours: NeighbourDirectives,
}

impl Default for FakeMachine {
    fn default() -> Self {
        FakeMachine { root: true, server_names: HashMap::new(), neighbours: NeighbourDirectives::default() }
    }
}

const PEOPLE: &[(&str, u32)] = &[("root", 0), ("www-data", 33), ("joe", 1000)];

fn id(name: &str) -> Option<u32> {
    PEOPLE.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

fn name(id: u32) -> Option<String> {
    PEOPLE.iter().find(|(_, known)| *known == id).map(|(name, _)| (*name).to_owned())
}

impl SystemFacts for FakeMachine {
    fn uid_of_name(&self, name: &str) -> Option<u32> {
        id(name)
    }
    fn gid_of_name(&self, name: &str) -> Option<u32> {
        id(name)
    }
    fn name_of_uid(&self, uid: u32) -> Option<String> {
        name(uid)
    }
    fn name_of_gid(&self, gid: u32) -> Option<String> {
        name(gid)
    }
    fn is_root(&self) -> bool {
        self.root
    }
    fn ngroups_max(&self) -> usize {
        4
    }
    fn compile_regex(&self, pattern: &str) -> Option<Arc<dyn UriRegex>> {
        let regex = regex::bytes::RegexBuilder::new(pattern).unicode(false).build().ok()?;
        Some(Arc::new(FakeRegex(regex)))
    }
    fn server_root_relative(&self, path: &str) -> Option<String> {
        match path {
            "impossible" => None,
            path if path.starts_with('/') => Some(path.to_owned()),
            path => Some(format!("/etc/httpd/{path}")),
        }
    }
    fn neighbours(&self) -> NeighbourDirectives {
        self.neighbours.clone()
    }
    fn server_name_of(&self, host: VhostId) -> Option<String> {
        self.server_names.get(&host).cloned()
    }
}

#[derive(Debug)]
struct FakeRegex(regex::bytes::Regex);

impl UriRegex for FakeRegex {
    fn search(&self, uri: &[u8]) -> Option<RegexMatch> {
        let found = self.0.captures(uri)?;
        let mut result = RegexMatch::default();
        for (slot, group) in result.groups.iter_mut().zip(found.iter()) {
            *slot = group.map(|group| (group.start(), group.end()));
        }
        Some(result)
    }
}

/// A configuration being read line by line.
#[derive(Default)]
pub(crate) struct FakeConfiguration {
    pub machine: FakeMachine,
    pub global: GlobalConfig,
    pub server: ServerConfig,
    pub dir: DirConfig,
    pub line: u32,
}

impl FakeConfiguration {
    /// Applies lines at main server level; panics on the first error.
    pub fn of(lines: &[&str]) -> FakeConfiguration {
        let mut conf = FakeConfiguration::default();
        for line in lines {
            conf.main(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        conf
    }

    /// One line at main server level.
    pub fn main(&mut self, line: &str) -> Result<Vec<Notice>, ConfigError> {
        self.at(line, DirectivePlace::default())
    }

    /// One line in a virtual host.
    pub fn vhost(&mut self, line: &str, host: u32, name: Option<&str>) -> Result<Vec<Notice>, ConfigError> {
        let place = DirectivePlace {
            virtual_host: Some(VhostId(host)),
            server_name: name,
            ..DirectivePlace::default()
        };
        self.machine.server_names.extend(name.map(|name| (VhostId(host), name.to_owned())));
        self.at(line, place)
    }

    /// One line in a directory section.
    pub fn directory(&mut self, line: &str) -> Result<Vec<Notice>, ConfigError> {
        self.at(line, DirectivePlace { directory: Some("/srv"), ..DirectivePlace::default() })
    }

    /// One line in a `.htaccess`.
    pub fn htaccess(&mut self, line: &str) -> Result<Vec<Notice>, ConfigError> {
        let (id, args) = split(line);
        let place = DirectivePlace { directory: Some("/srv"), htaccess: true, ..DirectivePlace::default() };
        let scope = LineScope { global: None, server: None, dir: Some(&mut self.dir) };
        apply(id, args, &place, scope, &self.machine)
    }

    /// One line anywhere; counts lines.
    pub fn at(&mut self, line: &str, place: DirectivePlace<'_>) -> Result<Vec<Notice>, ConfigError> {
        self.line += 1;
        let (id, args) = split(line);
        let place = DirectivePlace { file: "test.conf", line: self.line, ..place };
        let scope = LineScope {
            global: Some(&mut self.global),
            server: Some(&mut self.server),
            dir: Some(&mut self.dir),
        };
        apply(id, args, &place, scope, &self.machine)
    }

    /// The text of the error a line gives at main server level.
    pub fn error(&mut self, line: &str) -> String {
        match self.main(line) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("accepted: {line}"),
        }
    }
}

fn split(line: &str) -> (usize, &str) {
    let (name, args) = line.split_once(' ').unwrap_or((line, ""));
    (find(name).unwrap_or_else(|| panic!("no directive {name}")), args)
}
