//! The Debian package as it is built: its layout, its fields, and that what it shows is current. What becomes of sites when
//! it is installed is looked at by `make test-packages`.

use integration::{Subject, workspace};
use std::path::Path;
use std::process::Command;

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The fields of the control file, with the lines that continue them.
fn fields(package: &Path) -> Vec<(String, String)> {
    let text = output(Command::new("dpkg-deb").arg("--field").arg(package));
    let lines = text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_debian_package_has_the_layout_of_the_installation() {
    if Subject::skips("its package is the distribution's") {
        return;
    }
    let tools = ["dpkg-deb", "dpkg-shlibdeps"];
    let has = |tool: &&str| Command::new(tool).arg("--version").output().is_ok();
    if !tools.iter().all(has) {
        println!("skipped: this system has no {tools:?}");
        return;
    }
    let folder = std::env::temp_dir().join(format!("mod-wsgi-package-{}", std::process::id()));
    let module = Subject::module_path();
    let built = output(
        Command::new(workspace().join("packaging/deb.sh"))
            .env("MOD_WSGI_LIB", module.parent().expect("a folder"))
            .env("PACKAGES", &folder)
            .env("DEB_COMPRESSION", "gzip"),
    );
    let package = Path::new(built.trim());
    let fields = fields(package);
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    assert_eq!(field("Package"), "libapache2-mod-wsgi-rs");
    assert!(field("Version").starts_with(&format!("{}-", env!("CARGO_PKG_VERSION"))), "{fields:?}");
    assert!(field("Provides").split(", ").any(|name| name == "httpd-wsgi"), "{fields:?}");
    let depends = field("Depends");
    assert!(depends.contains("apache2-api-20120211") && depends.contains("libc6 (>= 2."), "{depends}");
    assert!(!depends.contains("python"), "{depends}");
    let control = |name: &str| output(Command::new("dpkg-deb").arg("--info").arg(package).arg(name));
    assert_eq!(
        control("conffiles"),
        "/etc/apache2/mods-available/wsgi_rs.conf\n/etc/apache2/mods-available/wsgi_rs.load\n"
    );
    let listed = output(Command::new("dpkg-deb").arg("--contents").arg(package));
    for (mode, name) in [
        ("-rw-r--r-- root/root", "./usr/lib/apache2/modules/mod_wsgi_rs.so"),
        ("-rw-r--r-- root/root", "./usr/lib/apache2/modules/mod_wsgi/python-host.abi3.so"),
        ("-rwxr-xr-x root/root", "./usr/lib/apache2/modules/mod_wsgi/wsgi-supervisor"),
        ("-rwxr-xr-x root/root", "./usr/lib/apache2/modules/mod_wsgi/mod_wsgi-ctl"),
        ("-rwxr-xr-x root/root", "./usr/lib/apache2/modules/mod_wsgi/mod_wsgi-express"),
        (
            "lrwxrwxrwx root/root",
            "./usr/bin/mod_wsgi-express -> ../lib/apache2/modules/mod_wsgi/mod_wsgi-express",
        ),
        ("lrwxrwxrwx root/root", "./usr/sbin/mod_wsgi-ctl -> ../lib/apache2/modules/mod_wsgi/mod_wsgi-ctl"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/mod_wsgi-express.1.gz"),
        ("-rw-r--r-- root/root", "./usr/share/bash-completion/completions/mod_wsgi-ctl"),
        ("-rw-r--r-- root/root", "./usr/share/doc/libapache2-mod-wsgi-rs/NEWS.Debian.gz"),
    ] {
        let found = listed.lines().any(|line| line.starts_with(mode) && line.ends_with(name));
        assert!(found, "{mode} {name} in\n{listed}");
    }
    std::fs::remove_dir_all(&folder).expect("own folder");
}
