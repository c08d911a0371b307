//! What the config test looks at for daemon groups: interpreter, directories, environment files, sockets.

use super::inquiry::{CheckFindings, FindingWeight, PathInquiry};
use crate::access::AccessNeed;
use crate::identity::ProcessIdentity;
use crate::messages;
use crate::python::{HomeError, PythonInterpreter};
use crate::subjects::CheckSubjects;
use crate::survey::{Survey, SurveyQuestion};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use wsgi_directives::{DaemonGroup, GroupTable, SourceLocation};

/// Bytes a socket path may have (`sun_path` without its NUL).
const LONGEST_SOCKET_PATH: usize = 107;

/// Least that is appended to WSGISocketPrefix: process id, generation and group of one digit each.
const SHORTEST_SUFFIX: &str = ".1.0.1.sock";

/// Asks about all groups and the directory of their sockets.
pub fn inquire(
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
    inquiries: &mut Vec<PathInquiry>,
    findings: &mut CheckFindings,
) {
    let global = subjects.global;
    for group in &global.groups {
        let about = CheckedGroup { group, runner: subjects.runner_of(group) };
        match survey.interpreter(&subjects.looker(group), subjects.home_of(group)) {
            // In a chroot another file is executed, behind other directories.
            Ok(_) if group.options.chroot.is_some() => (),
            Ok(python) => {
                inquiries.push(about.interpreter(&python));
                findings.notices.extend(about.stand_in(&python));
            }
            // The group is tried all the same.
            Err(error @ HomeError::Silent(..)) => findings.warnings.push(about.line(&error.to_string())),
            Err(error) => findings.errors.push(about.cannot_start(&error.to_string())),
        }
        about.directories(subjects, inquiries);
        if subjects.surroundings.httpd.is_root {
            about.environment(survey, findings); // what only root may read is root's to check
        }
    }
    if !global.groups.is_empty() {
        sockets(subjects, survey, inquiries, findings);
        files(subjects.surroundings.open_files, &global.groups, findings);
    }
}

/// Descriptors of a supervisor, without those of its processes.
const OF_SUPERVISOR: u64 = 24;
/// Descriptors that a process and its successor take there.
const OF_PLACE: u64 = 10;
/// Descriptors of a process of an application that opens nothing itself, without its connections.
const OF_PROCESS: u64 = 24;

/// The limits of open files: what is too low for the supervisor keeps processes from starting.
fn files(limits: Option<(u64, u64)>, groups: &GroupTable, findings: &mut CheckFindings) {
    let Some((soft, hard)) = limits else { return };
    let processes: u64 = groups.iter().map(|group| u64::from(group.options.process_count())).sum();
    // A process takes httpd's limits, the supervisor raises its own to the hard one.
    let threads = groups.iter().map(|group| u64::from(group.options.threads)).max().unwrap_or(0);
    let needs = [
        (hard, OF_SUPERVISOR + OF_PLACE * processes, "the supervisor of all daemon processes"),
        (soft, OF_PROCESS + threads, "a daemon process"),
    ];
    let lacking = needs.into_iter().filter(|(limit, need, _)| limit < need);
    findings.warnings.extend(lacking.map(|(limit, need, who)| messages::too_few_files(who, need, limit)));
}

/// The directory of the sockets.
pub fn socket_folder(subjects: &CheckSubjects<'_>) -> Option<PathBuf> {
    Path::new(&subjects.surroundings.socket_prefix).parent().map(Path::to_owned)
}

/// Asks what has to be known before anything else can be asked or started.
pub fn collect(subjects: &CheckSubjects<'_>, survey: &mut Survey<'_>) {
    let global = subjects.global;
    for group in &global.groups {
        if let Some(home) = subjects.home_of(group) {
            survey.add(&subjects.looker(group), SurveyQuestion::Interpreter(home.into()));
        }
        let uid = subjects.runner_of(group).uid;
        for path in &group.options.env_files {
            survey.add(&ProcessIdentity::reader(), SurveyQuestion::Environment(path.into(), uid));
        }
    }
    if let Some(folder) = socket_folder(subjects).filter(|_| !global.groups.is_empty()) {
        survey.add(&ProcessIdentity::reader(), SurveyQuestion::Common(folder));
    }
}

/// A group and the identity of its processes.
struct CheckedGroup<'g> {
    group: &'g DaemonGroup,
    runner: Rc<ProcessIdentity>,
}

