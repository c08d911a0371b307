//! `script-user=` and `script-group=`: whose scripts a daemon group serves (spec/directives.md §7.5). Numbers and
//! texts are the original's; unlike there, `#id` is enforced as well as a name.

use crate::config::DaemonOptions;

/// Owner and mode of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOwnership {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// What is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedPart {
    /// The requested file.
    Script,
    /// The directory it is in.
    Parent,
}

/// Which option is violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipDemand {
    /// `script-user=`
    User,
    /// `script-group=`
    Group,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipFault {
    /// Somebody else owns it: the id.
    OwnedBy(u32),
    /// Its group may write to it.
    GroupWritable,
    /// Everybody may write to it.
    WorldWritable,
    /// Nothing is known of it.
    Unknown,
}

/// Why a script is not served; always status 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnershipViolation {
    /// Which option.
    pub demand: OwnershipDemand,
    /// Of what.
    pub part: OwnedPart,
    /// What is wrong.
    pub fault: OwnershipFault,
}

impl OwnershipViolation {
    /// Message number of the original.
    pub fn number(self) -> u16 {
        use {OwnedPart::*, OwnershipDemand::*, OwnershipFault::*};
        match (self.demand, self.part, self.fault) {
            (Group, Script, Unknown) => 153,
            (Group, Script, OwnedBy(_)) => 155,
            (Group, Script, GroupWritable | WorldWritable) => 157,
            (Group, Parent, Unknown) => 158,
            (Group, Parent, OwnedBy(_)) => 160,
            (Group, Parent, GroupWritable | WorldWritable) => 161,
            (User, Script, Unknown) => 162,
            (User, Script, OwnedBy(_)) => 164,
            (User, Script, GroupWritable) => 166,
            (User, Script, WorldWritable) => 168,
            (User, Parent, Unknown) => 169,
            (User, Parent, OwnedBy(_)) => 171,
            (User, Parent, WorldWritable) => 172,
            (User, Parent, GroupWritable) => 173,
        }
    }

    /// The log line. `name` is that of [`OwnershipFault::OwnedBy`]'s id.
    pub fn message(self, name: &str) -> String {
        let (kind, owner) = match self.demand {
            OwnershipDemand::User => ("user", "owner"),
            OwnershipDemand::Group => ("group", "group"),
        };
        let subject = match self.part {
            OwnedPart::Script => "WSGI script file",
            OwnedPart::Parent => "Parent directory of WSGI script file",
        };
        match (self.fault, self.part) {
            (OwnershipFault::OwnedBy(_), OwnedPart::Script) => {
                format!("{subject} {owner} '{name}' does not match {kind} required for daemon process.")
            }
            (OwnershipFault::OwnedBy(_), OwnedPart::Parent) => {
                format!(
                    "{subject} has {owner} '{name}' which does not match {kind} required for daemon process."
                )
            }
            (OwnershipFault::GroupWritable, _) => format!("{subject} is writable to group."),
            (OwnershipFault::WorldWritable, _) => format!("{subject} is writable to world."),
            (OwnershipFault::Unknown, _) => {
                format!("{subject} cannot be examined, and the daemon process demands a {kind} of it.")
            }
        }
    }
}

/// Checks the requested file and its directory against the options. A resource that does not exist has only its
/// directory checked; a directory that cannot be examined is refused.
///
/// # Errors
/// The first violation, the file's before the directory's.
pub fn check_ownership(
    options: &DaemonOptions,
    script: Option<FileOwnership>,
    parent: Option<FileOwnership>,
) -> Result<(), OwnershipViolation> {
    let user = options.script_user.as_ref().map(|who| (OwnershipDemand::User, who.id));
    let group = options.script_group.as_ref().map(|who| (OwnershipDemand::Group, who.id));
    let Some((demand, id)) = user.or(group) else { return Ok(()) };
    let refuse = |part, fault| Err(OwnershipViolation { demand, part, fault });
    for (part, facts) in [(OwnedPart::Script, script), (OwnedPart::Parent, parent)] {
        let Some(facts) = facts else {
            if part == OwnedPart::Parent {
                return refuse(part, OwnershipFault::Unknown);
            }
            continue;
        };
        let owner = if demand == OwnershipDemand::User { facts.uid } else { facts.gid };
        if owner != id {
            return refuse(part, OwnershipFault::OwnedBy(owner));
        }
        if demand == OwnershipDemand::User && facts.mode & 0o020 != 0 {
            return refuse(part, OwnershipFault::GroupWritable);
        }
        if facts.mode & 0o002 != 0 {
            return refuse(part, OwnershipFault::WorldWritable);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NamedAccount;

    fn demanding(demand: OwnershipDemand) -> DaemonOptions {
        let who = Some(NamedAccount { name: "#33".into(), id: 33 });
        match demand {
            OwnershipDemand::User => DaemonOptions { script_user: who, ..DaemonOptions::default() },
            OwnershipDemand::Group => DaemonOptions { script_group: who, ..DaemonOptions::default() },
        }
    }

    const GOOD: FileOwnership = FileOwnership { uid: 33, gid: 33, mode: 0o755 };

    #[test]
    fn nothing_is_demanded_by_default() {
        assert_eq!(check_ownership(&DaemonOptions::default(), None, None), Ok(()));
    }

    #[test]
    fn each_violation_has_the_number_of_the_original() {
        let other = FileOwnership { uid: 0, gid: 0, ..GOOD };
        let group = FileOwnership { mode: 0o775, ..GOOD };
        let world = FileOwnership { mode: 0o757, ..GOOD };
        for (demand, script, parent, number) in [
            (OwnershipDemand::User, GOOD, Some(GOOD), None),
            (OwnershipDemand::User, other, Some(other), Some(164)),
            (OwnershipDemand::User, group, Some(GOOD), Some(166)),
            (OwnershipDemand::User, world, Some(GOOD), Some(168)),
            (OwnershipDemand::User, GOOD, Some(other), Some(171)),
            (OwnershipDemand::User, GOOD, Some(world), Some(172)),
            (OwnershipDemand::User, GOOD, Some(group), Some(173)),
            (OwnershipDemand::User, GOOD, None, Some(169)),
            (OwnershipDemand::Group, group, Some(group), None),
            (OwnershipDemand::Group, other, Some(GOOD), Some(155)),
            (OwnershipDemand::Group, world, Some(GOOD), Some(157)),
            (OwnershipDemand::Group, GOOD, Some(other), Some(160)),
            (OwnershipDemand::Group, GOOD, Some(world), Some(161)),
        ] {
            let found = check_ownership(&demanding(demand), Some(script), parent);
            assert_eq!(
                found.err().map(OwnershipViolation::number),
                number,
                "{demand:?} {script:?} {parent:?}"
            );
        }
    }

    #[test]
    fn a_resource_that_does_not_exist_has_its_directory_checked() {
        let options = demanding(OwnershipDemand::User);
        assert_eq!(check_ownership(&options, None, Some(GOOD)), Ok(()));
        assert!(check_ownership(&options, None, Some(FileOwnership { uid: 0, ..GOOD })).is_err());
    }

    #[test]
    fn texts_name_the_owner() {
        let violation = OwnershipViolation {
            demand: OwnershipDemand::User,
            part: OwnedPart::Script,
            fault: OwnershipFault::OwnedBy(0),
        };
        assert_eq!(
            violation.message("root"),
            "WSGI script file owner 'root' does not match user required for daemon process."
        );
    }
}
