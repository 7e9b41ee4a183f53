//! Lines that a run prints at the end of each stage.

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
