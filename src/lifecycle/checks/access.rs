//! Who may reach which file, asked of the kernel: one child process per identity takes that identity and answers
//! all questions about it, so that ACLs and mounts count and 200 groups cost 200 forks at most.

use super::super::accounts;
use super::super::spec::HttpdUser;
use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use wsgi_directives::DaemonGroup;

/// An identity that processes take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Runner {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
    /// User name, or `#uid`.
    pub name: String,
}

impl Runner {
    /// httpd's own children.
    pub fn httpd(user: &HttpdUser) -> Self {
        Self::new(user.uid, user.gid, None)
    }

    /// The processes of a daemon group.
    pub fn of_group(group: &DaemonGroup, httpd: &HttpdUser) -> Self {
        let options = &group.options;
        let id = |who: &Option<wsgi_directives::Who>, default| who.as_ref().map_or(default, |who| who.id);
        // Only root can change identities (spec/directives.md §7.1).
        let (uid, gid) = match httpd.is_root {
            true => (id(&options.user, httpd.uid), id(&options.group, httpd.gid)),
            false => (httpd.uid, httpd.gid),
        };
        let list = options.supplementary_groups.as_ref();
        Self::new(uid, gid, list.map(|list| list.iter().map(|who| who.id).collect()))
    }

    fn new(uid: u32, gid: u32, supplementary: Option<Vec<u32>>) -> Self {
        let name = accounts::user(uid).map_or_else(|| format!("#{uid}"), |user| user.name);
        let groups = match supplementary {
            Some(mut list) => {
                list.push(gid);
                list
            }
            None => accounts::memberships(&name, gid),
        };
        Self { uid, gid, groups, name }
    }
}

/// What has to be possible with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// It exists and its parents can be searched.
    Reach,
    /// A file that can be read.
    File,
    /// A directory that can be searched.
    Directory,
    /// A file that can be read, or a directory that can be searched.
    Either,
    /// A program that can be executed.
    Program,
}

/// Why it is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The first part of the path that does not exist.
    Missing(PathBuf),
    /// It is no directory.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// Permission is lacking at this part of the path; the flag says whether it is a directory to be searched.
    Denied(PathBuf, bool),
}

type Question<'q> = (&'q Runner, &'q Path, Need);

/// Answers all questions, in order. `None` is "possible, or unknown".
pub fn answer(questions: &[Question<'_>], is_root: bool) -> Vec<Option<Problem>> {
    let mut facts: HashMap<(&Path, Need), Result<bool, Problem>> = HashMap::new();
    let mut by_runner: HashMap<&Runner, Vec<(&Path, Need)>> = HashMap::new();
    for (runner, path, need) in questions {
        let fact = facts.entry((path, *need)).or_insert_with(|| look(path, *need));
        if fact.is_ok() {
            let list = by_runner.entry(runner).or_default();
            list.push((path, *need));
        }
    }
    let mut denied: HashMap<Question<'_>, Problem> = HashMap::new();
    // Another user than root cannot know what httpd's user will be allowed.
    for (runner, mut list) in by_runner.into_iter().filter(|_| is_root) {
        list.sort_unstable_by_key(|(path, need)| (*path, *need as u8));
        list.dedup();
        let is_directory = |path: &Path, need| matches!(facts.get(&(path, need)), Some(Ok(true)));
        let modes: Vec<_> = list.iter().map(|(p, need)| (*p, mode(*need, is_directory(p, *need)))).collect();
        for ((path, need), (_, mode)) in failing(runner, &list, &modes) {
            denied.insert((runner, path, need), culprit(runner, path, mode));
        }
    }
    let one = |(runner, path, need): &Question<'_>| match facts.get(&(*path, *need)) {
        Some(Err(problem)) => Some(problem.clone()),
        _ => denied.get(&(*runner, *path, *need)).cloned(),
    };
    questions.iter().map(one).collect()
}

type Asked<'q> = ((&'q Path, Need), (&'q Path, c_int));

fn failing<'q>(runner: &Runner, list: &[(&'q Path, Need)], modes: &[(&'q Path, c_int)]) -> Vec<Asked<'q>> {
    let errors = ask(runner, modes).unwrap_or_default();
    let all = list.iter().copied().zip(modes.iter().copied());
    all.zip(errors).filter(|(_, error)| *error == libc::EACCES).map(|(asked, _)| asked).collect()
}

/// Existence and type, as the process that tests the configuration sees it; `true` for a directory.
fn look(path: &Path, need: Need) -> Result<bool, Problem> {
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(Problem::Missing(first_missing(path)));
        }
        // Not even root may look (a network file system): the one who runs it may.
        Err(_) => return Ok(need == Need::Directory),
    };
    match need {
        Need::Directory if !facts.is_dir() => Err(Problem::NotDirectory),
        Need::File | Need::Program if facts.is_dir() => Err(Problem::IsDirectory),
        _ => Ok(facts.is_dir()),
    }
}

