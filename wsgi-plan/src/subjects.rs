//! What is looked at for a start or a test: the configuration, its servers, and who runs what.

use crate::identity::ProcessIdentity;
use crate::surroundings::Surroundings;
use std::collections::HashMap;
use std::rc::Rc;
use wsgi_directives::{DaemonGroup, GlobalConfig, ServerConfig, ServerView, VhostId};

/// What is examined.
#[derive(Debug)]
pub struct CheckSubjects<'s> {
    /// The main server's record.
    pub global: &'s GlobalConfig,
    pub(crate) servers: Vec<CheckedServer<'s>>,
    /// Positions in `servers`.
    pub(crate) by_host: HashMap<Option<VhostId>, usize>,
    /// httpd and the machine.
    pub surroundings: &'s Surroundings,
    /// httpd's children.
    pub embedded: Rc<ProcessIdentity>,
    /// The processes of each group.
    runners: HashMap<&'s str, Rc<ProcessIdentity>>,
}

impl<'s> CheckSubjects<'s> {
    /// Everything, with its identities.
    pub fn new(
        global: &'s GlobalConfig,
        servers: Vec<CheckedServer<'s>>,
        surroundings: &'s Surroundings,
    ) -> Self {
        let by_host = servers.iter().enumerate().map(|(index, server)| (server.host, index)).collect();
        let embedded = Rc::new(ProcessIdentity::httpd(surroundings));
        let runner = |group: &'s DaemonGroup| {
            (group.name.as_str(), Rc::new(ProcessIdentity::of_group(group, surroundings)))
        };
        let runners = global.groups.iter().map(runner).collect();
        Self { global, servers, by_host, surroundings, embedded, runners }
    }

    /// The home of a group's Python; `None` for the system's.
    pub fn home_of(&self, group: &'s DaemonGroup) -> Option<&'s str> {
        group.options.python_home.as_deref().or(self.global.python_home.as_deref())
    }

    /// Who looks at the files of a group before it runs: its user, but for a chroot, which is prepared from outside.
    pub fn looker(&self, group: &DaemonGroup) -> Rc<ProcessIdentity> {
        if group.options.chroot.is_some() {
            Rc::new(ProcessIdentity::reader())
        } else {
            self.runner_of(group)
        }
    }

    pub(crate) fn runner_of(&self, group: &DaemonGroup) -> Rc<ProcessIdentity> {
        // Every group of the configuration has an entry.
        Rc::clone(self.runners.get(group.name.as_str()).unwrap_or(&self.embedded))
    }
}

/// A server and its merged record.
#[derive(Debug)]
pub struct CheckedServer<'s> {
    /// `None` for the main server.
    pub host: Option<VhostId>,
    /// Its ServerName.
    pub name: Option<String>,
    /// Its merged record.
    pub config: &'s ServerConfig,
}

impl CheckedServer<'_> {
    /// As wsgi-directives looks at it.
    pub fn view(&self) -> ServerView<'_> {
        ServerView { host: self.host, name: self.name.as_deref(), config: self.config }
    }
}
