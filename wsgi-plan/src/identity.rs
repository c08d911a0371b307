//! The identities that processes take.

use crate::surroundings::{AccountDatabase, HttpdUser, Surroundings};
use wsgi_directives::DaemonGroup;

/// An identity that processes take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessIdentity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
    /// User name, or `#uid`.
    pub name: String,
}

impl ProcessIdentity {
    /// httpd's own children.
    pub fn httpd(surroundings: &Surroundings) -> Self {
        let HttpdUser { uid, gid, .. } = surroundings.httpd;
        Self::new(surroundings.accounts, uid, gid, None)
    }

    /// The processes of a daemon group.
    pub fn of_group(group: &DaemonGroup, surroundings: &Surroundings) -> Self {
        let httpd = &surroundings.httpd;
        let options = &group.options;
        let id =
            |who: &Option<wsgi_directives::NamedAccount>, default| who.as_ref().map_or(default, |who| who.id);
        // Only root can change identities (spec/directives.md §7.1).
        let (uid, gid) = match httpd.is_root {
            true => (id(&options.user, httpd.uid), id(&options.group, httpd.gid)),
            false => (httpd.uid, httpd.gid),
        };
        let list = options.supplementary_groups.as_ref();
        Self::new(surroundings.accounts, uid, gid, list.map(|list| list.iter().map(|who| who.id).collect()))
    }

    /// The one who reads the configuration: nothing is taken on.
    pub fn reader() -> Self {
        Self { uid: 0, gid: 0, groups: Vec::new(), name: String::new() }
    }

    /// Whether it is [`ProcessIdentity::reader`].
    pub fn is_reader(&self) -> bool {
        self.uid == 0
    }

    fn new(accounts: &dyn AccountDatabase, uid: u32, gid: u32, supplementary: Option<Vec<u32>>) -> Self {
        let name = accounts.user(uid).map_or_else(|| format!("#{uid}"), |user| user.name);
        let groups = match supplementary {
            Some(mut list) => {
                list.push(gid);
                list
            }
            None => accounts.memberships(&name, gid),
        };
        Self { uid, gid, groups, name }
    }
}
