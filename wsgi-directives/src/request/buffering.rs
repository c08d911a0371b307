//! What is known of a body when as much of it has been received as WSGIRequestBuffering allows.

use super::BodyLength;

/// What has been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedBody {
    /// Bytes.
    pub bytes: u64,
    /// The end was among it.
    pub is_whole: bool,
}

/// The length of the body: that of all of it, whatever the client or its coding said before. What is longer than the buffer
/// keeps the length that was announced; without one, it only passes if bodies of unknown length are accepted (`chunked_request`).
/// An announced length that more has been received of already is that of a coded body, which an input filter has inflated: refused,
/// because whoever reads as much as was announced would take a part for the whole.
/// `None`: it is refused.
pub fn length_of_received(
    announced: BodyLength,
    received: ReceivedBody,
    chunked_request: bool,
) -> Option<BodyLength> {
    match (announced, received) {
        (BodyLength::None, ReceivedBody { bytes: 0, is_whole: true }) => Some(BodyLength::None),
        (_, ReceivedBody { bytes, is_whole: true }) => Some(BodyLength::Known(bytes)),
        (BodyLength::Chunked, _) if !chunked_request => None,
        (BodyLength::Known(length), ReceivedBody { bytes, .. }) if bytes > length => None,
        (announced, _) => Some(announced),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_has_a_length() {
        let whole = |bytes| ReceivedBody { bytes, is_whole: true };
        for announced in [BodyLength::Chunked, BodyLength::Known(29), BodyLength::None] {
            assert_eq!(length_of_received(announced, whole(1000), false), Some(BodyLength::Known(1000)));
        }
        assert_eq!(length_of_received(BodyLength::Chunked, whole(0), false), Some(BodyLength::Known(0)));
        assert_eq!(length_of_received(BodyLength::None, whole(0), false), Some(BodyLength::None));
    }

    #[test]
    fn what_is_longer_stays_as_it_was_announced() {
        let part = ReceivedBody { bytes: 10, is_whole: false };
        for announced in [BodyLength::Chunked, BodyLength::Known(29), BodyLength::None] {
            assert_eq!(length_of_received(announced, part, true), Some(announced));
        }
        assert_eq!(length_of_received(BodyLength::Known(29), part, false), Some(BodyLength::Known(29)));
        assert_eq!(length_of_received(BodyLength::Chunked, part, false), None);
        assert_eq!(length_of_received(BodyLength::Known(9), part, true), None);
    }
}
