//! The records configuration is written to: main server, server, directory, daemon group.

pub mod daemon;
pub mod environment;
pub mod global;
pub mod layer;
pub mod main_interpreter;
pub mod mount;
pub mod record;
pub mod routes;

pub use daemon::{
    ApplicationInterface, AsgiOptions, DaemonGroup, DaemonOptions, EventLoop, GroupTable, NamedAccount,
    ReloadMode, Umask,
};
pub use environment::{PassEnv, is_inherited, is_usual};
pub use global::{
    AcceptMutex, EmbeddedPython, GlobalConfig, HashSeed, ImportScript, InterpreterBlock, InterpreterSettings,
    TelemetryFlags, TelemetryService,
};
pub use layer::{ConfigLayer, MapHead, ProcessSet};
pub use mount::{
    AliasForm, AliasOptions, HandlerScript, MountTarget, ScriptAlias, ScriptReader, ScriptRef, ScriptUse,
};
pub use record::{DirConfig, MergedRecord, ServerConfig};

#[cfg(test)]
mod tests;
