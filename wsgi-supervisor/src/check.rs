//! Checks a group before anything is done for it: what comes from httpd is trusted, but not blindly.

use std::collections::BTreeSet;
use wsgi_protocol::control::GroupSpec;

/// Most processes of one group.
const MAX_PROCESSES: usize = 4096;

/// Says in one sentence why a group cannot be started, if so. `taken` holds the socket paths and names of the
/// groups before it; `slots` is the size of the status memory.
///
/// # Errors
/// The sentence.
pub fn check(
    spec: &GroupSpec,
    as_root: bool,
    slots: usize,
    taken: &mut BTreeSet<Vec<u8>>,
) -> Result<(), String> {
    let (processes, places) = (spec.processes as usize, spec.sockets.paths.len());
    let last_slot = (spec.first_slot as usize).saturating_add(places);
    let identity = &spec.identity;
    let absolute = |path: &Option<Vec<u8>>| path.as_ref().is_none_or(|path| path.first() == Some(&b'/'));
    let key = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let rules = [
        (!spec.name.is_empty(), "it has no name"),
        (taken.insert(key(b'n', &spec.name)), "another group has the same name"),
        ((1..=places.min(MAX_PROCESSES)).contains(&processes), "its number of processes is out of range"),
        (last_slot <= slots, "its slots lie outside the status memory"),
        (spec.interpreter.first() == Some(&b'/'), "the path of its interpreter is not absolute"),
        (!as_root || identity.uid != 0, "it would run as root"),
        (absolute(&identity.home), "home= is not absolute"),
        (absolute(&identity.chroot), "chroot= is not absolute"),
        (texts(spec).all(|text| !text.contains(&0)), "a text contains a NUL byte"),
        (spec.environment.iter().all(|entry| is_assignment(entry)), "an environment entry is no NAME=VALUE"),
        (spec.sockets.paths.iter().all(|path| taken.insert(key(b'p', path))), "a socket path is used twice"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(reason.to_owned()),
        None => Ok(()),
    }
}

fn is_assignment(entry: &[u8]) -> bool {
    entry.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0)
}

/// All texts that become C strings.
fn texts(spec: &GroupSpec) -> impl Iterator<Item = &Vec<u8>> {
    let identity = &spec.identity;
    let optional = [&identity.passwd_home, &identity.chroot, &identity.home].into_iter().flatten();
    let single = [&spec.interpreter, &spec.argument_zero, &identity.user].into_iter();
    single.chain(optional).chain(&spec.flags).chain(&spec.environment).chain(&spec.sockets.paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::control::{DaemonIdentity, GroupSockets};

    fn good() -> GroupSpec {
        GroupSpec {
            name: b"a".to_vec(),
            processes: 1,
            interpreter: b"/usr/bin/python3".to_vec(),
            environment: vec![b"A=".to_vec()],
            identity: DaemonIdentity { uid: 1, ..DaemonIdentity::default() },
            sockets: GroupSockets { paths: vec![b"/run/a".to_vec()], ..GroupSockets::default() },
            ..GroupSpec::default()
        }
    }

    fn verdict(change: impl FnOnce(&mut GroupSpec)) -> Result<(), String> {
        let mut spec = good();
        change(&mut spec);
        check(&spec, true, 2, &mut BTreeSet::from([b"nb".to_vec(), b"p/run/b".to_vec()]))
    }

    #[test]
    fn groups_are_checked() {
        assert_eq!(verdict(|_| ()), Ok(()));
        let refused: [fn(&mut GroupSpec); 9] = [
            |spec| spec.name.clear(),
            |spec| spec.name = b"b".to_vec(),
            |spec| spec.sockets.paths.clear(),
            |spec| spec.sockets.paths = vec![b"/run/b".to_vec()],
            |spec| spec.first_slot = 2,
            |spec| spec.interpreter = b"python3".to_vec(),
            |spec| spec.identity.uid = 0,
            |spec| spec.environment = vec![b"=x".to_vec()],
            |spec| spec.flags = vec![b"a\0b".to_vec()],
        ];
        for change in refused {
            assert!(verdict(change).is_err());
        }
    }

    #[test]
    fn ordinary_user_may_have_any_id() {
        let spec = GroupSpec { identity: DaemonIdentity::default(), ..good() };
        assert_eq!(check(&spec, false, 1, &mut BTreeSet::new()), Ok(()));
    }
}
