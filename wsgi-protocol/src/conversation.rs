//! One request's exchange with a daemon as httpd's child sees it, without any input or output: it is told what has come, checks
//! that it may come now, and says what to do about it. Every byte from a daemon is taken for hostile.

mod rules;
mod upload;

pub use rules::{ConversationRules, EndKind, FedBytes, FrameViolation, HeadUse, RelayEffect};
pub use upload::{BodyAction, BodySupply};

use crate::ProtocolError;
use crate::frame::{FrameHeader, FrameKind, FromDaemon, HEADER_LEN, RESPONSE_MEMORY};
use crate::response::ResponseHead;

/// What has become of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseProgress {
    /// There is no head yet.
    Awaited,
    /// The client gets it.
    Passed,
    /// Something else is answered in its place.
    Replaced(HeadUse),
}

/// See the module's comment.
#[derive(Debug, Clone)]
pub struct RelayConversation {
    rules: ConversationRules,
    seq: u16,
    progress: ResponseProgress,
    /// Where httpd answers from instead, if the application has named a path of the server.
    redirect: Vec<u8>,
    /// The daemon has sent something that proves that it has read the request.
    seen: bool,
    /// Bytes of the current DATA frame that are still to come.
    data_left: usize,
    /// What is left of the announced Content-Length: more does not reach the client, less is a broken response.
    announced: Option<u64>,
    client_gone: bool,
    /// The daemon wants to know when the client goes.
    watched: bool,
    /// It may become a WebSocket.
    may_upgrade: bool,
    is_tunnel: bool,
    /// Bytes of the request body that were granted, and not sent yet.
    credit: u64,
    /// The end of the request body, or that it does not come, has been told.
    told: bool,
    /// The request is given up: only what the application logs about that counts.
    given_up: bool,
    has_logged: bool,
    over: bool,
}

impl RelayConversation {
    /// Begins when the request with the number `seq` has been sent; `told`: with all of its body.
    #[must_use]
    pub fn new(rules: ConversationRules, seq: u16, told: bool) -> Self {
        Self {
            rules,
            seq,
            progress: ResponseProgress::Awaited,
            redirect: Vec::new(),
            seen: false,
            data_left: 0,
            announced: None,
            client_gone: false,
            watched: false,
            may_upgrade: false,
            is_tunnel: false,
            credit: 0,
            told,
            given_up: false,
            has_logged: false,
            over: false,
        }
    }

