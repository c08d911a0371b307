//! A supervisor as httpd's parent would run it, with `fake.py` in the place of Python.

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect,
    recv, recvmsg, sendmsg, socket, socketpair,
};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wsgi_protocol::control::{
    Configuration, DaemonIdentity, GroupSockets, GroupSpec, LogTarget, ParentCommand, SupervisorAnswer,
};
use wsgi_protocol::launch::{DaemonTimers, Launch, decode, encode};
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply};
use wsgi_protocol::status::{SLOTS_AT, SlotRecord, SlotState, memory_len};

/// Slots in the status memory of every rig.
const SLOTS: usize = 16;

/// How long is waited for what should happen: a busy machine takes seconds for what takes moments.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits at most so long until `probe` has an answer.
fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = probe();
        if answer.is_some() || start.elapsed() > limit {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `probe` has an answer.
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, probe).unwrap_or_else(|| panic!("waited for: {what}"))
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Sends a signal.
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// What a slot of the status memory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotView {
    pub state: SlotState,
    pub pid: i32,
    pub epoch: u32,
    pub last_exit: u32,
    pub last_pid: i32,
}

/// A generation as httpd's parent sees it.
pub struct TestGeneration {
    pub answer: SupervisorAnswer,
    memory: File,
    lifeline: Option<OwnedFd>,
}

impl TestGeneration {
    pub fn view(&self, slot: usize) -> SlotView {
        let mut bytes = [0; size_of::<SlotRecord>()];
        self.memory.read_exact_at(&mut bytes, (SLOTS_AT + slot * size_of::<SlotRecord>()) as u64).unwrap();
        let word = |index: usize| u32::from_le_bytes(bytes[index * 4..index * 4 + 4].try_into().unwrap());
        SlotView {
            state: SlotState::from_number(word(0)),
            pid: word(1).cast_signed(),
            epoch: word(3),
            last_exit: word(5),
            last_pid: word(6).cast_signed(),
        }
    }

    /// How many processes httpd's children think that the group of this first slot has.
    pub fn count(&self, first_slot: usize) -> u32 {
        let mut bytes = [0; 4];
        let at =
            SLOTS_AT + first_slot * size_of::<SlotRecord>() + std::mem::offset_of!(SlotRecord, processes);
        self.memory.read_exact_at(&mut bytes, at as u64).unwrap();
        u32::from_le_bytes(bytes)
    }

    /// Waits until a slot is served by another process than `not`.
    pub fn serving(&self, slot: usize, not: i32) -> i32 {
        eventually("a process serves", || {
            let view = self.view(slot);
            (view.state == SlotState::Serving && view.pid != not).then_some(view.pid)
        })
    }

    pub fn state(&self, slot: usize, state: SlotState) -> SlotView {
        eventually(&format!("{state:?}"), || Some(self.view(slot)).filter(|view| view.state == state))
    }

    /// All httpd children of the generation end.
    pub fn children_end(&mut self) {
        self.lifeline = None;
    }
}

/// A running supervisor and its directory.
pub struct SupervisorRig {
    pub directory: PathBuf,
    pub control: Option<OwnedFd>,
    pub child: Child,
    count: u32,
}

impl SupervisorRig {
    /// Starts a supervisor whose parent is the test.
    pub fn new() -> Self {
        Self::with("exec \"$0\" /tag 3<&0 </dev/null")
    }

