//! Tables: each rule of the state machine, without a process.
