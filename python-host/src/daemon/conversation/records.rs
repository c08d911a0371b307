//! Log records of a request, also of one whose response has ended and waits for its client: httpd takes none behind the end.

use super::SocketConversation;
use crate::daemon::application::Application;
use crate::daemon::os;
use crate::daemon::tunnel::TunnelWay;
use crate::forked::is_forked;
use wsgi_protocol::frame::FromDaemon;

impl<A: Application> SocketConversation<A> {
    /// Has httpd log a record; otherwise the process does.
    pub(super) fn record(&mut self, level: u8, text: &[u8]) {
        let is_apart = matches!(self.way, TunnelWay::Asked(_) | TunnelWay::Own(_));
        if self.broken || is_forked() || is_apart || (self.has_ended && !self.slip_in(level, text)) {
            return (A::UNSENT)(level, text);
        }
        if !self.has_ended {
            self.put(log_frame(level, text));
            self.send(&[]);
        }
    }

    /// Puts a record in front of the end of the response, behind which httpd takes none; false: that is on its way.
    fn slip_in(&mut self, level: u8, text: &[u8]) -> bool {
        if self.out.is_empty() || self.sent > self.end_at {
            return false;
        }
        let mut record = Vec::new();
        log_frame(level, text).encode(self.seq).put(&mut record);
        let end_at = self.end_at;
        self.end_at += record.len();
        self.out.splice(end_at..end_at, record);
        self.late.push((level, text.to_vec()));
        true
    }

    /// What httpd has not got of them the process logs.
    pub(super) fn tell_late(&mut self) {
        for (level, text) in std::mem::take(&mut self.late) {
            (A::UNSENT)(level, &text);
        }
    }
}

/// A record of the calling thread.
fn log_frame(level: u8, text: &[u8]) -> FromDaemon<'_> {
    FromDaemon::Log { level, thread: os::own_tid().cast_unsigned(), text }
}
