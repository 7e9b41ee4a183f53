//! Scaling of one sequence's intensities, with the statistics that it needs.

use ndarray::ArrayView3;

use crate::ValidPreprocess;
use crate::foreground::{self, BrainMask};
use crate::intensity::{Intensity, PercentileOver, ZScoreOver};

/// Percentile of the brain that min-max scaling should not push far below 1.
const BRIGHT_PERCENTILE: f64 = 99.9;

/// Maps raw intensities of one sequence to the network's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// Smallest raw value; smaller ones count as this.
    floor: f32,
    low: f64,
    width: f64,
    clips: bool,
    zero_stays: bool,
    signal: Signal,
}

/// Rule for the raw values that count as signal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Signal {
    NotZero,
    Above(f32),
}

/// Findings about a sequence's intensities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Findings {
    /// Share of the non-zero voxels whose value was clipped.
    pub clipped: f64,
    /// Share of the voxels in the volume's eight corners that count as signal.
    pub air_not_zero: f64,
    /// With min-max scaling, the 99.9th percentile of the non-zero voxels after scaling.
    pub bright: Option<f64>,
}

impl Scale {
    /// Measures a whole volume with finite values. `Err` holds the only intensity of a volume that cannot be scaled.
    pub fn measure(raw: ArrayView3<f32>, preprocess: &ValidPreprocess) -> Result<(Self, Findings), f32> {
        let floor = if preprocess.clip_negative() { 0.0 } else { f32::NEG_INFINITY };
        let values = || raw.iter().map(move |v| v.max(floor));
        let (smallest, largest) =
            values().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if smallest >= largest {
            return Err(largest);
        }
        let mut scale =
            Self { floor, low: 0.0, width: 1.0, clips: false, zero_stays: false, signal: Signal::NotZero };
        match preprocess.intensity() {
            Intensity::MinMax => scale.between(f64::from(smallest), f64::from(largest)),
            Intensity::Percentile { low, high, over } => {
                scale.zero_stays = over == PercentileOver::Brain;
                let mut values: Vec<f32> = values().filter(|v| !scale.zero_stays || *v != 0.0).collect();
                let (low, high) = (percentile(&mut values, low), percentile(&mut values, high));
                scale.between(low, high);
                scale.clips = true;
            }
            Intensity::ZScore { over } => {
                scale.zero_stays = over == ZScoreOver::NonZero;
                let counted = || values().filter(|v| !scale.zero_stays || *v != 0.0).map(f64::from);
                let count = counted().count() as f64;
                let mean = counted().sum::<f64>() / count;
                let deviation = (counted().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
                scale.between(mean, mean + deviation);
            }
            Intensity::Window { low, high } => {
                scale.between(low, high);
                scale.clips = true;
                scale.signal = Signal::Above(low as f32);
            }
            Intensity::None => {}
        }
        let first = scale.apply(smallest);
        if !(scale.width.is_finite() && scale.width > 0.0)
            || (scale.clips && values().all(|v| scale.apply(v) == first))
        {
            return Err(largest);
        }
        if preprocess.brain() == BrainMask::Otsu {
            scale.signal = Signal::Above(foreground::otsu(values(), smallest, largest));
        }
        let findings = scale.findings(raw, preprocess.intensity());
        Ok((scale, findings))
    }

    fn between(&mut self, low: f64, high: f64) {
        (self.low, self.width) = (low, high - low);
    }

    /// Scales a raw value.
    pub fn apply(&self, raw: f32) -> f32 {
        let raw = raw.max(self.floor);
        if self.zero_stays && raw == 0.0 {
            return 0.0;
        }
        let scaled = (f64::from(raw) - self.low) / self.width;
        if self.clips { scaled.clamp(0.0, 1.0) as f32 } else { scaled as f32 }
    }

    /// Returns whether a raw value counts as brain.
    pub fn is_signal(&self, raw: f32) -> bool {
        match self.signal {
            Signal::NotZero => raw.max(self.floor) != 0.0,
            Signal::Above(threshold) => raw > threshold,
        }
    }

    fn findings(&self, raw: ArrayView3<f32>, intensity: Intensity) -> Findings {
        let is_window = matches!(intensity, Intensity::Window { .. });
        let (low, high) = (self.low, self.low + self.width);
        let (mut counted, mut clipped) = (0_u64, 0_u64);
        for &value in raw {
            // Below a window lies air.
            if value == 0.0 || (is_window && f64::from(value) <= low) {
                continue;
            }
            counted += 1;
            let beyond = || f64::from(value.max(self.floor)) < low || f64::from(value) > high;
            clipped += u64::from(value < self.floor || (self.clips && beyond()));
        }
        let bright = (intensity == Intensity::MinMax).then(|| {
            let mut values: Vec<f32> = raw.iter().copied().filter(|v| *v > self.floor && *v != 0.0).collect();
            (percentile(&mut values, BRIGHT_PERCENTILE) - low) / self.width
        });
        Findings {
            clipped: clipped as f64 / counted.max(1) as f64,
            air_not_zero: foreground::corner_share(raw, |value| self.is_signal(value)),
            bright: bright.filter(|share| share.is_finite()),
        }
    }
}

/// Computes a percentile with linear interpolation between the nearest ranks, as numpy does. Reorders the values; NaN if
/// there are none.
fn percentile(values: &mut [f32], percent: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let rank = percent / 100.0 * (values.len() - 1) as f64;
    let (_, &mut lower, above) = values.select_nth_unstable_by(rank as usize, f32::total_cmp);
    let lower = f64::from(lower);
    let upper = above.iter().copied().reduce(f32::min).map_or(lower, f64::from);
    lower + (upper - lower) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numpy_s() {
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 10, 50, 99.9, 100])
        let expected = [1.0, 1.0, 3.5, 8.979, 9.0];
        for (percent, expected) in [0.0, 10.0, 50.0, 99.9, 100.0].into_iter().zip(expected) {
            let mut values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
            let found = percentile(&mut values, percent);
            assert!((found - expected).abs() < 1e-9, "{percent}: {found}");
        }
    }
}
