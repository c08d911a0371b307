//! The lines of a configuration, each with the option that made it.

use crate::problem::ExpressError;
use crate::quoting;
use std::fmt::Write;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationLine {
    /// As httpd reads it, without indentation.
    pub text: String,
    /// How deep it stands in sections.
    depth: usize,
    /// The options that made it, without dashes; empty for what is always there.
    pub origin: &'static str,
}

/// A configuration that grows line by line. Whatever is not a fixed text goes through [`quoting`].
#[derive(Debug, Default)]
pub struct Configuration {
    lines: Vec<ConfigurationLine>,
    depth: usize,
    origin: &'static str,
}

impl Configuration {
    /// The lines that follow come from this option.
    pub fn from(&mut self, origin: &'static str) -> &mut Self {
        self.origin = origin;
        self
    }

    /// The lines that follow are always there.
    pub fn always(&mut self) -> &mut Self {
        self.from("")
    }

    /// A line of fixed text.
    pub fn fixed(&mut self, text: &str) -> &mut Self {
        self.push(text.to_owned())
    }

    /// A directive with values.
    pub fn line(&mut self, directive: &str, values: &[&str]) -> &mut Self {
        let mut text = directive.to_owned();
        for value in values {
            text.push(' ');
            text.push_str(&quoting::httpd(value));
        }
        self.push(text)
    }

    /// Adds fixed text to the last line.
    pub fn amend(&mut self, text: &str) -> &mut Self {
        if let Some(line) = self.lines.last_mut() {
            line.text.push_str(text);
        }
        self
    }

    /// A directive with values and options of the form `name=value`.
    pub fn pairs(&mut self, directive: &str, values: &[&str], pairs: &[(&str, String)]) -> &mut Self {
        let mut text = directive.to_owned();
        for value in values {
            text.push(' ');
            text.push_str(&quoting::httpd(value));
        }
        for (name, value) in pairs {
            text.push(' ');
            text.push_str(&quoting::pair(name, value));
        }
        self.push(text)
    }

    /// A section with its lines; `argument` is ready to stand in the tag.
    pub fn section(&mut self, name: &str, argument: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let origin = self.origin;
        self.push(format!("<{name} {argument}>"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.origin = origin;
        self.push(format!("</{name}>"))
    }

    /// Every value stays in its line: names of folders and files can hold anything, also what would be a directive.
    ///
    /// # Errors
    /// A value with a line break or another control character, and the option it came from.
    pub fn check(&self) -> Result<(), ExpressError> {
        let is_bad = |line: &&ConfigurationLine| line.text.contains(|c: char| c.is_control() && c != '\t');
        let Some(line) = self.lines.iter().find(is_bad) else { return Ok(()) };
        let origin = if line.origin.is_empty() { "a path".to_owned() } else { dashed(line.origin) };
        let text = line.text.escape_default();
        Err(ExpressError::Usage(format!(
            "{origin}: control characters cannot stand in a configuration: {text}"
        )))
    }

    fn push(&mut self, text: String) -> &mut Self {
        self.lines.push(ConfigurationLine { text, depth: self.depth, origin: self.origin });
        self
    }

    /// The file, with the options as comments.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let mut origin = "";
        for line in &self.lines {
            let indent = "    ".repeat(line.depth);
            if line.origin != origin {
                origin = line.origin;
                let said =
                    if origin.is_empty() { "# always".to_owned() } else { format!("# {}", dashed(origin)) };
                let _ = writeln!(out, "{indent}{said}"); // writing to a String cannot fail
            }
            let _ = writeln!(out, "{indent}{}", line.text);
        }
        out
    }

    /// The options that made line `number` of a rendered file.
    pub fn origin_of(rendered: &str, number: usize) -> Option<String> {
        let above = rendered.lines().take(number).collect::<Vec<_>>();
        let comment = above.iter().rev().find_map(|line| line.trim().strip_prefix("# "))?;
        comment.starts_with("--").then(|| comment.to_owned())
    }
}

/// `a b` as `--a, --b`.
fn dashed(origin: &str) -> String {
    origin.split(' ').map(|name| format!("--{name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_more_than_a_line_is_refused() {
        let mut conf = Configuration::default();
        conf.from("server-root").line("ServerRoot", &["/srv/a b"]);
        assert!(conf.check().is_ok());
        conf.line("ServerRoot", &["/srv/x\nLoadModule m /srv/x.so\n#"]);
        assert!(matches!(conf.check(), Err(ExpressError::Usage(text)) if text.contains("--server-root")));
    }

    #[test]
    fn lines_know_the_option_that_made_them() {
        let mut conf = Configuration::default();
        conf.fixed("ServerTokens ProductOnly").from("port host").line("Listen", &["80"]);
        conf.section("Directory", &quoting::section("/a b"), |conf| {
            conf.from("url-alias").line("Alias", &["/x y", "/z"]);
        });
        let text = conf.render();
        assert_eq!(
            text,
            "ServerTokens ProductOnly\n# --port, --host\nListen 80\n<Directory \"/a b\">\n    # --url-alias\n    \
             Alias \"/x y\" /z\n# --port, --host\n</Directory>\n"
        );
        assert_eq!(Configuration::origin_of(&text, 1), None);
        assert_eq!(Configuration::origin_of(&text, 3).as_deref(), Some("--port, --host"));
        assert_eq!(Configuration::origin_of(&text, 6).as_deref(), Some("--url-alias"));
    }
}
