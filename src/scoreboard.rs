//! httpd's scoreboard, copied for `mod_wsgi.server_metrics()` (spec/observability.md §2.4).

use apr_sys as sys;
use std::ffi::{c_char, c_int};
use wsgi_protocol::scoreboard::{ChildProcess, ChildThread, Scoreboard};

/// All of it, encoded; `None` without a scoreboard.
pub fn snapshot() -> Option<Vec<u8>> {
    // SAFETY: plain queries of httpd's own scoreboard, which exists as long as the child.
    let global = unsafe {
        if sys::ap_exists_scoreboard_image() == 0 {
            return None;
        }
        sys::ap_get_scoreboard_global().as_ref()?
    };
    let board = Scoreboard {
        server_limit: global.server_limit.max(0) as u32,
        thread_limit: global.thread_limit.max(0) as u32,
        generation: global.running_generation,
        restart_us: micros(global.restart_time),
        processes: (0..global.server_limit).filter_map(|slot| process(slot, global.thread_limit)).collect(),
    };
    board.encode().ok()
}

fn process(slot: c_int, threads: c_int) -> Option<ChildProcess> {
    // SAFETY: the slot exists; other processes write to it meanwhile, hence one volatile copy.
    let score =
        unsafe { sys::ap_get_scoreboard_process(slot).as_ref().map(|score| std::ptr::read_volatile(score)) }?;
    Some(ChildProcess {
        pid: score.pid,
        generation: score.generation,
        quiescing: score.quiescing != 0,
        workers: (0..threads).filter_map(|thread| worker(slot, thread)).collect(),
    })
}

fn worker(slot: c_int, thread: c_int) -> Option<ChildThread> {
    // SAFETY: as above.
    let score = unsafe {
        let score = sys::ap_get_scoreboard_worker_from_indexes(slot, thread);
        score.as_ref().map(|score| std::ptr::read_volatile(score))
    }?;
    Some(ChildThread {
        thread: score.thread_num,
        generation: score.generation,
        status: score.status,
        requests: score.access_count,
        bytes: score.bytes_served.max(0) as u64,
        start_us: micros(score.start_time),
        stop_us: micros(score.stop_time),
        used_us: micros(score.last_used),
        client: client(&score),
        request: text(&score.request),
        host: text(&score.vhost),
    })
}

fn client(score: &sys::worker_score) -> Vec<u8> {
    let mut buffer = [0 as c_char; 64];
    // SAFETY: a copy of our own, and a buffer of the size given.
    unsafe { sys::mw_worker_client(score, buffer.as_mut_ptr(), buffer.len()) };
    text(&buffer)
}

/// Up to the end mark, which a record that is just being written may lack.
fn text(field: &[c_char]) -> Vec<u8> {
    field.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect()
}

fn micros(time: sys::apr_time_t) -> u64 {
    time.max(0) as u64
}
