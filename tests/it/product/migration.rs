//! Each row of the tables in docs/migrate.md: httpd takes what is written for it, and so does mod_wsgi-express.

use crate::product::express::site;
use integration::{Httpd, Subject, workspace};
use std::collections::BTreeSet;

/// The rows of all tables: what stands in code in the second and in the third column.
fn rows() -> Vec<[Vec<String>; 2]> {
    let text = std::fs::read_to_string(workspace().join("docs/migrate.md")).expect("it is there");
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells: Vec<Vec<&str>> = cells.map(|line| line.split(" | ").collect()).collect();
    assert!(cells.iter().all(|cells| cells.len() == 3), "three columns");
    let rows = cells.iter().map(|cells| [code(cells[1]), code(cells[2])]);
    rows.filter(|row| row.iter().any(|cell| !cell.is_empty())).collect()
}

#[test]
fn each_setting_for_httpd_passes_the_configuration_test() {
    if Subject::skips("it has fewer options") {
        return;
    }
    let rows = rows();
    assert!(rows.len() > 60, "{}", rows.len());
    let settings: BTreeSet<String> = rows.into_iter().flat_map(|[httpd, _]| httpd).collect();
    for setting in settings {
        let setting = setting.replace("/srv/site", "@ROOT@/app");
        let lines = if setting.starts_with(char::is_lowercase) {
            format!("WSGIDaemonProcess other {setting}")
        } else if setting.starts_with("SetHandler") {
            format!("<Location /status>\n{setting}\n</Location>")
        } else {
            setting
        };
        let verdict = Httpd::builder()
            .file("wsgi.py", "")
            .file("lib/empty.py", "")
            .file("static/style.css", "")
            .directives(&format!("WSGIDaemonProcess site\n{lines}"))
            .configtest();
        // Each setting stands alone: what would use the group is in other rows.
        let is_complaint = |line: &&str| {
            (line.contains(":error]") || line.contains(":warn]"))
                && !line.contains("nothing names this group")
        };
        let complaints: Vec<&str> = verdict.text.lines().filter(is_complaint).collect();
        assert!(verdict.is_ok && complaints.is_empty(), "{lines}\n{}", verdict.text);
    }
}

#[test]
fn each_option_of_the_command_line_is_taken() {
    if Subject::skips("it has no such command") {
        return;
    }
    let express = site().file("lib/empty.py", "");
    let options: BTreeSet<String> = rows().into_iter().flat_map(|[_, express]| express).collect();
    for option in options {
        let entry = if option.starts_with("--entry-point") { "" } else { "wsgi.py" };
        let ended =
            express.run(express.command(&format!("config {entry} --server-root @ROOT@/none {option}")));
        assert_eq!(ended.status, 0, "{option}: {}", ended.text);
    }
}
