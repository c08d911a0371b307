//! A WebSocket of an ASGI application: 101 for a request that is an opening handshake, and then bytes both ways until either
//! side ends, or the client's socket to the daemon, which then needs no thread here. The child knows nothing of WebSocket frames.

use super::watch::GONE;
use super::{ASK_MS, AttemptVerdict, HANDLED, Relay, RelayStep};
use crate::daemon::connection::{FillOutcome, wait_all};
use crate::daemon::parcel::SocketParcel;
use crate::daemon::request_body::{ClientInput, PARTS, RequestBody};
use crate::httpd::websocket::key_of;
use crate::metrics;
use std::io::IoSlice;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{AbortReason, FromHttpd, MAX_SWITCHED, SwitchWay};
use wsgi_protocol::response::ResponseHead;
use wsgi_protocol::websocket;

/// The host library sends a ping every 20 seconds, whatever else it sends.
const PINGS: Duration = Duration::from_secs(30);
/// Headers of a 101 that are the child's, or that have no meaning there.
const OWN: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The 101 as it goes to the client.
fn answer(head: &ResponseHead<'_>, key: &[u8]) -> Vec<u8> {
    let accept = websocket::accept(key);
    let mut text =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".to_vec();
    text.extend_from_slice(format!("Sec-WebSocket-Accept: {accept}\r\n").as_bytes());
    let is_own = |name: &[u8]| OWN.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    for (name, value) in head.headers().filter(|(name, _)| !is_own(name)) {
        text.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

impl<'r> Relay<'_, 'r> {
    /// The application has accepted a WebSocket. Comes back when 101 has been sent.
    pub(super) fn upgrade(&mut self, head: &ResponseHead<'_>) -> RelayStep {
        let r = self.job.r;
        // Only for such a request is it allowed.
        let Some(key) = key_of(r) else { return Break(self.malformed(&"101 for no WebSocket handshake")) };
        let answer = answer(head, key);
        r.become_tunnel();
        *self.request_body = RequestBody::tunnel(r);
        self.out.add_copied(&answer);
        self.pass(true);
        self.heard_at = Instant::now();
        metrics::note_websocket();
        Continue(())
    }

    /// The daemon would have the client's socket, and waits for the answer: nothing here waits for the daemon.
    pub(super) fn switch(&mut self) -> RelayStep {
        if self.talk.is_client_gone() {
            return Continue(());
        }
        if let Some(client) = self.job.r.client_socket().filter(|_| self.job.r.is_plain_connection())
            && self.unflushed == 0
            // Who goes on without the answer has it relayed.
            && self.connection.pending().is_empty()
            && let Some(len) = self.request_body.all_at_hand(MAX_SWITCHED)
            && self.hand_over(client, len)?
        {
            // What the daemon says from now on, it says of another request.
            self.connection.reusable = true;
            return Break(AttemptVerdict::Finished(HANDLED));
        }
        self.send(FromHttpd::Switched(SwitchWay::Relayed, b""), 0)
    }

    /// Whether the daemon has the socket now, with `len` bytes that were read from it.
    fn hand_over(&mut self, client: BorrowedFd<'_>, len: usize) -> RelayStep<bool> {
        let mut parts = std::array::from_fn::<_, PARTS, _>(|_| IoSlice::new(&[]));
        let count = self.request_body.pieces(len, &mut parts);
        let early: Vec<u8> = parts[..count].iter().flat_map(|part| part.iter().copied()).collect();
        let frame = FromHttpd::Switched(SwitchWay::HandedOver, &early).encode(self.connection.seq());
        let Ok(parcel) = SocketParcel::pack(client) else { return Continue(false) };
        let all = [IoSlice::new(frame.prefix()), IoSlice::new(frame.tail())];
        match self.connection.send_with_descriptor(&all, parcel.wrapping()) {
            Ok(sent) if sent == frame.prefix().len() + early.len() => {
                self.request_body.consume(len);
                Continue(true)
            }
            // So few bytes are never taken in part (unix_stream_sendmsg).
            Ok(_) => {
                self.connection.mid_frame = true;
                Break(self.closed(None))
            }
            Err(_) => {
                self.or_closed(parcel.unpack(client))?;
                Continue(false)
            }
        }
    }

    /// Waits for both sides. Pings between their ends tell whether they are there; a daemon that sends none holds this thread
    /// no longer than one that answers no request.
    fn wait_tunnel(&mut self, timeout_ms: u64) -> RelayStep {
        let Some(client) = self.job.r.tunnel_fd() else { return Break(self.closed(None)) };
        let is_stream = self.job.r.is_stream();
        let limit = Duration::from_millis(timeout_ms).max(PINGS);
        let heard_at = self.heard_at;
        let left = || limit.saturating_sub(heard_at.elapsed());
        if left().is_zero() {
            return Break(self.timed_out());
        }
        // Bytes that the daemon does not want yet wait in the socket; that the client has left is seen all the same, of a stream
        // with its next byte.
        let events = match (self.wants_body(), is_stream) {
            (true, _) => libc::POLLIN,
            (false, true) => 0,
            (false, false) => libc::POLLRDHUP,
        };
        let mut polled = [
            libc::pollfd { fd: self.connection.raw(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: client, events, revents: 0 },
        ];
        let most = if is_stream { ASK_MS } else { u64::MAX };
        self.or_closed(wait_all(&mut polled, most.min(left().as_millis() as u64 + 1)))?;
        if is_stream {
            return if self.job.r.is_aborted() { Break(self.tunnel_ends()) } else { Continue(()) };
        }
        let seen = polled[1].revents;
        if seen & GONE == 0 || seen & libc::POLLIN != 0 {
            return Continue(());
        }
        // What the client sent before it left is the application's, as soon as that wants it; some of it has been read
        // from the socket already.
        let has_unread = matches!(self.request_body.look(), ClientInput::Data);
        if seen & (libc::POLLHUP | libc::POLLERR) != 0 || !has_unread {
            return Break(self.tunnel_ends());
        }
        self.or_closed(wait_all(&mut polled[..1], left().as_millis() as u64 + 1))?;
        Continue(())
    }

    /// The client is gone: the application is told, and what it logs is heard.
    pub(super) fn tunnel_ends(&mut self) -> AttemptVerdict {
        self.give_up(AbortReason::ClientGone);
        self.hear_out();
        AttemptVerdict::Finished(HANDLED)
    }

    /// One round of a tunnel.
    pub(super) fn tunnel_step(&mut self, timeout_ms: u64) -> RelayStep {
        self.frames()?;
        if self.talk.is_client_gone() {
            return Break(self.tunnel_ends());
        }
        if self.wants_body() && self.pump()? {
            return Continue(());
        }
        match self.fill() {
            Ok(FillOutcome::Some) => {
                self.heard_at = Instant::now();
                Continue(())
            }
            Ok(FillOutcome::Again) => {
                if self.unflushed > 0 {
                    self.pass(true);
                }
                self.connection.rest();
                self.wait_tunnel(timeout_ms)
            }
            // The application's process has ended; the client sees its connection close.
            Ok(FillOutcome::Eof) => Break(self.closed(None)),
            Err(error) => Break(self.closed(Some(error))),
        }
    }
}
