//! Large configurations: what the module adds to a config test.

use integration::{Httpd, Subject, is_root};
use std::fmt::Write;
use std::time::{Duration, Instant};

const HOSTS: usize = 2000;
const GROUPS: usize = 200;

/// 2,000 virtual hosts, 200 groups with ten users, as generated configurations have them.
fn configuration(with_module: bool) -> String {
    let mut text = String::new();
    for host in 0..HOSTS {
        let group = host % GROUPS;
        let _ = writeln!(
            text,
            "<VirtualHost 127.0.0.1:{}>\nServerName h{host}.example\nDocumentRoot @ROOT@/htdocs",
            if host < GROUPS { 1 } else { 2 }
        ); // writing to a String cannot fail
        if with_module {
            let _ = writeln!(
                text,
                "WSGIScriptAlias /static-{host} @ROOT@/app/app.wsgi\n\
                 WSGIScriptAlias / @ROOT@/app/h{group}.wsgi process-group=g{group}\nWSGIPassAuthorization On\n\
                 <Directory @ROOT@/app>\nWSGICallableObject app\nRequire all granted\n</Directory>"
            );
        }
        text.push_str("</VirtualHost>\n");
    }
    if !with_module {
        return text;
    }
    let mut groups = String::new();
    for group in 0..GROUPS {
        let user = if is_root() {
            format!("user=#{0} group=#{0}", [1, 2, 3, 7, 8, 9, 10, 13, 33, 38][group % 10])
        } else {
            String::new()
        };
        let _ = writeln!(
            groups,
            "WSGIDaemonProcess g{group} processes=2 threads=5 {user} home=@ROOT@/app python-path=@ROOT@/app"
        );
    }
    groups + &text
}

#[test]
fn two_thousand_hosts_cost_less_than_two_seconds() {
    if Subject::skips("it does not look at files") {
        return;
    }
    // The server itself runs without them: what is timed is `-t`, of the file that is then put in place.
    let judge = |with_module: bool| {
        let server = Httpd::builder().directives("Include @ROOT@/app/more.conf").file("more.conf", "");
        let server = (0..GROUPS).fold(server, |s, group| s.file(&format!("h{group}.wsgi"), "app = None\n"));
        let server = server.file("app.wsgi", "app = None\n");
        let server = if with_module { server } else { server.without_module().log_level("warn") }.start();
        let text = configuration(with_module).replace("@ROOT@", &server.root().display().to_string());
        server.write("more.conf", &text);
        let once = |_| {
            let begin = Instant::now();
            let verdict = server.configtest();
            let taken = begin.elapsed();
            assert!(verdict.is_ok, "{}", verdict.text);
            assert!(!verdict.text.contains("[wsgi:"), "{}", verdict.text);
            taken
        };
        let best = (0..3).map(once).min().expect("three");
        server.write("more.conf", "");
        best
    };
    let (without, with) = (judge(false), judge(true));
    println!("{HOSTS} hosts, {GROUPS} groups: {with:?} with the module, {without:?} without");
    assert!(with < without + Duration::from_secs(2), "{with:?} with the module, {without:?} without");
}
