//! Python written inside a test, run by the application that the integration tests use too.

use crate::process::{RunningDaemon, ScriptFolder, launch};
use crate::pythons::{self, InstalledPython};
use crate::wire::{DaemonAnswer, DaemonConnection, GetRequest};
use std::path::PathBuf;
use wsgi_protocol::launch::Launch;

const SOURCE: &str = include_str!("../../../tests/apps/snippet.py");

/// A daemon with that application, and a connection to it.
pub struct SnippetDaemon {
    pub python: InstalledPython,
    pub script: PathBuf,
    pub folder: ScriptFolder,
    pub connection: DaemonConnection,
    pub daemon: RunningDaemon,
}

/// Runs a test with each Python.
pub fn each(name: &str, test: impl Fn(&mut SnippetDaemon)) {
    each_with(name, launch(), test);
}

/// Runs a test with each Python, in daemons that are started with `launch`.
pub fn each_with(name: &str, launch: Launch, test: impl Fn(&mut SnippetDaemon)) {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("{name}-{}", python.minor));
        let script = folder.write("snippet.wsgi", SOURCE);
        let daemon = RunningDaemon::serving(&python, &launch);
        let connection = daemon.connect();
        let mut snippets = SnippetDaemon { python: python.clone(), script, folder, connection, daemon };
        test(&mut snippets);
        let SnippetDaemon { daemon, connection, .. } = snippets;
        drop(connection);
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{python:?} ended badly: {log}");
        assert!(!log.contains("internal error"), "{log}");
    }
}

impl SnippetDaemon {
    /// A request that runs this Python, which defines `app`.
    pub fn request(&self, code: &str) -> GetRequest<'_> {
        GetRequest::new(&self.script).pair("HTTP_X_CODE", &base64(code.as_bytes()))
    }

    pub fn run(&mut self, code: &str) -> DaemonAnswer {
        let script = self.script.clone();
        let get = GetRequest::new(&script).pair("HTTP_X_CODE", &base64(code.as_bytes()));
        self.connection.run(&get)
    }

    /// Evaluates the first of each row in one request whose body is `body`, and compares with the second.
    #[track_caller]
    pub fn check(&mut self, body: &str, rows: &[(&str, &str)]) {
        let list: Vec<String> = rows.iter().map(|row| json(row.0)).collect();
        let script = self.script.clone();
        let expressions = base64(format!("[{}]", list.join(",")).as_bytes());
        let get = GetRequest::new(&script).pair("HTTP_X_EVAL", &expressions).body(body.as_bytes());
        let answer = self.connection.run(&get);
        assert_eq!(answer.status, "200 OK", "{:?}: {answer:?}", self.python);
        let expected: Vec<String> = rows.iter().map(|row| row.1.to_owned()).collect();
        let got = strings(&answer.text());
        for (row, (got, expected)) in rows.iter().zip(got.iter().zip(&expected)) {
            assert_eq!(got, expected, "{} with Python 3.{}", row.0, self.python.minor);
        }
        assert_eq!(got.len(), rows.len());
    }
}

fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A JSON list of strings, as Python writes it.
fn strings(text: &str) -> Vec<String> {
    let mut result = Vec::new();
    let mut chars = text.chars();
    let mut current: Option<String> = None;
    while let Some(c) = chars.next() {
        match (&mut current, c) {
            (None, '"') => current = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => result.extend(current.take()),
            (Some(text), '\\') => match chars.next().expect("an escape") {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).expect("hexadecimal");
                    text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                }
                c => text.push(c),
            },
            (Some(text), c) => text.push(c),
        }
    }
    result
}

/// RFC 4648 §4.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = char::from(ALPHABET[number >> (18 - 6 * index) & 63]);
            text.push(if index > group.len() { '=' } else { digit });
        }
    }
    text
}
