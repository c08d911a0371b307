//! The package `mod_wsgi` of the wheel: the console script, and `manage.py runmodwsgi` for the Django example.

use crate::product::examples::venv;
use crate::product::express::site;
use integration::{ExpressServer, Subject, workspace};
use std::path::PathBuf;
use std::process::Command;

/// Builds the wheel from the programs of `make build`, and installs it below the folder of `express`.
fn install(express: &ExpressServer) -> PathBuf {
    let (wheels, site) = (express.root().join("wheels"), express.root().join("site"));
    let python = venv("django").join("bin/python3");
    let module = Subject::module_path();
    let mut build = Command::new(&python);
    build.args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w"]);
    build.arg(&wheels).arg(workspace()).env("MOD_WSGI_LIB", module.parent().expect("a folder"));
    let built = express.run(build);
    assert_eq!(built.status, 0, "{}", built.text);
    let wheel = std::fs::read_dir(&wheels).expect("it was made").flatten().next().expect("a wheel");
    let name = wheel.file_name().to_string_lossy().into_owned();
    assert!(name.starts_with("mod_wsgi_rs-6.1.1-py3-none-manylinux_2_"), "{name}");
    let size = wheel.metadata().expect("it is there").len();
    assert!(size < 6 << 20, "{size} bytes");
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"])
        .arg(&site)
        .arg(wheel.path());
    let installed = express.run(install);
    assert_eq!(installed.status, 0, "{}", installed.text);
    site
}

#[test]
fn runmodwsgi_serves_the_django_example() {
    if Subject::skips("its own package is built by its own means") {
        return;
    }
    let mut express = site();
    let packages = install(&express);
    let settings = "from notes.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'mod_wsgi.express']\n";
    let folder = express.root().join("app/django");
    let copied = Command::new("cp").arg("-r").arg(workspace().join("examples/django")).arg(&folder).status();
    assert!(copied.is_ok_and(|status| status.success()));
    std::fs::write(folder.join("express_settings.py"), settings).expect("own folder");
    let python = venv("django").join("bin/python3");
    let words = "start-server --log-level info"; // for port, server root and user
    let given = express.command(words);
    let mut command = Command::new(&python);
    command
        .args(["-B", "manage.py", "runmodwsgi", "--settings", "express_settings"])
        .args(given.get_args().skip(1));
    command.current_dir(&folder).env("PYTHONPATH", &packages).env_remove("VIRTUAL_ENV");
    express.start(command);
    let style = express.get("/static/style.css").ok();
    assert!(style.text().contains("font-family"));
    assert_eq!(express.get("/download").ok().body.len(), 50 << 20);
    express.stop();
    let mut command = Command::new(&python);
    command.args(["-c", "from mod_wsgi.express.cli import main; main()", "module-location"]);
    let place = express.run({
        command.env("PYTHONPATH", &packages);
        command
    });
    assert!(place.text.contains("/site/mod_wsgi/express/lib/mod_wsgi.so"), "{place:?}");
}
