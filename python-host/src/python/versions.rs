//! What differs between versions of CPython and has to be worked around: one row for each, with the reason and the release
//! in which it may go. What a version merely has or lacks is looked up by name instead (`symbols`).

use super::symbols;
use std::ops::RangeInclusive;

/// Minor version of the oldest Python 3 that is supported.
pub const OLDEST: u32 = 9;
/// No version yet.
const NEWEST: u32 = u32::MAX;

/// A workaround.
#[derive(Debug)]
#[allow(dead_code, reason = "some fields are for those who read the table")]
pub struct VersionQuirk {
    /// Minor versions of Python 3 that need it.
    minors: RangeInclusive<u32>,
    /// What is different there.
    why: &'static str,
    /// It may go once this is the oldest version that is supported.
    goes_with: u32,
}

impl VersionQuirk {
    /// Whether the running Python needs it.
    pub fn applies(&self) -> bool {
        self.applies_to(symbols::get().version)
    }

    fn applies_to(&self, (major, minor): (u32, u32)) -> bool {
        major == 3 && self.minors.contains(&minor)
    }
}

macro_rules! quirks {
    ($($(#[$doc:meta])* $name:ident: $minors:expr, $goes_with:literal, $why:literal;)*) => {
        $($(#[$doc])* pub const $name: VersionQuirk =
            VersionQuirk { minors: $minors, why: $why, goes_with: $goes_with };)*

        /// All rows, for the test of the table.
        #[cfg(test)]
        const QUIRKS: &[(&str, VersionQuirk)] = &[$((stringify!($name), $name)),*];
    };
}

quirks! {
    /// `Py_EndInterpreter` keeps the lock.
    LOCK_AFTER_END: OLDEST..=11, 12,
        "After Py_EndInterpreter the thread still has the GIL, but no thread state; later it has neither.";
    /// `faulthandler` writes stacks of the main interpreter only.
    STACKS_OF_FIRST_STATE: OLDEST..=11, 12,
        "faulthandler looks at the thread state that a thread had first, which is that of the main interpreter, and sees \
         nothing of an application in a sub-interpreter.";
    /// The module says that sub-interpreters must not load it.
    INTERPRETERS_SLOT: 12..=NEWEST, 12,
        "Py_mod_multiple_interpreters is new in 3.12; older versions refuse a module with a slot that they do not know.";
    /// What a GIL of its own leaves behind cannot be freed at the end.
    PARSERS_OF_OWN_GIL: 12..=12, 13,
        "What an interpreter with its own GIL left in static argument parsers is freed into the wrong allocator: \
         base64.b64decode(b\"\") in one is enough for \"free(): invalid pointer\" in Py_FinalizeEx.";
    /// `threading._shutdown` is called a second time.
    SHUTDOWN_TWICE: 12..=12, 13,
        "Py_EndInterpreter calls threading._shutdown once more, which fails when its work is done.";
    /// The module says that it needs the GIL.
    GIL_SLOT: 13..=NEWEST, 13,
        "Py_mod_gil is new in 3.13; older versions refuse a module with a slot that they do not know.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_where_they_say() {
        let of = |minor| -> Vec<&str> {
            QUIRKS.iter().filter(|(_, quirk)| quirk.applies_to((3, minor))).map(|(name, _)| *name).collect()
        };
        assert_eq!(of(9), ["LOCK_AFTER_END", "STACKS_OF_FIRST_STATE"]);
        assert_eq!(of(11), of(9));
        assert_eq!(of(12), ["INTERPRETERS_SLOT", "PARSERS_OF_OWN_GIL", "SHUTDOWN_TWICE"]);
        assert_eq!(of(13), ["INTERPRETERS_SLOT", "GIL_SLOT"]);
        assert_eq!(of(15), of(13));
        assert!(!LOCK_AFTER_END.applies_to((4, 9)));
    }

    #[test]
    fn rows_go_with_the_versions_that_need_them() {
        for (name, quirk) in QUIRKS {
            let (first, last) = (*quirk.minors.start(), *quirk.minors.end());
            let goes_with = if last == NEWEST { first } else { last + 1 };
            assert_eq!(quirk.goes_with, goes_with, "{name}");
            assert!(
                quirk.goes_with > OLDEST,
                "{name} is over: no version that is supported needs it, or all do"
            );
            assert!(quirk.why.ends_with('.'), "{name}");
        }
    }
}
