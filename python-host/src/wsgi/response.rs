//! Status, headers and body on their way out: when they are committed, and how much may be sent (spec/behaviour.md §4.4, §4.5).

use super::head_rules::content_length;
use super::request::RequestState;
use super::response_state::ResponseState;
use crate::exchange::{HoldBack, SendError};
use crate::python::{Attached, ExceptionKind, Raised, Result, lock};
use std::time::Instant;
use wsgi_protocol::response::{HeadWriter, append_header};

/// Why the response did not come to its normal end.
#[derive(Debug)]
pub enum ResponseStop {
    /// An exception is set.
    Raised(Raised),
    /// The client or httpd is gone. A failure to send a file is the application's to see.
    Broken(Option<SendError>),
}

impl From<Raised> for ResponseStop {
    fn from(raised: Raised) -> Self {
        Self::Raised(raised)
    }
}

/// How much of a file goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePart {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl RequestState {
    /// Turns the headers over: from now on they are final.
    ///
    /// # Errors
    /// RuntimeError without `start_response`; ValueError for an unusable Content-Length.
    pub fn commit(&self, py: Attached<'_>) -> Result<()> {
        let mut response = lock(py, &self.response);
        if response.committed {
            return Ok(());
        }
        if response.status == 0 && response.head.is_empty() {
            drop(response);
            let text = "start_response() must be called before response content is produced";
            return Err(Raised::new(py, ExceptionKind::Runtime, text));
        }
        let announced = response.length_text.as_deref().map(content_length);
        if announced == Some(None) {
            let value = response.length_text.clone().unwrap_or_default();
            drop(response);
            let value = value.iter().copied().map(char::from).collect::<String>();
            let text = format!("invalid Content-Length header value: '{value}'");
            return Err(Raised::new(py, ExceptionKind::Value, &text));
        }
        response.announced = announced.flatten();
        response.committed = true;
        Ok(())
    }

    /// Sends a block of a committed response: the head in front of the first one, and nothing beyond Content-Length.
    pub fn send(&self, py: Attached<'_>, block: &[u8], hold: HoldBack) -> std::result::Result<(), SendError> {
        let mut response = lock(py, &self.response);
        response.produced += block.len() as u64;
        response.writes += 1;
        let room = response.announced.map_or(u64::MAX, |length| length - response.sent.min(length));
        let block = &block[..block.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        response.sent += block.len() as u64;
        let head = take_head(&mut response);
        drop(response);
        self.transmit(py, head, |exchange| {
            if block.is_empty() || self.discards_body { Ok(()) } else { exchange.data(block, hold) }
        })
    }

    /// Sends a part of a file as the rest of a committed response; adds Content-Length if there is none.
    pub fn send_file(
        &self,
        py: Attached<'_>,
        file: std::os::fd::BorrowedFd<'_>,
        part: FilePart,
    ) -> std::result::Result<(), SendError> {
        let mut response = lock(py, &self.response);
        if response.announced.is_none() && !response.head_sent {
            response.announced = Some(part.length);
        }
        response.produced += part.length;
        response.writes += 1;
        response.sent += part.length;
        let head = take_head(&mut response);
        drop(response);
        self.transmit(py, head, |exchange| {
            if part.length == 0 || self.discards_body {
                return Ok(());
            }
            exchange.file(file, part.offset, part.length)
        })
    }

    /// The body has ended. Sends the head if nothing did so before. True: the response is as long as it says.
    pub fn finish(&self, py: Attached<'_>) -> std::result::Result<bool, SendError> {
        let mut response = lock(py, &self.response);
        let is_bodyless = self.head_only || matches!(response.status, 204 | 304);
        if !response.head_sent && !is_bodyless && response.announced.is_some_and(|length| length > 0) {
            // Nothing at all came: say so instead of letting the client wait (spec/behaviour.md §4.5).
            response.announced = Some(0);
        }
        let head = take_head(&mut response);
        let whole = is_bodyless || response.announced.is_none_or(|length| response.sent >= length);
        drop(response);
        self.transmit(py, head, |_| Ok(()))?;
        Ok(whole)
    }

    /// Replaces the response, of which nothing was sent, by an empty one.
    pub fn answer_empty(&self, py: Attached<'_>, status: u16, line: &str) {
        let mut response = lock(py, &self.response);
        response.head.clear();
        HeadWriter::begin(&mut response.head, status, line.as_bytes()).finish();
        response.status = status;
        response.announced = None;
        response.committed = true;
    }

    fn transmit(
        &self,
        py: Attached<'_>,
        head: Option<Vec<u8>>,
        body: impl FnOnce(&mut dyn crate::exchange::Exchange) -> std::result::Result<(), SendError>,
    ) -> std::result::Result<(), SendError> {
        let measured = crate::python::measures_waits();
        let start = measured.then(Instant::now);
        let sent = self.exchange(py, |exchange| {
            head.map_or(Ok(()), |head| exchange.head(&head))?;
            body(exchange)
        });
        if let Some(start) = start {
            lock(py, &self.response).seconds += start.elapsed().as_secs_f64();
        }
        sent.unwrap_or(Err(SendError::ClientGone))
    }
}

/// The head with its Content-Length, if it has not been sent; from now on it has.
fn take_head(response: &mut ResponseState) -> Option<Vec<u8>> {
    if std::mem::replace(&mut response.head_sent, true) {
        return None;
    }
    let mut head = std::mem::take(&mut response.head);
    if let Some(length) = response.announced {
        append_header(&mut head, b"Content-Length", length.to_string().as_bytes());
    }
    Some(head)
}

/// Whether a header name is Content-Length.
pub fn is_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::response::ResponseHead;

    #[test]
    fn the_head_leaves_once_with_its_length() {
        let mut head = Vec::new();
        let mut writer = HeadWriter::begin(&mut head, 200, b"200 OK");
        writer.header(b"X-A", b"1");
        writer.finish();
        let mut response = ResponseState { head, announced: Some(7), ..ResponseState::default() };
        let sent = take_head(&mut response).unwrap();
        let decoded = ResponseHead::decode(&sent).unwrap();
        let headers: Vec<_> = decoded.headers().collect();
        assert_eq!(headers, [(&b"X-A"[..], &b"1"[..]), (b"Content-Length", b"7")]);
        assert_eq!(decoded.line, b"200 OK");
        assert_eq!(take_head(&mut response), None);
    }
}
