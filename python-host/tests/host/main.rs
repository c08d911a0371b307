//! The built library inside real Pythons: a supervisor and an httpd in miniature drive a daemon of every version that is
//! installed here, and an embedding program stands for an httpd child.

mod boundary;
mod cases;
mod embedded;
mod lifecycle;
mod logging;
mod process;
mod pythons;
mod scripts;
mod snippets;
mod wire;
mod wsgi;
