//! Little-endian reader over a slice and writer into a `Vec`, with an explicit maximum per field.

use crate::ProtocolError;

/// Reads fields from a slice; every read names its field for the error.
#[derive(Debug, Clone)]
pub struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes exactly `len` bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] when fewer are left.
    #[inline]
    pub fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], ProtocolError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(ProtocolError::Missing(field))?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] at the end.
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, ProtocolError> {
        Ok(self.take(1, field)?[0])
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] at the end.
    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, ProtocolError> {
        let b = self.take(2, field)?;
        Ok(u16::from_le_bytes([b[0], b[1]]))
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] at the end.
    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        let b = self.take(4, field)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] at the end.
    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, ProtocolError> {
        let b = self.take(8, field)?;
        Ok(u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
    }

    /// A byte string with a 32-bit length of at most `max`.
    ///
    /// # Errors
    /// [`ProtocolError::Field`] when longer than `max`, [`ProtocolError::Missing`] at the end.
    #[inline]
    pub fn bytes(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], ProtocolError> {
        let len = self.u32(field)? as usize;
        if len > max {
            return Err(ProtocolError::Field(field));
        }
        self.take(len, field)
    }

    /// Ends the message: nothing may be left.
    ///
    /// # Errors
    /// [`ProtocolError::Trailing`] when bytes are left.
    pub fn finish(self, what: &'static str) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ProtocolError::Trailing(what)) }
    }
}

/// Appends a byte string with its 32-bit length.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Callers bound their fields far below 4 GiB; a longer one is cut by the frame maximum.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a little-endian `u16`.
#[inline]
pub fn put_u16(out: &mut Vec<u8>, v: u16) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a little-endian `u32`.
#[inline]
pub fn put_u32(out: &mut Vec<u8>, v: u32) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a little-endian `u64`.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, v: u64) {
    out.extend_from_slice(&v.to_le_bytes());
}
