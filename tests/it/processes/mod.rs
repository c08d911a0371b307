//! Processes: groups, starts, ends, and whom they may reach.

mod groups;
mod handover;
mod idle;
mod inherited;
mod jail;
mod leftovers;
mod lifecycle;
mod orphans;
mod preload;
mod preload_failing;
mod shutdown;
mod successors;
mod supervisor_trust;
mod timers;
mod trust;
mod upgrades;