impl CheckedGroup<'_> {
    fn cannot_start(&self, reason: &str) -> String {
        messages::group_cannot_start(&self.group.name, reason, &self.group.place.to_string())
    }

    fn line(&self, text: &str) -> String {
        format!("{}: WSGIDaemonProcess {}: {text}.", self.group.place, self.group.name)
    }

    /// Says once which program runs a home that has none.
    fn stand_in(&self, python: &PythonInterpreter) -> Option<String> {
        let program = python.stand_in.as_ref()?;
        Some(self.line(&format!(
            "there is no '{}': '{}', which pyvenv.cfg names, is executed for it; make the virtual environment anew when \
             you can",
            python.path.display(),
            program.display()
        )))
    }

    fn inquiry(&self, option: &str, what: &'static str, path: PathBuf, need: AccessNeed) -> PathInquiry {
        PathInquiry {
            runner: Rc::clone(&self.runner),
            path,
            need,
            subject: format!("WSGIDaemonProcess {}{option}", self.group.name),
            what,
            otherwise: "",
            place: Some(self.group.place.clone()),
            weight: FindingWeight::Warning,
        }
    }

    fn interpreter(&self, python: &PythonInterpreter) -> PathInquiry {
        let inquiry = self.inquiry("", "the interpreter", python.program().to_owned(), AccessNeed::Program);
        PathInquiry { weight: FindingWeight::Group(self.group.name.clone()), ..inquiry }
    }

    fn directories(&self, subjects: &CheckSubjects<'_>, inquiries: &mut Vec<PathInquiry>) {
        let options = &self.group.options;
        // Paths of a chroot are seen from inside it.
        let seen = |path: &str| match &options.chroot {
            Some(root) => Path::new(root).join(path.trim_start_matches('/')),
            None => PathBuf::from(path),
        };
        if let Some(root) = &options.chroot {
            inquiries.push(self.inquiry(" chroot=", "the directory", root.into(), AccessNeed::Directory));
        }
        if let Some(home) = &options.home {
            inquiries.push(self.inquiry(" home=", "the directory", seen(home), AccessNeed::Directory));
        } else if let Some(home) = self.passwd_home(subjects) {
            let inquiry =
                self.inquiry(" user=", "the home directory of the user", home, AccessNeed::Directory);
            inquiries.push(PathInquiry { otherwise: "or set home=", ..inquiry });
        }
        for entry in options.python_path.iter().flatten().filter(|entry| entry.starts_with('/')) {
            inquiries.push(self.inquiry(" python-path=", "the entry", seen(entry), AccessNeed::Either));
        }
    }

    /// Where processes go that have no `home=` and another user than httpd (spec/directives.md §7.1).
    fn passwd_home(&self, subjects: &CheckSubjects<'_>) -> Option<PathBuf> {
        let is_other =
            self.runner.uid != subjects.surroundings.httpd.uid && self.group.options.chroot.is_none();
        let user = is_other.then(|| subjects.surroundings.accounts.user(self.runner.uid)).flatten()?;
        Some(PathBuf::from(OsString::from_vec(user.home)))
    }

    fn environment(&self, survey: &Survey<'_>, findings: &mut CheckFindings) {
        for path in &self.group.options.env_files {
            if let Err(reason) = survey.environment(path, self.runner.uid) {
                findings.errors.push(self.cannot_start(&reason));
            }
        }
    }
}

/// The directory of the sockets, and the length of their paths.
fn sockets(
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
    inquiries: &mut Vec<PathInquiry>,
    findings: &mut CheckFindings,
) {
    let prefix = &subjects.surroundings.socket_prefix;
    let place = subjects.global.places.get("WSGISocketPrefix").cloned();
    if prefix.len() + SHORTEST_SUFFIX.len() > LONGEST_SOCKET_PATH {
        let text = format!(
            "WSGISocketPrefix {prefix}: socket paths made from it would be longer than the {LONGEST_SOCKET_PATH} \
             bytes that the system takes; set WSGISocketPrefix to a shorter path"
        );
        findings.errors.push(with_place(place.as_ref(), &text));
    }
    let Some(folder) = socket_folder(subjects) else { return };
    if survey.is_common(&folder) {
        let text = format!(
            "WSGISocketPrefix {prefix}: every user may write to '{}' and could get in the way of the sockets; choose \
             a directory of root's",
            folder.display()
        );
        findings.warnings.push(with_place(place.as_ref(), &text));
    }
    inquiries.push(PathInquiry {
        runner: Rc::clone(&subjects.embedded),
        path: folder,
        need: AccessNeed::Directory,
        subject: format!("WSGISocketPrefix {prefix}"),
        what: "the directory of the sockets",
        otherwise: "",
        place,
        weight: FindingWeight::Warning,
    });
}

fn with_place(place: Option<&SourceLocation>, text: &str) -> String {
    place.map_or_else(|| format!("{text}."), |place| format!("{place}: {text}."))
}
