//! What requests cost, added up until somebody asks (spec/behaviour.md §8.4, §8.5). Pure: times come from outside.

/// Number of histogram buckets.
pub const BUCKETS: usize = 65;

/// The bucket of a duration in seconds: octaves of milliseconds, each in four; what is shorter than one goes into the
/// first bucket, what is 65536 and longer into the last.
fn bucket(seconds: f64) -> usize {
    let millis = seconds * 1000.0;
    if millis < 1.0 {
        return 0;
    }
    let octave = millis.log2().floor().clamp(0.0, 16.0);
    if octave >= 16.0 {
        return BUCKETS - 1;
    }
    let quarter = ((millis / octave.exp2() - 1.0) * 4.0).floor().clamp(0.0, 3.0);
    (octave * 4.0 + quarter) as usize
}

/// One kind of time.
#[derive(Debug, Clone)]
pub struct PhaseTime {
    sum: f64,
    count: u64,
    /// Shortest and longest in seconds, if there was any.
    pub extremes: Option<(f64, f64)>,
    /// The histogram.
    pub buckets: [u64; BUCKETS],
}

impl Default for PhaseTime {
    fn default() -> Self {
        Self { sum: 0.0, count: 0, extremes: None, buckets: [0; BUCKETS] }
    }
}

impl PhaseTime {
    fn add(&mut self, seconds: f64) {
        let seconds = seconds.max(0.0);
        self.sum += seconds;
        self.count += 1;
        let (least, most) = self.extremes.unwrap_or((seconds, seconds));
        self.extremes = Some((least.min(seconds), most.max(seconds)));
        self.buckets[bucket(seconds)] += 1;
    }

    /// Mean in seconds; 0 without any.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }
}

/// The names of the phases, in the order of [`MetricsWindow::phases`].
pub const PHASES: [&str; 8] = [
    "server_time",
    "queue_time",
    "daemon_time",
    "application_time",
    "request_time",
    "gil_wait_time",
    "input_read_time",
    "output_write_time",
];

/// A finished request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestSample {
    /// The times by [`PHASES`]; those that do not exist in embedded mode are `None`.
    pub phases: [Option<f64>; 8],
    /// Number of waits for the GIL.
    pub gil_waits: u64,
    /// Status code, 0 if there was none.
    pub status: u16,
    /// Bytes and calls.
    pub input: (u64, u64),
    /// Bytes and calls.
    pub output: (u64, u64),
    /// CPU seconds of its thread.
    pub cpu: f64,
    /// When it ended, seconds since the epoch.
    pub end: f64,
}

/// What one request thread did in a window.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadShare {
    /// Requests completed.
    pub completed: u64,
    /// Seconds in requests.
    pub busy: f64,
    /// CPU seconds in requests.
    pub cpu: f64,
    /// Longest request, seconds.
    pub longest: f64,
}

/// What happened since the last question.
#[derive(Debug, Clone, Default)]
pub struct MetricsWindow {
    /// When it began, seconds since the epoch.
    pub start: f64,
    /// User and system CPU seconds of the process at that time.
    pub cpu: (f64, f64),
    /// Requests completed.
    pub requests: u64,
    /// By first digit of the status.
    pub classes: [u64; 5],
    /// Bytes and calls.
    pub input: (u64, u64),
    /// Bytes and calls.
    pub output: (u64, u64),
    /// Waits for the GIL.
    pub gil_waits: u64,
    /// Times by [`PHASES`].
    pub phases: [PhaseTime; 8],
    /// By thread number − 1.
    pub threads: Vec<ThreadShare>,
}

/// Everything that is recorded in this process.
#[derive(Debug)]
pub struct MetricsRecorder {
    /// The current window.
    pub window: MetricsWindow,
    /// Start of the request that each thread runs, by thread number − 1.
    pub running: Vec<Option<f64>>,
    /// Requests completed by each thread since recording began.
    pub totals: Vec<u64>,
    /// Seconds in requests since recording began.
    pub busy: f64,
}

