//! The request body as `wsgi.input` gives it out (spec/behaviour.md §2.1). Pure: where the bytes come from is a closure.

use crate::exchange::BodyError;

/// Bytes asked for at once while looking for the end of a line.
const LINE_CHUNK: usize = 8 * 1024;

/// Least bytes asked for at once otherwise; more as the body grows.
const CHUNK: usize = 8 * 1024;

/// Most bytes asked for at once.
const LARGEST_CHUNK: usize = 1024 * 1024;

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFault {
    /// The body cannot be read.
    Body(BodyError),
    /// A read had failed before.
    Again,
    /// The request is over.
    Over,
}

/// Where the bytes come from: fills the buffer from the front; 0 is the end.
pub type BodySource<'s> = dyn FnMut(&mut [u8]) -> Result<usize, ReadFault> + 's;

/// What was read ahead, and what reading has cost.
#[derive(Debug, Default)]
pub struct RequestBody {
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    failed: bool,
    /// Calls to the source.
    pub reads: u64,
    /// Bytes from the source.
    pub length: u64,
    /// Seconds spent in the source.
    pub seconds: f64,
}

impl RequestBody {
    /// Exactly `size` bytes unless the body ends before, or all of it; `consume` gets them.
    pub fn read<T>(
        &mut self,
        size: Option<usize>,
        source: &mut BodySource<'_>,
        consume: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ReadFault> {
        self.check()?;
        while size.is_none_or(|size| self.ahead().len() < size) && !self.ended {
            let have = self.ahead().len();
            let missing = size.map_or(usize::MAX, |size| size - have);
            self.fill(missing.min(have.clamp(CHUNK, LARGEST_CHUNK)), source)?;
        }
        let take = size.unwrap_or(usize::MAX).min(self.ahead().len());
        Ok(self.take(take, consume))
    }

    /// As [`RequestBody::read`] into the caller's memory, without a copy of what was not read ahead; the number of bytes.
    pub fn read_into(&mut self, buffer: &mut [u8], source: &mut BodySource<'_>) -> Result<usize, ReadFault> {
        self.check()?;
        let ahead = self.ahead().len().min(buffer.len());
        self.take(ahead, |bytes| buffer[..ahead].copy_from_slice(bytes));
        let mut filled = ahead;
        while filled < buffer.len() && !self.ended {
            filled += self.ask(&mut buffer[filled..], source)?;
        }
        Ok(filled)
    }

    /// Bytes up to and including the next newline, but at most `limit` or the rest.
    pub fn line<T>(
        &mut self,
        limit: Option<usize>,
        source: &mut BodySource<'_>,
        consume: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ReadFault> {
        self.check()?;
        let limit = limit.unwrap_or(usize::MAX);
        let mut searched = 0;
        loop {
            let ahead = self.ahead();
            let end = find_newline(&ahead[searched..]).map(|place| searched + place + 1);
            let known = end.unwrap_or(ahead.len());
            if end.is_some() || known >= limit || self.ended {
                return Ok(self.take(known.min(limit), consume));
            }
            searched = known;
            self.fill(LINE_CHUNK, source)?;
        }
    }

    fn check(&self) -> Result<(), ReadFault> {
        if self.failed { Err(ReadFault::Again) } else { Ok(()) }
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn take<T>(&mut self, length: usize, consume: impl FnOnce(&[u8]) -> T) -> T {
        let taken = consume(&self.buffer[self.at..self.at + length]);
        self.at += length;
        if self.at == self.buffer.len() {
            self.at = 0;
            self.buffer.clear();
            self.buffer.shrink_to(LARGEST_CHUNK);
        }
        taken
    }

    fn fill(&mut self, length: usize, source: &mut BodySource<'_>) -> Result<(), ReadFault> {
        let filled = self.buffer.len();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(filled + length, 0);
        let result = self.ask(&mut buffer[filled..], source);
        buffer.truncate(filled + result.as_ref().map_or(0, |got| *got));
        self.buffer = buffer;
        result.map(drop)
    }

    /// Asks the source once; keeps the books.
    fn ask(&mut self, buffer: &mut [u8], source: &mut BodySource<'_>) -> Result<usize, ReadFault> {
        let result = source(buffer).map(|got| got.min(buffer.len()));
        let got = result.as_ref().map_or(0, |got| *got);
        self.reads += 1;
        self.length += got as u64;
        self.failed = result.as_ref().is_err_and(|fault| *fault != ReadFault::Over);
        self.ended = result? == 0;
        Ok(got)
    }
}

fn find_newline(bytes: &[u8]) -> Option<usize> {
    wsgi_system::memory::find_byte(bytes, b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives the pieces one by one, then ends or fails.
    fn source(
        pieces: &[&str],
        fault: Option<ReadFault>,
    ) -> impl FnMut(&mut [u8]) -> Result<usize, ReadFault> {
        let mut left: Vec<Vec<u8>> = pieces.iter().rev().map(|piece| piece.as_bytes().to_vec()).collect();
        move |buffer| match left.pop() {
            Some(mut piece) => {
                let take = piece.len().min(buffer.len());
                buffer[..take].copy_from_slice(&piece[..take]);
                if take < piece.len() {
                    left.push(piece.split_off(take));
                }
                Ok(take)
            }
            None => fault.clone().map_or(Ok(0), Err),
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn reads_are_never_short() {
        let mut from = source(&["ab", "c", "defg"], None);
        let mut body = RequestBody::default();
        assert_eq!(body.read(Some(0), &mut from, text).unwrap(), "");
        assert_eq!(body.reads, 0);
        assert_eq!(body.read(Some(4), &mut from, text).unwrap(), "abcd");
        assert_eq!(body.read(None, &mut from, text).unwrap(), "efg");
        assert_eq!(body.read(None, &mut from, text).unwrap(), "");
        assert_eq!((body.length, body.ended), (7, true));
    }

    #[test]
    fn lines_and_reads_mix() {
        let mut from = source(&["on", "e\ntwo\nre", "st"], None);
        let mut body = RequestBody::default();
        assert_eq!(body.line(None, &mut from, text).unwrap(), "one\n");
        assert_eq!(body.line(Some(2), &mut from, text).unwrap(), "tw");
        assert_eq!(body.line(Some(0), &mut from, text).unwrap(), "");
        assert_eq!(body.read(Some(1), &mut from, text).unwrap(), "o");
        assert_eq!(body.line(Some(9), &mut from, text).unwrap(), "\n");
        assert_eq!(body.line(None, &mut from, text).unwrap(), "rest");
        assert_eq!(body.line(None, &mut from, text).unwrap(), "");
    }

    #[test]
    fn reads_go_straight_into_memory() {
        let mut from = source(&["one\ntwo", "three", "four"], None);
        let mut body = RequestBody::default();
        assert_eq!(body.line(None, &mut from, text).unwrap(), "one\n");
        let mut memory = [0; 10];
        assert_eq!(body.read_into(&mut memory, &mut from), Ok(10));
        assert_eq!(&memory, b"twothreefo");
        assert_eq!(body.read_into(&mut memory, &mut from), Ok(2));
        assert_eq!((&memory[..2], body.ended, body.length), (&b"ur"[..], true, 16));
        assert_eq!(body.read_into(&mut memory, &mut from), Ok(0));
    }

    #[test]
    fn a_failure_stays() {
        let fault = ReadFault::Body(BodyError::Terminated);
        let mut from = source(&["ab"], Some(fault.clone()));
        let mut body = RequestBody::default();
        assert_eq!(body.read(None, &mut from, text), Err(fault));
        assert_eq!(body.read(Some(0), &mut from, text), Err(ReadFault::Again));
        assert_eq!(body.line(None, &mut from, text), Err(ReadFault::Again));
    }
}
