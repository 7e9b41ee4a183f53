//! Progress of long computations on stderr: a bar with rate and remaining time on a terminal, otherwise a line every
//! few seconds.

use std::io::{IsTerminal, stderr};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Progress of a stage. Can be advanced from several threads.
#[derive(Debug)]
pub struct Progress {
    name: String,
    unit: &'static str,
    start: Instant,
    total: u64,
    output: Output,
}

#[derive(Debug)]
enum Output {
    Bar(ProgressBar),
    Lines(Mutex<LineState>),
}

#[derive(Debug)]
struct LineState {
    done: u64,
    last: Instant,
}

/// Bars on the terminal, which are suspended while a line is printed.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line on stderr, above any progress bars.
pub fn print_status(line: impl AsRef<str>) {
    BARS.suspend(|| eprintln!("{}", line.as_ref()));
}

/// Formats rate and remaining time; empty before the first unit is done.
fn pace(done: u64, per_second: f64, seconds_left: f64) -> String {
    match done {
        0 => String::new(),
        _ => format!(", {per_second:.2} per second, {seconds_left:.0} s left"),
    }
}

impl Progress {
    /// Starts with no units of `total` done.
    pub fn start(name: impl Into<String>, total: usize, unit: &'static str) -> Self {
        let (name, start, total) = (name.into(), Instant::now(), total as u64);
        let output = if stderr().is_terminal() {
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
            Output::Bar(bar)
        } else {
            Output::Lines(Mutex::new(LineState { done: 0, last: start }))
        };
        Self { name, unit, start, total, output }
    }

    /// Adds `count` completed units.
    pub fn advance(&self, count: usize) {
        match &self.output {
            Output::Bar(bar) => bar.inc(count as u64),
            Output::Lines(state) => {
                let Ok(mut state) = state.lock() else { return };
                state.done += count as u64;
                if state.last.elapsed() >= LINE_INTERVAL {
                    state.last = Instant::now();
                    print_status(self.line(state.done));
                }
            }
        }
    }

    /// Prints a line with the stage's name above the bar, such as the losses of an epoch.
    pub fn println(&self, line: &str) {
        match &self.output {
            Output::Bar(bar) => bar.println(format!("{:>14} {line}", self.name)),
            Output::Lines(_) => print_status(format!("{}: {line}", self.name)),
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
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_is_empty_before_the_first_unit() {
        assert_eq!(pace(0, 0.0, 0.0), "");
        assert_eq!(pace(3, 1.0 / 3.0, 89.6), ", 0.33 per second, 90 s left");
    }
}
