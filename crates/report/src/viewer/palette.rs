//! Colour scales of overlays.
//!
//! "Heat" is the scale of the figures. "Viridis" interpolates anchors of the scale of that name (N. Smith and S. van der Walt,
//! 2015, public domain, CC0). "Blue–red" runs from blue through white to vermilion (Okabe and Ito, 2008), for signed values.

use crate::figures::colour::{BLUE, Rgb, VERMILION, WHITE, heat};

/// Colours of a scale.
pub(super) const COLOURS: usize = 256;

const VIRIDIS: [Rgb; 9] = [
    Rgb(68, 1, 84),
    Rgb(71, 44, 122),
    Rgb(59, 81, 139),
    Rgb(44, 113, 142),
    Rgb(33, 144, 141),
    Rgb(39, 173, 129),
    Rgb(92, 200, 99),
    Rgb(170, 220, 50),
    Rgb(253, 231, 37),
];

/// A colour scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    Heat,
    Viridis,
    Plain,
    BlueRed,
}

impl Palette {
    /// Every scale, in the order of the chooser.
    pub(super) const ALL: [Self; 4] = [Self::Heat, Self::Viridis, Self::Plain, Self::BlueRed];

    /// Name in the page's data.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Heat => "heat",
            Self::Viridis => "viridis",
            Self::Plain => "plain",
            Self::BlueRed => "blue-red",
        }
    }

    /// Name in the chooser.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Heat => "Heat",
            Self::Viridis => "Viridis",
            Self::Plain => "Vermilion",
            Self::BlueRed => "Blue–red",
        }
    }

    /// Colour of a share of the scale, 0 to 1.
    fn colour(self, share: f32) -> Rgb {
        let between = |anchors: &[Rgb]| {
            let at = share.clamp(0.0, 1.0) * (anchors.len() - 1) as f32;
            let low = (at as usize).min(anchors.len() - 2);
            anchors[low].under(anchors[low + 1], at - low as f32)
        };
        match self {
            Self::Heat => heat(share),
            Self::Viridis => between(&VIRIDIS),
            Self::Plain => VERMILION,
            Self::BlueRed => between(&[BLUE, WHITE, VERMILION]),
        }
    }

    /// The scale's colours, red, green, blue.
    pub(super) fn bytes(self) -> Vec<u8> {
        let colours = (0..COLOURS).map(|index| self.colour(index as f32 / (COLOURS - 1) as f32));
        colours.flat_map(|Rgb(red, green, blue)| [red, green, blue]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_where_they_should() {
        for palette in Palette::ALL {
            assert_eq!(palette.bytes().len(), 3 * COLOURS);
        }
        assert_eq!(Palette::Viridis.bytes()[..3], [68, 1, 84]);
        assert_eq!(Palette::BlueRed.bytes()[3 * 255..], [213, 94, 0]);
        assert_eq!(Palette::BlueRed.colour(0.5), WHITE);
    }
}
