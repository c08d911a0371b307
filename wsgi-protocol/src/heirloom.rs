//! What a process leaves to its successor, and what the successor says of it: the contents of the file behind
//! [`crate::launch::HEIRLOOM_FD`], which only processes of one user's group read and write.

use crate::launch::PreloadScript;
use serde::{Deserialize, Serialize};

/// See the module's comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Heirloom {
    /// Which one of its process this is; [`Heirloom::failures`] of another one are none of its business.
    pub number: u32,
    /// What to load before serving, in this order.
    pub scripts: Vec<HeirScript>,
    /// The process that leaves it tells in the right log why a script cannot be loaded: its successor does not.
    pub quiet: bool,
    /// Left by a successor that could not load them all. The last one may be what it is just loading: so it reads to
    /// whoever finds that the successor does not come back from there.
    pub failures: Vec<LoadFailure>,
}

/// A script of an heirloom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HeirScript {
    /// The script and its application group.
    pub script: PreloadScript,
    /// When it was loaded, µs since the epoch.
    pub loaded: i64,
    /// The callables that requests have used.
    pub callables: Vec<Vec<u8>>,
    /// What its file or what it imports holds now has failed before.
    pub broken: Option<BrokenChange>,
}

/// A change that failed: only another one is worth another try. The script holds nobody up, unless what it imports has
/// changed as well, so that the code from before does not work any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct BrokenChange {
    /// The code from before the change, if it is known: it goes on serving.
    pub source: Option<Vec<u8>>,
    /// What failed.
    pub tried: TriedVersions,
}

/// Instead of a time: the file was written while it was being tried, so that nobody knows what was.
pub const WRITTEN_MEANWHILE: i64 = -1;

/// The versions of files that failed together; modification times in µs since the epoch, 0 for one that is missing, or
/// [`WRITTEN_MEANWHILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TriedVersions {
    /// Of the script.
    pub mtime: i64,
    /// Files that stood in the traceback.
    pub files: Vec<(Vec<u8>, i64)>,
}

impl TriedVersions {
    /// Whether another failure tells nothing new.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut pairs = self.files.iter().zip(&other.files);
        self.mtime == other.mtime
            && self.files.len() == other.files.len()
            && pairs.all(|((file, mtime), (other_file, other_mtime))| {
                file == other_file && (mtime == other_mtime || *other_mtime == WRITTEN_MEANWHILE)
            })
    }
}

/// A script that a successor could not load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LoadFailure {
    /// The script and its application group.
    pub script: PreloadScript,
    /// What was tried.
    pub tried: TriedVersions,
    /// Why, as lines for a log; empty if they have been logged.
    pub lines: Vec<String>,
}
