//! Colours: a perceptually uniform scale for maps, and line colours that are safe for colour-blind readers.
//!
//! The scale interpolates anchors of "inferno" (N. Smith and S. van der Walt, 2015, public domain, CC0), whose lightness
//! rises evenly, so that it also works in greyscale. Line colours: Okabe and Ito, "Color universal design",
//! 2008, <https://jfly.uni-koeln.de/color/>.

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rgb(pub u8, pub u8, pub u8);

pub(crate) const WHITE: Rgb = Rgb(255, 255, 255);
pub(super) const BLACK: Rgb = Rgb(0, 0, 0);
pub(super) const INK: Rgb = Rgb(34, 34, 38);
pub(super) const FAINT_INK: Rgb = Rgb(104, 104, 112);
pub(super) const RULE: Rgb = Rgb(223, 223, 228);
pub(crate) const BLUE: Rgb = Rgb(0, 114, 178);
pub(crate) const VERMILION: Rgb = Rgb(213, 94, 0);
pub(super) const GREEN: Rgb = Rgb(0, 158, 115);
pub(super) const GREY: Rgb = Rgb(150, 150, 158);
/// The expert's outline: distinct from every colour of the scale and from grey.
pub(crate) const OUTLINE: Rgb = Rgb(64, 224, 208);
/// Supervoxel borders on a scan.
pub(crate) const BORDER: Rgb = Rgb(255, 200, 60);

const INFERNO: [[u8; 3]; 17] = [
    [0, 0, 4],
    [11, 7, 36],
    [33, 12, 74],
    [61, 9, 101],
    [87, 16, 110],
    [113, 25, 110],
    [138, 34, 106],
    [163, 44, 97],
    [188, 55, 84],
    [210, 70, 68],
    [228, 90, 49],
    [241, 115, 29],
    [249, 142, 9],
    [252, 172, 17],
    [249, 203, 53],
    [242, 234, 105],
    [252, 255, 164],
];

impl Rgb {
    /// Blends another colour over this one, 0 (none of it) to 1 (only it).
    pub(crate) fn under(self, over: Rgb, share: f32) -> Rgb {
        let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8;
        Rgb(mix(self.0, over.0), mix(self.1, over.1), mix(self.2, over.2))
    }
}

/// Grey level, 0 (black) to 1 (white).
pub(super) fn grey(value: f32) -> Rgb {
    let level = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    Rgb(level, level, level)
}

/// Colour of the map's scale, 0 to 1.
pub(crate) fn heat(value: f32) -> Rgb {
    let at = value.clamp(0.0, 1.0) * (INFERNO.len() - 1) as f32;
    let low = (at as usize).min(INFERNO.len() - 2);
    let [a, b] = [low, low + 1].map(|index| Rgb(INFERNO[index][0], INFERNO[index][1], INFERNO[index][2]));
    a.under(b, at - low as f32)
}

/// Blends a map over a scan: the scan only where the map is 0, then increasingly the map.
pub(super) fn heat_over(scan: Rgb, value: f32) -> Rgb {
    scan.under(heat(value), (value.clamp(0.0, 1.0) * 5.0).min(0.82))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (ITU-R BT.709 weights on linear light).
    fn luminance(colour: Rgb) -> f32 {
        let linear = |v: u8| (f32::from(v) / 255.0).powf(2.2);
        0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2)
    }

    #[test]
    fn lightness_rises_along_the_scale() {
        let steps: Vec<f32> = (0..=100).map(|at| luminance(heat(at as f32 / 100.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[1] >= pair[0] - 1e-4));
        assert_eq!((heat(-1.0), heat(2.0)), (Rgb(0, 0, 4), Rgb(252, 255, 164)));
    }

    #[test]
    fn zero_relevance_shows_the_scan() {
        assert_eq!(heat_over(grey(0.4), 0.0), grey(0.4));
        assert_eq!(WHITE.under(BLACK, 1.0), BLACK);
    }
}
