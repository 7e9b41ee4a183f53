//! Orientation of a scan's stored axes.
//!
//! Codes are those of nibabel's `aff2axcodes`: the directions in which the stored x, y and z axes point. BraTS is LPS: x
//! towards the patient's left, y towards the back (posterior), z up (superior).

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::affine::{self, Rows};

/// Letters of the world axes (x, y, z of NIfTI's RAS+ space): towards smaller, then towards larger coordinates.
const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];
const EXPECTED: &str = "one of stored, LPS, RAS and other axis codes (one of L or R, one of P or A, one of I or S, in any order)";

/// Directions in which the stored x, y and z axes of a scan point.
///
/// ```
/// use relevox_volume::{AxisCodes, Geometry};
///
/// let brats = Geometry::axis_aligned([155, 240, 240], [1.0; 3]);
/// assert_eq!(brats.axis_codes().to_string(), "LPS");
/// assert_eq!("lps".parse::<AxisCodes>()?, brats.axis_codes());
/// # Ok::<(), relevox_volume::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisCodes {
    /// World axis of the stored x, y and z axes.
    pub(crate) world: [usize; 3],
    /// Whether the world coordinate increases along the stored axis.
    pub(crate) increases: [bool; 3],
}

impl AxisCodes {
    /// Determines the codes of an affine on `(x, y, z, 1)` voxel indices, of an oblique one the nearest.
    ///
    /// The axes of the rotation nearest to the affine's normalised columns are assigned from the strongest to the weakest,
    /// as in nibabel's `io_orientation`.
    pub(crate) fn of(rows: &Rows) -> Self {
        let rotation = affine::nearest_rotation(rows);
        let strength = |stored: usize| rotation.iter().map(|row| row[stored].powi(2)).fold(0.0, f64::max);
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)));
        let (mut world, mut increases, mut taken) = ([0; 3], [true; 3], [false; 3]);
        for stored in order {
            let mut best: Option<usize> = None;
            for axis in (0..3).filter(|&axis| !taken[axis]) {
                if best.is_none_or(|best| rotation[axis][stored].abs() > rotation[best][stored].abs()) {
                    best = Some(axis);
                }
            }
            let axis = best.unwrap_or(stored);
            taken[axis] = true;
            world[stored] = axis;
            increases[stored] = rotation[axis][stored] >= 0.0;
        }
        Self { world, increases }
    }

    /// World axis (0 for x, 1 for y, 2 for z) of the stored x, y and z axes.
    pub(crate) fn world_axes(&self) -> [usize; 3] {
        self.world
    }
}

impl fmt::Display for AxisCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |axis: usize| LETTERS[self.world[axis]][usize::from(self.increases[axis])];
        f.pad(&(0..3).map(letter).collect::<String>())
    }
}

impl FromStr for AxisCodes {
    type Err = Error;

    /// Parses three letters, in either case.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`] unless each of the three world axes has one letter.
    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownName {
            what: "orientation",
            expected: EXPECTED.to_owned(),
            found: text.to_owned(),
        };
        let letters: Vec<char> = text.chars().map(|letter| letter.to_ascii_uppercase()).collect();
        let letters: [char; 3] = letters.try_into().map_err(|_| unknown())?;
        let (mut world, mut increases, mut taken) = ([0; 3], [true; 3], [false; 3]);
        for (stored, letter) in letters.into_iter().enumerate() {
            let axis = LETTERS.iter().position(|pair| pair.contains(&letter)).ok_or_else(unknown)?;
            if std::mem::replace(&mut taken[axis], true) {
                return Err(unknown());
            }
            (world[stored], increases[stored]) = (axis, LETTERS[axis][1] == letter);
        }
        Ok(Self { world, increases })
    }
}

/// Orientation of a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// The stored axes, whatever their directions.
    #[default]
    Stored,
    /// Axes with these codes. Scans are turned to them by permuting and flipping stored axes, without resampling.
    Codes(AxisCodes),
}

impl Orientation {
    /// BraTS's orientation.
    pub const LPS: Self = Self::Codes(AxisCodes { world: [0, 1, 2], increases: [false, false, true] });
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.pad("stored"),
            Self::Codes(codes) => codes.fmt(f),
        }
    }
}

impl FromStr for Orientation {
    type Err = Error;

    /// Parses `stored` or axis codes.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`] for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.eq_ignore_ascii_case("stored") { Ok(Self::Stored) } else { text.parse().map(Self::Codes) }
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Orientation;

    impl Serialize for Orientation {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Orientation {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The 48 orientations.
    pub(crate) fn all_codes() -> Vec<AxisCodes> {
        let permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let flips = (0..8).map(|bits| [0, 1, 2].map(|axis| bits >> axis & 1 == 1));
        flips
            .flat_map(|increases| permutations.into_iter().map(move |world| AxisCodes { world, increases }))
            .collect()
    }

    #[test]
    fn codes_survive_text_and_affine() {
        for codes in all_codes() {
            assert_eq!(codes.to_string().parse::<AxisCodes>().unwrap(), codes);
            let mut rows = [[0.0; 4]; 3];
            for stored in 0..3 {
                let sign = if codes.increases[stored] { 1.0 } else { -1.0 };
                rows[codes.world[stored]][stored] = sign * (stored + 1) as f64;
            }
            assert_eq!(AxisCodes::of(&rows), codes);
        }
        for text in ["", "LP", "LPSS", "LLS", "LRS", "XYZ", "Stored?"] {
            assert!(text.parse::<Orientation>().is_err(), "{text}");
        }
        assert_eq!("STORED".parse::<Orientation>().unwrap(), Orientation::Stored);
    }
}
