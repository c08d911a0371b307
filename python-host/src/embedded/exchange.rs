//! [`Exchange`] over httpd's C table.

use crate::coalesce::{BlockCoalescer, BlockSink, COPIED, HeldBlock, LastSend};
use crate::exchange::{BodyError, Exchange, HoldBack, RequestOutcome, SendError};
use crate::forked::is_forked;
use crate::httpd_table::{AprStatus, HttpdRequest};
use crate::python;
use crate::scheduler::clock::now_ns;
use crate::scheduler::gate;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use wsgi_protocol::abi;

/// APR's number for "try again".
const EAGAIN: i32 = libc::EAGAIN;

/// httpd's side of a request.
#[derive(Debug, Clone, Copy)]
struct HttpdExchange(HttpdRequest);

impl BlockSink for HttpdExchange {
    // The filters of httpd run on it.
    const STACK: usize = 2 * 1024 * 1024;
    // Measured: more costs more CPU (performance.md, "What has been done").
    const FULL: usize = 32 * 1024;

    fn send(&mut self, collected: &mut Vec<u8>, flush: bool) -> Result<(), SendError> {
        let sent = self.write(collected, flush);
        collected.clear();
        sent
    }
}

/// One request's way in and out.
pub struct TableExchange {
    way: HttpdExchange,
    /// What may wait for the end of the request, when the GIL has been given up anyway.
    held: Vec<u8>,
    broken: Option<SendError>,
    /// Where blocks are collected that application code follows; made when the first is.
    blocks: Option<Arc<BlockCoalescer<HttpdExchange>>>,
    last_send: LastSend,
}

impl Drop for TableExchange {
    fn drop(&mut self) {
        if let Some(blocks) = self.blocks.as_ref().filter(|_| !is_forked()) {
            blocks.forget();
        }
    }
}

/// Sends or receives: others may have the GIL, and no crowd before it is seen in this.
fn without_gil(f: &mut dyn FnMut()) {
    python::released(&mut || gate::away(f));
}

impl HttpdExchange {
    fn write(self, data: &[u8], flush: bool) -> Result<(), SendError> {
        self.sent(self.0.write(data, flush))
    }

    fn sent(self, result: Result<(), (i32, AprStatus)>) -> Result<(), SendError> {
        result.map_err(|(result, error)| match result {
            abi::CLIENT_GONE => SendError::ClientGone,
            _ => SendError::Failed(self.0.error_text(error)),
        })
    }
}

impl TableExchange {
    /// An exchange for httpd's `request`.
    pub fn new(request: HttpdRequest) -> Self {
        let way = HttpdExchange(request);
        Self { way, held: Vec::new(), broken: None, blocks: None, last_send: LastSend::default() }
    }

    /// Sends what was held, after the GIL was given up; how the request ended after all.
    pub fn finish(&mut self, outcome: RequestOutcome) -> RequestOutcome {
        if self.broken.is_some() {
            return outcome;
        }
        let held = std::mem::take(&mut self.held);
        // What is not flushed leaves together with the end of the response.
        let sent = self.blocks.as_ref().map_or(Ok(()), |blocks| blocks.send(false));
        let sent = sent.and_then(|()| if held.is_empty() { Ok(()) } else { self.way.write(&held, false) });
        match sent {
            Ok(()) => outcome,
            Err(_) => RequestOutcome::Aborted,
        }
    }

    /// The client is the parent's, in a process that the application forked off.
    fn check(&self) -> Result<(), SendError> {
        if is_forked() {
            return Err(SendError::ClientGone);
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Sends what is held, then `f`, all without the GIL.
    fn released(
        &mut self,
        mut f: impl FnMut(HttpdExchange) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.check()?;
        let held = std::mem::take(&mut self.held);
        let (way, blocks) = (self.way, self.blocks.as_deref());
        let mut result = Ok(());
        without_gil(&mut || {
            result = blocks.map_or(Ok(()), |blocks| blocks.send(false));
            if result.is_ok() && !held.is_empty() {
                result = way.write(&held, false);
            }
            if result.is_ok() {
                result = f(way);
            }
        });
        self.last_send.note(now_ns());
        result.inspect_err(|error| self.broken = Some(error.clone()))
    }

    /// Collects a block that follows the last one quickly. False: it has to be sent.
    fn collect(&mut self, block: &[u8]) -> Result<bool, SendError> {
        let now = now_ns();
        if !self.last_send.is_recent(now) || block.len() > COPIED || !self.held.is_empty() {
            return Ok(false);
        }
        let way = self.way;
        let blocks =
            self.blocks.get_or_insert_with(|| BlockCoalescer::new(way, python::released_if_attached));
        let held = blocks.hold(block.len(), now, |_, collected| collected.extend_from_slice(block));
        let held = held.inspect_err(|error| self.broken = Some(error.clone()))?;
        if held == HeldBlock::Due {
            let mut result = Ok(());
            without_gil(&mut || result = blocks.send(true));
            self.last_send.note(now_ns());
            result.inspect_err(|error| self.broken = Some(error.clone()))?;
        }
        Ok(true)
    }

    /// Runs `f` while no flusher uses the request.
    fn alone<T>(&self, f: impl FnOnce(HttpdExchange) -> T) -> T {
        match &self.blocks {
            // In a forked child there is no flusher, and its copy of the lock may never be given back.
            Some(blocks) if !is_forked() => blocks.alone(|| f(self.way)),
            _ => f(self.way),
        }
    }
}

impl Exchange for TableExchange {
    fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        if is_forked() {
            return Err(BodyError::Terminated);
        }
        if let Some(blocks) = self.blocks.clone() {
            // The client may wait for it before it sends more. The next block reports a failure.
            without_gil(&mut || drop(blocks.send(true)));
        }
        let way = self.way;
        let mut result = Ok(0);
        without_gil(&mut || result = way.0.read_body(buffer));
        result.map_err(|error| match error {
            EAGAIN => BodyError::Terminated,
            _ => BodyError::Failed(way.0.error_text(error)),
        })
    }

    fn head(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        let way = self.way;
        // Nothing is sent yet, so nothing blocks and nobody else sends.
        way.sent(way.0.send_head(payload)).inspect_err(|error| self.broken = Some(error.clone()))
    }

    fn data(&mut self, block: &[u8], hold: HoldBack) -> Result<(), SendError> {
        self.check()?;
        if hold == HoldBack::Yes && self.held.len() + block.len() <= COPIED {
            self.held.extend_from_slice(block);
            return Ok(());
        }
        if hold == HoldBack::No && self.collect(block)? {
            return Ok(());
        }
        self.released(|way| way.write(block, hold == HoldBack::No))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SendError> {
        self.released(|way| way.sent(way.0.send_file(file, offset, length)))
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.alone(|way| way.0.log(level, text));
    }

    fn is_gone(&mut self) -> bool {
        if is_forked() {
            return true;
        }
        // While a flusher sends nobody can know; the next block finds out.
        let broken = self.blocks.as_ref().map_or(Some(false), |blocks| blocks.is_broken());
        match broken {
            None => false,
            Some(true) => true,
            Some(false) if self.broken.is_some() => true,
            Some(false) => self.alone(|way| way.0.is_aborted()),
        }
    }

    fn ssl_is_https(&mut self) -> bool {
        self.alone(|way| way.0.ssl_is_https())
    }

    fn ssl_variable(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        self.alone(|way| way.0.ssl_variable(name))
    }
}
