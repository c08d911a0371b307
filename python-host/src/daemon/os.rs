//! The system calls that a daemon's serve loop makes, by one name: each is a safe function of `wsgi_system`.

pub(super) use wsgi_system::clock::monotonic_ns as now_ns;
pub(super) use wsgi_system::descriptors::{DaemonDescriptor, set_nonblocking};
pub(super) use wsgi_system::eventfd::{Epoll, EventFd};
pub use wsgi_system::limits::default_stack;
pub(super) use wsgi_system::limits::has_descriptors;
pub(super) use wsgi_system::options::{peer_uid, set_timeout as set_socket_timeout, take_descriptors};
pub(super) use wsgi_system::polling::{is_hung_up, poll};
pub(super) use wsgi_system::process::{exit_now, own_tid, parent};
pub(super) use wsgi_system::sockets::{
    RecordLook, WaitMode, accept, end_sending, read_at, record, recv, recv_append, recv_with_descriptor, send,
};
