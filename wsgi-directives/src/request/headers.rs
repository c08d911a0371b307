//! Which request headers reach the environ, and under which key (spec/behaviour.md §1.4).

/// What becomes of a request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFate {
    /// Its name could be mistaken for another: remove it from the request itself.
    Remove,
    /// It stays in the request but not in the environ.
    Hide,
    /// `CONTENT_TYPE`
    ContentType,
    /// `CONTENT_LENGTH`
    ContentLength,
    /// `HTTP_…`, see [`write_cgi_key`].
    Pass,
}

/// Decides by name. `pass_authorization` is WSGIPassAuthorization (or the alias's option), `cgi_pass_auth`
/// httpd's own `CGIPassAuth On`.
pub fn header_fate(name: &[u8], pass_authorization: bool, cgi_pass_auth: bool) -> HeaderFate {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        return HeaderFate::Remove;
    }
    // The length tells most headers from these five without comparing text.
    match name.len() {
        12 if is("Content-Type") => HeaderFate::ContentType,
        14 if is("Content-Length") => HeaderFate::ContentLength,
        5 if is("Proxy") => HeaderFate::Hide,
        13 if is("Authorization") && !pass_authorization && !cgi_pass_auth => HeaderFate::Hide,
        19 if is("Proxy-Authorization") && !cgi_pass_auth => HeaderFate::Hide,
        _ => HeaderFate::Pass,
    }
}

/// Appends the CGI key of a header that passes: `HTTP_`, upper case, `-` as `_`.
pub fn write_cgi_key(name: &[u8], key: &mut Vec<u8>) {
    key.reserve(name.len() + 5);
    key.extend_from_slice(b"HTTP_");
    key.extend(name.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let fate = |name: &str| header_fate(name.as_bytes(), false, false);
        assert_eq!(fate("X_Forwarded_For"), HeaderFate::Remove);
        assert_eq!(fate("X.Y"), HeaderFate::Remove);
        assert_eq!(fate("Proxy"), HeaderFate::Hide);
        assert_eq!(fate("content-type"), HeaderFate::ContentType);
        assert_eq!(fate("CONTENT-LENGTH"), HeaderFate::ContentLength);
        assert_eq!(fate("Authorization"), HeaderFate::Hide);
        assert_eq!(fate("Proxy-Authorization"), HeaderFate::Hide);
        assert_eq!(fate("Transfer-Encoding"), HeaderFate::Pass);
        assert_eq!(header_fate(b"Authorization", true, false), HeaderFate::Pass);
        assert_eq!(header_fate(b"Proxy-Authorization", true, false), HeaderFate::Hide);
        assert_eq!(header_fate(b"Proxy-Authorization", false, true), HeaderFate::Pass);
    }

    #[test]
    fn keys() {
        let mut key = Vec::new();
        write_cgi_key(b"x-Real-iP", &mut key);
        assert_eq!(key, b"HTTP_X_REAL_IP");
    }
}
