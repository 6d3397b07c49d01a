//! Programs of the same build, started on this machine: what the demo and a local network share.

mod processes;
mod setup;

pub(crate) use processes::{
    Daemon, ProcessError, Sibling, detach, is_running, run, stop_detached, tail,
};
pub(crate) use setup::{LocalError, free_port, init_worker, shares};
