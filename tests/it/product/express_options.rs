//! `mod_wsgi-express`: every option before httpd, HTTPS, and the lines that load the module.

use crate::product::express::{is_missing, site};
use integration::{ExpressServer, Subject, eventually};
use std::process::Command;

#[test]
fn module_config_is_what_wsgi_load_needs() {
    if is_missing() {
        return;
    }
    let express = site();
    let said = express.run(express.command("module-config"));
    let lines: Vec<&str> = said.text.lines().collect();
    assert!(
        lines[0].starts_with("LoadModule wsgi_module \"") && lines[1].starts_with("WSGIPythonHome \""),
        "{said:?}"
    );
    let place = express.run(express.command("module-location"));
    assert!(lines[0].contains(place.text.trim()));
    let target = express.root().join("installed");
    std::fs::create_dir(&target).expect("own folder");
    let said = express.run(express.command("install-module --modules-directory @ROOT@/installed"));
    assert!(said.text.contains(&express.fill("LoadModule wsgi_module \"@ROOT@/installed/")), "{said:?}");
    let conf = format!(
        "ServerRoot {0}\nPidFile {0}/x.pid\nListen 127.0.0.1:{1}\nServerName x\nLoadModule mpm_event_module {2}/mod_mpm_event.so\n{3}",
        express.root().display(),
        express.port(),
        integration::Apache::installed().modules.display(),
        said.text
    );
    std::fs::write(express.root().join("x.conf"), conf).expect("own folder");
    let mut command = Command::new(&integration::Apache::installed().program);
    command.arg("-t").arg("-f").arg(express.root().join("x.conf"));
    assert_eq!(express.run(command).status, 0, "{}", express.output());
}

/// Values with which httpd can check its configuration.
fn sample(express: &ExpressServer, name: &str, value: &str) -> String {
    let text = match (name, value) {
        ("locale" | "lang", _) => "C.UTF-8",
        ("user" | "service-user", "NAME" | "USER") => "www-data",
        ("group" | "service-group", "NAME" | "GROUP") => "www-data",
        ("server-mpm", _) => "prefork",
        ("process-group", _) => "site",
        ("httpd-executable", _) => return integration::Apache::installed().program.display().to_string(),
        ("modules-directory", _) => return integration::Apache::installed().modules.display().to_string(),
        ("shell-executable", _) => "/bin/sh",
        ("rotatelogs-executable" | "gdb-executable", _) => "/bin/true",
        ("python-home", _) => "/usr",
        ("ssl-certificate", _) => "@ROOT@/tls",
        ("ssl-certificate-key-file", _) => "@ROOT@/tls.key",
        ("ssl-certificate-file" | "ssl-certificate-chain-file" | "ssl-ca-certificate-file", _) => {
            "@ROOT@/tls.crt"
        }
        ("log-level", _) => "info",
        ("request-buffering", _) => "10M",
        ("pid-file", _) => "@ROOT@/other.pid",
        (_, "FILE|MODULE" | "SCRIPT")
        | ("host-access-script" | "auth-user-script" | "auth-group-script", _) => "wsgi.py",
        (_, "FILE") => "empty.conf",
        (_, "FILE|DIRECTORY" | "DIRECTORY") => "static",
        (_, "SECONDS" | "MB") => "2",
        (_, "NUMBER") => "2000",
        (_, "BYTES") => "70000",
        (_, "MILLISECONDS") => "7",
        (_, "FRACTION") => "0.5",
        (_, "ADDRESS") => "127.0.0.1",
        (_, "URL") => "http://127.0.0.1:9/",
        (_, "URL-PATH") => "/path",
        (_, "STATUS") => "404",
        (_, "EXTENSION") => ".x",
        ("map-head-to-get", _) => "Off",
        ("application-type", _) => "module",
        ("auth-type", _) => "Digest",
        (_, "CLASS") => "All",
        (_, "FILTER") => "ignore",
        ("error-log-format", _) => "%M",
        (_, "FORMAT") => "%h",
        ("trust-proxy-header", _) => "X-Forwarded-For",
        ("telemetry-options", _) => "",
        (_, "unix:PATH") => "unix:/run/x",
        _ => "name",
    };
    express.fill(text)
}

