//! Numbers and sequences as text, the same in the terminal, in figures and in the report.

use super::number::Number;

/// Formats with two decimals and a real minus sign; `−0.00` becomes `0.00`.
pub fn decimal(value: f64) -> String {
    decimals(value, 2)
}

/// Formats with the given number of decimals and a real minus sign.
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

/// Below this, decimals are hard to count and an exponent is written.
const SMALLEST_DECIMAL: f64 = 1e-4;

/// Formats with the given number of decimals, and more if they would leave fewer than two significant digits: `0.31`,
/// `0.0012`, `1.2e−5`. The viewer page does the same.
pub fn significant(value: f64, places: usize) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if size < SMALLEST_DECIMAL {
        return format!("{value:.1e}").replace('-', "−");
    }
    let needed = usize::try_from(1 - size.log10().floor() as i64).unwrap_or(0);
    decimals(value, places.max(needed))
}

/// Formats a change with its sign, as [`significant`].
pub fn change(value: f64, places: usize) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", significant(value, places))
}

/// Formats a probability with three decimals; one near 0 or 1, but not equal to it, keeps a digit that tells.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.9995 && p < 1.0 => "> 0.999".to_owned(),
        p if p > 0.0 && p < 0.01 => significant(p, 3),
        p => decimals(p, 3),
    }
}

/// Formats a mean and its interval, as `0.41 [0.35, 0.47]`; a missing number is a dash.
pub fn with_interval(number: &Number) -> String {
    interval(number, 2)
}

/// As [`with_interval`], with the given number of decimals.
pub fn interval(number: &Number, places: usize) -> String {
    let written = |value: f64| decimals(value, places);
    match (number.mean, number.ci95) {
        (Some(mean), Some([low, high])) => {
            format!("{} [{}, {}]", written(mean), written(low), written(high))
        }
        (Some(mean), None) => written(mean),
        (None, _) => "–".to_owned(),
    }
}

/// Formats a number with two decimals; a missing one is a dash.
pub fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), decimal)
}

/// Formats a p-value with three decimals, or as `< 0.001`; a missing one is a dash.
pub fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "< 0.001".to_owned(),
        Some(p) => decimals(p, 3),
        None => "–".to_owned(),
    }
}

/// Name of an MRI sequence as the paper spells it.
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
        let number = |n| Number::new(relevox_eval::Interval { mean: 0.36, ci95: [0.36, 0.36], n }, None);
        assert_eq!(with_interval(&number(1)), "0.36");
        assert_eq!(with_interval(&number(2)), "0.36 [0.36, 0.36]");
    }

    #[test]
    fn small_changes_keep_two_digits() {
        let found =
            [0.25, -0.1234, 0.0, 0.0123, -0.001_23, 0.000_456, -0.000_012, 12.0].map(|v| change(v, 3));
        let expected = ["+0.250", "−0.123", "0", "+0.012", "−0.0012", "+0.00046", "−1.2e−5", "+12.000"];
        assert_eq!(found, expected);
        assert_eq!(
            [0.0, 0.93, 0.0021, 1e-7, 0.9999, 1.0].map(probability),
            ["0.000", "0.930", "0.0021", "1.0e−7", "> 0.999", "1.000"]
        );
    }

    #[test]
    fn small_p_values_are_bounded() {
        assert_eq!(p_value(Some(0.0005)), "< 0.001");
        assert_eq!(p_value(Some(0.001)), "0.001");
        assert_eq!(p_value(Some(0.5)), "0.500");
        assert_eq!(p_value(None), "–");
    }
}
