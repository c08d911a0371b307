//! The request body's side of a conversation: nothing leaves that was not granted, and its end is told once.

use super::RelayConversation;

/// What the client's side has to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySupply {
    /// A file with what was buffered comes before everything else.
    File,
    /// There are bytes.
    Bytes,
    /// Nothing right now.
    Nothing,
    /// All of it has been sent.
    Ended,
}

/// What the daemon gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyAction {
    /// Nothing now.
    Wait,
    /// The file, whose length uses no credit.
    SendFile,
    /// At most so many bytes.
    SendBytes(u64),
    /// BODY_END.
    SendEnd,
}

impl RelayConversation {
    /// Whether the daemon may get something now, for which the client's side is worth a look; `has_ended`: there is nothing more to
    /// come from there, or nothing good; `has_file`: a file comes first.
    #[must_use]
    #[inline]
    pub fn is_body_wanted(&self, has_ended: bool, has_file: bool) -> bool {
        !self.told && (self.credit > 0 || (has_ended && !has_file))
    }

    /// What the daemon gets of what there is. Its end counts as told.
    pub fn next_body(&mut self, supply: BodySupply) -> BodyAction {
        match supply {
            _ if self.told => BodyAction::Wait,
            BodySupply::Ended => {
                self.told = true;
                BodyAction::SendEnd
            }
            BodySupply::File if self.credit > 0 => BodyAction::SendFile,
            BodySupply::Bytes if self.credit > 0 => BodyAction::SendBytes(self.credit),
            BodySupply::File | BodySupply::Bytes | BodySupply::Nothing => BodyAction::Wait,
        }
    }

    /// So many bytes of it have been sent.
    pub fn body_sent(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// The daemon has closed its end: it gets nothing more.
    pub fn body_refused(&mut self) {
        self.told = true;
    }
}
