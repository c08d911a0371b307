//! The records configuration is written to: main server, server, directory, daemon group.

pub mod daemon;
pub mod environment;
pub mod global;
pub mod layer;
pub mod main_interpreter;
pub mod mount;
pub mod record;
pub mod routes;

pub use daemon::{AsgiOptions, DaemonGroup, DaemonOptions, EventLoop, Groups, Interface, Reload, Umask, Who};
pub use environment::{PassEnv, is_inherited, is_usual};
pub use global::{
    AcceptMutex, EmbeddedPython, GlobalConfig, HashSeed, ImportScript, InterpreterBlock, InterpreterSettings,
    TelemetryFlags, TelemetryService,
};
pub use layer::{Layer, MapHead, ProcessSet};
pub use mount::{Alias, AliasForm, AliasOptions, HandlerScript, ScriptReader, ScriptRef, ScriptUse, Target};
pub use record::{DirConfig, ServerConfig};

#[cfg(test)]
mod tests;
