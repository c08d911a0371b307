//! The rows of the error map, in the order of their numbers. A new event gets the number of the original if that has one
//! for it (`original.rs`), and a free number from 300 on otherwise (`own.rs`); numbers are never used again for anything
//! else.

/// NAME = number, writer, level, what the client sees, what becomes of the process => what happened, what to do.
macro_rules! events {
    ($($name:ident = $number:literal, $writer:expr, $level:expr, $answer:expr, $fate:expr =>
       $cause:literal, $advice:literal;)+) => {
        $(
            #[doc = $cause]
            pub const $name: LogEvent = LogEvent {
                number: $number,
                writer: $writer,
                level: $level,
                answer: $answer,
                fate: $fate,
                cause: $cause,
                advice: $advice,
            };
        )+

        /// All rows of this file, with their names.
        pub(super) const ROWS: &[(&str, &LogEvent)] = &[$((stringify!($name), &$name)),+];
    };
}

mod original;
mod own;

use super::LogEvent;
pub use original::*;
pub use own::*;

/// All rows, with their names, in the order of their numbers; those without a number come last.
pub fn rows() -> impl Iterator<Item = (&'static str, &'static LogEvent)> {
    original::ROWS.iter().chain(own::ROWS).copied()
}
