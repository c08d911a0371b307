//! `--reload-on-changes`: the files of the application are watched, and its processes are replaced when one changes.

use crate::machine::module::InstalledModule;
use crate::plan::ServerPlan;
use crate::problem::ExpressError;
use crate::running::{self, RunningServer};
use crate::{output, paths, readiness};
use clap::ArgMatches;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The list of folders to watch, below the server root.
pub const LIST: &str = "watched";

/// Most folders that are watched; the kernel has a limit of its own.
const MOST: usize = 8000;

/// A save is over when nothing has happened for this long.
const QUIET: u16 = 150;

/// How often it is looked whether the server still runs.
const LOOK: u16 = 1000;

/// Endings of files that make an application what it is.
const ENDINGS: [&str; 18] = [
    "py", "pyx", "so", "wsgi", "ini", "cfg", "toml", "json", "yaml", "yml", "html", "htm", "xml", "txt",
    "jinja", "jinja2", "j2", "mako",
];

/// Folders that hold no part of an application, wherever they are.
const OTHERS: [&str; 3] = ["__pycache__", "node_modules", "site-packages"];

/// What is watched for an application, one folder a line.
pub fn list(plan: &ServerPlan) -> String {
    let mut folders = BTreeSet::from([plan.working_directory()]);
    folders.extend(plan.values.list("python-path").iter().map(|folder| paths::absolute_text(folder)));
    if let Some(folder) =
        Path::new(&plan.entry.target).parent().filter(|_| plan.entry.target.starts_with('/'))
    {
        folders.insert(paths::text(folder));
    }
    folders.into_iter().map(|folder| folder + "\n").collect()
}

/// Watches until the server ends.
///
/// # Errors
/// When the kernel watches nothing, or no server comes up.
pub fn run(matches: &ArgMatches) -> Result<u8, ExpressError> {
    let Some(root) = matches.get_one::<String>("server-root") else {
        return Err(ExpressError::Usage("--server-root is needed".to_owned()));
    };
    let root = paths::absolute(root);
    let failed = |errno: Errno| ExpressError::Machine(format!("inotify: {}", errno.desc()));
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(failed)?;
    let mut watcher = FileWatcher { inotify, root, folders: BTreeMap::new(), files: BTreeSet::new() };
    watcher.add_all();
    let deadline = Instant::now() + Duration::from_secs(20);
    while RunningServer::of(&watcher.root).is_err() {
        if Instant::now() > deadline {
            return Ok(0);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    while let Ok(running) = RunningServer::of(&watcher.root) {
        if let Some(file) = watcher.change(LOOK) {
            while watcher.change(QUIET).is_some() {}
            watcher.replace(&running, &file);
            watcher.add_all();
        }
        watcher.add_named();
    }
    Ok(0)
}

struct FileWatcher {
    inotify: Inotify,
    root: PathBuf,
    folders: BTreeMap<WatchDescriptor, PathBuf>,
    /// Files that modules were imported from, or that `track_changes()` has named.
    files: BTreeSet<PathBuf>,
}

impl FileWatcher {
    /// The folders of the list, with what is below them, and those of imported modules.
    fn add_all(&mut self) {
        let listed = fs::read_to_string(self.root.join(LIST)).unwrap_or_default();
        for folder in listed.lines().map(PathBuf::from) {
            self.add_tree(&folder);
        }
        self.add_named();
    }

    /// What processes have named.
    fn add_named(&mut self) {
        let states = fs::read_dir(self.root.join("state")).into_iter().flatten().flatten();
        for state in states.filter(|entry| entry.file_name().to_string_lossy().starts_with("loaded-")) {
            let text = readiness::read(&state.path());
            let folders: BTreeSet<&Path> = text.lines().filter_map(|file| Path::new(file).parent()).collect();
            folders.into_iter().for_each(|folder| self.add(folder));
            self.files.extend(text.lines().map(PathBuf::from));
        }
    }

    fn add(&mut self, folder: &Path) {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        // A folder that is gone or closed is not watched; the kernel gives a known one its old number.
        if self.folders.len() < MOST
            && let Ok(watch) = self.inotify.add_watch(folder, flags)
        {
            self.folders.insert(watch, folder.to_owned());
        }
    }

    fn add_tree(&mut self, folder: &Path) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let is_other = OTHERS.contains(&&*name) || folder == self.root || folder.join("pyvenv.cfg").exists();
        if is_other || self.folders.len() >= MOST {
            return;
        }
        self.add(folder);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add_tree(&entry.path());
            }
        }
    }

    /// Waits for a change of a file that matters; its path.
    fn change(&mut self, milliseconds: u16) -> Option<PathBuf> {
        let mut ready = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(milliseconds)).unwrap_or(0) == 0 {
            return None;
        }
        let mut found = None;
        for event in self.inotify.read_events().unwrap_or_default() {
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd).cloned(), event.name) else {
                continue;
            };
            let path = folder.join(&name);
            if event.mask.contains(AddWatchFlags::IN_ISDIR) {
                if event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) {
                    self.add_tree(&path);
                }
            } else if !event.mask.contains(AddWatchFlags::IN_CREATE)
                && (matters(&name.to_string_lossy()) || self.files.contains(&path))
            {
                found = Some(path);
            }
        }
        found
    }

    /// The processes are replaced one by one, as after `mod_wsgi-ctl restart`: the old ones stay if the new code fails.
    fn replace(&self, running: &RunningServer, file: &Path) {
        let state = self.root.join("state");
        let failures = || {
            let entries = fs::read_dir(&state).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("failed-"))
                .map(|entry| entry.path())
        };
        failures().for_each(|path| drop(fs::remove_file(path)));
        let text = fs::read_to_string(self.root.join("httpd.conf")).unwrap_or_default();
        let Some(group) = running::value(&text, "WSGIDaemonProcess") else { return };
        let Ok(module) = InstalledModule::find(None) else { return };
        let socket = running.control_socket();
        let ended = Command::new(module.program("mod_wsgi-ctl"))
            .args(["--socket", &socket, "restart", &group])
            .output();
        let say = |text: &str| {
            let file = readiness::harmless(&file.display().to_string());
            output::tell(format_args!("{file} has changed; {text}"));
        };
        match ended {
            Ok(ended) if ended.status.success() => say("the application was loaded again"),
            Ok(ended) => {
                say("the new code was not taken, the old code serves on:");
                match failures().next() {
                    Some(path) => output::tell_plainly(readiness::read(&path)),
                    None => output::tell_plainly(String::from_utf8_lossy(&ended.stderr)),
                }
            }
            Err(error) => say(&format!("mod_wsgi-ctl cannot be run: {error}")),
        }
    }
}

/// Whether a file of this name is part of an application, and not an editor's copy.
fn matters(name: &str) -> bool {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    !stem.is_empty() && !name.starts_with(['.', '#']) && ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_matter() {
        for name in ["views.py", "index.html", "settings.toml", "a.b.py"] {
            assert!(matters(name), "{name}");
        }
        for name in
            ["views.pyc", ".views.py.swp", ".views.py", "views.py~", "#views.py#", "4913", "db.sqlite3", "py"]
        {
            assert!(!matters(name), "{name}");
        }
    }
}
