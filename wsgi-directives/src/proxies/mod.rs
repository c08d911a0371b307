//! Trusted proxies: which headers of which peers change the request's environ (spec/directives.md §11,
//! spec/behaviour.md §1.11, §1.12).

mod subnet;

pub use subnet::Subnet;

use std::net::IpAddr;

/// The table a request's environ is built in (httpd's `subprocess_env`).
pub trait EnvTable {
    /// The value of a key.
    fn get(&self, key: &str) -> Option<&[u8]>;
    /// Sets or replaces a key; the value is copied.
    fn set(&mut self, key: &str, value: &[u8]);
    /// Removes a key.
    fn unset(&mut self, key: &str);
}

/// Headers of one category compete: only the last applied one stays in the environ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderCategory {
    /// REMOTE_ADDR
    Client,
    /// HTTP_HOST
    Host,
    /// SERVER_NAME
    Server,
    /// SERVER_PORT
    Port,
    /// SCRIPT_NAME
    Script,
    /// HTTPS
    Scheme,
}

const CATEGORIES: usize = 6;

/// A header that can have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader(u8);

/// One row of the registry.
struct ProxyRow {
    /// CGI form of the header's name.
    key: &'static str,
    category: HeaderCategory,
}

const fn row(key: &'static str, category: HeaderCategory) -> ProxyRow {
    ProxyRow { key, category }
}

/// The registry of spec/directives.md §11, in its order.
static HEADERS: &[ProxyRow] = &[
    row("HTTP_X_FORWARDED_FOR", HeaderCategory::Client),
    row("HTTP_X_CLIENT_IP", HeaderCategory::Client),
    row("HTTP_X_REAL_IP", HeaderCategory::Client),
    row("HTTP_X_FORWARDED_HOST", HeaderCategory::Host),
    row("HTTP_X_HOST", HeaderCategory::Host),
    row("HTTP_X_FORWARDED_SERVER", HeaderCategory::Server),
    row("HTTP_X_FORWARDED_PORT", HeaderCategory::Port),
    row("HTTP_X_SCRIPT_NAME", HeaderCategory::Script),
    row("HTTP_X_FORWARDED_SCRIPT_NAME", HeaderCategory::Script),
    row("HTTP_X_FORWARDED_PROTO", HeaderCategory::Scheme),
    row("HTTP_X_FORWARDED_SCHEME", HeaderCategory::Scheme),
    row("HTTP_X_SCHEME", HeaderCategory::Scheme),
    row("HTTP_X_FORWARDED_HTTPS", HeaderCategory::Scheme),
    row("HTTP_X_FORWARDED_SSL", HeaderCategory::Scheme),
    row("HTTP_X_HTTPS", HeaderCategory::Scheme),
];

impl ProxyHeader {
    /// The header of a name as sent (`X-Forwarded-For`, any case); `None` if it has no effect.
    pub fn named(name: &str) -> Option<ProxyHeader> {
        let index = HEADERS.iter().position(|row| same_header(name, row.key))?;
        u8::try_from(index).ok().map(ProxyHeader)
    }

    /// Its key in the environ.
    pub fn key(self) -> &'static str {
        HEADERS[usize::from(self.0)].key
    }

    /// What it is about.
    pub fn category(self) -> HeaderCategory {
        HEADERS[usize::from(self.0)].category
    }
}

/// Compares a header name with a CGI key.
fn same_header(name: &str, key: &str) -> bool {
    let Some(tail) = key.strip_prefix("HTTP_") else { return false };
    let cgi = |c: u8| if c == b'-' { b'_' } else { c.to_ascii_uppercase() };
    name.len() == tail.len() && name.bytes().map(cgi).eq(tail.bytes())
}

/// WSGITrustedProxyHeaders and WSGITrustedProxies in effect for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrustedProxies<'a> {
    /// Headers in configuration order; empty switches everything off.
    pub headers: &'a [ProxyHeader],
    /// Trusted peers; `None` trusts everyone.
    pub peers: Option<&'a [Subnet]>,
}

