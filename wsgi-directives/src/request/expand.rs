//! `%{...}` expansion of group and callable names for a request (spec/directives.md §4).

use std::borrow::Cow;

/// What the glue knows of the request. Nothing here is called unless a name needs it.
pub trait RequestNames {
    /// ServerName of the selected virtual host, as written.
    fn server_host(&self) -> &[u8];
    /// Host name from the request, lower case; empty if the request names none.
    fn request_host(&self) -> &[u8];
    /// httpd's idea of the port (`ap_get_server_port`); may come from the client.
    fn port(&self) -> u16;
    /// Whether the configuration names this port (a `Listen` or a ServerName). Other ports are left out of
    /// names, so that clients cannot create interpreters by sending odd `Host` ports.
    fn knows_port(&self, port: u16) -> bool;
    /// SCRIPT_NAME before proxy headers, slashes collapsed ([`super::script_and_path_info`]).
    fn script(&self) -> Cow<'_, [u8]>;
    /// WSGICaseSensitivity.
    fn case_sensitive(&self) -> bool;
    /// Request notes, then the request's environment, then the process environment of httpd.
    fn lookup(&self, name: &[u8]) -> Option<&[u8]>;
}

/// Which tokens count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenSet {
    /// All of them.
    Routing,
    /// Those of access, auth and dispatch scripts: GLOBAL, SERVER, HOST.
    Script,
}

/// The process group; "" is embedded mode. `text` is `None` where nothing is configured.
pub fn process_group<'a>(text: Option<&'a [u8]>, names: &'a dyn RequestNames) -> Cow<'a, [u8]> {
    text.map_or(Cow::Borrowed(b""), |text| expand(text, names, TokenSet::Routing))
}

/// The application group; "" is the main interpreter. Unset means `%{RESOURCE}`.
pub fn application_group<'a>(text: Option<&'a [u8]>, names: &'a dyn RequestNames) -> Cow<'a, [u8]> {
    expand(text.unwrap_or(b"%{RESOURCE}"), names, TokenSet::Routing)
}

/// `application-group=` of access, auth and dispatch scripts. Unset means the main interpreter.
pub fn script_group<'a>(text: Option<&'a [u8]>, names: &'a dyn RequestNames) -> Cow<'a, [u8]> {
    text.map_or(Cow::Borrowed(b""), |text| expand(text, names, TokenSet::Script))
}

/// The callable of WSGICallableObject or of a dispatch script. A variable's value is used as it is; whatever
/// else begins with `%` means `application`.
pub fn callable_object<'a>(text: Option<&'a [u8]>, names: &'a dyn RequestNames) -> Cow<'a, [u8]> {
    const DEFAULT: Cow<'static, [u8]> = Cow::Borrowed(b"application");
    match text {
        None => DEFAULT,
        Some(text) if text.first() != Some(&b'%') => Cow::Borrowed(text),
        Some(text) => variable(text).and_then(|name| names.lookup(name)).map_or(DEFAULT, Cow::Borrowed),
    }
}

fn expand<'a>(text: &'a [u8], names: &'a dyn RequestNames, tokens: TokenSet) -> Cow<'a, [u8]> {
    if text.first() != Some(&b'%') {
        return Cow::Borrowed(text);
    }
    if tokens == TokenSet::Routing
        && let Some(name) = variable(text)
    {
        return match names.lookup(name) {
            None => Cow::Borrowed(text),
            Some(value) if value.first() == Some(&b'%') && !value.starts_with(b"%{ENV:") => {
                expand_token(value, names, tokens)
            }
            Some(value) => Cow::Borrowed(value),
        };
    }
    expand_token(text, names, tokens)
}

/// The tokens that need no variable; anything else is literal text.
fn expand_token<'a>(text: &'a [u8], names: &'a dyn RequestNames, tokens: TokenSet) -> Cow<'a, [u8]> {
    match text {
        b"%{GLOBAL}" => Cow::Borrowed(b""),
        b"%{SERVER}" => with_port(names.server_host(), names),
        b"%{HOST}" if names.request_host().is_empty() => with_port(names.server_host(), names),
        b"%{HOST}" => with_port(names.request_host(), names),
        b"%{RESOURCE}" if tokens == TokenSet::Routing => {
            let mut name = with_port(names.server_host(), names).into_owned();
            name.push(b'|');
            let start = name.len();
            name.extend_from_slice(&names.script());
            if !names.case_sensitive() {
                name[start..].make_ascii_lowercase();
            }
            Cow::Owned(name)
        }
        literal => Cow::Borrowed(literal),
    }
}

/// `host` or `host:port`; 80 and 443 are left out whatever the scheme.
fn with_port<'a>(host: &'a [u8], names: &dyn RequestNames) -> Cow<'a, [u8]> {
    let port = names.port();
    if matches!(port, 80 | 443) || !names.knows_port(port) {
        return Cow::Borrowed(host);
    }
    let mut name = host.to_vec();
    name.extend_from_slice(format!(":{port}").as_bytes());
    Cow::Owned(name)
}

/// `NAME` of `%{ENV:NAME}`.
fn variable(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"%{ENV:")?.strip_suffix(b"}")
}

#[cfg(test)]
mod tests;
