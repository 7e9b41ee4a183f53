//! Orientation of a scan's stored axes, and the turn to another orientation.
//!
//! Codes are those of nibabel's `aff2axcodes`: the directions in which the stored x, y and z axes point. BraTS is LPS: x
//! towards the patient's left, y towards the back (posterior), z up (superior).

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayView3, Axis};

use crate::affine::{self, Rows};
use crate::{Error, Geometry};

/// Letters of the world axes (x, y, z of NIfTI's RAS+ space): towards smaller, then towards larger coordinates.
const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];
const EXPECTED: &str =
    "stored, LPS, RAS and other axis codes (one of L or R, one of P or A, one of I or S, in any order)";

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
    world: [usize; 3],
    /// Whether the world coordinate increases along the stored axis.
    increases: [bool; 3],
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

/// A permutation and flips of array axes: axis `i` of the turned array is axis `source[i]` of the stored one, reversed
/// if `reversed[i]`. Axes are those of arrays, `z, y, x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    source: [usize; 3],
    reversed: [bool; 3],
}

impl Turn {
    pub const IDENTITY: Self = Self { source: [0, 1, 2], reversed: [false; 3] };

    /// The turn of a grid to an orientation.
    pub fn of(scan: &Geometry, to: Orientation) -> Self {
        let Orientation::Codes(to) = to else { return Self::IDENTITY };
        let from = scan.axis_codes();
        let (mut source, mut reversed) = ([0; 3], [false; 3]);
        for target in 0..3 {
            let stored = (0..3).find(|&axis| from.world[axis] == to.world[target]).unwrap_or(target);
            // Codes are in the order x, y, z, arrays in the order z, y, x.
            source[2 - target] = 2 - stored;
            reversed[2 - target] = from.increases[stored] != to.increases[target];
        }
        Self { source, reversed }
    }

    pub fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// Views a stored array in the turned orientation.
    pub fn apply<'a, T>(&self, stored: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let mut view = stored.permuted_axes(self.source);
        for (axis, _) in self.reversed.iter().enumerate().filter(|(_, reversed)| **reversed) {
            view.invert_axis(Axis(axis));
        }
        view
    }

    /// Views a turned array in the stored orientation.
    pub fn undo<'a, T>(&self, turned: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let mut view = turned;
        for (axis, _) in self.reversed.iter().enumerate().filter(|(_, reversed)| **reversed) {
            view.invert_axis(Axis(axis));
        }
        let back = std::array::from_fn(|axis| self.source.iter().position(|&s| s == axis).unwrap_or(axis));
        view.permuted_axes::<[usize; 3]>(back)
    }

    /// Reorders per-axis values of the stored array.
    pub fn reorder<T: Copy>(&self, stored: [T; 3]) -> [T; 3] {
        self.source.map(|axis| stored[axis])
    }

    /// Grid of the turned array. The voxels keep their positions.
    pub fn geometry(&self, scan: &Geometry) -> Geometry {
        if self.is_identity() {
            return scan.clone();
        }
        let mut rows = [[0.0; 4]; 3];
        let first: [f64; 3] = {
            let mut index = [0.0; 3];
            for axis in 0..3 {
                let stored = self.source[axis];
                index[stored] =
                    if self.reversed[axis] { scan.shape[stored].saturating_sub(1) as f64 } else { 0.0 };
            }
            index
        };
        let origin = scan.world(first);
        for (world, row) in rows.iter_mut().enumerate() {
            for axis in 0..3 {
                let column = scan.world_from_voxel[world][2 - self.source[axis]];
                row[2 - axis] = if self.reversed[axis] { -column } else { column };
            }
            row[3] = origin[world];
        }
        Geometry::from_affine(self.reorder(scan.shape), rows)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn all_codes() -> Vec<AxisCodes> {
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

    #[test]
    fn every_turn_keeps_positions_and_is_undone() {
        let rows = [[0.9, 0.1, 0.0, -7.0], [-0.1, 2.0, 0.3, 5.0], [0.0, -0.2, 3.0, 1.0]];
        let scan = Geometry::from_affine([2, 3, 4], rows);
        let voxels = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (z * 12 + y * 4 + x) as u32);
        for codes in all_codes() {
            let turn = Turn::of(&scan, Orientation::Codes(codes));
            let turned = turn.apply(voxels.view());
            let geometry = turn.geometry(&scan);
            assert_eq!(geometry.axis_codes(), codes);
            assert_eq!(geometry.shape, <[usize; 3]>::from(turned.dim()));
            assert_eq!(turn.undo(turned), voxels);
            for ((z, y, x), value) in turned.indexed_iter() {
                let (stored, _) = voxels.indexed_iter().find(|(_, v)| *v == value).unwrap();
                let expected = scan.world([stored.0, stored.1, stored.2].map(|i| i as f64));
                let found = geometry.world([z, y, x].map(|i| i as f64));
                assert!(expected.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-5), "{codes}");
            }
        }
    }
}