    /// Looks at what has come and has not been taken yet. `has_descriptor`: with a descriptor that no frame has asked for.
    ///
    /// # Errors
    /// What is wrong with it: nothing that follows means anything.
    pub fn feed<'a>(
        &mut self,
        pending: &'a [u8],
        has_descriptor: bool,
    ) -> Result<FedBytes<'a>, FrameViolation> {
        if self.over {
            return Err(FrameViolation::AfterTheEnd);
        }
        if self.data_left > 0 {
            let len = pending.len().min(self.data_left);
            return Ok(match len {
                0 => FedBytes::Incomplete { needed: 0 },
                _ => FedBytes::Data { len, part: self.take_data(len) },
            });
        }
        let fed = self.frame(pending, has_descriptor);
        self.over |= matches!(fed, Err(_) | Ok(FedBytes::Frame { effect: RelayEffect::Ended(..), .. }));
        fed
    }

    fn frame<'a>(&mut self, pending: &'a [u8], has_descriptor: bool) -> Result<FedBytes<'a>, FrameViolation> {
        let Some(header) = FrameHeader::decode(pending)? else {
            return Ok(FedBytes::Incomplete { needed: HEADER_LEN });
        };
        let len = HEADER_LEN + self.admit(header)?;
        let Some(payload) = pending.get(HEADER_LEN..len) else {
            return Ok(FedBytes::Incomplete { needed: len });
        };
        let frame = FromDaemon::decode(header, payload)?;
        let effect = if self.given_up { self.hear(frame) } else { self.answer(frame, has_descriptor)? };
        Ok(FedBytes::Frame { len, effect })
    }

    /// Whether a frame may begin like this; how many bytes of its payload have to be there before it is decoded.
    fn admit(&self, header: FrameHeader) -> Result<usize, FrameViolation> {
        if header.kind.is_from_httpd() {
            return Err(ProtocolError::Direction(header.kind.variant()).into());
        }
        if header.seq != self.seq && !matches!(header.kind, FrameKind::GoAway | FrameKind::Refused) {
            return Err(FrameViolation::OtherRequest(header.kind));
        }
        let limit = self.rules.head_limit();
        let is_awaited = self.progress == ResponseProgress::Awaited;
        match FromDaemon::needs(header, limit) {
            Err(_) if header.kind == FrameKind::Head && is_awaited => {
                Err(FrameViolation::HeadTooLarge { len: header.len, limit })
            }
            needed => Ok(needed?),
        }
    }

    fn answer<'a>(
        &mut self,
        frame: FromDaemon<'a>,
        has_descriptor: bool,
    ) -> Result<RelayEffect<'a>, FrameViolation> {
        self.seen |= frame.is_answer();
        if frame.is_last() && has_descriptor {
            return Err(FrameViolation::StrayDescriptor);
        }
        let effect = match frame {
            FromDaemon::WantBody(bytes) => {
                self.credit = self.credit.saturating_add(bytes.into());
                RelayEffect::BodyWanted(bytes)
            }
            FromDaemon::Head(payload) => return self.head(payload),
            FromDaemon::Upgrade(payload) => RelayEffect::Upgrade(self.upgrade(payload)?),
            FromDaemon::TakeOver(payload) => RelayEffect::TakeOver(self.upgrade(payload)?),
            FromDaemon::Data(_) if self.progress == ResponseProgress::Awaited => {
                return Err(FrameViolation::DataBeforeHead);
            }
            FromDaemon::Data(len) => {
                self.data_left = len as usize;
                RelayEffect::DataFollows
            }
            FromDaemon::File { offset, length } => self.file(offset, length, has_descriptor)?,
            FromDaemon::Offer if self.is_tunnel => return Err(FrameViolation::MemoryOutOfTurn),
            FromDaemon::Offer => RelayEffect::MemoryOffered,
            FromDaemon::Memory { offset, length } => self.memory(offset, length)?,
            FromDaemon::Flush if self.passes() => RelayEffect::Flush,
            FromDaemon::Flush => RelayEffect::Nothing,
            FromDaemon::Log { level, thread, text } => {
                self.has_logged = true;
                RelayEffect::Log { level, thread, text }
            }
            FromDaemon::End(account) => RelayEffect::Ended(self.end()?, account),
            FromDaemon::Aborted(account) if self.begun() => RelayEffect::Ended(EndKind::Aborted, account),
            FromDaemon::Aborted(_) => return Err(FrameViolation::AbortBeforeHead),
            FromDaemon::Fail { status, account } => {
                if self.progress != ResponseProgress::Awaited || !(400..600).contains(&status) {
                    return Err(FrameViolation::FailAfterHead);
                }
                RelayEffect::Ended(EndKind::Status(status), account)
            }
            FromDaemon::Refused(refusal) if !self.seen => RelayEffect::Ended(EndKind::Refused(refusal), None),
            FromDaemon::Refused(_) => return Err(FrameViolation::RefusalOutOfTurn),
            FromDaemon::GoAway => RelayEffect::GoAway,
            FromDaemon::Watch => {
                self.watched = self.told;
                RelayEffect::Watched
            }
        };
        Ok(effect)
    }

    /// The request is given up; what the application says of that is still logged.
    fn hear<'a>(&mut self, frame: FromDaemon<'a>) -> RelayEffect<'a> {
        match frame {
            FromDaemon::Log { level, thread, text } => {
                self.has_logged = true;
                RelayEffect::Log { level, thread, text }
            }
            FromDaemon::Data(len) => {
                self.data_left = len as usize;
                RelayEffect::DataFollows
            }
            frame if frame.is_last() => RelayEffect::Ended(EndKind::Heard, None),
            _ => RelayEffect::Nothing,
        }
    }

    fn head<'a>(&mut self, payload: &'a [u8]) -> Result<RelayEffect<'a>, FrameViolation> {
        if self.progress != ResponseProgress::Awaited {
            return Err(FrameViolation::SecondHead);
        }
        let head = ResponseHead::decode(payload).map_err(FrameViolation::BadHead)?;
        if head.headers().any(|(name, value)| name.len() + value.len() + 2 > self.rules.header_limit) {
            return Err(FrameViolation::HeaderTooLong);
        }
        let usage = self.rules.use_of(&head);
        self.progress = match usage {
            HeadUse::Pass => ResponseProgress::Passed,
            other => ResponseProgress::Replaced(other),
        };
        match usage {
            HeadUse::Pass => self.announced = self.rules.body_length(&head),
            HeadUse::Redirect => self.redirect = head.last("location").unwrap_or(b"/").to_vec(),
            HeadUse::ErrorPage(_) => {}
        }
        Ok(RelayEffect::Head(head, usage))
    }

    fn upgrade<'a>(&mut self, payload: &'a [u8]) -> Result<ResponseHead<'a>, FrameViolation> {
        if !self.may_upgrade || !self.told || self.progress != ResponseProgress::Awaited {
            return Err(FrameViolation::NoHandshake);
        }
        let head = ResponseHead::decode_upgrade(payload).map_err(FrameViolation::BadHead)?;
        self.progress = ResponseProgress::Passed;
        self.is_tunnel = true;
        // What the client sends from now on is granted like a body.
        (self.told, self.credit) = (false, 0);
        Ok(head)
    }

    fn file<'a>(
        &mut self,
        offset: u64,
        length: u64,
        has_descriptor: bool,
    ) -> Result<RelayEffect<'a>, FrameViolation> {
        if !has_descriptor {
            return Err(FrameViolation::FileWithoutDescriptor);
        }
        if self.progress == ResponseProgress::Awaited {
            return Err(FrameViolation::FileBeforeHead);
        }
        let length = self.clip(length);
        Ok(RelayEffect::File { offset, length: if self.passes() { length } else { 0 } })
    }

    fn memory<'a>(&mut self, offset: u32, length: u32) -> Result<RelayEffect<'a>, FrameViolation> {
        if self.progress == ResponseProgress::Awaited || self.is_tunnel {
            return Err(FrameViolation::MemoryOutOfTurn);
        }
        let (start, len) = (offset as usize, length as usize);
        if start.checked_add(len).is_none_or(|end| end > RESPONSE_MEMORY) {
            return Err(FrameViolation::MemoryOutOfBounds);
        }
        let len = self.clip(length.into()) as usize;
        Ok(RelayEffect::Memory { start, len: if self.passes() { len } else { 0 } })
    }

    fn end(&mut self) -> Result<EndKind, FrameViolation> {
        let is_short = self.announced.is_some_and(|left| left > 0) && !self.client_gone;
        match self.progress {
            ResponseProgress::Awaited => Err(FrameViolation::EndWithoutHead),
            ResponseProgress::Passed if is_short => Ok(EndKind::Short),
            ResponseProgress::Passed | ResponseProgress::Replaced(HeadUse::Pass) => Ok(EndKind::Complete),
            ResponseProgress::Replaced(HeadUse::ErrorPage(status)) => Ok(EndKind::ErrorPage(status)),
            ResponseProgress::Replaced(HeadUse::Redirect) => {
                Ok(EndKind::Redirect(std::mem::take(&mut self.redirect)))
            }
        }
    }

    /// As many of `len` body bytes as the announced length still allows.
    fn clip(&mut self, len: u64) -> u64 {
        let Some(left) = &mut self.announced else { return len };
        let part = len.min(*left);
        *left -= part;
        part
    }

    /// Bytes of a DATA frame that are still to come.
    #[must_use]
    #[inline]
    pub fn data_left(&self) -> usize {
        self.data_left
    }

    /// So many of them, which are no more than are to come, have come: how many of these, from the front, the client gets.
    pub fn take_data(&mut self, have: usize) -> usize {
        let have = have.min(self.data_left);
        self.data_left -= have;
        let part = self.clip(have as u64) as usize;
        if self.passes() { part } else { 0 }
    }

    /// Whether what comes is passed on to the client.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.begun() && !self.client_gone && !self.given_up
    }

    /// Whether the application's head has been passed on: no other status can be answered any more.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.progress == ResponseProgress::Passed
    }

    /// Whether there is any head yet.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.progress != ResponseProgress::Awaited
    }

    /// Whether the application may have seen the request: it is not sent again.
    #[must_use]
    #[inline]
    pub fn is_seen(&self) -> bool {
        self.seen
    }

    /// The connection has ended; `unread`: as it does when the request was not read. Whether the request can be sent again.
    pub fn lost(&mut self, unread: bool) -> bool {
        let is_over = std::mem::replace(&mut self.over, true);
        unread && !self.seen && !is_over && !self.given_up
    }

    /// The client does not take any more.
    pub fn client_left(&mut self) {
        self.client_gone = true;
    }

    /// Whether it has been noticed that the client does not take any more.
    #[must_use]
    pub fn is_client_gone(&self) -> bool {
        self.client_gone
    }

    /// Whether the daemon wants to know when the client goes.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// It is told.
    pub fn stop_watching(&mut self) {
        self.watched = false;
    }

    /// The request is the opening handshake of a WebSocket, on a connection that can become one.
    pub fn allow_upgrade(&mut self) {
        self.may_upgrade = true;
    }

    /// Whether it has become a WebSocket.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// The request is given up, and the daemon is told by ABORT: from now on only log records, and the end, count.
    pub fn give_up(&mut self) {
        (self.told, self.given_up, self.has_logged) = (true, true, false);
    }

    /// Whether it is given up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether the application has logged anything, since the request was given up if it was.
    #[must_use]
    pub fn has_logged(&self) -> bool {
        self.has_logged
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
