//! `script-user=` and `script-group=`: whose scripts a daemon group serves (spec/directives.md §7.5). Numbers and
//! texts are the original's; unlike there, `#id` is enforced as well as a name.

use crate::config::DaemonOptions;

/// Owner and mode of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// What is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The requested file.
    Script,
    /// The directory it is in.
    Parent,
}

/// Which option is violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// `script-user=`
    User,
    /// `script-group=`
    Group,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
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
pub struct Violation {
    /// Which option.
    pub demand: Demand,
    /// Of what.
    pub part: Part,
    /// What is wrong.
    pub fault: Fault,
}

impl Violation {
    /// Message number of the original.
    pub fn number(self) -> u16 {
        use {Demand::*, Fault::*, Part::*};
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

    /// The log line. `name` is that of [`Fault::OwnedBy`]'s id.
    pub fn message(self, name: &str) -> String {
        let (kind, owner) = match self.demand {
            Demand::User => ("user", "owner"),
            Demand::Group => ("group", "group"),
        };
        let subject = match self.part {
            Part::Script => "WSGI script file",
            Part::Parent => "Parent directory of WSGI script file",
        };
        match (self.fault, self.part) {
            (Fault::OwnedBy(_), Part::Script) => {
                format!("{subject} {owner} '{name}' does not match {kind} required for daemon process.")
            }
            (Fault::OwnedBy(_), Part::Parent) => {
                format!(
                    "{subject} has {owner} '{name}' which does not match {kind} required for daemon process."
                )
            }
            (Fault::GroupWritable, _) => format!("{subject} is writable to group."),
            (Fault::WorldWritable, _) => format!("{subject} is writable to world."),
            (Fault::Unknown, _) => {
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
    script: Option<Ownership>,
    parent: Option<Ownership>,
) -> Result<(), Violation> {
    let user = options.script_user.as_ref().map(|who| (Demand::User, who.id));
    let group = options.script_group.as_ref().map(|who| (Demand::Group, who.id));
    let Some((demand, id)) = user.or(group) else { return Ok(()) };
    let refuse = |part, fault| Err(Violation { demand, part, fault });
    for (part, facts) in [(Part::Script, script), (Part::Parent, parent)] {
        let Some(facts) = facts else {
            if part == Part::Parent {
                return refuse(part, Fault::Unknown);
            }
            continue;
        };
        let owner = if demand == Demand::User { facts.uid } else { facts.gid };
        if owner != id {
            return refuse(part, Fault::OwnedBy(owner));
        }
        if demand == Demand::User && facts.mode & 0o020 != 0 {
            return refuse(part, Fault::GroupWritable);
        }
        if facts.mode & 0o002 != 0 {
            return refuse(part, Fault::WorldWritable);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Who;

    fn demanding(demand: Demand) -> DaemonOptions {
        let who = Some(Who { name: "#33".into(), id: 33 });
        match demand {
            Demand::User => DaemonOptions { script_user: who, ..DaemonOptions::default() },
            Demand::Group => DaemonOptions { script_group: who, ..DaemonOptions::default() },
        }
    }

    const GOOD: Ownership = Ownership { uid: 33, gid: 33, mode: 0o755 };

    #[test]
    fn nothing_is_demanded_by_default() {
        assert_eq!(check_ownership(&DaemonOptions::default(), None, None), Ok(()));
    }

    #[test]
    fn each_violation_has_the_number_of_the_original() {
        let other = Ownership { uid: 0, gid: 0, ..GOOD };
        let group = Ownership { mode: 0o775, ..GOOD };
        let world = Ownership { mode: 0o757, ..GOOD };
        for (demand, script, parent, number) in [
            (Demand::User, GOOD, Some(GOOD), None),
            (Demand::User, other, Some(other), Some(164)),
            (Demand::User, group, Some(GOOD), Some(166)),
            (Demand::User, world, Some(GOOD), Some(168)),
            (Demand::User, GOOD, Some(other), Some(171)),
            (Demand::User, GOOD, Some(world), Some(172)),
            (Demand::User, GOOD, Some(group), Some(173)),
            (Demand::User, GOOD, None, Some(169)),
            (Demand::Group, group, Some(group), None),
            (Demand::Group, other, Some(GOOD), Some(155)),
            (Demand::Group, world, Some(GOOD), Some(157)),
            (Demand::Group, GOOD, Some(other), Some(160)),
            (Demand::Group, GOOD, Some(world), Some(161)),
        ] {
            let found = check_ownership(&demanding(demand), Some(script), parent);
            assert_eq!(found.err().map(Violation::number), number, "{demand:?} {script:?} {parent:?}");
        }
    }

    #[test]
    fn a_resource_that_does_not_exist_has_its_directory_checked() {
        let options = demanding(Demand::User);
        assert_eq!(check_ownership(&options, None, Some(GOOD)), Ok(()));
        assert!(check_ownership(&options, None, Some(Ownership { uid: 0, ..GOOD })).is_err());
    }

    #[test]
    fn texts_name_the_owner() {
        let violation = Violation { demand: Demand::User, part: Part::Script, fault: Fault::OwnedBy(0) };
        assert_eq!(
            violation.message("root"),
            "WSGI script file owner 'root' does not match user required for daemon process."
        );
    }
}
