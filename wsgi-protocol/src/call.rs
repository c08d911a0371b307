//! The payload of a call into a host script: a dispatch, access or authentication script, which httpd's child asks about
//! a request (spec/behaviour.md §6.9, §7). Layout: what is asked, two arguments, then a [`crate::request`] payload.

use crate::ProtocolError;
use crate::codec::{FieldReader, put_bytes};
use crate::request::{MAX_VALUE, Request};
use crate::wire_enum::wire_enum;

wire_enum! {
    /// What is asked.
    pub enum ScriptQuestion: u8 {
        /// `process_group(environ)`, `application_group(environ)`, `callable_object(environ)`; answers by [`DispatchRoute`].
        Dispatch = 1,
        /// `allow_access(environ, host)`.
        Access = 2,
        /// `check_password(environ, user, password)`; an answer is the new name of the user.
        Password = 3,
        /// `get_realm_hash(environ, user, realm)`; the answer is the hash.
        RealmHash = 4,
        /// `groups_for_user(environ, user)`; each answer is a group.
        Groups = 5,
    }
}

/// Which of a dispatch script's functions an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum DispatchRoute {
    /// `process_group`.
    ProcessGroup = 0,
    /// `application_group`.
    ApplicationGroup = 1,
    /// `callable_object`.
    CallableObject = 2,
}

wire_enum! {
    /// What the script said. The number crosses the C table; any other one is [`ScriptVerdict::Failed`].
    pub enum ScriptVerdict: i32, else Failed {
        /// It cannot be known, or it broke the rules; that has been logged. Never to be taken for a yes.
        Failed = 0,
        /// Yes: allowed, the right password, the answers count.
        Granted = 1,
        /// No: not allowed, the wrong password.
        Refused = 2,
        /// No opinion, or no such user.
        None = 3,
    }
}

/// Appends question and arguments; a [`crate::request::RequestWriter`] writes the rest behind them.
pub fn begin(out: &mut Vec<u8>, question: ScriptQuestion, arguments: [&[u8]; 2]) {
    out.push(question as u8);
    for argument in arguments {
        put_bytes(out, argument);
    }
}

/// A decoded call; borrows from its payload.
#[derive(Debug, Clone)]
pub struct HostScriptCall<'a> {
    /// What is asked.
    pub question: ScriptQuestion,
    /// What the function gets behind its environ; unused ones are empty.
    pub arguments: [&'a [u8]; 2],
    /// The request it is about. `script` is the host script, `application_group` that of the host script.
    pub request: Request<'a>,
}

impl<'a> HostScriptCall<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// A field that is missing, too long or out of range.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = FieldReader::new(payload);
        let question = ScriptQuestion::from_number(reader.u8("question")?);
        let question = question.ok_or(ProtocolError::Field("question"))?;
        let arguments = [reader.bytes(MAX_VALUE, "argument")?, reader.bytes(MAX_VALUE, "argument")?];
        Ok(Self { question, arguments, request: Request::decode(reader.rest())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{RequestHead, RequestWriter};
    use proptest::prelude::*;

    #[test]
    fn round_trip() {
        let mut out = Vec::new();
        begin(&mut out, ScriptQuestion::Password, [b"us\xe9r", b"secret"]);
        let head = RequestHead { script: b"/srv/users.py", ..RequestHead::default() };
        let mut writer = RequestWriter::begin(&mut out, &head);
        writer.pair(b"PATH_INFO", b"/x");
        writer.finish();
        let call = HostScriptCall::decode(&out).unwrap();
        assert_eq!((call.question, call.arguments), (ScriptQuestion::Password, [&b"us\xe9r"[..], b"secret"]));
        assert_eq!((call.request.head.script, call.request.pairs().count()), (&b"/srv/users.py"[..], 1));
    }

    #[test]
    fn only_one_number_is_a_yes() {
        for number in [i32::MIN, -2, -1, 0, 2, 3, 4, i32::MAX] {
            assert_ne!(ScriptVerdict::from_number(number), ScriptVerdict::Granted, "{number}");
        }
        for verdict in
            [ScriptVerdict::Failed, ScriptVerdict::Granted, ScriptVerdict::Refused, ScriptVerdict::None]
        {
            assert_eq!(ScriptVerdict::from_number(verdict as i32), verdict);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = HostScriptCall::decode(&bytes);
        }
    }
}
