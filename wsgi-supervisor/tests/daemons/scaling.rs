//! An operator changes the number of a group's processes, or stops it.

use crate::rig::{SupervisorRig, eventually, is_alive};
use std::io::Read;
use std::os::unix::net::UnixStream;
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply};
use wsgi_protocol::status::SlotState;

fn scale(rig: &SupervisorRig, processes: u32) -> OperatorReply {
    rig.ask(&OperatorQuestion::Scale { group: b"app".to_vec(), processes })
}

fn stop(rig: &SupervisorRig) -> OperatorReply {
    rig.ask(&OperatorQuestion::Stop { group: b"app".to_vec() })
}

#[test]
fn further_processes_are_started_and_taken_back() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let first = generation.serving(0, 0);
    assert_eq!(generation.count(0), 1);
    assert_eq!(scale(&rig, 3), OperatorReply::Begun);
    let others = [generation.serving(1, 0), generation.serving(2, 0)];
    assert_eq!((generation.count(0), rig.sockets().len()), (3, 3));
    assert_eq!(scale(&rig, 1), OperatorReply::Begun);
    // Closed to new requests at once, served by their processes for those who had chosen them already.
    assert_eq!((generation.count(0), generation.view(2).state), (1, SlotState::Retired));
    assert!(others.into_iter().all(is_alive));
    for pid in others {
        rig.ordered(pid, "E");
        eventually("it ends", || (!is_alive(pid)).then_some(()));
    }
    eventually("their sockets are gone", || (rig.sockets() == ["a0.sock"]).then_some(()));
    assert_eq!(generation.view(0).pid, first);
}

#[test]
fn place_that_is_given_up_is_wanted_again() {
    let mut rig = SupervisorRig::new();
    rig.behave("slow");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let old = generation.serving(1, 0);
    assert_eq!((scale(&rig, 1), scale(&rig, 2)), (OperatorReply::Begun, OperatorReply::Begun));
    let new = generation.serving(1, old);
    assert!(new != old && generation.count(0) == 2);
    eventually("the old one ends", || (!is_alive(old)).then_some(()));
    assert_eq!(rig.sockets(), ["a0.sock", "a1.sock"], "the old place took no socket of the new one along");
    assert_eq!(generation.view(1).pid, new);
}

/// A place that an older configuration has left, with the process of another user: what is asked there now waits for the
/// process of the new one.
#[test]
fn place_with_the_process_of_another_user_gets_another_socket() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut rig = SupervisorRig::new();
    rig.behave("serve accept");
    let first = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let old = first.serving(1, 0);
    let mut group = rig.group("app", "b", 4, 1);
    group.identity.gid = 1;
    let second = rig.configure(vec![group]);
    second.serving(4, 0);
    rig.behave("die");
    assert_eq!(scale(&rig, 2), OperatorReply::Begun);
    let mut wire = UnixStream::connect(rig.path("b1.sock")).unwrap();
    rig.behave("serve accept");
    let new = eventually("its own process serves", || {
        let view = second.view(5);
        (view.state == SlotState::Serving && view.pid != old).then_some(view.pid)
    });
    let mut text = String::new();
    wire.read_to_string(&mut text).unwrap();
    assert_eq!(text, new.to_string());
}

#[test]
fn scale_has_bounds() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    generation.serving(1, 0);
    for count in [0, 5] {
        assert!(matches!(scale(&rig, count), OperatorReply::Refused(_)), "{count}");
    }
    let unknown = OperatorQuestion::Scale { group: b"other".to_vec(), processes: 1 };
    let OperatorReply::Refused(reason) = rig.ask(&unknown) else { panic!("accepted") };
    assert!(reason.contains("no daemon process group 'other'"), "{reason}");
    assert_eq!(generation.count(0), 2);
}

#[test]
fn stopped_group_stays_stopped_over_configurations() {
    let mut rig = SupervisorRig::new();
    let first = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let pids = [first.serving(0, 0), first.serving(1, 0)];
    assert_eq!(stop(&rig), OperatorReply::Begun);
    for pid in pids {
        eventually("it ends", || (!is_alive(pid)).then_some(()));
    }
    assert_eq!((first.count(0), rig.started().len()), (0, 2));
    let OperatorReply::Refused(reason) = scale(&rig, 2) else { panic!("accepted") };
    assert!(reason.contains("start"), "{reason}");
    let second = rig.configure(vec![rig.group("app", "b", 0, 2)]);
    rig.logged(&["'app' stays stopped"]);
    assert_eq!((second.count(0), rig.started().len()), (0, 2));
    let start = OperatorQuestion::Start { group: b"app".to_vec() };
    assert_eq!(rig.ask(&start), OperatorReply::Begun);
    second.serving(0, 0);
    second.serving(1, 0);
    assert_eq!(second.count(0), 2);
    assert!(matches!(rig.ask(&start), OperatorReply::Refused(_)), "it runs already");
}

/// A process that does not listen to orders is ended by force after its timers.
#[test]
fn stop_of_a_deaf_process_is_bounded() {
    let mut rig = SupervisorRig::new();
    rig.behave("deaf");
    let mut group = rig.group("app", "a", 0, 1);
    (group.launch.timers.graceful, group.launch.timers.shutdown) = (100, 100);
    let generation = rig.configure(vec![group]);
    let pid = generation.serving(0, 0);
    assert_eq!(stop(&rig), OperatorReply::Begun);
    eventually("it is killed", || (!is_alive(pid)).then_some(()));
    rig.logged(&["[wsgi:warn]", "did not end in time and was killed"]);
}
