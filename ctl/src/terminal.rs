//! The terminal of `top` and `status --watch`.

use crate::socket::ControlAddress;
use crate::top::{ServerSample, SortOrder, screen};
use crate::{harmless, memory, report, socket};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{cursor, execute, queue, style};
use nix::sys::signal::Signal;
use std::io::{IsTerminal, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The terminal while it is ours; as it was afterwards, whatever happens.
struct RawTerminal {
    /// A signal has asked this program to end.
    is_over: Arc<AtomicBool>,
}

/// Signals that end the program with the terminal as it was. In raw mode Ctrl-C is a key.
const ENDING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT];

/// How often it is looked whether such a signal has come.
const LOOK: Duration = Duration::from_millis(100);

impl RawTerminal {
    fn enter() -> std::io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        for signal in ENDING {
            signal_hook::flag::register(signal as i32, Arc::clone(&is_over))?;
        }
        enable_raw_mode()?;
        let screen = Self { is_over };
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    fn show(&self, lines: &[String]) -> std::io::Result<()> {
        let (columns, rows) = size()?;
        let mut out = stdout();
        queue!(out, cursor::MoveTo(0, 0))?;
        for row in 0..rows {
            let line = lines.get(usize::from(row)).map_or("", String::as_str);
            let line: String = harmless::text(line).chars().take(usize::from(columns)).collect();
            queue!(out, cursor::MoveTo(0, row), style::Print(line), Clear(ClearType::UntilNewLine))?;
        }
        out.flush()
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = execute!(stdout(), cursor::Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What a key wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyAction {
    Quit,
    Sort,
    Pause,
    Redraw,
}

/// Waits for a key, or for a signal that ends the program, until `deadline`.
fn wish(screen: &RawTerminal, deadline: Instant) -> std::io::Result<Option<KeyAction>> {
    loop {
        if screen.is_over.load(Ordering::Relaxed) {
            return Ok(Some(KeyAction::Quit));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if poll(left.min(LOOK))? {
            if let Some(wish) = meaning(&read()?) {
                return Ok(Some(wish));
            }
        } else if left.is_zero() {
            return Ok(None);
        }
    }
}

/// What an event wants.
fn meaning(event: &Event) -> Option<KeyAction> {
    match event {
        Event::Resize(..) => Some(KeyAction::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(KeyAction::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(KeyAction::Quit),
            KeyCode::Char('s') => Some(KeyAction::Sort),
            KeyCode::Char('p' | ' ') => Some(KeyAction::Pause),
            _ => None,
        },
        _ => None,
    }
}

fn look(address: &ControlAddress, since: Instant) -> Result<ServerSample, String> {
    let status = socket::status(address)?;
    let metrics = socket::metrics(address)?;
    let memory = memory::of(&status);
    Ok(ServerSample { at: since.elapsed().as_secs_f64(), status, metrics, memory })
}

/// Shows what happens, until somebody has seen enough.
///
/// # Errors
/// A sentence: the supervisor does not answer, or this is no terminal.
pub fn top(address: &ControlAddress, interval: Duration, once: bool) -> Result<String, String> {
    let (since, mut sort, mut is_paused) = (Instant::now(), SortOrder::default(), false);
    let mut before = look(address, since)?;
    if once || !stdout().is_terminal() {
        std::thread::sleep(interval);
        let now = look(address, since)?;
        return Ok(screen(&now, &before, sort, false).join("\n") + "\n");
    }
    let mut now = before.clone();
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    let terminal = RawTerminal::enter().map_err(failed)?;
    loop {
        let deadline = Instant::now() + interval;
        loop {
            terminal.show(&screen(&now, &before, sort, is_paused)).map_err(failed)?;
            match wish(&terminal, deadline).map_err(failed)? {
                None => break,
                Some(KeyAction::Quit) => return Ok(String::new()),
                Some(KeyAction::Sort) => sort = sort.next(),
                Some(KeyAction::Pause) => is_paused = !is_paused,
                Some(KeyAction::Redraw) => {}
            }
        }
        if !is_paused {
            before = std::mem::replace(&mut now, look(address, since)?);
        }
    }
}

/// Shows the status again and again.
///
/// # Errors
/// As [`top`].
pub fn watch(address: &ControlAddress, interval: Duration) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    if !stdout().is_terminal() {
        return Err("--watch needs a terminal; without it the status is printed once".to_owned());
    }
    let mut status = socket::status(address)?;
    let terminal = RawTerminal::enter().map_err(failed)?;
    loop {
        let table = report::table(&status, &memory::of(&status));
        let lines: Vec<String> = table.lines().map(str::to_owned).collect();
        terminal.show(&lines).map_err(failed)?;
        match wish(&terminal, Instant::now() + interval).map_err(failed)? {
            Some(KeyAction::Quit) => return Ok(String::new()),
            _ => status = socket::status(address)?,
        }
    }
}
