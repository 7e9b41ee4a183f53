//! Progress of long work: a bar with rate and time left on a terminal, a plain line every few seconds
//! elsewhere. All of it goes to stderr.

use std::io::{IsTerminal, stderr};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

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

/// The bars on the terminal, which make room for what is said.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Says one line about what happens.
pub fn say(line: impl AsRef<str>) {
    BARS.suspend(|| eprintln!("{}", line.as_ref()));
}

/// How fast it goes and how long it still takes, once there is something to tell it by.
fn pace(done: u64, per_second: f64, seconds_left: f64) -> String {
    match done {
        0 => String::new(),
        _ => format!(", {per_second:.2} per second, {seconds_left:.0} s left"),
    }
}

impl Progress {
    /// Work of `total` units begins.
    pub fn start(name: impl Into<String>, total: usize, unit: &'static str) -> Self {
        let (name, start, total) = (name.into(), Instant::now(), total as u64);
        let view = if stderr().is_terminal() {
            let bar = BARS.add(ProgressBar::new(total));
            let template = "{prefix:>14!} [{bar:30}] {pos}/{len}{pace}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                let shown = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let left = state.eta().as_secs_f64();
                    let _ = out.write_str(&pace(state.pos(), state.per_sec(), left));
                };
                bar.set_style(style.with_key("pace", shown).progress_chars("=> "));
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
        format!("{name}: {done}/{total} {unit}{}", pace(done, rate, left))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_told_by_what_is_done() {
        assert_eq!(pace(0, 0.0, 0.0), "");
        assert_eq!(pace(3, 1.0 / 3.0, 89.6), ", 0.33 per second, 90 s left");
    }
}