impl TrustedProxies<'_> {
    /// Applies the headers to `env`. Returns whether a scheme header was applied, in which case mod_ssl is
    /// not asked (spec/behaviour.md §1.12 step 3).
    pub fn apply(&self, env: &mut dyn EnvTable) -> bool {
        if self.headers.is_empty() {
            return false;
        }
        let trusted = match self.peers {
            None => true,
            Some(peers) => env.get("REMOTE_ADDR").is_some_and(|peer| is_member(peers, peer)),
        };
        let mut matched = [false; CATEGORIES];
        let mut winners: [Option<&'static str>; CATEGORIES] = [None; CATEGORIES];
        for header in self.headers {
            let category = header.category() as usize;
            matched[category] = true;
            if !trusted {
                continue;
            }
            if let Some(value) = env.get(header.key()).map(<[u8]>::to_vec) {
                self.apply_header(*header, &value, env);
                winners[category] = Some(header.key());
            }
        }
        for row in HEADERS {
            let category = row.category as usize;
            if matched[category] && winners[category] != Some(row.key) {
                env.unset(row.key);
            }
        }
        winners[HeaderCategory::Scheme as usize].is_some()
    }

    fn apply_header(&self, header: ProxyHeader, value: &[u8], env: &mut dyn EnvTable) {
        match header.category() {
            HeaderCategory::Client if header.key() == "HTTP_X_FORWARDED_FOR" => {
                self.apply_forwarded_for(value, env)
            }
            HeaderCategory::Client => env.set("REMOTE_ADDR", value),
            HeaderCategory::Host => env.set("HTTP_HOST", value),
            HeaderCategory::Server => env.set("SERVER_NAME", value),
            HeaderCategory::Port => env.set("SERVER_PORT", value),
            HeaderCategory::Script => {
                env.set("SCRIPT_NAME", value);
                env.set("mod_wsgi.mount_point", value);
            }
            HeaderCategory::Scheme => apply_scheme(header, value, env),
        }
    }

    /// The list algorithm: see spec/directives.md §11 "X-Forwarded-For".
    fn apply_forwarded_for(&self, value: &[u8], env: &mut dyn EnvTable) {
        let items = || value.split(|c| *c == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty());
        let Some(peers) = self.peers else {
            if let Some(first) = items().next() {
                env.set("REMOTE_ADDR", first);
            }
            return;
        };
        let items: Vec<&[u8]> = items().collect();
        let Some(last) = items.len().checked_sub(1) else { return };
        let trusted = items.iter().rev().take_while(|item| is_member(peers, item)).count();
        let client = if trusted == 0 { last } else { (items.len() - trusted).saturating_sub(1) };
        env.set("REMOTE_ADDR", items[client]);
        env.set("HTTP_X_FORWARDED_FOR", &items[client..].join(&b", "[..]));
    }
}

/// `X-Forwarded-Proto` and its kind name the scheme, `X-Forwarded-SSL` and its kind say yes or no; anything
/// else leaves the scheme alone.
fn apply_scheme(header: ProxyHeader, value: &[u8], env: &mut dyn EnvTable) {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    let names_scheme =
        matches!(header.key(), "HTTP_X_FORWARDED_PROTO" | "HTTP_X_FORWARDED_SCHEME" | "HTTP_X_SCHEME");
    let (on, off): (&[&str], &[&str]) =
        if names_scheme { (&["https"], &["http"]) } else { (&["on", "true", "1"], &["off", "false", "0"]) };
    if is(on) {
        env.set("HTTPS", b"1");
    } else if is(off) {
        env.unset("HTTPS");
    }
}

/// Whether text is an IP address in one of the subnets. Names are not looked up.
pub fn is_member(subnets: &[Subnet], text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok());
    address.is_some_and(|address| subnets.iter().any(|subnet| subnet.contains(address)))
}

/// Decides `wsgi.url_scheme` and removes `HTTPS` (spec/behaviour.md §1.12). `scheme_applied` is the result
/// of [`TrustedProxies::apply`], `tls` asks mod_ssl and is called only when its answer counts.
pub fn url_scheme(env: &mut dyn EnvTable, scheme_applied: bool, tls: impl FnOnce() -> bool) -> &'static str {
    let said = env.get("HTTPS").is_some_and(|value| value == b"1" || value.eq_ignore_ascii_case(b"on"));
    let https = (!scheme_applied && tls()) || said;
    env.unset("HTTPS");
    if https { "https" } else { "http" }
}

#[cfg(test)]
mod tests;
