//! What the handler checks before anything runs, in order (spec/directives.md §5.4, spec/behaviour.md §1.1).

/// What httpd found at the mapped file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `APR_NOFILE`
    Missing,
    /// `APR_DIR`
    Directory,
    /// Anything else.
    Present,
}

/// The facts of a request, told by the glue.
#[derive(Clone, Copy, Debug)]
pub struct PrecheckFacts<'a> {
    /// The handler is `wsgi-script` (or its MIME type), not a handler script, and the target is a file.
    pub is_script: bool,
    /// Mapped by WSGIScriptAlias.
    pub is_alias: bool,
    /// `Options ExecCGI` is on.
    pub exec_cgi: bool,
    /// What is at the mapped file name.
    pub file: FileKind,
    /// `AcceptPathInfo Off`.
    pub reject_path_info: bool,
    /// httpd's `path_info`.
    pub path_info: &'a [u8],
    /// Header `Transfer-Encoding`.
    pub transfer_encoding: Option<&'a [u8]>,
    /// WSGIChunkedRequest, or WSGIRequestBuffering is on.
    pub chunked_request: bool,
    /// Header `Content-Length`.
    pub content_length: Option<&'a [u8]>,
    /// LimitRequestBody in bytes; 0 is unlimited.
    pub body_limit: u64,
}

/// How much body will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body was announced.
    None,
    /// This many bytes.
    Known(u64),
    /// Chunked.
    Chunked,
}

/// Why the request is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecheckRefusal {
    /// ExecCGI is off.
    ExecCgiOff,
    /// No such file.
    FileMissing,
    /// A directory.
    IsDirectory,
    /// Path info is not accepted.
    PathInfoRefused,
    /// A transfer coding other than chunked.
    UnknownCoding,
    /// Chunked, but not enabled.
    ChunkedOff,
    /// Content-Length is no number.
    BadLength,
    /// The body is larger than LimitRequestBody: the glue discards it and httpd's input filter answers.
    BodyTooLarge,
}

impl PrecheckRefusal {
    /// HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::ExecCgiOff | Self::IsDirectory => 403,
            Self::FileMissing | Self::PathInfoRefused => 404,
            Self::UnknownCoding => 501,
            Self::ChunkedOff => 411,
            Self::BadLength => 400,
            Self::BodyTooLarge => 413,
        }
    }

    /// Message number of the original; `None` where httpd writes the line.
    pub fn number(self) -> Option<u16> {
        Some(match self {
            Self::ExecCgiOff => 134,
            Self::FileMissing => 135,
            Self::IsDirectory => 136,
            Self::PathInfoRefused => 137,
            Self::UnknownCoding => 138,
            Self::ChunkedOff => 139,
            Self::BadLength => 141,
            Self::BodyTooLarge => return None,
        })
    }

    /// The text of the log line, without number and script.
    pub fn message(self) -> &'static str {
        match self {
            Self::ExecCgiOff => "Options ExecCGI is off in this directory",
            Self::FileMissing => "Target WSGI script not found or unable to stat",
            Self::IsDirectory => {
                "Attempt to invoke directory as WSGI application; write the script behind it in WSGIScriptAlias"
            }
            Self::PathInfoRefused => "AcceptPathInfo off disallows user's path",
            Self::UnknownCoding => "Unexpected value for Transfer-Encoding, Only 'chunked' supported",
            Self::ChunkedOff => {
                "Chunked request content has not been enabled: write WSGIRequestBuffering 10M, or WSGIChunkedRequest On if the application \
                 reads bodies of unknown length"
            }
            Self::BadLength => "Invalid Content-Length header value",
            Self::BodyTooLarge => "Request body is larger than LimitRequestBody",
        }
    }
}

