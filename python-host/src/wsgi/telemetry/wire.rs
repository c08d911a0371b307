//! The datagrams of WSGITelemetryService, version 1 (spec/observability.md §7): a header, then records of a number, a type
//! and a value. Pure.

/// What a datagram is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FieldKind {
    /// What happened in an interval.
    Sample = 2,
    /// The process serves.
    Started = 5,
    /// It is decided that it ends.
    Stopping = 6,
    /// It ends now.
    Stopped = 7,
}

/// Longest datagram.
const LONGEST: usize = 8192;
/// Most entries of an array: threads beyond are left out.
const MOST: usize = 128;

const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 4;
const INTEGERS: u8 = 5;
const FLOATS: u8 = 6;

/// A datagram under construction.
#[derive(Debug)]
pub struct TelemetryDatagram(Vec<u8>);

impl TelemetryDatagram {
    /// Begins one of process `pid`; `stamp` is in seconds since the epoch.
    pub fn new(kind: FieldKind, pid: u32, sequence: u32, stamp: f64) -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(b"WSGI");
        bytes.extend_from_slice(&[1, kind as u8, 0, 0]);
        bytes.extend_from_slice(&pid.to_le_bytes());
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&stamp.to_le_bytes());
        Self(bytes)
    }

    fn record(&mut self, id: u16, kind: u8, value: &[u8]) {
        self.0.extend_from_slice(&id.to_le_bytes());
        self.0.push(kind);
        self.0.extend_from_slice(value);
    }

    /// Adds a number.
    pub fn integer(&mut self, id: u16, value: u64) {
        self.record(id, INTEGER, &value.to_le_bytes());
    }

    /// Adds a number.
    pub fn float(&mut self, id: u16, value: f64) {
        self.record(id, FLOAT, &value.to_le_bytes());
    }

    /// Adds a text, without anything behind a null character.
    pub fn text(&mut self, id: u16, text: &[u8]) {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = &text[..text.len().min(LONGEST / 2)];
        self.record(id, TEXT, &(text.len() as u16).to_le_bytes());
        self.0.extend_from_slice(text);
    }

    /// Adds numbers; what does not fit into 32 bits is as large as can be.
    pub fn integers(&mut self, id: u16, values: impl Iterator<Item = u64>) {
        let values = values.take(MOST).map(|value| i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes());
        self.array(id, INTEGERS, values);
    }

    /// Adds numbers.
    pub fn floats(&mut self, id: u16, values: impl Iterator<Item = f64>) {
        self.array(id, FLOATS, values.take(MOST).map(f64::to_le_bytes));
    }

    fn array<const N: usize>(&mut self, id: u16, kind: u8, values: impl Iterator<Item = [u8; N]>) {
        let bytes: Vec<u8> = values.flatten().collect();
        self.record(id, kind, &((bytes.len() / N) as u16).to_le_bytes());
        self.0.extend_from_slice(&bytes);
    }

    /// The bytes; `None` for more than a datagram may have.
    pub fn finish(self) -> Option<Vec<u8>> {
        (self.0.len() <= LONGEST).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_specification() {
        let mut datagram = TelemetryDatagram::new(FieldKind::Sample, 0x0102, 3, 1.0);
        datagram.integer(20, 5);
        datagram.float(21, 0.5);
        datagram.text(6, b"a\0b");
        datagram.integers(110, [1, u64::MAX].into_iter());
        datagram.floats(111, [1.0].into_iter());
        let bytes = datagram.finish().unwrap();
        let (header, records) = bytes.split_at(24);
        assert_eq!(&header[..8], b"WSGI\x01\x02\0\0");
        assert_eq!(header[8..16], [2, 1, 0, 0, 3, 0, 0, 0]);
        assert_eq!(header[16..], 1f64.to_le_bytes());
        let mut want = vec![20, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 21, 0, 2];
        want.extend(0.5f64.to_le_bytes());
        want.extend([6, 0, 4, 1, 0, b'a', 110, 0, 5, 2, 0, 1, 0, 0, 0, 255, 255, 255, 127, 111, 0, 6, 1, 0]);
        want.extend(1f64.to_le_bytes());
        assert_eq!(records, want);
    }

    #[test]
    fn a_datagram_has_an_end() {
        let mut datagram = TelemetryDatagram::new(FieldKind::Stopped, 1, 1, 0.0);
        (0..8).for_each(|id| datagram.floats(id, (0..1000).map(f64::from)));
        assert_eq!(datagram.finish(), None, "eight times 128 numbers");
    }
}
