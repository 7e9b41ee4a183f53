//! Quantisation to levels of 8 bits.

use ndarray::ArrayView3;

/// Share of the foreground's voxels that may be clipped at either end: scans have isolated outliers that would take most of
/// the levels.
const CLIPPED: f64 = 0.0005;
/// Quantiles of the foreground between which a scan is shown first.
const WINDOW: [f64; 2] = [0.01, 0.995];

/// Evenly spaced levels: level `i` stands for `low + i * step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    pub(super) low: f64,
    pub(super) step: f64,
    /// Number of levels, 2 to 256.
    pub(super) count: u32,
}

impl Levels {
    /// Levels from `low` to `high`. If the two are equal, the step is 1.
    pub(super) fn between(low: f64, high: f64, count: u32) -> Self {
        let step = (high - low) / f64::from(count - 1);
        Self { low, step: if step > 0.0 { step } else { 1.0 }, count }
    }

    /// Returns the level nearest to a value; beyond the range, the first or the last.
    pub(super) fn of(&self, value: f32) -> u8 {
        let level = ((f64::from(value) - self.low) / self.step).round();
        level.clamp(0.0, f64::from(self.count - 1)) as u8
    }
}

/// The range of a scan's intensities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    /// Range that is stored.
    pub(super) stored: [f64; 2],
    /// Range that is shown first.
    pub(super) window: [f64; 2],
    /// Share of all voxels above the stored range, and below it.
    pub(super) clipped: f64,
}

impl Range {
    /// Determines the range of a scan from the voxels that are not background.
    pub(super) fn of(voxels: ArrayView3<'_, f32>, background: Option<f32>) -> Self {
        let mut values: Vec<f32> =
            voxels.iter().copied().filter(|value| Some(*value) != background).collect();
        if values.is_empty() {
            let value = f64::from(background.unwrap_or(0.0));
            return Self { stored: [value, value], window: [value, value + 1.0], clipped: 0.0 };
        }
        let last = (values.len() - 1) as f64;
        let mut at = |index: f64| f64::from(*values.select_nth_unstable_by(index as usize, f32::total_cmp).1);
        let low = at((CLIPPED * last).floor());
        let high = at(((1.0 - CLIPPED) * last).ceil());
        let window = WINDOW.map(|share| at((share * last).round()));
        let low = background.map_or(low, |value| low.min(f64::from(value)));
        let outside =
            values.iter().filter(|&&value| f64::from(value) < low || f64::from(value) > high).count();
        let window = if window[1] > window[0] { window } else { [low, high.max(low + 1.0)] };
        Self { stored: [low, high], window, clipped: outside as f64 / voxels.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn a_level_is_at_most_half_a_step_away() {
        let levels = Levels::between(-3.0, 14.0, 256);
        for value in (-30..=140).map(|tenth| tenth as f32 / 10.0) {
            let shown = levels.low + levels.step * f64::from(levels.of(value));
            assert!((shown - f64::from(value)).abs() <= levels.step / 2.0 + 1e-9, "{value}");
        }
        assert_eq!((levels.of(-9.0), levels.of(99.0)), (0, 255));
        assert_eq!(Levels::between(2.0, 2.0, 256).of(2.0), 0);
    }

    #[test]
    fn outliers_are_clipped_and_counted() {
        let mut scan =
            Array3::from_shape_fn((10, 20, 50), |(z, y, x)| (z * 1000 + y * 50 + x) as f32 / 100.0);
        scan[[5, 5, 5]] = 1e6;
        let range = Range::of(scan.view(), Some(0.0));
        assert!(range.stored[0] == 0.0 && (99.0..100.0).contains(&range.stored[1]), "{range:?}");
        assert!(range.clipped > 0.0 && range.clipped <= CLIPPED, "{range:?}");
        assert!(range.window[0] > 0.5 && range.window[1] < range.stored[1], "{range:?}");
        let flat = Range::of(Array3::from_elem((2, 2, 2), 7.0).view(), Some(7.0));
        assert_eq!((flat.stored, flat.window), ([7.0, 7.0], [7.0, 8.0]));
    }
}
