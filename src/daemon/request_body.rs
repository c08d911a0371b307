//! The request body on its way from the client to a daemon: only as much as the daemon granted.

use super::body_memory::BodyMemory;
use crate::buffered::BufferedBody;
use crate::httpd::brigade::{AprStatus, Brigade, BrigadePiece, BrigadeSpan};
use crate::httpd::request::Request;
use crate::httpd::temporary_file::TemporaryFile;
use crate::job::RequestJob;
use crate::metrics;
use std::io::IoSlice;
use wsgi_directives::BodyLength;

/// Most body bytes sent along with the request itself, if they are all of the body.
const PREFETCH: usize = 64 * 1024;
/// The same for a body that is longer: the rest follows anyway, and these bytes are copied.
const FIRST_PART: usize = 8 * 1024;
/// One read from the input chain.
const READ: usize = 64 * 1024;

/// Most buckets that leave in one send.
pub const PARTS: usize = 24;

/// Where the body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyStage {
    /// More may come from the client.
    Open,
    /// The end was seen.
    Ended,
}

/// What the next look at the client's side brought.
pub enum ClientInput {
    /// A file comes before everything else.
    File,
    /// Bytes are at the front of the brigade.
    Data,
    /// The body has ended.
    End,
    /// Nothing there yet.
    Wait,
    /// The input chain failed.
    Failed(AprStatus),
}

/// The body of one request.
pub struct RequestBody<'r> {
    /// What was buffered, if that is little.
    memory: Vec<u8>,
    /// What was buffered, if that is more; it stays as long as the request.
    file: Option<TemporaryFile>,
    /// The daemon has the file.
    is_file_sent: bool,
    brigade: Brigade<'r>,
    /// One read, before it joins the others.
    read: Brigade<'r>,
    stage: BodyStage,
    expects_continue: bool,
    is_long: bool,
    failed: Option<AprStatus>,
    /// A failure behind the bytes that are at hand.
    later: Option<AprStatus>,
    /// All of it is in the message.
    pub is_all_sent: bool,
}

impl<'r> RequestBody<'r> {
    /// The body of a job, with what was received of it.
    pub fn new(job: &RequestJob<'r>, buffered: Option<BufferedBody<'r>>) -> Self {
        let none =
            || BufferedBody { memory: Vec::new(), file: None, rest: Brigade::new(job.r), is_whole: false };
        let BufferedBody { memory, file, rest, is_whole } = buffered.unwrap_or_else(none);
        let has_body = job.has_body();
        let is_sent = !has_body || (is_whole && file.is_none());
        Self {
            memory,
            file,
            is_file_sent: false,
            brigade: rest,
            read: Brigade::new(job.r),
            stage: if has_body && !is_whole { BodyStage::Open } else { BodyStage::Ended },
            expects_continue: job.r.expects_continue(),
            is_long: matches!(job.body, BodyLength::Known(length) if length > PREFETCH as u64),
            failed: None,
            later: None,
            is_all_sent: is_sent,
        }
    }

    /// What the client of a WebSocket sends, for as long as it is there.
    pub fn tunnel(r: Request<'r>) -> Self {
        Self {
            brigade: Brigade::new(r),
            read: Brigade::new(r),
            stage: BodyStage::Open,
            expects_continue: false,
            is_long: true,
            failed: None,
            later: None,
            is_all_sent: false,
            memory: Vec::new(),
            file: None,
            is_file_sent: false,
        }
    }