/// What an option needs beside it.
fn company(name: &str) -> &'static str {
    match name {
        "debugger-startup" => "--enable-debugger",
        "auth-group-script" => "--auth-user-script wsgi.py",
        "https-port" | "ssl-port" => "--ssl-certificate @ROOT@/tls",
        "ssl-certificate-file" => "--https-port 4443 --ssl-certificate-key-file @ROOT@/tls.key",
        "ssl-certificate-key-file" => "--https-port 4443 --ssl-certificate-file @ROOT@/tls.crt",
        "ssl-certificate" => "--https-port 4443",
        "https-only"
        | "ssl-certificate-chain-file"
        | "ssl-ca-certificate-file"
        | "ssl-verify-client"
        | "ssl-environment" => "--https-port 4443 --ssl-certificate @ROOT@/tls",
        "hsts-policy" => "--https-only --https-port 4443 --ssl-certificate @ROOT@/tls",
        "service-user" | "service-group" | "service-log-file" => "--service-script name wsgi.py",
        "application-type" => "wsgi",
        _ => "wsgi.py",
    }
}

#[test]
fn every_option_alone_passes_the_configuration_test() {
    if Subject::skips("the table of options is ours") {
        return;
    }
    let express = site().file("empty.conf", "");
    certificate(&express);
    let listed = express.run(express.command("x-options")).text;
    let mut wrong = Vec::new();
    for line in listed.lines() {
        let mut words = line.split('\t');
        let name = words.next().unwrap_or_default();
        let values = words.skip(2).filter(|word| !word.is_empty());
        if ["free-threading", "telemetry-options", "port", "server-root", "user", "group"].contains(&name) {
            continue; // a build of Python that is not here; a text for a service; in every command
        }
        let mut command = express.command(&format!("setup-server {}", company(name)));
        command.arg(format!("--{name}")).args(values.map(|value| sample(&express, name, value)));
        let setup = express.run(command);
        let test = express.run(express.apachectl("configtest"));
        if setup.status != 0 || test.status != 0 {
            wrong.push(format!(
                "--{name}: {}{}",
                if setup.status == 0 { "" } else { &setup.text },
                test.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Writes `tls.crt` and `tls.key`.
fn certificate(express: &ExpressServer) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
        ])
        .arg(express.root().join("tls.key"))
        .arg("-out")
        .arg(express.root().join("tls.crt"))
        .output();
    assert!(made.is_ok_and(|output| output.status.success()), "openssl makes a certificate");
}

#[test]
fn https_without_a_server_name() {
    if Subject::skips("the HTTPS port is announced and not listened on") {
        return;
    }
    let mut express = site().allow_log("AH0190").allow_log("AH01882"); // the certificate signs itself; of OpenSSL
    certificate(&express);
    let port = integration::unused_port();
    let command = express.command(&format!(
        "start-server wsgi.py --https-port {port} --ssl-certificate @ROOT@/tls --https-only"
    ));
    express.start(command);
    let mut wire = express.connect();
    wire.send("GET /x?y HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = wire.response(false);
    assert_eq!(
        (answer.status, answer.header("Location")),
        (308, Some(&*format!("https://localhost:{port}/x?y")))
    );
    let fetched = eventually("it is served", || {
        let output =
            Command::new("curl").args(["-sk", &format!("https://localhost:{port}/x")]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    assert!(fetched.contains("\"wsgi.url_scheme\": \"https\""));
}

#[test]
fn check_and_config_name_the_option() {
    if Subject::skips("there is no such command") {
        return;
    }
    let express = site().file("bad.py", "import nowhere_at_all\n").file("broken.conf", "Nonsense On\n");
    let say = |words: &str| {
        let words = express.fill(words);
        let identity = if integration::is_root() { " --user www-data" } else { "" };
        express.run(express.command(&format!("{words} --port {}{identity}", express.port())))
    };
    let right = say("check wsgi.py --url-alias /static static");
    assert!(right.status == 0 && right.text.contains("everything is right"), "{right:?}");
    let wrong = say("check bad.py");
    assert!(wrong.status == 5 && wrong.text.contains("No module named 'nowhere_at_all'"), "{wrong:?}");
    let wrong = say("check wsgi.py --include-file broken.conf --log-level loud --url-alias /x nowhere");
    assert!(wrong.status == 2 && wrong.text.contains("--log-level: AH00526"), "{wrong:?}");
    assert!(
        wrong.text.contains("--url-alias") && wrong.text.contains("nowhere: there is no such file"),
        "{wrong:?}"
    );
    let shown = say("config wsgi.py --limit-request-body 5");
    assert!(shown.text.contains("# --limit-request-body\nLimitRequestBody 5\n"), "{shown:?}");
    let unit = say("systemd wsgi.py --setenv A 100%");
    for line in ["\nUser=", "\nKillMode=mixed\n", "\nRuntimeDirectory=mod_wsgi-", "--setenv A 100%%"] {
        assert!(
            unit.text.contains(line) || (!integration::is_root() && line.contains("User")),
            "{line}: {unit:?}"
        );
    }
    assert!(!express.root().join("server").exists(), "nothing is written");
}