    /// The same with a shell command around it; the shell's `$0` is the supervisor, its stdin the control socket.
    pub fn with(command: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/tmp/wsgi-rig-{}-{count}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let child = Program::new("/bin/sh")
            .args(["-c", command, env!("CARGO_BIN_EXE_wsgi-supervisor")])
            .stdin(Stdio::from(theirs))
            .spawn()
            .unwrap();
        let rig = Self { directory, control: Some(ours), child, count: 0 };
        rig.behave("serve");
        fs::write(rig.path("library.so"), "").unwrap();
        rig.install_interpreter("python");
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What processes do that are started from now on.
    pub fn behave(&self, behaviour: &str) {
        fs::write(self.path("behaviour.new"), behaviour).unwrap();
        fs::rename(self.path("behaviour.new"), self.path("behaviour")).unwrap();
    }

    pub fn install_interpreter(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        copy_program(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemons/fake.py").as_ref(), &path);
        path
    }

    /// A group of `processes` whose sockets have `prefix`.
    pub fn group(&self, name: &str, prefix: &str, first_slot: u32, processes: u32) -> GroupSpec {
        let bytes = |path: PathBuf| path.as_os_str().as_bytes().to_vec();
        let root = nix::unistd::geteuid().is_root();
        GroupSpec {
            name: name.as_bytes().to_vec(),
            first_slot,
            processes,
            interpreter: bytes(self.path("python")),
            flags: vec![bytes(self.directory.clone())],
            environment: vec![b"LC_ALL=C.UTF-8".to_vec()],
            identity: DaemonIdentity {
                uid: if root { 65534 } else { nix::unistd::geteuid().as_raw() },
                gid: if root { 65534 } else { nix::unistd::getegid().as_raw() },
                ..DaemonIdentity::default()
            },
            sockets: GroupSockets {
                paths: (0..processes.max(4))
                    .map(|n| bytes(self.path(&format!("{prefix}{n}.sock"))))
                    .collect(),
                owner: if root { 65533 } else { nix::unistd::geteuid().as_raw() },
                backlog: 10,
                ..GroupSockets::default()
            },
            log: LogTarget { index: 0, level: 7, server: None },
            launch: Launch {
                group: name.as_bytes().to_vec(),
                threads: 1,
                multiprocess: true,
                timers: DaemonTimers { shutdown: 1000, graceful: 1000, ..DaemonTimers::default() },
                ..Launch::default()
            },
            ..GroupSpec::default()
        }
    }

    /// Sends a generation and takes the answer.
    pub fn configure(&mut self, groups: Vec<GroupSpec>) -> TestGeneration {
        let message = self.message(groups);
        self.send(&message)
    }

    /// Sends a generation and does not wait.
    pub fn order(&mut self, groups: Vec<GroupSpec>) {
        let message = self.message(groups);
        drop(self.post(&message));
    }

    fn message(&mut self, groups: Vec<GroupSpec>) -> Vec<u8> {
        self.count += 1;
        let configuration = Configuration {
            generation: self.count,
            host_library: self.path("library.so").as_os_str().as_bytes().to_vec(),
            groups,
            log: LogTarget { index: 0, level: 7, server: None },
            log_writer: false,
            operator_socket: self.path("control").as_os_str().as_bytes().to_vec(),
        };
        encode(&configuration).unwrap()
    }

    /// Sends the bytes of a configuration.
    pub fn send(&mut self, message: &[u8]) -> TestGeneration {
        let (memory, lifeline) = self.post(message);
        let mut bytes = [0; 4096];
        let length = recv(self.control.as_ref().unwrap().as_raw_fd(), &mut bytes, MsgFlags::empty()).unwrap();
        let answer = decode(&bytes[..length]).unwrap();
        TestGeneration { answer, memory, lifeline: Some(lifeline) }
    }

    fn post(&mut self, message: &[u8]) -> (File, OwnedFd) {
        let memory = memory_file(&vec![0; memory_len(SLOTS)]);
        let message = memory_file(message);
        let (read_end, lifeline) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let log = File::options().create(true).append(true).open(self.path("error.log")).unwrap();
        // There are no counters and no scoreboard: any other file takes their places.
        let none = memory.as_fd();
        let fds: Vec<RawFd> = [message.as_fd(), memory.as_fd(), read_end.as_fd(), none, none, log.as_fd()]
            .map(|fd| fd.as_raw_fd())
            .to_vec();
        self.command(&ParentCommand::Configure, &fds);
        (memory, lifeline)
    }

    pub fn command(&self, command: &ParentCommand, fds: &[RawFd]) {
        let bytes = encode(command).unwrap();
        let rights = [ControlMessage::ScmRights(fds)];
        let rights = if fds.is_empty() { &[] } else { &rights[..] };
        let socket = self.control.as_ref().unwrap().as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&bytes)], rights, MsgFlags::MSG_NOSIGNAL, None).unwrap();
    }

    /// Asks as `mod_wsgi-ctl` does.
    pub fn ask(&self, question: &OperatorQuestion) -> OperatorReply {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        connect(fd.as_raw_fd(), &UnixAddr::new(&self.path("control")).unwrap()).unwrap();
        sendmsg::<()>(
            fd.as_raw_fd(),
            &[IoSlice::new(&encode(question).unwrap())],
            &[],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        let (mut byte, mut space) = ([0], nix::cmsg_space!(RawFd));
        let mut parts = [IoSliceMut::new(&mut byte)];
        let message =
            recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).unwrap();
        let Some(ControlMessageOwned::ScmRights(fds)) = message.cmsgs().unwrap().next() else {
            panic!("no answer")
        };
        // The descriptor stays open: a test has enough of them.
        decode(&fs::read(format!("/proc/self/fd/{}", fds[0])).unwrap()).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("error.log")).unwrap_or_default()
    }

    /// Waits for a log line with all these parts; returns it.
    pub fn logged(&self, parts: &[&str]) -> String {
        let find = || {
            self.log().lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        };
        within(PATIENCE, find).unwrap_or_else(|| panic!("no {parts:?} in:\n{}", self.log()))
    }

    /// What a process found out about itself.
    pub fn facts(&self, pid: i32) -> BTreeMap<String, String> {
        let path = self.path(&format!("{pid}.facts"));
        let text = eventually("facts", || fs::read_to_string(&path).ok());
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    pub fn launch(&self, pid: i32) -> Launch {
        let path = self.path(&format!("{pid}.launch"));
        decode(&eventually("launch", || fs::read(&path).ok())).unwrap()
    }

    /// Waits until a process has received an order.
    pub fn ordered(&self, pid: i32, order: &str) {
        let line = format!("{pid} {order}");
        let orders = || fs::read_to_string(self.path("orders")).unwrap_or_default();
        eventually(&line, || orders().lines().any(|known| known == line).then_some(()));
    }

    /// The processes that have been started, alive or not.
    pub fn started(&self) -> Vec<i32> {
        let names = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.to_str()?.strip_suffix(".facts")?.parse().ok()).collect()
    }

    pub fn sockets(&self) -> Vec<String> {
        let names = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> =
            names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".sock")).collect();
        names.sort();
        names
    }

    /// Waits for the end of the supervisor; nothing may be left.
    pub fn ended(&mut self) -> i32 {
        let status = eventually("the supervisor ends", || self.child.try_wait().unwrap());
        self.nothing_left();
        status.code().unwrap()
    }

    pub fn nothing_left(&self) {
        eventually("all processes are gone", || {
            self.started().into_iter().all(|pid| !is_alive(pid)).then_some(())
        });
        assert_eq!(self.sockets(), [""; 0]);
    }
}

impl Drop for SupervisorRig {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            let stop = encode(&ParentCommand::Stop).unwrap();
            let _ = nix::sys::socket::send(control.as_raw_fd(), &stop, MsgFlags::MSG_NOSIGNAL);
        }
        let failed = std::thread::panicking();
        if failed {
            eprintln!("--- {}\n{}", self.directory.display(), self.log());
        }
        let start = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if start.elapsed() > Duration::from_secs(8) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if !failed {
            self.nothing_left();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn memory_file(bytes: &[u8]) -> File {
    let mut file =
        File::from(memfd_create("rig", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap());
    file.write_all(bytes).unwrap();
    file
}

/// Copies a program. By another process: what this one has open to write, a child that another test starts just then has
/// open as well, and nobody can execute it so long (ETXTBSY, execve(2)).
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Program::new("cp").arg(from).arg(to).status().unwrap().success());
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The permission bits and owner of a path.
pub fn mode_and_owner(path: &Path) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.mode() & 0o7777, meta.uid())
}
