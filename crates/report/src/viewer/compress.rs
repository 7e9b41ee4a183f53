//! Compression of volumes of bytes: a prediction from neighbours, deflate, base64.
//!
//! Predictions are subtracted modulo 256, as in PNG's filters, in three dimensions. The gradient is the Lorenzo predictor
//! (Ibarria et al., "Out-of-core compression and decompression of large n-dimensional scalar fields", Computer Graphics Forum
//! 22(3), 2003, doi:10.1111/1467-8659.00681): exact on sums of functions of two coordinates, and best on smooth scans; the mean
//! is best on noisy ones, no prediction on labels.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::error::Error;

/// zlib's level: the higher ones save less than 1 % and take several times as long.
const LEVEL: u32 = 6;

/// How a voxel is predicted from its neighbours at smaller indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prediction {
    None,
    /// Mean of the three neighbours, rounded down.
    Mean,
    /// The Lorenzo predictor, clamped to 0..=255.
    Gradient,
}

impl Prediction {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Mean, Self::Gradient];

    /// Name in the page's data.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mean => "mean",
            Self::Gradient => "gradient",
        }
    }

    /// Predicts a voxel from its neighbours in these rows: its own, the one above, and the same two of the slice before.
    fn of(self, [own, above, before, corner]: [&[u8]; 4], x: usize) -> u8 {
        let at = |row: &[u8], x: usize| i32::from(row[x]);
        let left = |row: &[u8]| if x > 0 { at(row, x - 1) } else { 0 };
        match self {
            Self::None => 0,
            Self::Mean => ((left(own) + at(above, x) + at(before, x)) / 3) as u8,
            Self::Gradient => {
                let sides = left(own) + at(above, x) + at(before, x);
                let edges = left(above) + left(before) + at(corner, x);
                (sides - edges + left(corner)).clamp(0, 255) as u8
            }
        }
    }

    /// Returns the differences from the predictions.
    fn apply(self, values: &[u8], [_, ny, nx]: [usize; 3]) -> Vec<u8> {
        if self == Self::None {
            return values.to_vec();
        }
        let outside = vec![0; nx];
        let rows: Vec<&[u8]> = values.chunks_exact(nx).collect();
        let row =
            |inside: bool, index: usize, back: usize| if inside { rows[index - back] } else { &outside };
        let mut differences = Vec::with_capacity(values.len());
        for (index, own) in rows.iter().enumerate() {
            let (y, z) = (index % ny > 0, index >= ny);
            let near = [own, row(y, index, 1), row(z, index, ny), row(y && z, index, ny + 1)];
            differences.extend((0..nx).map(|x| own[x].wrapping_sub(self.of(near, x))));
        }
        differences
    }
}

/// A compressed volume.
#[derive(Debug, Clone)]
pub(super) struct Compressed {
    pub(super) prediction: Prediction,
    pub(super) base64: String,
}

/// Compresses bytes of a volume with the prediction that gives the least.
///
/// # Errors
/// Returns [`Error::Compression`] if the encoder fails.
pub(super) fn compress(values: &[u8], shape: [usize; 3]) -> Result<Compressed, Error> {
    let mut best: Option<(Prediction, Vec<u8>)> = None;
    for prediction in Prediction::ALL {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        encoder.write_all(&prediction.apply(values, shape)).map_err(Error::Compression)?;
        let bytes = encoder.finish().map_err(Error::Compression)?;
        if best.as_ref().is_none_or(|(_, least)| bytes.len() < least.len()) {
            best = Some((prediction, bytes));
        }
    }
    let (prediction, bytes) = best.unwrap_or((Prediction::None, Vec::new()));
    Ok(Compressed { prediction, base64: STANDARD.encode(bytes) })
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use super::*;

    /// Decompresses a volume voxel by voxel, as the page's script does.
    pub(in crate::viewer) fn decompress(
        base64: &str,
        prediction: Prediction,
        [_, ny, nx]: [usize; 3],
    ) -> Vec<u8> {
        let mut values = Vec::new();
        let bytes = STANDARD.decode(base64).unwrap();
        flate2::read::ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut values).unwrap();
        let at = |values: &[u8], index: usize, [dz, dy, dx]: [usize; 3]| {
            let inside = index / (nx * ny) >= dz && index / nx % ny >= dy && index % nx >= dx;
            if inside { i32::from(values[index - (dz * ny + dy) * nx - dx]) } else { 0 }
        };
        for index in 0..values.len() {
            let sum = |offsets: [[usize; 3]; 3]| {
                offsets.map(|offset| at(&values, index, offset)).iter().sum::<i32>()
            };
            let (sides, edges) =
                (sum([[0, 0, 1], [0, 1, 0], [1, 0, 0]]), sum([[0, 1, 1], [1, 0, 1], [1, 1, 0]]));
            let predicted = match prediction {
                Prediction::None => 0,
                Prediction::Mean => sides / 3,
                Prediction::Gradient => (sides - edges + at(&values, index, [1, 1, 1])).clamp(0, 255),
            };
            values[index] = values[index].wrapping_add(predicted as u8);
        }
        values
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn every_prediction_is_undone() {
        let shape = [4, 5, 7];
        for values in [noise(140), vec![255; 140], (0..140).map(|i| i as u8).collect()] {
            for prediction in Prediction::ALL {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
                encoder.write_all(&prediction.apply(&values, shape)).unwrap();
                let base64 = STANDARD.encode(encoder.finish().unwrap());
                assert_eq!(decompress(&base64, prediction, shape), values, "{prediction:?}");
            }
        }
    }

    #[test]
    fn the_smallest_is_chosen() {
        let shape = [20, 20, 20];
        let smooth: Vec<u8> = (0..8000).map(|i| (i % 20 + i / 20 % 20 * 3 + i / 400 * 5) as u8).collect();
        for (values, expected) in [(smooth, Prediction::Gradient), (noise(8000), Prediction::None)] {
            let compressed = compress(&values, shape).unwrap();
            assert_eq!(compressed.prediction, expected);
            assert_eq!(decompress(&compressed.base64, compressed.prediction, shape), values);
        }
    }
}
