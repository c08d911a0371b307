//! Tests of listening sockets.

use super::*;
use std::os::unix::net::UnixStream;

struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wsgi-listen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn options() -> GroupSockets {
    GroupSockets { backlog: 5, owner: nix::unistd::getuid().as_raw(), ..GroupSockets::default() }
}

fn open(path: &Path, warnings: &mut Vec<LogLine>) -> Result<ListeningSocket, ListenError> {
    ListeningSocket::bind(path, &options(), true, &mut |line: LogLine| warnings.push(line))
}

#[test]
fn long_path_is_refused_and_the_directive_named() {
    let path = PathBuf::from(format!("/tmp/{}", "x".repeat(103)));
    assert_eq!(path.as_os_str().len(), MAX_PATH + 1);
    let error = open(&path, &mut Vec::new()).unwrap_err();
    let text = error.line().text();
    assert!(text.starts_with("WSGI0064: ") && text.contains("WSGISocketPrefix"), "{text}");
    assert!(check_path(Path::new(&"y".repeat(MAX_PATH))).is_ok());
}

#[test]
fn stale_socket_is_replaced_but_a_file_is_not() {
    let directory = TestDirectory::new("stale");
    let path = directory.0.join("a.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut warnings = Vec::new();
    let mut listener = open(&path, &mut warnings).unwrap();
    assert!(warnings[0].text().starts_with("WSGI0065: ") && warnings.len() == 1, "{warnings:?}");
    UnixStream::connect(&path).unwrap();
    assert!(listener.withdraw().is_empty() && !path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(open(&path, &mut warnings).unwrap_err(), ListenError::Occupied(path.clone()));
    assert!(path.exists());
}

#[test]
fn missing_directory_names_the_fix() {
    let error = open(Path::new("/nowhere/x.sock"), &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.line().text(),
        "WSGI0013: cannot bind '/nowhere/x.sock': No such file or directory (error 2); \
         set WSGISocketPrefix to a writable directory"
    );
}

#[test]
fn queue_is_reached_under_old_and_new_path() {
    let directory = TestDirectory::new("link");
    let (old, new) = (directory.0.join("old"), directory.0.join("new"));
    let mut listener = open(&old, &mut Vec::new()).unwrap();
    let waiting = UnixStream::connect(&old).unwrap();
    listener.adapt(&new, &options(), true, &mut |line: LogLine| panic!("{}", line.text())).unwrap();
    let also = UnixStream::connect(&new).unwrap();
    assert!(listener.retain(|path| path == new).is_empty());
    assert!(!old.exists() && new.exists());
    let third = UnixStream::connect(&new).unwrap();
    for _ in 0..3 {
        let fd = nix::sys::socket::accept(listener.fd.as_raw_fd()).unwrap();
        nix::unistd::close(fd).unwrap();
    }
    drop((waiting, also, third));
}

#[test]
fn another_socket_takes_all_names_over() {
    let directory = TestDirectory::new("over");
    let (old, new) = (directory.0.join("1.sock"), directory.0.join("2.sock"));
    let mut first = open(&old, &mut Vec::new()).unwrap();
    first.adapt(&new, &options(), true, &mut |line: LogLine| panic!("{}", line.text())).unwrap();
    let warn = &mut |line: LogLine| panic!("{}", line.text());
    let mut second = ListeningSocket::bind_over(&new, &options(), true, false, warn).unwrap();
    assert!(first.is_at(&new) && !second.is_at(&new));
    assert!(second.take_over(&mut first, &new).is_empty());
    let waiting = [UnixStream::connect(&old).unwrap(), UnixStream::connect(&new).unwrap()];
    for _ in &waiting {
        nix::unistd::close(nix::sys::socket::accept(second.fd.as_raw_fd()).unwrap()).unwrap();
    }
    let mut third = ListeningSocket::bind_over(&new, &options(), true, true, warn).unwrap();
    assert!(third.is_at(&new) && !second.is_at(&new) && second.is_at(&old));
    assert!([&mut first, &mut second, &mut third].into_iter().all(|listener| listener.withdraw().is_empty()));
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[test]
fn what_an_application_does_to_its_socket_is_seen() {
    let directory = TestDirectory::new("shut");
    let path = directory.0.join("a.sock");
    let mut listener = open(&path, &mut Vec::new()).unwrap();
    assert!(listener.is_listening(&options()));
    listen(&listener.fd, Backlog::new(0).unwrap()).unwrap();
    assert!(listener.is_listening(&options()));
    let waiting: Vec<_> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
    nix::sys::socket::shutdown(listener.fd.as_raw_fd(), nix::sys::socket::Shutdown::Read).unwrap();
    assert!(!listener.is_listening(&options()));
    drop(waiting);
    listener.withdraw();
}

#[test]
fn socket_of_somebody_else_is_left_alone() {
    let directory = TestDirectory::new("foreign");
    let path = directory.0.join("a.sock");
    let mut first = open(&path, &mut Vec::new()).unwrap();
    let mut second = open(&path, &mut Vec::new()).unwrap();
    assert!(first.withdraw().is_empty() && path.exists());
    assert!(!first.is_at(&path) && second.is_at(&path));
    second.withdraw();
    assert!(!path.exists());
}

#[test]
fn lost_file_makes_a_socket_unusable_for_a_new_path() {
    let directory = TestDirectory::new("lost");
    let (old, new) = (directory.0.join("old"), directory.0.join("new"));
    let mut listener = open(&old, &mut Vec::new()).unwrap();
    std::fs::remove_file(&old).unwrap();
    let error = listener.adapt(&new, &options(), true, &mut |_| ()).unwrap_err();
    assert_eq!(error, ListenError::Call(&events::BIND, new, Errno::ENOENT));
}
