//! Progress of long work: a bar with rate and time left on a terminal, a plain line every few seconds
//! elsewhere. All of it goes to stderr.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Progress of one stage's work, countable from several threads.
#[derive(Debug)]
pub struct Progress {
    name: String,
    unit: &'static str,
    start: Instant,
    total: u64,
    view: View,
}

#[derive(Debug)]
enum View {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

#[derive(Debug)]
struct Lines {
    done: u64,
    last: Instant,
}

/// Says one line about what happens.
pub fn say(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

impl Progress {
    /// Work of `total` units begins.
    pub fn start(name: impl Into<String>, total: usize, unit: &'static str) -> Self {
        let (name, start, total) = (name.into(), Instant::now(), total as u64);
        let view = if stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = "{prefix:>14} [{bar:30}] {pos}/{len} {per_sec}, {eta} left {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(250));
            View::Bar(bar)
        } else {
            View::Lines(Mutex::new(Lines { done: 0, last: start }))
        };
        Self { name, unit, start, total, view }
    }

    /// So many more units are done.
    pub fn advance(&self, count: usize) {
        match &self.view {
            View::Bar(bar) => bar.inc(count as u64),
            View::Lines(lines) => {
                let Ok(mut lines) = lines.lock() else { return };
                lines.done += count as u64;
                if lines.last.elapsed() >= BETWEEN_LINES {
                    lines.last = Instant::now();
                    say(self.line(lines.done));
                }
            }
        }
    }

    /// A line that stays: an epoch's losses.
    pub fn note(&self, line: &str) {
        match &self.view {
            View::Bar(bar) => bar.println(format!("{:>14} {line}", self.name)),
            View::Lines(_) => say(format!("{}: {line}", self.name)),
        }
    }

    fn line(&self, done: u64) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = done as f64 / seconds;
        let left = self.total.saturating_sub(done) as f64 / rate;
        let (name, total, unit) = (&self.name, self.total, self.unit);
        format!("{name}: {done}/{total} {unit}, {rate:.2} per second, {left:.0} s left")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}
