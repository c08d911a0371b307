//! What a request knows of its response (`super::response`).

/// What `start_response` accepted last, and what of it has been sent.
#[derive(Debug, Default)]
pub struct ResponseState {
    /// The status code; 0 before `start_response`.
    pub status: u16,
    /// The encoded head, without Content-Length.
    pub head: Vec<u8>,
    /// The last Content-Length header as the application gave it.
    pub length_text: Option<Vec<u8>>,
    /// `start_response` may only be called with exc_info now.
    pub committed: bool,
    /// The head has left: the client sees this response and no other.
    pub head_sent: bool,
    /// Content-Length.
    pub announced: Option<u64>,
    /// Bytes sent of the body.
    pub sent: u64,
    /// Bytes that the application produced.
    pub produced: u64,
    /// Blocks that the application produced.
    pub writes: u64,
    /// Seconds spent in sending.
    pub seconds: f64,
}
