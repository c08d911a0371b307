//! A machine for unit tests: a temporary folder, and a configuration of a few lines.

use super::fake::{FakeAccounts, FakeDelegates, PEOPLE, name_of};
use crate::checks::{CheckFindings, examine};
use crate::generation::{GenerationFacts, MpmFacts};
use crate::spec::{GroupPlan, plan_group};
use crate::subjects::{CheckSubjects, CheckedServer};
use crate::surroundings::{HttpdUser, Surroundings};
use crate::survey::{DelegateOutcome, SurveyAnswer, SurveyQuestion};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wsgi_directives::{
    DirectivePlace, GlobalConfig, LineScope, NeighbourDirectives, ServerConfig, ServerView, SystemFacts,
    UriRegex, VhostId,
};
use wsgi_protocol::control::LogTarget;
use wsgi_protocol::launch::HttpdFacts;

fn id_of(name: &str) -> Option<u32> {
    PEOPLE.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

/// What directives ask.
struct FakeMachine;

impl SystemFacts for FakeMachine {
    fn uid_of_name(&self, name: &str) -> Option<u32> {
        id_of(name)
    }
    fn gid_of_name(&self, name: &str) -> Option<u32> {
        id_of(name)
    }
    fn name_of_uid(&self, uid: u32) -> Option<String> {
        name_of(uid)
    }
    fn name_of_gid(&self, gid: u32) -> Option<String> {
        name_of(gid)
    }
    fn is_root(&self) -> bool {
        true
    }
    fn ngroups_max(&self) -> usize {
        4
    }
    fn compile_regex(&self, _: &str) -> Option<Arc<dyn UriRegex>> {
        None
    }
    fn server_root_relative(&self, path: &str) -> Option<String> {
        Some(path.to_owned())
    }
    fn neighbours(&self) -> NeighbourDirectives {
        NeighbourDirectives::default()
    }
    fn server_name_of(&self, _: VhostId) -> Option<String> {
        None
    }
}

/// A folder, and what httpd was told about it.
pub(crate) struct FakeSite {
    pub folder: PathBuf,
    pub global: GlobalConfig,
    pub server: ServerConfig,
    pub surroundings: Surroundings,
    pub delegates: FakeDelegates,
    line: u32,
}

static SITES: AtomicU32 = AtomicU32::new(0);

impl FakeSite {
    /// An empty folder, httpd as root with children of www-data, and no line yet.
    pub fn new() -> Self {
        let number = SITES.fetch_add(1, Relaxed);
        let folder = std::env::temp_dir().join(format!("wsgi-plan-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("run")).unwrap();
        // Links of the system's own would stand in the sentences.
        let folder = folder.canonicalize().unwrap();
        let surroundings = Surroundings {
            accounts: &FakeAccounts,
            httpd: HttpdUser { uid: 33, gid: 33, name: "www-data".to_owned(), is_root: true },
            own_uid: nix::unistd::geteuid().as_raw(),
            pid: 4711,
            environment: Vec::new(),
            open_files: Some((1024, 4096)),
            socket_prefix: folder.join("run/wsgi").display().to_string(),
            module: None,
            support: None,
        };
        let delegates = FakeDelegates { own: surroundings.own_uid, ..FakeDelegates::default() };
        let (global, server) = (GlobalConfig::default(), ServerConfig::default());
        Self { folder, global, server, surroundings, delegates, line: 0 }
    }

    /// The same, with lines of configuration; `@` stands for the folder.
    pub fn of(lines: &[&str]) -> Self {
        let mut site = Self::new();
        lines.iter().for_each(|line| site.line(line));
        site
    }

    /// One line at main server level.
    pub fn line(&mut self, line: &str) {
        self.line += 1;
        let line = line.replace('@', &self.folder.display().to_string());
        let (name, args) = line.split_once(' ').unwrap_or((&line, ""));
        let id = wsgi_directives::find(name).unwrap();
        let place = DirectivePlace { file: "a.conf", line: self.line, ..Default::default() };
        let scope = LineScope { global: Some(&mut self.global), server: Some(&mut self.server), dir: None };
        wsgi_directives::apply(id, args, &place, scope, &FakeMachine)
            .unwrap_or_else(|e| panic!("{line}: {e}"));
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, with the folders above it.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A program.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.file(name, "");
        self.mode(&path, 0o755);
        path
    }

    /// Changes who may do what.
    pub fn mode(&self, path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Says what delegates answer.
    pub fn tell(&mut self, question: SurveyQuestion, outcome: DelegateOutcome<SurveyAnswer>) {
        self.delegates.told.push((question, outcome));
    }

    /// Runs `f` with everything that has been looked at.
    pub fn with<T>(&mut self, is_restart: bool, f: impl FnOnce(&GenerationFacts<'_>) -> T) -> T {
        let server = ServerView { host: None, name: None, config: &self.server };
        self.global.finish(&[server], &FakeMachine);
        let servers = vec![CheckedServer { host: None, name: None, config: &self.server }];
        let subjects = CheckSubjects::new(&self.global, servers, &self.surroundings);
        let survey = subjects.survey(is_restart, &self.delegates);
        f(&GenerationFacts {
            subjects: &subjects,
            survey: &survey,
            facts: HttpdFacts::default(),
            mpm: MpmFacts { threads: 25, processes: 4 },
            generation: 2,
            log_level: 6,
            core_dumps: false,
        })
    }

    /// What a start says, or a test.
    pub fn findings(&mut self, is_test: bool) -> CheckFindings {
        let server = ServerView { host: None, name: None, config: &self.server };
        self.global.finish(&[server], &FakeMachine);
        let servers = vec![CheckedServer { host: None, name: None, config: &self.server }];
        let subjects = CheckSubjects::new(&self.global, servers, &self.surroundings);
        let mut survey = subjects.survey(false, &self.delegates);
        examine(&subjects, &mut survey, is_test)
    }

    /// The plan of the first group.
    pub fn plan(&mut self) -> GroupPlan {
        let log = LogTarget { index: 0, level: 6, server: None };
        self.with(false, |facts| {
            let group = facts.subjects.global.groups.iter().next().unwrap();
            plan_group(facts, group, 0, 0, log)
        })
    }

    /// A text with `@` for the folder.
    pub fn short(&self, text: &str) -> String {
        text.replace(&self.folder.display().to_string(), "@")
    }
}

impl Drop for FakeSite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
