//! The table of spec/directives.md §4.

use super::*;

struct TestRequest {
    port: u16,
    request_host: &'static [u8],
    case_sensitive: bool,
}

const REQUEST: TestRequest = TestRequest { port: 80, request_host: b"www.example.com", case_sensitive: true };

impl RequestNames for TestRequest {
    fn server_host(&self) -> &[u8] {
        b"example.com"
    }
    fn request_host(&self) -> &[u8] {
        self.request_host
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn knows_port(&self, port: u16) -> bool {
        matches!(port, 80 | 443 | 8080)
    }
    fn script(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(b"/App")
    }
    fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }
    fn lookup(&self, name: &[u8]) -> Option<&[u8]> {
        match name {
            b"GROUP" => Some(b"blue"),
            b"EMPTY" => Some(b""),
            b"AGAIN" => Some(b"%{SERVER}"),
            b"LOOP" => Some(b"%{ENV:GROUP}"),
            _ => None,
        }
    }
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap()
}

#[test]
fn groups() {
    for (given, expected) in [
        ("plain", "plain"),
        ("%{GLOBAL}", ""),
        ("%{SERVER}", "example.com"),
        ("%{HOST}", "www.example.com"),
        ("%{RESOURCE}", "example.com|/App"),
        ("%{ENV:GROUP}", "blue"),
        ("%{ENV:EMPTY}", ""),
        ("%{ENV:AGAIN}", "example.com"),
        ("%{ENV:LOOP}", "%{ENV:GROUP}"),
        ("%{ENV:UNSET}", "%{ENV:UNSET}"),
        ("%{server}", "%{server}"),
        ("app-%{ENV:GROUP}", "app-%{ENV:GROUP}"),
        ("%{SERVER}x", "%{SERVER}x"),
        ("%x", "%x"),
    ] {
        assert_eq!(text(&process_group(Some(given.as_bytes()), &REQUEST)), expected);
        assert_eq!(text(&application_group(Some(given.as_bytes()), &REQUEST)), expected);
    }
    assert_eq!(text(&process_group(None, &REQUEST)), "");
    assert_eq!(text(&application_group(None, &REQUEST)), "example.com|/App");
}

#[test]
fn groups_of_hook_scripts() {
    for (given, expected) in [
        ("%{GLOBAL}", ""),
        ("%{SERVER}", "example.com"),
        ("%{HOST}", "www.example.com"),
        ("%{RESOURCE}", "%{RESOURCE}"),
        ("%{ENV:GROUP}", "%{ENV:GROUP}"),
    ] {
        assert_eq!(text(&script_group(Some(given.as_bytes()), &REQUEST)), expected);
    }
    assert_eq!(text(&script_group(None, &REQUEST)), "");
}

#[test]
fn callables() {
    for (given, expected) in [
        ("app", "app"),
        ("%{ENV:GROUP}", "blue"),
        ("%{ENV:AGAIN}", "%{SERVER}"),
        ("%{ENV:EMPTY}", ""),
        ("%{ENV:UNSET}", "application"),
        ("%{GLOBAL}", "application"),
        ("%{SERVER}", "application"),
        ("%x", "application"),
    ] {
        assert_eq!(text(&callable_object(Some(given.as_bytes()), &REQUEST)), expected);
    }
    assert_eq!(text(&callable_object(None, &REQUEST)), "application");
}

#[test]
fn ports() {
    let server = |port| text(&process_group(Some(b"%{SERVER}"), &TestRequest { port, ..REQUEST })).to_owned();
    assert_eq!(server(80), "example.com");
    assert_eq!(server(443), "example.com");
    assert_eq!(server(8080), "example.com:8080");
    // A client's invention.
    assert_eq!(server(4711), "example.com");
    let request = TestRequest { port: 8080, case_sensitive: false, request_host: b"" };
    assert_eq!(text(&application_group(None, &request)), "example.com:8080|/app");
    assert_eq!(text(&application_group(Some(b"%{HOST}"), &request)), "example.com:8080");
}

#[test]
fn nothing_is_allocated_for_plain_names() {
    assert!(matches!(process_group(Some(b"plain"), &REQUEST), Cow::Borrowed(_)));
    assert!(matches!(application_group(Some(b"%{GLOBAL}"), &REQUEST), Cow::Borrowed(_)));
    assert!(matches!(process_group(Some(b"%{SERVER}"), &REQUEST), Cow::Borrowed(_)));
}
