//! Lines that a run prints: at the end of each stage, and where it fails.

use std::path::Path;

/// Returns the stages whose counts were printed, in the order of the lines.
pub fn finished(log: &str) -> Vec<String> {
    times(log).into_iter().map(|(stage, _)| stage).collect()
}

/// Parses lines such as `grid: 12 made, 0 current, 1.5 s`: stage and seconds.
pub fn times(log: &str) -> Vec<(String, f64)> {
    let stage = |line: &str| {
        let (stage, rest) = line.split_once(": ")?;
        let (made, rest) = rest.split_once(" made, ")?;
        made.parse::<usize>().ok()?;
        let (_, seconds) = rest.split_once(" current, ")?;
        Some((stage.to_owned(), seconds.strip_suffix(" s")?.parse().ok()?))
    };
    log.lines().filter_map(stage).collect()
}

/// Says how a run failed: by the last lines that it printed.
pub fn failure(out: &Path, log: &str) -> String {
    let last: Vec<&str> = log.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    format!("{}: the run failed: {}", out.display(), last.join(" / "))
}