/// Checks in the order of the spec; the first that fails decides.
///
/// # Errors
/// What to answer and log.
pub fn precheck(facts: &PrecheckFacts<'_>) -> Result<BodyLength, PrecheckRefusal> {
    if facts.is_script {
        if !facts.is_alias && !facts.exec_cgi {
            return Err(PrecheckRefusal::ExecCgiOff);
        }
        match facts.file {
            FileKind::Missing => return Err(PrecheckRefusal::FileMissing),
            FileKind::Directory => return Err(PrecheckRefusal::IsDirectory),
            FileKind::Present => {}
        }
    }
    if facts.reject_path_info && !facts.path_info.is_empty() {
        return Err(PrecheckRefusal::PathInfoRefused);
    }
    if let Some(coding) = facts.transfer_encoding {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(PrecheckRefusal::UnknownCoding);
        }
        return if facts.chunked_request {
            Ok(BodyLength::Chunked)
        } else {
            Err(PrecheckRefusal::ChunkedOff)
        };
    }
    let Some(value) = facts.content_length else { return Ok(BodyLength::None) };
    let length = content_length(value).ok_or(PrecheckRefusal::BadLength)?;
    if facts.body_limit != 0 && length > facts.body_limit {
        return Err(PrecheckRefusal::BodyTooLarge);
    }
    Ok(BodyLength::Known(length))
}

/// A plain non-negative decimal that fits 63 bits; blanks and one `+` before it pass as in the original,
/// an empty value is 0.
fn content_length(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    if digits.is_empty() {
        return value.is_empty().then_some(0);
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|sum| *sum <= i64::MAX as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: PrecheckFacts<'static> = PrecheckFacts {
        is_script: true,
        is_alias: false,
        exec_cgi: true,
        file: FileKind::Present,
        reject_path_info: false,
        path_info: b"/x",
        transfer_encoding: None,
        chunked_request: false,
        content_length: None,
        body_limit: 0,
    };

    #[test]
    fn first_failure_decides() {
        let all_wrong = PrecheckFacts {
            exec_cgi: false,
            file: FileKind::Missing,
            reject_path_info: true,
            transfer_encoding: Some(b"gzip, chunked"),
            content_length: Some(b"x"),
            ..FACTS
        };
        assert_eq!(precheck(&all_wrong), Err(PrecheckRefusal::ExecCgiOff));
        let aliased = PrecheckFacts { is_alias: true, ..all_wrong };
        assert_eq!(precheck(&aliased), Err(PrecheckRefusal::FileMissing));
        let directory = PrecheckFacts { file: FileKind::Directory, ..aliased };
        assert_eq!(precheck(&directory), Err(PrecheckRefusal::IsDirectory));
        let handler = PrecheckFacts { is_script: false, ..all_wrong };
        assert_eq!(precheck(&handler), Err(PrecheckRefusal::PathInfoRefused));
        let coding = PrecheckFacts { path_info: b"", ..handler };
        assert_eq!(precheck(&coding), Err(PrecheckRefusal::UnknownCoding));
        assert_eq!(PrecheckRefusal::UnknownCoding.status(), 501);
    }

    #[test]
    fn bodies() {
        assert_eq!(precheck(&FACTS), Ok(BodyLength::None));
        let chunked = PrecheckFacts { transfer_encoding: Some(b"Chunked"), ..FACTS };
        assert_eq!(precheck(&chunked), Err(PrecheckRefusal::ChunkedOff));
        assert_eq!(precheck(&PrecheckFacts { chunked_request: true, ..chunked }), Ok(BodyLength::Chunked));
        let length =
            |value, body_limit| precheck(&PrecheckFacts { content_length: Some(value), body_limit, ..FACTS });
        assert_eq!(length(b"10", 10), Ok(BodyLength::Known(10)));
        assert_eq!(length(b"11", 10), Err(PrecheckRefusal::BodyTooLarge));
        assert_eq!(length(b" +7", 0), Ok(BodyLength::Known(7)));
        assert_eq!(length(b"", 0), Ok(BodyLength::Known(0)));
        for bad in [&b"-1"[..], b"1x", b"1 ", b"+", b"0x1", b"9223372036854775808", b"99999999999999999999"] {
            assert_eq!(length(bad, 0), Err(PrecheckRefusal::BadLength));
        }
    }
}