fn first_missing(path: &Path) -> PathBuf {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    parts.into_iter().find(|part| part.metadata().is_err()).unwrap_or(path).to_owned()
}

fn mode(need: Need, is_directory: bool) -> c_int {
    match need {
        Need::Reach => libc::F_OK,
        Need::Program => libc::X_OK,
        _ if is_directory => libc::X_OK,
        _ => libc::R_OK,
    }
}

/// The part of a path at which permission is lacking: a directory above it, as written or behind its links, or
/// the path itself.
fn culprit(runner: &Runner, path: &Path, mode: c_int) -> Problem {
    let above = |path: &Path| {
        let mut parts: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
        parts.reverse();
        parts
    };
    let mut parts = above(path);
    parts.extend(path.canonicalize().map(|real| above(&real)).unwrap_or_default());
    let questions: Vec<(&Path, c_int)> = parts.iter().map(|part| (part.as_path(), libc::X_OK)).collect();
    let errors = ask(runner, &questions).unwrap_or_default();
    match errors.iter().position(|error| *error != 0).and_then(|index| parts.get(index)) {
        Some(part) => Problem::Denied(part.clone(), true),
        None => Problem::Denied(path.to_owned(), mode == libc::X_OK),
    }
}

/// `access()` for each path, by a child process with the identity; error numbers in order, 0 for success.
/// `None` when there was no such child.
///
/// Only for the single-threaded parent (config test) when it is root.
fn ask(runner: &Runner, questions: &[(&Path, c_int)]) -> Option<Vec<c_int>> {
    let names: Vec<CString> = questions
        .iter()
        .map(|(path, _)| CString::new(path.as_os_str().as_bytes()))
        .collect::<Result<_, _>>()
        .ok()?;
    let size = questions.len() * size_of::<c_int>();
    if size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: a fresh mapping, shared with the child, of one number per question; unmapped before returning. The
    // parent is single-threaded while it reads its configuration; the child only makes system calls, writes to
    // the mapping and leaves with _exit.
    unsafe {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let shared = libc::mmap(ptr::null_mut(), size, access, flags, -1, 0);
        if shared == libc::MAP_FAILED {
            return None;
        }
        let answers = shared.cast::<c_int>();
        let pid = libc::fork();
        if pid == 0 {
            let groups = &runner.groups;
            if libc::setgroups(groups.len(), groups.as_ptr()) != 0
                || libc::setgid(runner.gid) != 0
                || libc::setuid(runner.uid) != 0
            {
                libc::_exit(1);
            }
            for (index, (name, (_, mode))) in names.iter().zip(questions).enumerate() {
                let failed = libc::access(name.as_ptr(), *mode) != 0;
                *answers.add(index) = if failed { *libc::__errno_location() } else { 0 };
            }
            libc::_exit(0);
        }
        let mut status = 1;
        while pid > 0 && libc::waitpid(pid, &mut status, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
        let result = std::slice::from_raw_parts(answers, questions.len()).to_vec();
        libc::munmap(shared, size);
        (pid > 0 && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0).then_some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Runner {
        Runner { uid: 0, gid: 0, groups: vec![0], name: "root".into() }
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_told_without_asking() {
        let runner = root();
        let questions = [
            (&runner, Path::new("/etc/no/such/file"), Need::File),
            (&runner, Path::new("/etc"), Need::File),
            (&runner, Path::new("/etc/passwd"), Need::Directory),
            (&runner, Path::new("/etc/passwd/x"), Need::File),
            (&runner, Path::new("/etc"), Need::Either),
        ];
        let answers = answer(&questions, false);
        let missing = |path: &str| Some(Problem::Missing(path.into()));
        let expected = [
            missing("/etc/no"),
            Some(Problem::IsDirectory),
            Some(Problem::NotDirectory),
            missing("/etc/passwd/x"),
            None,
        ];
        assert_eq!(answers, expected);
    }

    #[test]
    fn needs_become_access_modes() {
        assert_eq!(mode(Need::Either, true), libc::X_OK);
        assert_eq!(mode(Need::Either, false), libc::R_OK);
        assert_eq!(mode(Need::Reach, true), libc::F_OK);
    }
}
