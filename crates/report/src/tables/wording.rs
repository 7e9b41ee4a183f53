//! How numbers and methods are written, the same in the terminal, in figures and in the report.

use super::summary::Number;

/// Two decimals with a real minus sign; `−0.00` is written `0.00`.
pub fn decimal(value: f64) -> String {
    decimals(value, 2)
}

/// So many decimals with a real minus sign.
pub fn decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(positive) if positive.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => {
            format!("−{positive}")
        }
        Some(zero) => zero.to_owned(),
        None => text,
    }
}

/// `0.41 [0.35, 0.47]`, or a dash.
pub fn with_interval(number: &Number) -> String {
    match (number.mean, number.ci95) {
        (Some(mean), Some([low, high])) => format!("{} [{}, {}]", decimal(mean), decimal(low), decimal(high)),
        (Some(mean), None) => decimal(mean),
        (None, _) => "–".to_owned(),
    }
}

/// A number that may be missing.
pub fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), decimal)
}

/// What a radiologist calls a sequence, in the paper's spelling.
pub fn sequence(name: &str) -> &str {
    match name {
        "t1" => "T1w",
        "t1ce" => "T1wCE",
        "t2" => "T2w",
        "flair" => "FLAIR",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_zeros() {
        assert_eq!(decimal(0.125_1), "0.13");
        assert_eq!(decimal(-0.2), "−0.20");
        assert_eq!(decimal(-0.001), "0.00");
        assert_eq!(decimals(-12.0, 0), "−12");
        assert_eq!(with_interval(&Number::none("one class", None)), "–");
    }
}
