//! A WebSocket on the client's own socket, which httpd has handed over.

use super::SocketConversation;
use crate::conversation::{ConversationInput, SwitchOutcome};
use crate::daemon::application::Application;
use crate::daemon::os::{self, WaitMode};
use crate::daemon::pool::{CONNECTION_EVENTS, PoolPhase};
use crate::daemon::registry::ClientSocket;
use crate::daemon::socket_exchange::send_frame;
use crate::daemon::tunnel::{SwitchInput, TunnelWay};
use std::io;
use std::os::fd::OwnedFd;
use wsgi_protocol::frame::FromDaemon;

/// Room for one read.
const ROOM: usize = 64 * 1024;

impl<A: Application> SocketConversation<A> {
    /// The client's socket is here: httpd's connection is the next request's.
    fn hand_over(&mut self, socket: OwnedFd, early: Vec<u8>) {
        let is_leaving = self.pool.phase() != PoolPhase::Serving;
        let pool = self.pool;
        if let Some(mut connection) = self.connection.take() {
            if is_leaving && !std::mem::replace(&mut connection.dismissed, true) {
                send_frame(&connection, FromDaemon::GoAway, 0);
            }
            pool.arm(connection.unclaim(), CONNECTION_EVENTS);
        }
        self.way = TunnelWay::Own(ClientSocket::new(socket));
        self.buffer = early;
        if pool.in_loop.set_apart() {
            pool.has_room();
        }
    }

    /// What has come over the client's own socket.
    pub(super) fn receive_own(&mut self) -> ConversationInput {
        if self.gone || self.broken {
            return ConversationInput::Gone;
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(ROOM);
            match os::recv_append(self.fd(), &mut self.buffer, WaitMode::No) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // There may be thousands that wait.
                    self.buffer = Vec::new();
                    return ConversationInput::Nothing;
                }
                Ok(0) | Err(_) => {
                    self.gone = true;
                    return ConversationInput::Gone;
                }
            }
        }
        ConversationInput::Body(std::mem::take(&mut self.buffer), false)
    }

    /// It is over for the counts.
    pub(super) fn uncount(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.pool.in_loop.close_socket();
        }
    }

    /// Reads on for httpd's answer.
    pub(super) fn look_for_switch(&mut self) -> SwitchOutcome {
        let (socket, seq) = (self.fd(), self.seq);
        let TunnelWay::Asked(answer) = &mut self.way else { return SwitchOutcome::Open };
        if self.broken {
            return SwitchOutcome::Open;
        }
        match answer.receive(socket, seq, &mut self.buffer) {
            SwitchInput::Nothing => return SwitchOutcome::Waiting,
            SwitchInput::Relayed => self.way = TunnelWay::Relayed,
            SwitchInput::HandedOver(socket, early) => self.hand_over(socket, early),
            // The socket cannot come any more.
            SwitchInput::Gone => (self.way, self.gone) = (TunnelWay::Relayed, true),
            SwitchInput::Broken => self.break_off(),
        }
        SwitchOutcome::Open
    }

    /// The socket of a WebSocket that has sent everything.
    pub(super) fn lingering(&mut self) -> Option<OwnedFd> {
        if self.broken || self.sent < self.out.len() {
            return None;
        }
        match std::mem::replace(&mut self.way, TunnelWay::None) {
            TunnelWay::Own(socket) => {
                let copy = socket.get().and_then(|socket| socket.try_clone().ok());
                self.way = TunnelWay::Own(socket);
                copy
            }
            other => {
                self.way = other;
                None
            }
        }
    }
}
