//! Resolution of `<WSGIInterpreterOptions>` (spec/directives.md §13).

use super::*;
use crate::fake::FakeConfiguration;
use crate::place::DirectivePlace;

/// Reads lines; those after an opening tag and before `</` go into that block.
fn conf(lines: &[&str]) -> FakeConfiguration {
    let mut conf = FakeConfiguration::default();
    let mut inside = None;
    for line in lines {
        if line.starts_with("</") {
            inside = None;
            continue;
        }
        conf.at(line, DirectivePlace { in_interpreter_options: inside, ..DirectivePlace::default() })
            .unwrap();
        if line.starts_with('<') {
            inside = conf.global.newest_block();
        }
    }
    conf
}

#[test]
fn blocks_come_from_low_to_high_specificity() {
    let conf = conf(&[
        "WSGIDaemonProcess g",
        "<WSGIInterpreterOptions process-group=g application-group=a>",
        "WSGIPythonPath /both",
        "</",
        "<WSGIInterpreterOptions process-group=g>",
        "WSGIPythonPath /g",
        "</",
        "<WSGIInterpreterOptions application-group=a>",
        "WSGIPythonPath /a1:/a2",
        "</",
        "<WSGIInterpreterOptions process-group=other>",
        "WSGIPythonPath /other",
        "</",
        "<WSGIInterpreterOptions \"process-group=%{GLOBAL}\" APPLICATION-GROUP=>",
        "WSGIPythonPath /main",
        "</",
    ]);
    let paths = |group: &str| {
        let blocks = blocks_of(&conf.global, group);
        blocks.iter().map(|block| block.settings.python_path.clone().unwrap().join(":")).collect::<Vec<_>>()
    };
    assert_eq!(paths("g"), ["/g", "/a1:/a2", "/both"]);
    assert_eq!(paths(""), ["/a1:/a2", "/main"]);
}

#[test]
fn free_threading_concerns_whole_processes() {
    let mut conf = conf(&[
        "WSGIDaemonProcess g",
        "<WSGIInterpreterOptions process-group=g>",
        "</",
        "<WSGIInterpreterOptions application-group=a>",
    ]);
    let place =
        DirectivePlace { in_interpreter_options: conf.global.newest_block(), ..DirectivePlace::default() };
    let notices = conf.at("WSGIFreeThreading On", place).unwrap();
    assert_eq!(notices[0].number, Some(201));
    assert!(conf.main("WSGIFreeThreading On").unwrap().is_empty());
}

#[test]
fn a_line_belongs_to_the_section_around_it() {
    let mut conf = FakeConfiguration::default();
    assert_eq!(conf.global.block_within(Some("<WSGIInterpreterOptions")), None);
    conf.main("<WSGIInterpreterOptions process-group=a>").unwrap();
    assert_eq!(conf.global.block_within(Some("<wsgiinterpreteroptions")), conf.global.newest_block());
    assert_eq!(conf.global.block_within(Some("<IfModule")), None);
    assert_eq!(conf.global.block_within(None), None);
}
