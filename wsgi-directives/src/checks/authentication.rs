//! Authentication scripts, and httpd's directives that have them asked: one without the other lets in too many, or nobody.

use super::groups::UNLESS;
use crate::config::{GlobalConfig, ScriptUse};
use crate::place::{Notice, SystemFacts};

impl GlobalConfig {
    /// Scripts that nobody asks, and what asks for a script that is not there. Over the whole configuration: which of them
    /// meet in one directory only a request tells.
    pub(super) fn check_authentication(&self, system: &dyn SystemFacts, notices: &mut Vec<Notice>) {
        let neighbours = system.neighbours();
        let unless = if neighbours.overrides { UNLESS } else { "" };
        let script = |directive: &str| -> Option<&ScriptUse> {
            self.scripts.iter().find(|used| used.directive == directive)
        };
        match (script("WSGIAuthUserScript"), &neighbours.provider) {
            (Some(used), None) => notices.push(Notice::about(
                &used.place,
                format!(
                    "WSGIAuthUserScript: nothing asks this script{unless}: write AuthBasicProvider wsgi (or \
                     AuthDigestProvider wsgi) beside it."
                ),
            )),
            (None, Some(place)) => notices.push(Notice::about(
                place,
                format!(
                    "the provider wsgi has no script to ask{unless}, and lets nobody in: write WSGIAuthUserScript PATH \
                     beside it."
                ),
            )),
            _ => (),
        }
        match (script("WSGIAuthGroupScript"), &neighbours.group_required) {
            (Some(used), None) => notices.push(Notice::about(
                &used.place,
                format!(
                    "WSGIAuthGroupScript: nothing asks this script{unless}: write Require wsgi-group NAME beside it. \
                     Require valid-user alone lets every user in."
                ),
            )),
            (None, Some(place)) => notices.push(Notice::about(
                place,
                format!(
                    "Require wsgi-group has no script to ask{unless}, and lets nobody in: write WSGIAuthGroupScript PATH \
                     beside it."
                ),
            )),
            _ => (),
        }
    }
}
