//! What a daemon is when its interpreter starts.

use crate::rig::{SupervisorRig, copy_program, mode_and_owner};
use std::os::unix::net::UnixStream;
use std::path::Path;
use wsgi_protocol::control::{ResourceLimits, SupervisorAnswer};
use wsgi_protocol::status::SlotState;

#[test]
fn process_starts_and_serves() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 2, 2)]);
    assert_eq!(generation.answer, SupervisorAnswer::Listening { generation: 1, failed: vec![] });
    assert_eq!(rig.sockets(), ["a0.sock", "a1.sock"]);
    UnixStream::connect(rig.path("a1.sock")).unwrap();
    let first = generation.serving(2, 0);
    let second = generation.serving(3, 0);
    assert_ne!(first, second);
    assert_eq!(generation.view(1).state, SlotState::Empty);
    assert_eq!((generation.view(2).last_exit, generation.view(2).last_pid), (u32::MAX, 0));
    let (one, two) = (rig.launch(first), rig.launch(second));
    assert_eq!((one.slot, one.has_predecessor, two.slot), (0, false, 1));
    rig.logged(&["[wsgi:info]", &format!("starting process {first} of group 'app'")]);
}

#[test]
fn interpreter_gets_exactly_what_it_should() {
    let mut rig = SupervisorRig::new();
    let mut group = rig.group("app", "a", 0, 1);
    group.environment = [b"LC_ALL=C.UTF-8".to_vec(), b"PATH=/bin".to_vec(), b"X==y".to_vec()].to_vec();
    group.identity.home = Some(b"/usr".to_vec());
    group.identity.umask = Some(0o27);
    group.flags.push(b"-B".to_vec());
    group.limits = ResourceLimits { cpu_seconds: 100, data: 1 << 30, ..ResourceLimits::default() };
    let generation = rig.configure(vec![group]);
    let pid = generation.serving(0, 0);
    let facts = rig.facts(pid);
    let fact = |name: &str| facts.get(name).map_or("?", String::as_str);
    let argv: Vec<_> = fact("argv").split('\x1f').collect();
    assert_eq!(argv[..3], [rig.directory.to_str().unwrap(), "-B", "-c"]);
    assert_eq!((argv.len(), Path::new(argv[4])), (5, &*rig.path("library.so")));
    assert_eq!(fact("environ"), "LC_ALL=C.UTF-8\x1fPATH=/bin\x1fX==y");
    assert_eq!((fact("fds"), fact("stdin")), ("0 1 2 3 4 5 6 7 8", "/dev/null"));
    assert_eq!((fact("cwd"), fact("umask")), ("/usr", "27"));
    assert_eq!(fact("session"), "True True");
    assert_eq!((fact("NoNewPrivs"), fact("SigBlk")), ("1", "0000000000000000"));
    // Python itself ignores SIGPIPE and SIGXFSZ; 32 and 33 belong to the C library.
    let ignored = u64::from_str_radix(fact("SigIgn"), 16).unwrap();
    assert_eq!(ignored & !0x1_8000_0000, 0x0100_1000);
    assert_eq!((fact("Max cpu time"), fact("Max data size")), ("100 102", "1073741824 1073741824"));
    assert!(fact("Max core file").starts_with("0 "), "{facts:?}");
}

#[test]
fn identity_is_as_configured() {
    if !nix::unistd::geteuid().is_root() {
        return; // an ordinary user cannot change identities, and the supervisor does not try
    }
    let mut rig = SupervisorRig::new();
    let mut group = rig.group("app", "a", 0, 1);
    group.identity.supplementary = Some(vec![4, 65534, 24]);
    group.identity.cpu_priority = -3;
    let generation = rig.configure(vec![group]);
    let facts = rig.facts(generation.serving(0, 0));
    assert_eq!(facts["ids"], "(65534, 65534, 65534) (65534, 65534, 65534) [4, 24, 65534]");
    assert_eq!(facts["nice"], "-3");
    assert_eq!(mode_and_owner(&rig.path("a0.sock")), (0o700, 65533));
}

#[test]
fn groups_of_the_user_are_taken() {
    if !nix::unistd::geteuid().is_root() {
        return; // as above
    }
    let mut rig = SupervisorRig::new();
    let mut group = rig.group("app", "a", 0, 1);
    group.identity.user = b"www-data".to_vec();
    let generation = rig.configure(vec![group]);
    let facts = rig.facts(generation.serving(0, 0));
    assert!(facts["ids"].ends_with("[33, 65534]") || facts["ids"].ends_with("[65534]"), "{}", facts["ids"]);
}

#[test]
fn output_is_logged_with_its_levels() {
    let mut rig = SupervisorRig::new();
    rig.behave("serve print");
    let mut group = rig.group("app", "a", 0, 1);
    group.log.level = 4;
    let generation = rig.configure(vec![group]);
    let pid = generation.serving(0, 0);
    let line = rig.logged(&["plain"]);
    assert!(line.ends_with(&format!("] [wsgi:error] [pid {pid}:tid {pid}] plain \\x1b text")), "{line}");
    rig.logged(&[&format!("[wsgi:warn] [pid {pid}:tid {pid}] a warning")]);
    assert!(!rig.log().contains("a note"));
}

#[test]
fn other_version_is_refused_and_damaged_groups_are_left_out() {
    let mut rig = SupervisorRig::new();
    assert_eq!(rig.send(b"\x63\0\0\0abc").answer, SupervisorAnswer::Refused);
    let mut long = rig.group("long", &"x".repeat(100), 0, 1);
    long.identity.umask = Some(0);
    let good = rig.group("good", "g", 1, 1);
    let generation = rig.configure(vec![long, good]);
    let SupervisorAnswer::Listening { failed, .. } = &generation.answer else { panic!("refused") };
    assert_eq!(failed.len(), 1);
    assert!(failed[0].0 == b"long" && failed[0].1.contains("WSGISocketPrefix"), "{failed:?}");
    generation.serving(1, 0);
    rig.logged(&["[wsgi:alert]", "WSGI0064: daemon process group 'long' is not started"]);
}

#[test]
fn chroot_is_entered_before_the_interpreter() {
    if !nix::unistd::geteuid().is_root() {
        return; // only root can
    }
    let mut rig = SupervisorRig::new();
    let jail = rig.path("jail");
    std::fs::create_dir(&jail).unwrap();
    let ldd = std::process::Command::new("ldd").arg("/bin/sh").output().unwrap();
    let libraries = String::from_utf8(ldd.stdout).unwrap();
    for file in libraries.split_whitespace().filter(|word| word.starts_with('/')).chain(["/bin/sh"]) {
        let target = jail.join(&file[1..]);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        copy_program(file.as_ref(), &target);
    }
    let script = rig.path("script");
    std::fs::write(&script, "#!/bin/sh\npwd\nprintf R >&4\nread order <&6\n").unwrap();
    copy_program(&script, &jail.join("python"));
    let library = jail.join(rig.path("library.so").strip_prefix("/").unwrap());
    std::fs::create_dir_all(library.parent().unwrap()).unwrap();
    std::fs::write(library, "").unwrap();
    let mut group = rig.group("app", "a", 0, 1);
    group.identity.chroot = Some(jail.to_str().unwrap().into());
    group.interpreter = b"/python".to_vec();
    let generation = rig.configure(vec![group]);
    let pid = generation.serving(0, 0);
    let line = rig.logged(&[&format!("[pid {pid}:tid {pid}] ")]);
    assert!(line.ends_with("] /"), "the working directory is the new root: {line}");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/root")).unwrap(), jail);
}
