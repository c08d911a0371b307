//! A supervisor in miniature: starts a daemon as the real one does, and looks at what becomes of it.

use crate::pythons::InstalledPython;
use crate::wire::DaemonConnection;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wsgi_protocol::launch::{self, BOOTSTRAP, DaemonOrder, HttpdFacts, Launch};

/// The library under test. Cargo does not build a cdylib for a test that does not link it, so the test asks for it.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "python-host"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success());
        folder.join("libwsgi_python_host.so")
    })
}

/// A folder of scripts that goes away with the test.
pub struct ScriptFolder(PathBuf);

impl ScriptFolder {
    pub fn new(name: &str) -> Self {
        let unique = format!("wsgi-host-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("temporary folder");
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("temporary folder");
        std::fs::write(&path, text).expect("temporary file");
        path
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScriptFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What most tests start with.
pub fn launch() -> Launch {
    Launch {
        group: b"test".to_vec(),
        processes: 1,
        threads: 2,
        multithread: true,
        names_global: true,
        destroy_interpreter: true,
        version: (6, 1, 1),
        log_level: 7,
        httpd: HttpdFacts { version: (2, 4, 71), mpm_name: b"event".to_vec(), ..HttpdFacts::default() },
        ..Launch::default()
    }
}

/// A running daemon.
pub struct RunningDaemon {
    child: Child,
    orders: File,
    ready: File,
    path: PathBuf,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _folder: ScriptFolder,
}

fn memory_file(bytes: &[u8]) -> File {
    // SAFETY: a NUL-ended name; the result is a new descriptor.
    let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"launch".as_ptr(), 0)) };
    file.write_all(bytes).expect("memory");
    // SAFETY: plain call on an open descriptor.
    unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_SET) };
    file
}

fn pipe() -> (File, File) {
    let (reader, writer) = std::io::pipe().expect("pipe");
    (File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)))
}

impl RunningDaemon {
    pub fn start(python: &InstalledPython, launch: &Launch) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let folder = ScriptFolder::new(&format!("socket-{number}"));
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("socket");
        let (ready, ready_writer) = pipe();
        let (order_reader, orders) = pipe();
        let message = memory_file(&launch::encode(launch).expect("encodes"));
        let heirloom = memory_file(&[]);
        let sources: [RawFd; 5] = [
            listener.as_raw_fd(),
            ready_writer.as_raw_fd(),
            message.as_raw_fd(),
            order_reader.as_raw_fd(),
            heirloom.as_raw_fd(),
        ];
        let mut command = Command::new(&python.path);
        command.arg("-c").arg(BOOTSTRAP).arg(library());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: only async-signal-safe calls.
        unsafe {
            command.pre_exec(move || {
                let high = sources.map(|fd| libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 50));
                for (place, fd) in high.into_iter().enumerate() {
                    libc::dup2(fd, 3 + place as i32);
                }
                Ok(())
            });
        }
        let mut child = command.spawn().expect("the interpreter starts");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("piped");
        let writer = log.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(got @ 1..) = stderr.read(&mut buffer) {
                writer.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..got]));
            }
        });
        Self { child, orders, ready, path, log, reader: Some(reader), _folder: folder }
    }

    /// The next byte on the ready pipe; `None` if the process ended.
    pub fn ready(&mut self) -> Option<u8> {
        let mut byte = [0];
        (self.ready.read(&mut byte).expect("pipe") == 1).then_some(byte[0])
    }

    /// A started daemon that serves.
    pub fn serving(python: &InstalledPython, launch: &Launch) -> Self {
        let mut daemon = Self::start(python, launch);
        assert_eq!(daemon.ready(), Some(b'R'), "{python:?}: {}", daemon.log());
        daemon
    }

    pub fn connect(&self) -> DaemonConnection {
        DaemonConnection::new(UnixStream::connect(&self.path).expect("the daemon listens"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until the log holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no '{text}' in {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn order(&mut self, order: DaemonOrder) {
        self.orders.write_all(&[order as u8]).expect("pipe");
    }

    /// Orders it to stop, and returns how it ended: exit status or minus the signal, and its whole log.
    pub fn stop(mut self) -> (i32, String) {
        self.order(DaemonOrder::Stop);
        self.ended()
    }

    /// Waits for the end.
    pub fn ended(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                break status;
            }
            assert!(Instant::now() < deadline, "does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic");
        }
        (status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)), self.log())
    }
}

impl Drop for RunningDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
