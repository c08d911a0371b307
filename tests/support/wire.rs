//! Requests written byte by byte over TCP: pipelining, chunks, aborts, and responses seen as they are on the wire.

use crate::client::Response;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct WireConnection {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl WireConnection {
    pub(crate) fn connect(port: u16) -> WireConnection {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("httpd listens");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit)).expect("not zero");
        WireConnection { stream, pending: Vec::new() }
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("httpd reads");
        self
    }

    /// Sends these bytes; an error when httpd has closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The same connection for a thread that only sends.
    pub fn sender(&self) -> WireConnection {
        WireConnection { stream: self.stream.try_clone().expect("descriptors are left"), pending: Vec::new() }
    }

    /// Closes our half: httpd sees the end of the request.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write); // already closed is as good
    }

    /// Reads everything until httpd closes the connection.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.pending);
        let _ = self.stream.read_to_end(&mut all); // a reset ends it as well
        all
    }

    /// Reads one response; `is_bodyless` for the answer to HEAD.
    ///
    /// # Panics
    /// When the connection ends before the response does.
    pub fn response(&mut self, is_bodyless: bool) -> Response {
        self.try_response(is_bodyless).unwrap_or_else(|error| panic!("no complete response: {error}"))
    }

    /// As [`WireConnection::response`], with an error when the connection ends too early.
    pub fn try_response(&mut self, is_bodyless: bool) -> io::Result<Response> {
        let mut response = self.head()?;
        let bodyless = is_bodyless || matches!(response.status, 204 | 304);
        response.body = if bodyless { Vec::new() } else { self.body(&response)? };
        Ok(response)
    }

    /// Reads `count` bytes of whatever comes next.
    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < count {
            self.fill()?;
        }
        Ok(self.pending.drain(..count).collect())
    }

    /// Reads the head of a response; its body is still to come.
    pub fn head(&mut self) -> io::Result<Response> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut parser = httparse::Response::new(&mut headers);
            match parser.parse(&self.pending).map_err(io::Error::other)? {
                httparse::Status::Partial => self.fill()?,
                httparse::Status::Complete(length) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let pairs = parser.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
                    let (status, reason) = (parser.code.unwrap_or(0), parser.reason.unwrap_or("").to_owned());
                    self.pending.drain(..length);
                    return Ok(Response { status, reason, headers: pairs, body: Vec::new() });
                }
            }
        }
    }

    fn body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        if let Some(coding) = head.header("Transfer-Encoding") {
            assert_eq!(coding, "chunked");
            return self.chunks();
        }
        match head.header("Content-Length") {
            Some(length) => self.exactly(length.parse().map_err(io::Error::other)?),
            None => Ok(self.read_to_end()),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|_| io::Error::other(format!("not a chunk size: {line:?}")))?;
            body.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(io::Error::other("a chunk does not end where it should"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.exactly(end + 2)?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.pending.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                // A socket with a timeout says so whenever the machine, or this process, was stopped for a moment (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
