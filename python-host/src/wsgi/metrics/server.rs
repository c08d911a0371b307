//! `server_metrics()`: httpd's scoreboard, in httpd's own children with WSGIServerMetrics On, and in daemons with
//! `server-metrics=On` (spec/observability.md §2.4).

use super::DictBuilder;
use crate::daemon::board;
use crate::httpd_table;
use crate::python::trampoline::{CallArguments, none};
use crate::python::{Attached, NumberValues, Owned, Result, TextValues, detached};
use crate::wsgi::clock;
use wsgi_protocol::launch::HostMode;
use wsgi_protocol::scoreboard::{ChildProcess, ChildThread, Scoreboard};

/// The function of the module: a dict, or None where the scoreboard must not or cannot be seen.
pub fn server_metrics<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    none(py, "server_metrics", arguments)?;
    let launch = super::host(py).map(|host| host.launch());
    let read = match launch {
        Some(launch) if launch.mode == HostMode::Daemon => {
            launch.server_metrics.then_some(board::scoreboard as fn() -> _)
        }
        Some(_) => Some(of_httpd as fn() -> _),
        None => None,
    };
    match read.and_then(detached) {
        Some(board) => whole(py, &board),
        None => Ok(py.none().own(py)),
    }
}

/// httpd's scoreboard, if applications may see it; never in a daemon.
fn of_httpd() -> Option<Scoreboard> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = httpd_table::scoreboard(&mut buffer)?;
        if length <= buffer.len() {
            // An empty one is none.
            return Scoreboard::decode(&buffer[..length]).ok();
        }
        // It may have grown by the next time.
        buffer.resize(length + length / 8, 0);
    }
}

fn whole<'py>(py: Attached<'py>, board: &Scoreboard) -> Result<Owned<'py>> {
    let table = DictBuilder(py, py.dict()?);
    let (started, now) = (clock::from_micros(board.restart_us), clock::now());
    table.int("server_limit", board.server_limit.into())?;
    table.int("thread_limit", board.thread_limit.into())?;
    table.put("running_generation", &*py.int(board.generation.into())?)?;
    table.float("restart_time", started)?;
    table.float("current_time", now)?;
    table.int("running_time", (now - started).max(0.0) as u64)?;
    let processes = py.list(&[])?;
    for (slot, process) in board.processes.iter().enumerate() {
        processes.list_append(&*one_process(py, slot, process)?)?;
    }
    table.put("processes", &processes)?;
    Ok(table.1)
}

fn one_process<'py>(py: Attached<'py>, slot: usize, process: &ChildProcess) -> Result<Owned<'py>> {
    let table = DictBuilder(py, py.dict()?);
    table.int("process_num", slot as u64)?;
    table.put("pid", &*py.int(process.pid.into())?)?;
    table.put("generation", &*py.int(process.generation.into())?)?;
    table.put("quiescing", py.truth(process.quiescing))?;
    let workers = py.list(&[])?;
    for worker in &process.workers {
        workers.list_append(&*one_worker(py, worker)?)?;
    }
    table.put("workers", &workers)?;
    Ok(table.1)
}

fn one_worker<'py>(py: Attached<'py>, worker: &ChildThread) -> Result<Owned<'py>> {
    let table = DictBuilder(py, py.dict()?);
    table.put("thread_num", &*py.int(worker.thread.into())?)?;
    table.put("generation", &*py.int(worker.generation.into())?)?;
    table.put("status", &*py.text(worker.letter().encode_utf8(&mut [0; 4]))?)?;
    table.int("access_count", worker.requests)?;
    table.int("bytes_served", worker.bytes)?;
    table.float("start_time", clock::from_micros(worker.start_us))?;
    table.float("stop_time", clock::from_micros(worker.stop_us))?;
    table.float("last_used", clock::from_micros(worker.used_us))?;
    for (name, text) in [("client", &worker.client), ("request", &worker.request), ("vhost", &worker.host)] {
        table.put(name, &*py.latin1(text)?)?;
    }
    Ok(table.1)
}
