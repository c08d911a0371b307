//! The steps between fork and exec, how a child reports one that failed, and what the log says about it.

use crate::log_line::LogLine;
use nix::errno::Errno;
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::events::{self, LogEvent};

/// A step of a starting daemon (spec/daemon.md §1.4). The numbers are the report's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StartStep {
    /// setsid.
    Session = 1,
    /// Laying out the descriptors.
    Descriptors = 2,
    /// Nice value.
    Priority = 3,
    /// chroot and chdir to its root.
    Chroot = 4,
    /// setgid.
    SetGroup = 5,
    /// setgroups.
    SetGroups = 6,
    /// initgroups.
    InitGroups = 7,
    /// setuid.
    SetUser = 8,
    /// chdir to `home=`.
    Home = 9,
    /// chdir to the user's home directory.
    PasswdHome = 10,
    /// There is no such directory to change to.
    NoPasswdHome = 11,
    /// Core dumps.
    CoreDumps = 12,
    /// RLIMIT_CPU.
    LimitCpu = 13,
    /// RLIMIT_DATA.
    LimitData = 14,
    /// RLIMIT_AS.
    LimitAddressSpace = 15,
    /// PR_SET_NO_NEW_PRIVS.
    NoNewPrivileges = 16,
    /// PR_SET_PDEATHSIG.
    ParentDeath = 17,
    /// The host library cannot be read as the process sees it.
    HostLibrary = 18,
    /// execve.
    Exec = 19,
    /// A session keyring of its own.
    Keyring = 20,
    /// The protection from the kernel's choice when memory runs out.
    OomScore = 21,
    /// RLIMIT_NPROC.
    LimitTasks = 22,
}

const ALL: [StartStep; 22] = [
    StartStep::Session,
    StartStep::Descriptors,
    StartStep::Priority,
    StartStep::Chroot,
    StartStep::SetGroup,
    StartStep::SetGroups,
    StartStep::InitGroups,
    StartStep::SetUser,
    StartStep::Home,
    StartStep::PasswdHome,
    StartStep::NoPasswdHome,
    StartStep::CoreDumps,
    StartStep::LimitCpu,
    StartStep::LimitData,
    StartStep::LimitAddressSpace,
    StartStep::NoNewPrivileges,
    StartStep::ParentDeath,
    StartStep::HostLibrary,
    StartStep::Exec,
    StartStep::Keyring,
    StartStep::OomScore,
    StartStep::LimitTasks,
];

/// A step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepFailure {
    /// Which one.
    pub step: StartStep,
    /// Why.
    pub errno: Errno,
}

/// Bytes of a report on the pipe from a starting child, before the advice.
pub const REPORT_BYTES: usize = 7;
/// Most bytes of advice, so that a report is written in one piece.
pub const ADVICE_BYTES: usize = 1024;

impl StepFailure {
    /// The report's bytes, with what the child has found out about the cause.
    #[must_use]
    pub fn to_bytes(self, advice: &str) -> Vec<u8> {
        let advice = &advice.as_bytes()[..advice.len().min(ADVICE_BYTES)];
        let length = u16::try_from(advice.len()).unwrap_or(0).to_le_bytes();
        [&[self.step as u8], &(self.errno as i32).to_le_bytes()[..], &length, advice].concat()
    }

    /// Reads a report, and how many bytes of advice follow.
    #[must_use]
    pub fn from_bytes(bytes: [u8; REPORT_BYTES]) -> Option<(Self, usize)> {
        let [step, a, b, c, d, low, high] = bytes;
        let step = ALL.into_iter().find(|known| *known as u8 == step)?;
        let failure = Self { step, errno: Errno::from_raw(i32::from_le_bytes([a, b, c, d])) };
        Some((failure, usize::from(u16::from_le_bytes([low, high])).min(ADVICE_BYTES)))
    }

    /// Whether the child goes on without the step.
    #[must_use]
    pub fn is_soft(self) -> bool {
        use StartStep::{CoreDumps, LimitAddressSpace, LimitCpu, LimitData, LimitTasks, OomScore, Priority};
        let limits = matches!(self.step, LimitAddressSpace | LimitCpu | LimitData | LimitTasks);
        limits || matches!(self.step, CoreDumps | OomScore | Priority)
    }

