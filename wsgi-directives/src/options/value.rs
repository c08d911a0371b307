//! Numbers, times and sizes as operators write them; trailing text is an error, unlike C's `atoi`.

use crate::config::ApplicationInterface;
use std::time::Duration;

/// One millisecond.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// One second.
pub const SECOND: Duration = Duration::from_secs(1);

/// A whole number with optional sign; blanks around it are ignored. The range is that of C's `int`, which
/// the original used: a larger number never meant what it says.
pub fn integer(text: &str) -> Option<i32> {
    text.trim_ascii().parse().ok()
}

/// A whole number that is not negative.
pub fn count(text: &str) -> Option<u32> {
    u32::try_from(integer(text)?).ok()
}

/// A time: a plain number counts in `unit`; `ms`, `s`, `min` and `h` may be appended.
pub fn duration(text: &str, unit: Duration) -> Option<Duration> {
    let text = text.trim_ascii();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => unit,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "min" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };
    unit.checked_mul(count(digits)?)
}

/// How applications are called.
pub fn interface(text: &str) -> Option<ApplicationInterface> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(ApplicationInterface::Auto),
        "wsgi" => Some(ApplicationInterface::Wsgi),
        "asgi" => Some(ApplicationInterface::Asgi),
        _ => None,
    }
}

/// A size in bytes: a plain number, or one with `K`, `M`, `G` or `T` (powers of 1024, any case).
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().ok()?;
    let size = number.checked_mul(1 << shift)?;
    (size <= i64::MAX as u64).then_some(size)
}

/// Seconds with a fraction, as a positive finite time; `None` for anything else, also for a time that is
/// shorter than a nanosecond.
pub fn positive_seconds(text: &str) -> Option<Duration> {
    seconds(text).filter(|time| !time.is_zero())
}

/// Seconds with a fraction, finite and not negative.
pub fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim_ascii().parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_text_is_refused() {
        for bad in ["", "abc", "7x", "7.9", "0x10", "many", "--1", "99999999999"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
        assert_eq!(integer("+7"), Some(7));
        assert_eq!(integer(" 7"), Some(7));
        assert_eq!(count("-1"), None);
    }

    #[test]
    fn times_take_units() {
        assert_eq!(duration("60", SECOND), Some(Duration::from_secs(60)));
        assert_eq!(duration("60s", SECOND), Some(Duration::from_secs(60)));
        assert_eq!(duration("5", MILLISECOND), Some(Duration::from_millis(5)));
        assert_eq!(duration("2min", SECOND), Some(Duration::from_secs(120)));
        assert_eq!(duration("1h", MILLISECOND), Some(Duration::from_secs(3600)));
        assert_eq!(duration("1m", SECOND), None);
        assert_eq!(duration("1.5", SECOND), None);
        assert_eq!(duration("-1", SECOND), None);
    }

    #[test]
    fn sizes_take_suffixes() {
        assert_eq!(bytes("1G"), Some(1 << 30));
        assert_eq!(bytes("64k"), Some(65536));
        assert_eq!(bytes("+1"), Some(1));
        for bad in ["", "G", "1GB", "1 G", "-1", "1é", "9223372036854775808", "99999999T"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn fractions_must_be_finite() {
        assert_eq!(positive_seconds("0.005").map(|t| t.as_secs_f64()), Some(0.005));
        assert_eq!(positive_seconds("1e-3"), Some(Duration::from_millis(1)));
        for bad in ["nan", "inf", "-1", "0", "", "1s", "1e-12"] {
            assert_eq!(positive_seconds(bad), None, "{bad}");
        }
        assert_eq!(seconds("0"), Some(Duration::ZERO));
    }
}
