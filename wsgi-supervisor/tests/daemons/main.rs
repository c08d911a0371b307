//! The real supervisor with real processes: httpd is played by the tests, Python by `fake.py`.

mod chaos;
mod end;
mod failing;
mod generations;
mod replacing;
mod rig;
mod scaling;
mod starting;
