//! What the processes of a group are started with, whose they are, and how everything ends.

use wsgi_protocol::control::{DaemonIdentity, GroupSpec};

/// What processes of a group are started with.
#[derive(Debug, PartialEq)]
pub struct GroupPlan {
    /// The group as configured.
    pub spec: GroupSpec,
    /// Our own count of the configuration that it is part of: httpd may use its number twice.
    pub serial: u64,
    /// httpd's number.
    pub number: u32,
}

impl GroupPlan {
    /// `threads=0`: takes no requests.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.spec.launch.threads == 0
    }

    /// `preload=on`: processes are forked from a zygote.
    #[must_use]
    pub fn wants_zygote(&self) -> bool {
        self.spec.preload && !self.is_service()
    }

    /// The group's name for messages.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.spec.name).into_owned()
    }
}

/// User id, group id and chroot of the processes that share an heirloom: one user's process must not name the
/// scripts that another one's loads.
pub type HeirloomOwner = (u32, u32, Option<Vec<u8>>);

/// Whose processes of this kind are.
#[must_use]
pub fn owner(identity: &DaemonIdentity) -> HeirloomOwner {
    (identity.uid, identity.gid, identity.chroot.clone())
}

/// Why everything ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SupervisorEnd {
    /// httpd stops, or is dead: everything ends within httpd's own limit.
    Stop,
    /// httpd lives and has dropped us, because it was upgraded: daemons drain.
    Retire,
}
