//! What the options that people use most change in the configuration. `UPDATE_DOCS=1` writes the expected text anew.

use super::*;
use crate::entry::{ApplicationEntry, EntryKind};
use crate::machine::httpd::Httpd;
use crate::machine::identity::ApplicationIdentity;
use crate::machine::module::InstalledModule;
use crate::machine::python::PythonHome;
use crate::values::OptionValues;
use std::fmt::Write;

/// The twenty options of spec/express.md §18, with values.
const USED: [&[&str]; 27] = [
    &["application-type", "static"],
    &["callable-object", "app"],
    &["host", "127.0.0.1"],
    &["port", "80"],
    &["processes", "3"],
    &["threads", "20"],
    &["working-directory", "/srv/my site"],
    &["python-path", "/srv/lib"],
    &["log-to-terminal"],
    &["log-level", "info wsgi:debug"],
    &["access-log"],
    &["url-alias", "/static", "/srv/site/static"],
    &["document-root", "/srv/htdocs"],
    &["mount-point", "sub/"],
    &["request-timeout", "30"],
    &["graceful-timeout", "0"],
    &["maximum-requests", "1000"],
    &["restart-interval", "3600"],
    &["trust-proxy", "10.0.0.0/8"],
    &["trust-proxy-header", "X-Forwarded-For"],
    &["include-file", "/etc/extra ${HOME}.conf"],
    &["limit-request-body", "0"],
    &["request-buffering", "10M"],
    &["server-name", "www.example.com"],
    &["compress-responses"],
    &["setenv", "KEY", "a \"b\" %h"],
    &["proxy-mount-point", "/api", "http://127.0.0.1:9000"],
];

fn plan(option: &[&'static str]) -> ServerPlan {
    let mut values = OptionValues::default();
    values.put("server-root", vec![vec!["/run/site".to_owned()]]);
    values.put("working-directory", vec![vec!["/srv/site".to_owned()]]);
    let kind = if option == ["application-type", "static"] { EntryKind::Static } else { EntryKind::Script };
    if let Some((name, words)) = option.split_first() {
        match words {
            [] => values.put_flag(name, true),
            words => values.put(name, vec![words.iter().map(|word| (*word).to_owned()).collect()]),
        }
    }
    let callable = values.text("callable-object").unwrap_or_default().to_owned();
    let demand = crate::sizing::SizingInput {
        processes: values.int("processes").max(1),
        threads: values.int("threads"),
        max_clients: None,
        initial: None,
        minimum_spare: None,
        maximum_spare: None,
    };
    ServerPlan {
        entry: ApplicationEntry { kind, target: "/srv/site/wsgi.py".to_owned(), callable },
        mode: if kind == EntryKind::Static { RunMode::Static } else { RunMode::Daemon },
        host: values.text("host").unwrap_or("localhost").to_owned(),
        https: None,
        root: "/run/site".into(),
        identity: ApplicationIdentity {
            user: "site".to_owned(),
            group: "site".to_owned(),
            uid: 1000.into(),
            gid: 1000.into(),
        },
        python: Some(PythonHome {
            home: "/srv/venv".to_owned(),
            version: "3.13.0".to_owned(),
            is_free_threaded: false,
        }),
        httpd: Httpd::complete(),
        module: InstalledModule { file: "/usr/lib/mod_wsgi.so".into() },
        mpm: Mpm::Event,
        sizing: demand.daemon(Mpm::Event),
        locale: "C.UTF-8".to_owned(),
        notes: Vec::new(),
        values,
    }
}

/// Lines without comments and without what depends on this machine.
fn lines(option: &[&'static str]) -> Vec<String> {
    let text = configuration(&plan(option)).expect("everything is there").render();
    let lines = text.lines().filter(|line| !line.trim().starts_with('#') && !line.starts_with("TypesConfig"));
    lines.map(|line| line.replace(&format!(":{})", nix::unistd::geteuid()), ":UID)")).collect()
}

#[test]
fn what_the_most_used_options_change() {
    let base = lines(&[]);
    let mut text = String::from("== without options\n");
    base.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    for option in USED {
        let changed = lines(option);
        let _ = writeln!(text, "== --{}", option.join(" ")); // writing to a String cannot fail
        base.iter()
            .filter(|line| !changed.contains(line))
            .for_each(|line| text.push_str(&format!("- {line}\n")));
        changed
            .iter()
            .filter(|line| !base.contains(line))
            .for_each(|line| text.push_str(&format!("+ {line}\n")));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/generate/expected.txt");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).expect("it can be written");
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == expected, "the configuration differs from {path}; UPDATE_DOCS=1 writes it anew:\n{text}");
}