    /// The row of the error map that it is.
    #[must_use]
    pub fn event(self) -> &'static LogEvent {
        match self.step {
            StartStep::Priority => &events::PRIORITY,
            StartStep::Chroot => &events::CHROOT,
            StartStep::SetGroup => &events::SET_GROUP,
            StartStep::SetGroups => &events::SET_GROUPS,
            StartStep::InitGroups => &events::INIT_GROUPS,
            StartStep::SetUser => &events::SET_USER,
            StartStep::Home => &events::HOME,
            StartStep::PasswdHome => &events::PASSWD_HOME,
            StartStep::NoPasswdHome => &events::NO_PASSWD_HOME,
            StartStep::CoreDumps => &events::CORE_DUMPS,
            StartStep::LimitCpu => &events::LIMIT_CPU,
            StartStep::LimitData => &events::LIMIT_DATA,
            StartStep::LimitAddressSpace => &events::LIMIT_ADDRESS_SPACE,
            StartStep::HostLibrary => &events::NO_HOST_LIBRARY,
            StartStep::Exec => &events::NO_PYTHON_PROGRAM,
            StartStep::Session
            | StartStep::Descriptors
            | StartStep::NoNewPrivileges
            | StartStep::ParentDeath
            | StartStep::Keyring => &events::SET_UP,
            StartStep::OomScore => &events::OOM_SCORE,
            StartStep::LimitTasks => &events::LIMIT_TASKS,
        }
    }

    /// The whole line: group, user, what was attempted with which path, the error, the way out.
    #[must_use]
    pub fn describe(self, spec: &GroupSpec, host_library: &[u8], fix: Option<String>) -> LogLine {
        let group = String::from_utf8_lossy(&spec.name);
        let identity = &spec.identity;
        let user = match String::from_utf8_lossy(&identity.user) {
            name if name.is_empty() => format!("uid {}", identity.uid),
            name => format!("user '{name}'"),
        };
        let attempt = self.attempt(spec, host_library);
        let jail = match &identity.chroot {
            Some(root) if self.is_inside_jail() => {
                format!(" inside of chroot={}", String::from_utf8_lossy(root))
            }
            _ => String::new(),
        };
        let fix = fix.or_else(|| self.fix_in_jail(spec, host_library));
        let fix = fix.or_else(|| self.usual_fix().map(str::to_owned));
        let fix = fix.map(|fix| format!("; {fix}")).unwrap_or_default();
        let (errno, text) = (self.errno as i32, self.errno.desc());
        let words = format!(
            "daemon process group '{group}' ({user}): cannot {attempt}{jail}: {text} (error {errno}){fix}"
        );
        LogLine::of(self.event(), words)
    }

    /// Whether it looks at files of the jail, which look like those of the system.
    fn is_inside_jail(self) -> bool {
        matches!(
            self.step,
            StartStep::Home | StartStep::PasswdHome | StartStep::HostLibrary | StartStep::Exec
        )
    }

    /// What has to be put into the jail, and where.
    fn fix_in_jail(self, spec: &GroupSpec, host_library: &[u8]) -> Option<String> {
        let root = String::from_utf8_lossy(spec.identity.chroot.as_deref()?);
        let root = root.trim_end_matches('/');
        match (self.step, self.errno) {
            (StartStep::HostLibrary, Errno::ENOENT) => Some(format!(
                "provide it as '{root}{}', which this user can read",
                String::from_utf8_lossy(host_library)
            )),
            (StartStep::Exec, Errno::ENOENT) => Some(format!(
                "provide '{root}{}' with the program loader, the libraries and the standard library that it needs",
                String::from_utf8_lossy(&spec.interpreter)
            )),
            _ => None,
        }
    }

    fn attempt(self, spec: &GroupSpec, host_library: &[u8]) -> String {
        let path = |path: &Option<Vec<u8>>| {
            String::from_utf8_lossy(path.as_deref().unwrap_or_default()).into_owned()
        };
        let (identity, limits) = (&spec.identity, &spec.limits);
        match self.step {
            StartStep::Session => "start a session".to_owned(),
            StartStep::Descriptors => "lay out the descriptors".to_owned(),
            StartStep::Priority => format!("set cpu-priority={}", identity.cpu_priority),
            StartStep::Chroot => format!("chroot to '{}'", path(&identity.chroot)),
            StartStep::SetGroup => format!("set the group id {}", identity.gid),
            StartStep::SetGroups => "set supplementary-groups".to_owned(),
            StartStep::InitGroups => "take the groups of the user".to_owned(),
            StartStep::SetUser => format!("set the user id {}", identity.uid),
            StartStep::Home => format!("change to home '{}'", path(&identity.home)),
            StartStep::PasswdHome => {
                format!("change to the user's home directory '{}'", path(&identity.passwd_home))
            }
            StartStep::NoPasswdHome => {
                "change to the user's home directory, there is no passwd entry".to_owned()
            }
            StartStep::CoreDumps => "set up core dumps".to_owned(),
            StartStep::LimitCpu => format!("set cpu-time-limit={}", limits.cpu_seconds),
            StartStep::LimitData => format!("set memory-limit={}", limits.data),
            StartStep::LimitAddressSpace => format!("set virtual-memory-limit={}", limits.address_space),
            StartStep::LimitTasks => format!("set tasks-max={}", limits.tasks),
            StartStep::NoNewPrivileges => "give up the right to gain privileges".to_owned(),
            StartStep::ParentDeath => "tie the process to the supervisor".to_owned(),
            StartStep::Keyring => "get a session keyring of its own".to_owned(),
            StartStep::OomScore => {
                "give up httpd's protection from the OOM killer (oom_score_adj)".to_owned()
            }
            StartStep::HostLibrary => {
                format!("read the host library '{}'", String::from_utf8_lossy(host_library))
            }
            StartStep::Exec => {
                format!("execute the interpreter '{}'", String::from_utf8_lossy(&spec.interpreter))
            }
        }
    }

    fn usual_fix(self) -> Option<&'static str> {
        match (self.step, self.errno) {
            (StartStep::Home | StartStep::PasswdHome | StartStep::NoPasswdHome, _) => {
                Some("set home= to a directory that this user may enter")
            }
            (StartStep::Chroot, _) => Some("correct chroot="),
            (StartStep::SetUser | StartStep::InitGroups | StartStep::SetGroup | StartStep::SetGroups, _) => {
                Some(
                    "correct user=, group= or supplementary-groups=, or the limits on processes of that user",
                )
            }
            (StartStep::HostLibrary, Errno::ENOENT) => {
                Some("install the folder mod_wsgi beside the module again, or set WSGISupportDirectory")
            }
            (StartStep::HostLibrary, _) => Some(
                "grant read permission on it, and search permission on the directories above it, to this user",
            ),
            (StartStep::Exec, Errno::ENOENT) => {
                Some("correct python-home or WSGIPythonHome, or install that Python")
            }
            (StartStep::Exec, Errno::EACCES) => Some("grant execute permission on it to this user"),
            (StartStep::Exec, Errno::ENOEXEC) => Some("it is no program for this machine"),
            (StartStep::Exec, Errno::ENOMEM) => Some("raise memory-limit or virtual-memory-limit"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::control::DaemonIdentity;

    #[test]
    fn reports_round_trip() {
        for (index, step) in ALL.into_iter().enumerate() {
            assert_eq!(step as usize, index + 1);
            let failure = StepFailure { step, errno: Errno::EACCES };
            let bytes = failure.to_bytes("ab");
            assert_eq!(StepFailure::from_bytes(*bytes.first_chunk().unwrap()), Some((failure, 2)));
            assert_eq!(bytes.len(), REPORT_BYTES + 2);
        }
        assert_eq!(StepFailure::from_bytes([0; REPORT_BYTES]), None);
        let long = StepFailure { step: StartStep::Exec, errno: Errno::EACCES }.to_bytes(&"x".repeat(5000));
        assert_eq!(long.len(), REPORT_BYTES + ADVICE_BYTES);
    }

    #[test]
    fn line_names_group_user_path_and_fix() {
        let identity = DaemonIdentity {
            user: b"joe".to_vec(),
            home: Some(b"/srv/x".to_vec()),
            ..DaemonIdentity::default()
        };
        let spec = GroupSpec {
            name: b"shop".to_vec(),
            identity,
            interpreter: b"/v/bin/python3".to_vec(),
            ..GroupSpec::default()
        };
        let home = StepFailure { step: StartStep::Home, errno: Errno::EACCES };
        assert_eq!(
            home.describe(&spec, b"", None).text(),
            "WSGI0009: daemon process group 'shop' (user 'joe'): cannot change to home '/srv/x': \
             Permission denied (error 13); set home= to a directory that this user may enter"
        );
        let exec = StepFailure { step: StartStep::Exec, errno: Errno::EACCES };
        let line = exec.describe(&spec, b"", Some("grant execute permission on '/v'".to_owned())).text();
        assert!(
            line.contains("'/v/bin/python3'") && line.ends_with("; grant execute permission on '/v'"),
            "{line}"
        );
    }

    #[test]
    fn line_about_a_jail_names_what_is_missing_where() {
        let identity =
            DaemonIdentity { uid: 7, chroot: Some(b"/jail/".to_vec()), ..DaemonIdentity::default() };
        let spec = GroupSpec { name: b"shop".to_vec(), identity, ..GroupSpec::default() };
        let failure = StepFailure { step: StartStep::HostLibrary, errno: Errno::ENOENT };
        assert_eq!(
            failure.describe(&spec, b"/lib/host.so", None).text(),
            "WSGI0314: daemon process group 'shop' (uid 7): cannot read the host library '/lib/host.so' inside of \
             chroot=/jail/: No such file or directory (error 2); provide it as '/jail/lib/host.so', which this user \
             can read"
        );
    }
}
