//! How an exchange ends: complete, visibly broken, or not at all begun.

use super::{AttemptVerdict, Relay};
use crate::daemon::is_gone;
use crate::httpd::answer::HANDLED;
use crate::{messages, metrics, respond};
use std::ffi::c_int;
use std::io;
use std::ops::ControlFlow::Break;
use wsgi_protocol::conversation::{EndKind, FrameViolation};
use wsgi_protocol::metrics::RequestOutcome;

impl Relay<'_, '_> {
    /// The daemon has said that it is over.
    pub(super) fn ended(&mut self, kind: EndKind) -> AttemptVerdict {
        self.connection.reusable = kind.is_orderly();
        match kind {
            EndKind::Complete => {
                if let Break(verdict) = self.check_file() {
                    return verdict;
                }
                respond::finish(self.job.r, &mut self.out, self.request_body.is_done());
                AttemptVerdict::Finished(HANDLED)
            }
            EndKind::Short => {
                if let Break(verdict) = self.check_file() {
                    return verdict;
                }
                metrics::note_outcome(RequestOutcome::BadResponse);
                self.broken(&"it is shorter than its Content-Length")
            }
            EndKind::Aborted => {
                // The daemon has logged why.
                respond::break_off(self.job.r, &mut self.out);
                AttemptVerdict::Finished(HANDLED)
            }
            EndKind::ErrorPage(status) | EndKind::Status(status) => {
                AttemptVerdict::Finished(c_int::from(status))
            }
            EndKind::Redirect(target) => {
                self.job.r.redirect(&target);
                AttemptVerdict::Finished(HANDLED)
            }
            EndKind::Refused(refusal) => AttemptVerdict::Refused(refusal),
            EndKind::Heard => AttemptVerdict::Finished(HANDLED),
        }
    }

    /// The head is out: all that is left is to let the client see that something is missing.
    pub(super) fn broken(&mut self, reason: &dyn std::fmt::Display) -> AttemptVerdict {
        self.ended_by(messages::response_broken(&self.group.name, reason))
    }

    /// The connection ended before the response did.
    pub(super) fn closed(&mut self, error: Option<io::Error>) -> AttemptVerdict {
        let name = &self.group.name;
        if self.talk.lost(error.as_ref().is_some_and(is_gone)) {
            // Closed with our request unread: no application has seen it (decisions.md, "A request that no
            // application has seen may be sent again").
            return AttemptVerdict::NotStarted;
        }
        let begun = self.talk.begun();
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
        self.job.fail(line.0, &line.1);
        AttemptVerdict::Finished(HANDLED)
    }

    pub(super) fn timed_out(&mut self) -> AttemptVerdict {
        if self.talk.begun() {
            metrics::note_outcome(RequestOutcome::ResponseTimeout);
            return self.broken(&"nothing came within socket-timeout");
        }
        AttemptVerdict::Failed(messages::response_timeout(&self.group.name).into())
    }

    /// What the daemon sends is against the rules.
    pub(super) fn violated(&mut self, violation: FrameViolation) -> AttemptVerdict {
        let name = &self.group.name;
        let line = match violation {
            FrameViolation::HeadTooLarge { len, limit } => {
                messages::head_too_large(name, len as usize, limit)
            }
            FrameViolation::BadHead(error) => messages::malformed_head(name, &error),
            FrameViolation::HeaderTooLong => messages::header_too_long(name),
            other => return self.malformed(&other),
        };
        AttemptVerdict::Failed(line.into())
    }

    pub(super) fn malformed(&mut self, error: &dyn std::fmt::Display) -> AttemptVerdict {
        self.connection.reusable = false;
        if self.talk.is_given_up() {
            return AttemptVerdict::Finished(HANDLED);
        }
        self.ended_by(messages::protocol_broken(&self.group.name, error))
    }

    /// The status of the event if there is still a choice; otherwise the client sees that something is missing.
    fn ended_by(&mut self, line: messages::EventLine) -> AttemptVerdict {
        if !self.talk.begun() {
            return AttemptVerdict::Failed(line.into());
        }
        metrics::note_event(line.0.number);
        self.job.fail(line.0, &line.1);
        respond::break_off(self.job.r, &mut self.out);
        AttemptVerdict::Finished(HANDLED)
    }
}
