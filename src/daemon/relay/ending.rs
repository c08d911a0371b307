//! How an exchange ends: complete, visibly broken, or not at all begun.

use super::{AttemptVerdict, Relay, ReplacementAnswer, ResponseBody};
use crate::daemon::is_gone;
use crate::handler::HANDLED;
use crate::{messages, metrics, respond};
use std::ffi::c_int;
use std::io;
use wsgi_protocol::metrics::RequestOutcome;

impl Relay<'_, '_> {
    /// The response is complete.
    pub(super) fn end(&mut self) -> AttemptVerdict {
        self.connection.reusable = true;
        if matches!(self.body, ResponseBody::Pass)
            && let Err(verdict) = self.check_file()
        {
            return verdict;
        }
        let is_short = self.announced.is_some_and(|left| left > 0) && !self.client_gone;
        if is_short && matches!(self.body, ResponseBody::Pass) {
            metrics::note_outcome(RequestOutcome::BadResponse);
            return self.broken(&"it is shorter than its Content-Length");
        }
        let body = std::mem::replace(&mut self.body, ResponseBody::Awaited);
        match body {
            ResponseBody::Awaited => self.malformed(&"an end without a head"),
            ResponseBody::Pass => {
                respond::finish(self.job.r, &mut self.out, self.request_body.is_done());
                AttemptVerdict::Finished(HANDLED)
            }
            ResponseBody::Discard(ReplacementAnswer::ErrorPage(status)) => AttemptVerdict::Finished(status),
            ResponseBody::Discard(ReplacementAnswer::Redirect(target)) => {
                respond::redirect(self.job.r, &target);
                AttemptVerdict::Finished(HANDLED)
            }
        }
    }

    pub(super) fn fail(&mut self, status: u16) -> AttemptVerdict {
        if !matches!(self.body, ResponseBody::Awaited) || !(400..600).contains(&status) {
            return self.malformed(&"a failure after the head");
        }
        self.connection.reusable = true;
        AttemptVerdict::Finished(c_int::from(status))
    }

    /// The daemon has said, and logged, that the application failed after it had begun to answer.
    pub(super) fn aborted(&mut self) -> AttemptVerdict {
        if !matches!(self.body, ResponseBody::Pass) {
            return self.malformed(&"an abort before the head");
        }
        self.connection.reusable = true;
        respond::break_off(self.job.r, &mut self.out);
        AttemptVerdict::Finished(HANDLED)
    }

    /// The head is out: all that is left is to let the client see that something is missing.
    pub(super) fn broken(&mut self, reason: &dyn std::fmt::Display) -> AttemptVerdict {
        self.ended_by(messages::response_broken(&self.group.name, reason))
    }

    /// The connection ended before the response did.
    pub(super) fn closed(&mut self, error: Option<io::Error>) -> AttemptVerdict {
        let name = &self.group.name;
        if error.as_ref().is_some_and(is_gone) && !self.seen {
            // Closed with our request unread: no application has seen it (decisions.md, "A request that no
            // application has seen may be sent again").
            return AttemptVerdict::NotStarted;
        }
        let begun = matches!(self.body, ResponseBody::Pass);
        if begun {
            // At once: the client need not wait for our finding out why.
            respond::break_off(self.job.r, &mut self.out);
        }
        let line = match (self.process.death(self.started), error) {
            (Some(death), _) => messages::process_died(name, begun, &death, self.job.r.log_id()),
            (None, Some(error)) if begun => messages::response_broken(name, &error),
            (None, None) if begun => messages::response_broken(name, &"its connection was closed"),
            (None, Some(error)) => messages::response_failed(name, &error),
            (None, None) => messages::response_truncated(name),
        };
        if !begun {
            return AttemptVerdict::Failed(line.into());
        }
        metrics::note_event(line.0.number);
        self.job.fail(line.0.number, &line.1);
        AttemptVerdict::Finished(HANDLED)
    }

    pub(super) fn timed_out(&mut self) -> AttemptVerdict {
        if matches!(self.body, ResponseBody::Pass) {
            metrics::note_outcome(RequestOutcome::ResponseTimeout);
            return self.broken(&"nothing came within socket-timeout");
        }
        AttemptVerdict::Failed(messages::response_timeout(&self.group.name).into())
    }

    pub(super) fn malformed(&mut self, error: &dyn std::fmt::Display) -> AttemptVerdict {
        self.connection.reusable = false;
        self.ended_by(messages::protocol_broken(&self.group.name, error))
    }

    /// The status of the event if there is still a choice; otherwise the client sees that something is missing.
    fn ended_by(&mut self, line: messages::EventLine) -> AttemptVerdict {
        if !matches!(self.body, ResponseBody::Pass) {
            return AttemptVerdict::Failed(line.into());
        }
        metrics::note_event(line.0.number);
        self.job.fail(line.0.number, &line.1);
        respond::break_off(self.job.r, &mut self.out);
        AttemptVerdict::Finished(HANDLED)
    }
}
