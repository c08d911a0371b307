//! httpd's scoreboard, copied for `mod_wsgi.server_metrics()` (spec/observability.md §2.4).

use crate::httpd::server::HttpdScoreboard;
use apr_sys as sys;
use std::ffi::{c_char, c_int};
use wsgi_protocol::scoreboard::{ChildProcess, ChildThread, Scoreboard};

/// All of it, encoded; `None` without a scoreboard.
pub fn snapshot() -> Option<Vec<u8>> {
    let board = HttpdScoreboard::get()?;
    let global = board.global()?;
    let board = Scoreboard {
        server_limit: global.server_limit.max(0) as u32,
        thread_limit: global.thread_limit.max(0) as u32,
        generation: global.running_generation,
        restart_us: micros(global.restart_time),
        processes: (0..global.server_limit)
            .filter_map(|slot| process(&board, slot, global.thread_limit))
            .collect(),
    };
    board.encode().ok()
}

fn process(board: &HttpdScoreboard, slot: c_int, threads: c_int) -> Option<ChildProcess> {
    let score = board.process(slot)?;
    Some(ChildProcess {
        pid: score.pid,
        generation: score.generation,
        quiescing: score.quiescing != 0,
        workers: (0..threads).filter_map(|thread| worker(board, slot, thread)).collect(),
    })
}

fn worker(board: &HttpdScoreboard, slot: c_int, thread: c_int) -> Option<ChildThread> {
    let score = board.worker(slot, thread)?;
    Some(ChildThread {
        thread: score.thread_num,
        generation: score.generation,
        status: score.status,
        requests: score.access_count,
        bytes: score.bytes_served.max(0) as u64,
        start_us: micros(score.start_time),
        stop_us: micros(score.stop_time),
        used_us: micros(score.last_used),
        client: text(&HttpdScoreboard::client(&score)),
        request: text(&score.request),
        host: text(&score.vhost),
    })
}

/// Up to the end mark, which a record that is just being written may lack.
fn text(field: &[c_char]) -> Vec<u8> {
    field.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect()
}

fn micros(time: sys::apr_time_t) -> u64 {
    time.max(0) as u64
}
