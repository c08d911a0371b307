//! Which variables of httpd's own environment the processes of a group see. None but a few that say where programs and
//! texts are: what else httpd has may be a secret of another site.

/// Names that every process has: where programs and texts are, and whose process it is.
const INHERITED: &[&str] = &["PATH", "TZ", "LANG", "LANGUAGE", "USER", "USERNAME", "LOGNAME", "TMPDIR"];

/// What belongs to the shell or the service manager of whoever started httpd: a lone `*` does not mean it.
const KEPT_BACK: &[&str] = &[
    "HOME",
    "USER",
    "USERNAME",
    "LOGNAME",
    "SHELL",
    "MAIL",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "NOTIFY_SOCKET",
    "LISTEN_*",
    "WATCHDOG_*",
    "MAINPID",
    "MANAGERPID",
    "INVOCATION_ID",
    "LOG_SCOPE_STREAM",
    "MEMORY_PRESSURE_*",
    "SUDO_*",
    "SSH_*",
];

/// What httpd, its packages, terminals and images of containers set, and no application asks for.
const USUAL: &[&str] = &[
    "APACHE_*",
    "HTTPD_*",
    "HTTPD",
    "OPTIONS",
    "SYSTEMD_*",
    "XDG_*",
    "DBUS_*",
    "LS_*",
    "LESS*",
    "HIST*",
    "TERM",
    "COLORTERM",
    "HOSTNAME",
    "DISPLAY",
    "XAUTHORITY",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LINES",
    "COLUMNS",
    "container",
    "debian_chroot",
    "DEBIAN_FRONTEND",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CACHE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    // What mod_wsgi-express says to itself; what is for applications it passes on.
    "MOD_WSGI_*",
    "PYTHON_*",
    "GPG_KEY",
    "GLIBC_TUNABLES",
];

/// Whether every process of a group has this variable of httpd's.
pub fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || name.starts_with("LC_")
}

/// Whether nobody misses this variable in a process of a group.
pub fn is_usual(name: &str) -> bool {
    is_inherited(name) || [KEPT_BACK, USUAL].concat().iter().any(|written| matches(written, name))
}

/// Names as written in `pass-env=`, `WSGIPassEnv` and `env=NAME`: exact, or with `*` for the rest of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassEnv(Vec<String>);

impl PassEnv {
    /// Adds a word; `false` if it cannot be a name.
    pub(crate) fn add(&mut self, word: &str) -> bool {
        let start = word.strip_suffix('*').unwrap_or(word);
        let is_name =
            !word.is_empty() && !start.contains(['=', '*', '\0']) && !start.contains(char::is_whitespace);
        if is_name {
            self.0.push(word.to_owned());
        }
        is_name
    }

    /// Whether a variable of httpd's is passed on.
    pub fn passes(&self, name: &str) -> bool {
        self.0.iter().any(|written| match written.as_str() {
            "*" => !KEPT_BACK.iter().any(|kept| matches(kept, name)),
            written => matches(written, name),
        })
    }

    /// The exact names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|word| !word.ends_with('*'))
    }
}

fn matches(written: &str, name: &str) -> bool {
    match written.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => written == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(words: &[&str], name: &str) -> bool {
        let mut set = PassEnv::default();
        assert!(words.iter().all(|word| set.add(word)), "{words:?}");
        set.passes(name)
    }

    #[test]
    fn only_what_is_named_is_passed() {
        assert!(!passes(&[], "DATABASE_URL"));
        assert!(passes(&["DATABASE_URL"], "DATABASE_URL") && !passes(&["DATABASE_URL"], "DATABASE_URL_2"));
        assert!(passes(&["A", "DATABASE_*"], "DATABASE_URL") && !passes(&["DATABASE_*"], "MY_DATABASE_URL"));
        assert!(passes(&["*"], "DATABASE_URL") && passes(&["*"], "PYTHONPATH"));
        for name in ["HOME", "USER", "LOGNAME", "NOTIFY_SOCKET", "LISTEN_FDS", "SUDO_USER"] {
            assert!(!passes(&["*"], name) && passes(&[name], name), "{name}");
        }
        for word in ["", "A=B", "A B", "A*B", "**"] {
            assert!(!PassEnv::default().add(word), "{word:?}");
        }
    }

    #[test]
    fn what_is_missed_is_told_apart() {
        for name in ["PATH", "LC_ALL", "APACHE_RUN_DIR", "SHLVL", "TERM", "MOD_WSGI_SERVER_ROOT"] {
            assert!(is_usual(name), "{name}");
        }
        for name in ["DATABASE_URL", "PYTHONPATH", "LD_LIBRARY_PATH", "http_proxy", "DJANGO_SETTINGS_MODULE"]
        {
            assert!(!is_usual(name), "{name}");
        }
    }
}
