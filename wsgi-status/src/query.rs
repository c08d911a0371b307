//! What was asked for, from the query string and the `Accept` header.

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    Html,
    /// For programs.
    Json,
    /// For Prometheus.
    OpenMetrics,
    /// For older Prometheus: text 0.0.4.
    Prometheus,
}

impl ReportFormat {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportQuery {
    /// The form of the answer.
    pub format: ReportFormat,
    /// Only this group.
    pub group: Option<String>,
    /// Metrics of each process.
    pub per_process: bool,
    /// Health: only whether httpd answers, which it does.
    pub is_liveness: bool,
    /// Seconds after which the page asks again; 0: never.
    pub refresh: u32,
    /// What the page showed before.
    pub earlier: Option<EarlierCounters>,
}

/// The counters of an earlier page, from which rates are made. It travels in the address of the next one, so that nothing
/// has to be kept for those who look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EarlierCounters {
    /// When, µs since the epoch.
    pub at_us: u64,
    /// Requests by group.
    pub requests: Vec<u64>,
}

impl EarlierCounters {
    /// As part of an address.
    #[must_use]
    pub fn encode(&self) -> String {
        let parts = std::iter::once(&self.at_us).chain(&self.requests);
        parts.map(u64::to_string).collect::<Vec<_>>().join(".")
    }

    fn decode(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| part.parse().ok());
        let at_us = numbers.next()??;
        Some(Self { at_us, requests: numbers.collect::<Option<_>>()? })
    }
}

/// Seconds between two looks when nothing is said.
const REFRESH: u32 = 5;

impl ReportQuery {
    /// Reads a query string and the `Accept` header. Unknown parameters are ignored.
    #[must_use]
    pub fn read(args: &[u8], accept: &[u8]) -> Self {
        let accept = String::from_utf8_lossy(accept);
        let format = if accept.contains("application/openmetrics-text") {
            ReportFormat::OpenMetrics
        } else if accept.contains("application/json") && !accept.contains("text/html") {
            ReportFormat::Json
        } else if accept.contains("text/plain") && !accept.contains("text/html") {
            ReportFormat::Prometheus
        } else {
            ReportFormat::Html
        };
        let mut query = Self {
            format,
            group: None,
            per_process: false,
            is_liveness: false,
            refresh: REFRESH,
            earlier: None,
        };
        let args = String::from_utf8_lossy(args).into_owned();
        for (name, value) in args.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            match (name, value) {
                ("format", "json") => query.format = ReportFormat::Json,
                ("format", "html") => query.format = ReportFormat::Html,
                ("format", "openmetrics") => query.format = ReportFormat::OpenMetrics,
                ("format", "prometheus" | "text") => query.format = ReportFormat::Prometheus,
                ("group", name) => query.group = Some(decode(name)),
                ("detail", "process") => query.per_process = true,
                ("check", "live") => query.is_liveness = true,
                ("refresh", seconds) => query.refresh = seconds.parse().unwrap_or(REFRESH).min(3600),
                ("was", earlier) => query.earlier = EarlierCounters::decode(earlier),
                _ => {}
            }
        }
        query
    }
}

/// Undoes `%41` and `+`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A name as part of an address.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_query_and_header() {
        let rows: [(&str, &str, ReportFormat); 8] = [
            ("", "", ReportFormat::Html),
            ("", "text/html,*/*", ReportFormat::Html),
            (
                "",
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ReportFormat::OpenMetrics,
            ),
            ("", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", ReportFormat::Prometheus),
            ("", "application/json", ReportFormat::Json),
            ("format=json", "text/html", ReportFormat::Json),
            ("x&format=openmetrics", "", ReportFormat::OpenMetrics),
            ("format=nonsense", "", ReportFormat::Html),
        ];
        for (args, accept, format) in rows {
            assert_eq!(
                ReportQuery::read(args.as_bytes(), accept.as_bytes()).format,
                format,
                "{args} {accept}"
            );
        }
    }

    #[test]
    fn parameters_are_read_and_nonsense_is_harmless() {
        let query = ReportQuery::read(b"group=a%20b+c%zz%&refresh=0&detail=process&was=7.1.2", b"");
        assert_eq!(query.group.as_deref(), Some("a b c%zz%"));
        assert_eq!((query.refresh, query.per_process), (0, true));
        let earlier = EarlierCounters { at_us: 7, requests: vec![1, 2] };
        assert_eq!((earlier.encode(), query.earlier), ("7.1.2".to_owned(), Some(earlier)));
        assert_eq!(ReportQuery::read(b"was=7.-1&refresh=x", b""), ReportQuery::read(b"", b""));
        assert_eq!(decode(&encode("ä b%&=\"")), "ä b%&=\"");
    }
}
