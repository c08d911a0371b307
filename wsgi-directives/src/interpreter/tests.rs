//! Resolution of `<WSGIInterpreterOptions>` (spec/directives.md §13).

use super::*;
use crate::fake::Conf;
use crate::place::Place;

/// Reads lines; those after an opening tag and before `</` go into that block.
fn conf(lines: &[&str]) -> Conf {
    let mut conf = Conf::default();
    let mut inside = None;
    for line in lines {
        if line.starts_with("</") {
            inside = None;
            continue;
        }
        conf.at(line, Place { in_interpreter_options: inside, ..Place::default() }).unwrap();
        if line.starts_with('<') {
            inside = conf.global.newest_block();
        }
    }
    conf
}

#[test]
fn most_specific_then_latest_wins() {
    let conf = conf(&[
        "WSGIDaemonProcess g python-path=/daemon switch-interval=0.5",
        "WSGIRestrictStdin On",
        "WSGIPythonPath /embedded",
        "<WSGIInterpreterOptions process-group=g application-group=a>",
        "WSGIRestrictStdout On",
        "WSGIPythonPath /both",
        "</",
        "<WSGIInterpreterOptions process-group=g>",
        "WSGIRestrictStdin Off",
        "WSGIPythonPath /g",
        "WSGISwitchInterval 0.1",
        "</",
        "<WSGIInterpreterOptions application-group=a>",
        "WSGIRestrictStdout Off",
        "WSGIRestrictSignal Off",
        "WSGIPythonPath /a1:/a2",
        "WSGIPerInterpreterGIL On",
        "WSGISwitchInterval 0.2",
        "</",
    ]);
    let group = conf.global.groups.get("g");
    let a = resolve(&conf.global, group, "a");
    assert!(!a.restrict_stdin && a.restrict_stdout && !a.restrict_signal && a.per_interpreter_gil);
    assert_eq!(a.python_path.concat(), ["/daemon", "/g", "/a1", "/a2", "/both"]);
    let interval = a.switch_interval.unwrap();
    assert_eq!((interval.time.as_millis(), interval.for_application), (200, true));
    let main = resolve(&conf.global, group, "");
    assert_eq!(main.python_path.concat(), ["/daemon", "/g"]);
    assert!(!main.switch_interval.unwrap().for_application);
    let embedded = resolve(&conf.global, None, "b");
    assert!(embedded.restrict_stdin && embedded.restrict_signal && !embedded.per_interpreter_gil);
    assert_eq!(embedded.python_path.concat(), ["/embedded"]);
    assert_eq!(embedded.switch_interval, None);
}

#[test]
fn selectors_name_embedded_mode_and_the_main_interpreter() {
    let conf = conf(&[
        "<WSGIInterpreterOptions \"process-group=%{GLOBAL}\" APPLICATION-GROUP=>",
        "WSGIRestrictStdin On",
        "WSGIPerInterpreterGIL On",
        "</",
    ]);
    let main = resolve(&conf.global, None, "");
    assert!(main.restrict_stdin && !main.per_interpreter_gil);
    assert!(!resolve(&conf.global, None, "x").restrict_stdin);
}

#[test]
fn free_threading_is_chosen_per_process() {
    let mut conf = conf(&[
        "WSGIDaemonProcess g",
        "<WSGIInterpreterOptions process-group=g>",
        "WSGIFreeThreading On",
        "</",
        "<WSGIInterpreterOptions application-group=a>",
    ]);
    let place = Place { in_interpreter_options: conf.global.newest_block(), ..Place::default() };
    let notices = conf.at("WSGIFreeThreading On", place).unwrap();
    assert_eq!(notices[0].number, Some(201));
    assert!(resolve_free_threading(&conf.global, "g"));
    assert!(!resolve_free_threading(&conf.global, ""));
    conf.main("WSGIFreeThreading On").unwrap();
    assert!(resolve_free_threading(&conf.global, ""));
}