impl MetricsRecorder {
    /// Begins at `now` with this CPU time, for so many request threads.
    pub fn new(now: f64, cpu: (f64, f64), threads: usize) -> Self {
        let window = MetricsWindow {
            start: now,
            cpu,
            threads: vec![ThreadShare::default(); threads],
            ..MetricsWindow::default()
        };
        Self { window, running: vec![None; threads], totals: vec![0; threads], busy: 0.0 }
    }

    /// A thread begins a request.
    pub fn begin(&mut self, thread: usize, now: f64) {
        if thread >= self.running.len() {
            self.running.resize(thread + 1, None);
            self.totals.resize(thread + 1, 0);
            self.window.threads.resize(thread + 1, ThreadShare::default());
        }
        self.running[thread] = Some(now);
    }

    /// It has ended it. A request that began before anybody recorded is not counted.
    pub fn end(&mut self, thread: usize, sample: &RequestSample) {
        let Some(start) = self.running.get_mut(thread).and_then(Option::take) else { return };
        self.totals[thread] += 1;
        self.busy += (sample.end - start).max(0.0);
        let window = &mut self.window;
        let slot = &mut window.threads[thread];
        slot.completed += 1;
        slot.busy += (sample.end - start.max(window.start)).max(0.0);
        slot.cpu += sample.cpu;
        slot.longest = slot.longest.max(sample.end - start);
        window.requests += 1;
        if let Some(class) = usize::from(sample.status / 100).checked_sub(1).filter(|class| *class < 5) {
            window.classes[class] += 1;
        }
        window.input = (window.input.0 + sample.input.0, window.input.1 + sample.input.1);
        window.output = (window.output.0 + sample.output.0, window.output.1 + sample.output.1);
        window.gil_waits += sample.gil_waits;
        for (phase, seconds) in window.phases.iter_mut().zip(sample.phases) {
            if let Some(seconds) = seconds {
                phase.add(seconds);
            }
        }
    }

    /// Ends the window at `now` and begins the next one; requests under way count with the time they took in it.
    pub fn cut(&mut self, now: f64, cpu: (f64, f64)) -> MetricsWindow {
        let threads = vec![ThreadShare::default(); self.window.threads.len()];
        let next = MetricsWindow { start: now, cpu, threads, ..MetricsWindow::default() };
        let mut window = std::mem::replace(&mut self.window, next);
        for (slot, start) in window.threads.iter_mut().zip(&self.running) {
            if let Some(start) = start {
                slot.busy += (now - start.max(window.start)).max(0.0);
            }
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_quarters_of_octaves() {
        for (millis, index) in [
            (0.2, 0),
            (1.0, 0),
            (1.24, 0),
            (1.25, 1),
            (1.99, 3),
            (2.0, 4),
            (7.9, 11),
            (65535.0, 63),
            (65536.0, 64),
        ] {
            assert_eq!(bucket(millis / 1000.0), index, "{millis}");
        }
        assert_eq!(bucket(1e9), 64);
    }

    #[test]
    fn windows_share_a_long_request() {
        let mut recorder = MetricsRecorder::new(100.0, (0.0, 0.0), 2);
        recorder.begin(0, 101.0);
        recorder.begin(1, 102.0);
        let status = 200;
        recorder.end(
            1,
            &RequestSample { end: 104.0, status, phases: [Some(0.5); 8], ..RequestSample::default() },
        );
        let first = recorder.cut(106.0, (1.0, 1.0));
        assert_eq!((first.requests, first.classes), (1, [0, 1, 0, 0, 0]));
        assert_eq!((first.threads[0].busy, first.threads[1].busy), (5.0, 2.0));
        assert_eq!(first.phases[0].mean(), 0.5);
        recorder.end(0, &RequestSample { end: 107.0, ..RequestSample::default() });
        let second = recorder.cut(110.0, (1.0, 1.0));
        assert_eq!((second.start, second.threads[0].busy, second.threads[0].longest), (106.0, 1.0, 6.0));
        assert_eq!((recorder.totals, recorder.busy), (vec![1, 1], 8.0));
    }
}
