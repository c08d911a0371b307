//! Who is asked what, and what a silent file system costs.

use super::fake::FakeDelegates;
use super::site::FakeSite;
use crate::access::AccessNeed;
use crate::identity::ProcessIdentity;
use crate::python::HomeError;
use crate::survey::{DelegateOutcome, Survey, SurveyAnswer, SurveyQuestion};
use std::path::Path;

fn access(path: &str) -> SurveyQuestion {
    SurveyQuestion::Access(path.into(), AccessNeed::File)
}

#[test]
fn what_lies_beside_a_silent_home_is_not_asked_again() {
    let home = SurveyQuestion::Interpreter("/home/a/venv".into());
    let told = vec![(home.clone(), DelegateOutcome::Silent)];
    let delegates = FakeDelegates { told, ..FakeDelegates::default() };
    let reader = ProcessIdentity::reader();
    let mut survey = Survey::new(true, &delegates);
    survey.add(&reader, home);
    survey.run();
    assert_eq!(
        survey.interpreter(&reader, Some("/home/a/venv")),
        Err(HomeError::Silent("/home/a/venv".into(), 2)),
        "clients wait for the end of a restart"
    );
    delegates.asked.borrow_mut().clear();
    survey.add(&reader, access("/home/a/site/app.wsgi"));
    survey.add(&reader, access("/etc/passwd"));
    survey.add(&reader, SurveyQuestion::Interpreter("/home/a/other".into()));
    survey.run();
    let asked: Vec<_> = delegates.asked.borrow().iter().map(|(_, question)| question.clone()).collect();
    assert_eq!(asked, [SurveyQuestion::Interpreter("/home/a/other".into()), access("/etc/passwd")]);
    assert_eq!(
        survey.problem(&reader, Path::new("/home/a/site/app.wsgi"), AccessNeed::File),
        None,
        "unknown"
    );
}

#[test]
fn each_user_looks_for_himself() {
    let lines = [
        "WSGIRestrictEmbedded On",
        "WSGIDaemonProcess a python-home=@/venv user=joe env-file=@/env",
        "WSGIDaemonProcess b python-home=@/venv",
        "WSGIDaemonProcess c python-home=@/venv chroot=@/jail user=joe",
    ];
    let mut site = FakeSite::of(&lines);
    site.with(false, |_| ());
    let venv = SurveyQuestion::Interpreter(site.path("venv"));
    let asked = site.delegates.asked.borrow();
    let who = |about: &SurveyQuestion| {
        let mut ids: Vec<u32> =
            asked.iter().filter(|(_, question)| question == about).map(|(who, _)| who.uid).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(who(&venv), [0, 33, 1000], "a chroot is prepared from outside");
    assert_eq!(who(&SurveyQuestion::Environment(site.path("env"), 1000)), [0]);
    let joe = asked.iter().find(|(who, _)| who.uid == 1000).map(|(who, _)| who.clone()).unwrap();
    let expected = ProcessIdentity { uid: 1000, gid: 33, groups: vec![33, 50], name: "joe".into() };
    assert_eq!(joe, expected);
}

#[test]
fn identities() {
    let identity = |options: &str, is_root: bool| {
        let mut site = FakeSite::of(&["WSGIRestrictEmbedded On", &format!("WSGIDaemonProcess a {options}")]);
        site.surroundings.httpd.is_root = is_root;
        site.with(false, |facts| {
            let group = facts.subjects.global.groups.iter().next().unwrap();
            let ProcessIdentity { uid, gid, groups, name } = (*facts.subjects.looker(group)).clone();
            (uid, gid, groups, name)
        })
    };
    let www = || "www-data".to_owned();
    assert_eq!(identity("threads=1", true), (33, 33, vec![33], www()));
    assert_eq!(identity("user=joe group=joe", true), (1000, 1000, vec![1000, 50], "joe".to_owned()));
    assert_eq!(identity("user=joe", false), (33, 33, vec![33], www()), "only root can change identities");
    assert_eq!(identity("group=joe supplementary-groups=root", true), (33, 1000, vec![0, 1000], www()));
    assert!(ProcessIdentity::reader().is_reader());
}

#[test]
fn unknown_is_no_obstacle() {
    let delegates = FakeDelegates::default();
    let (survey, reader) = (Survey::new(false, &delegates), ProcessIdentity::reader());
    assert_eq!(survey.problem(&reader, Path::new("/x"), AccessNeed::File), None);
    assert_eq!(survey.exposure(Path::new("/x"), 0), None);
    assert!(!survey.is_common(Path::new("/x")));
    assert_eq!(survey.library(&reader, Some("/x")), Err(HomeError::Silent("/x".into(), 5)));
    assert!(survey.environment("/x", 0).is_err());
}

#[test]
fn groups_of_people_are_shared() {
    let site = FakeSite::new();
    let own = site.surroundings.own_uid;
    let path = site.file("d/file", "");
    site.mode(&path, 0o660);
    let look = |path: &Path| SurveyQuestion::Exposure(path.into(), own).look(&super::fake::FakeAccounts, own);
    for (gid, is_open) in [(0, false), (50, true), (51, false), (1000, true)] {
        if own != 0 {
            return; // only root can give files away
        }
        std::os::unix::fs::chown(&path, None, Some(gid)).unwrap();
        assert_eq!(look(&path), SurveyAnswer::Exposure(is_open.then(|| path.clone())), "{gid}");
    }
}