    /// Appends what has already arrived, so that a small body travels with its request. Not for a client that
    /// waits for `100 Continue`: that is the application's first read to decide (spec/behaviour.md §2.4).
    pub fn prefetch(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.memory);
        if self.has_file() || self.stage == BodyStage::Ended || self.expects_continue {
            return;
        }
        let limit = out.len() + if self.is_long { FIRST_PART } else { PREFETCH };
        while out.len() < limit {
            match self.look() {
                ClientInput::Data => {
                    let room = limit - out.len();
                    let taken = match self.brigade.front() {
                        Ok(Some(BrigadePiece::Data(data))) => {
                            let part = &data[..data.len().min(room)];
                            out.extend_from_slice(part);
                            part.len()
                        }
                        // `look` has just seen data there.
                        _ => return,
                    };
                    metrics::note_input(taken);
                    self.brigade.consume(taken);
                }
                ClientInput::End => {
                    self.is_all_sent = true;
                    return;
                }
                ClientInput::Wait | ClientInput::File => return,
                ClientInput::Failed(status) => {
                    self.failed = Some(status);
                    return;
                }
            }
        }
    }

    /// The application has begun to read: a client that waits to be told so is told, unless its answer has begun.
    pub fn invite(&mut self, r: Request<'_>, is_answered: bool) {
        match (std::mem::take(&mut self.expects_continue), is_answered) {
            (true, true) => r.forget_continue(),
            (true, false) => r.send_continue(),
            (false, _) => {}
        }
    }

    /// Whether all of it has been read from the client.
    pub fn is_done(&self) -> bool {
        self.stage == BodyStage::Ended
    }

    /// Whether the daemon has still to get a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some() && !self.is_file_sent
    }

    /// The file that the daemon gets now.
    pub fn hand_file_over(&mut self) -> Option<&TemporaryFile> {
        self.is_file_sent = true;
        self.file.as_ref()
    }

    /// Whether nothing more is to come from the client, or nothing good.
    pub fn has_ended(&self) -> bool {
        self.stage == BodyStage::Ended || self.failed.is_some()
    }

    /// Looks for more without waiting.
    pub fn look(&mut self) -> ClientInput {
        if self.has_file() {
            return ClientInput::File;
        }
        loop {
            if let Some(status) = self.failed {
                return ClientInput::Failed(status);
            }
            if self.stage == BodyStage::Ended {
                return ClientInput::End;
            }
            match self.brigade.front() {
                Ok(Some(BrigadePiece::Metadata)) => self.brigade.drop_front(),
                Ok(Some(BrigadePiece::Data(_))) => return ClientInput::Data,
                Ok(Some(BrigadePiece::End)) => self.stage = BodyStage::Ended,
                Ok(None) if self.later.is_some() => self.failed = self.later.take(),
                Ok(None) => match self.brigade.fill(READ, false) {
                    Ok(()) if self.brigade.is_empty() => return ClientInput::Wait,
                    Ok(()) => {}
                    Err(status) if status.is_again() => return ClientInput::Wait,
                    Err(status) => {
                        self.failed = Some(status);
                        return ClientInput::Failed(status);
                    }
                },
                Err(status) => {
                    self.failed = Some(status);
                    return ClientInput::Failed(status);
                }
            }
        }
    }

    /// Reads more as long as something is there, up to `limit` bytes; how many are at hand for one send. httpd reads
    /// little at a time; a frame and a wake-up of the daemon for each of these reads would cost more than the bytes.
    pub fn gather(&mut self, limit: usize) -> usize {
        let span = |brigade: &mut Brigade<'r>, limit, room| {
            let mut parts = std::array::from_fn::<_, PARTS, _>(|_| IoSlice::new(&[]));
            brigade.pieces(limit, &mut parts[..room])
        };
        let BrigadeSpan { mut bytes, mut count, mut is_bounded } = span(&mut self.brigade, limit, PARTS);
        while bytes < limit && count < PARTS && !is_bounded {
            // Each bucket is looked at once: those of the last read, and at first those from before.
            let last = if self.read.is_empty() { &mut self.brigade } else { &mut self.read };
            let kept = last.set_aside();
            self.brigade.append(&mut self.read);
            match kept.and_then(|()| self.read.fill(READ.min(limit - bytes), false)) {
                Ok(()) if self.read.is_empty() => break,
                Ok(()) => {
                    let more = span(&mut self.read, limit - bytes, PARTS - count);
                    (bytes, count, is_bounded) = (bytes + more.bytes, count + more.count, more.is_bounded);
                }
                Err(status) if status.is_again() => break,
                Err(status) => {
                    // What came before it is still good; the next look tells.
                    self.later = Some(status);
                    break;
                }
            }
        }
        self.brigade.append(&mut self.read);
        bytes
    }

    /// Copies what the client has sent into the daemon's memory as long as something is there, up to `limit` bytes and as far as
    /// they fit in one piece: where they lie, and how many they are. Each bucket goes as soon as it is copied, so that httpd
    /// reads the next bytes into the same memory, which the caches hold.
    pub fn share(&mut self, memory: &mut BodyMemory, limit: usize) -> (usize, usize) {
        let (offset, room) = memory.place();
        let (limit, mut len) = (limit.min(room), 0);
        while len < limit && matches!(self.look(), ClientInput::Data) {
            // `look` has just seen data there.
            let Ok(Some(BrigadePiece::Data(data))) = self.brigade.front() else { break };
            let part = &data[..data.len().min(limit - len)];
            memory.write(part);
            let taken = part.len();
            self.brigade.consume(taken);
            len += taken;
        }
        metrics::note_input(len);
        (offset, len)
    }

    /// How much the client has sent, if all of it is at hand, that is no more than `most`, and more can come.
    pub fn all_at_hand(&mut self, most: usize) -> Option<usize> {
        match self.look() {
            ClientInput::Wait => return Some(0),
            ClientInput::Data => {}
            ClientInput::File | ClientInput::End | ClientInput::Failed(_) => return None,
        }
        let len = self.gather(most + 1);
        let mut parts = std::array::from_fn::<_, PARTS, _>(|_| IoSlice::new(&[]));
        let BrigadeSpan { count, is_bounded, .. } = self.brigade.pieces(most + 1, &mut parts);
        (len <= most && count < PARTS && !is_bounded && self.later.is_none()).then_some(len)
    }

    /// Lays the first `limit` bytes into `parts`; how many parts that makes.
    pub fn pieces<'b>(&'b mut self, limit: usize, parts: &mut [IoSlice<'b>]) -> usize {
        self.brigade.pieces(limit, parts).count
    }

    /// Takes `len` bytes off the front.
    pub fn consume(&mut self, len: usize) {
        metrics::note_input(len);
        self.brigade.consume_all(len);
    }
}
