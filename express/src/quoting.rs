//! Values as words of httpd's configuration, of a shell and of Python: whatever they hold, they stay values.

/// Stands for `$` before `{`, so that httpd does not look for a variable; `Define`d at the top of the configuration.
pub const DOLLAR: &str = "MOD_WSGI_EXPRESS_DOLLAR";

/// One word of a line of httpd's configuration.
pub fn httpd(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%=*".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) && !value.starts_with('#') {
        return value.to_owned();
    }
    format!("\"{}\"", escape(value))
}

/// `name=value`, as the directives of mod_wsgi take options.
pub fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", httpd(value))
}

/// The path of a `<Directory>` or `<Files>` section, where `*`, `?` and `[` are wildcards.
pub fn section(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    format!("\"{}\"", escape(&out))
}

/// A word that httpd reads as a format or an expression, without a meaning for `%`.
pub fn without_format(value: &str) -> String {
    value.replace('%', "%%")
}

fn escape(value: &str) -> String {
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    quoted.replace("${", &format!("${{{DOLLAR}}}{{"))
}

/// One word of a shell.
pub fn shell(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// A string of Python.
pub fn python(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || (c as u32) > 0x7e => out.push_str(&format!("\\U{:08x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression that matches this text.
pub fn regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c.is_ascii_alphanumeric() || "/-_~".contains(c) || !c.is_ascii()) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_directives::words::LineWords;

    #[test]
    fn values_are_one_word_for_httpd() {
        for value in [
            "",
            "plain",
            "a b",
            "a\"b",
            "a'b",
            "back\\slash\\",
            "tab\tb",
            "#x",
            "<Directory>",
            "ä",
            "%{GLOBAL}",
        ] {
            let line = format!("{} next", httpd(value));
            let words: Vec<_> = LineWords::new(&line).collect();
            assert_eq!(words, [value, "next"], "{line}");
            let line = format!("{} b=c", pair("a", value));
            let (name, read) = LineWords::new(&line).pair().expect("a pair").expect("well formed");
            assert_eq!((name, &*read), ("a", value), "{line}");
        }
    }

    #[test]
    fn variables_of_httpd_are_not_expanded() {
        assert_eq!(httpd("${HOME}"), "\"${MOD_WSGI_EXPRESS_DOLLAR}{HOME}\"");
        assert_eq!(httpd("$1"), "\"$1\"");
    }

    #[test]
    fn shell_python_and_regular_expressions() {
        assert_eq!(shell("it's $x"), "'it'\\''s $x'");
        assert_eq!(python("a\"\\\n\u{e9}"), "\"a\\\"\\\\\\U0000000a\\U000000e9\"");
        assert_eq!(regex("/a.b+c"), "/a\\.b\\+c");
        assert_eq!(section("/a[1]*"), "\"/a\\\\[1\\\\]\\\\*\"");
    }
}
