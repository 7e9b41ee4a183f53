//! The unperturbed image, and groups of patches.

use super::boxes::Place;
use super::cut::Changed;
use crate::Error;
use crate::memory::{Fitting, is_exhausted};
use candle_core::{Device, Result as TensorResult, Tensor};
use relevox_grid::{Box3, Patch};

/// Largest number of patches per batch.
pub const TOGETHER: usize = 32;

/// An image on the host.
pub(super) struct Image {
    pub values: Vec<f32>,
    /// `[c, z, y, x]`.
    pub shape: [usize; 4],
}

impl Image {
    /// # Errors
    /// If there is another number of values.
    pub(super) fn new(values: &[f32], shape: [usize; 4]) -> Result<Self, Error> {
        if values.len() != shape.iter().product::<usize>() {
            return Err(Error::Batch {
                expected: format!("an image of shape {shape:?}"),
                found: format!("{} values", values.len()),
            });
        }
        Ok(Self { values: values.to_vec(), shape })
    }

    /// With zeros at the far ends, up to a multiple of `multiple` along each axis.
    pub(super) fn padded(self, multiple: usize) -> Self {
        let [c, z, y, x] = self.shape;
        let shape = [c, z, y, x].map(|size| size.next_multiple_of(multiple));
        let shape = [c, shape[1], shape[2], shape[3]];
        if shape == self.shape {
            return self;
        }
        let mut values = vec![0.0; shape.iter().product()];
        for (row, source) in self.values.chunks_exact(x.max(1)).enumerate() {
            let (plane, row) = (row / y, row % y);
            let (channel, plane) = (plane / z, plane % z);
            let at = ((channel * shape[1] + plane) * shape[2] + row) * shape[3];
            values[at..at + x].copy_from_slice(source);
        }
        Self { values, shape }
    }

    /// Returns whether the cached image is this one of `shape`, up to padding.
    pub(super) fn is(&self, values: &[f32], [c, z, y, x]: [usize; 4]) -> bool {
        let [channels, depth, height, width] = self.shape;
        channels == c
            && (depth >= z && height >= y && width >= x)
            && values.len() == c * z * y * x
            && values.chunks_exact(x.max(1)).enumerate().all(|(row, source)| {
                let (plane, row) = (row / y, row % y);
                let at = (((plane / z) * depth + plane % z) * height + row) * width;
                self.values[at..at + x] == *source
            })
    }

    /// Voxels by axis.
    pub(super) fn size(&self) -> [usize; 3] {
        [self.shape[1], self.shape[2], self.shape[3]]
    }

    /// `[1, c, z, y, x]`.
    pub(super) fn tensor(&self, device: &Device) -> TensorResult<Tensor> {
        let [c, z, y, x] = self.shape;
        Tensor::from_slice(&self.values, (1, c, z, y, x), device)
    }

    /// # Errors
    /// If a box is empty or does not lie within `size` voxels, or a patch has other channels than the image.
    pub(super) fn check(&self, patches: &[Patch], size: [usize; 3]) -> Result<(), Error> {
        for patch in patches {
            let (bounds, channels) = (patch.bounds(), patch.values().dim().0);
            if bounds.is_empty() || !Box3::whole(size).contains(&bounds) || channels != self.shape[0] {
                return Err(Error::Batch {
                    expected: format!("a patch of {} channels within {size:?} voxels", self.shape[0]),
                    found: format!("{channels} channels in {bounds:?}"),
                });
            }
        }
        Ok(())
    }

    /// Uploads windows of the image with each patch pasted in.
    pub(super) fn upload(&self, patches: &[&Patch], device: &Device) -> TensorResult<Changed> {
        let boxes: Vec<Box3> = patches.iter().map(|patch| patch.bounds()).collect();
        let place = Place::around(&boxes, self.size());
        let size = place.size;
        let channels = self.shape[0];
        let [_, height, width] = self.size();
        let voxels = self.size().iter().product::<usize>();
        let mut values = Vec::with_capacity(patches.len() * channels * size.iter().product::<usize>());
        for ((patch, bounds), start) in patches.iter().zip(&boxes).zip(&place.starts) {
            let [planes, rows, columns] = patch.bounds().size();
            let changed = patch.as_slice();
            for channel in 0..channels {
                for z in start[0]..start[0] + size[0] {
                    for y in start[1]..start[1] + size[1] {
                        let row = channel * voxels + (z * height + y) * width + start[2];
                        let first = values.len();
                        values.extend_from_slice(&self.values[row..row + size[2]]);
                        if bounds.range(0).contains(&z) && bounds.range(1).contains(&y) {
                            let within = (channel * planes + z - bounds.start[0]) * rows;
                            let from = (within + y - bounds.start[1]) * columns;
                            let onto = first + bounds.start[2] - start[2];
                            values[onto..onto + columns].copy_from_slice(&changed[from..from + columns]);
                        }
                    }
                }
            }
        }
        let [z, y, x] = size;
        let values = Tensor::from_vec(values, (patches.len(), channels, z, y, x), device)?;
        Ok(Changed { values, place })
    }
}

/// Memory for patches that are computed at once.
pub(super) struct Room<F> {
    /// Available bytes.
    pub memory: usize,
    /// Returns the bytes that a patch of a size takes.
    pub bytes: F,
}

impl<F: Fn([usize; 3]) -> usize> Room<F> {
    /// Returns whether `count` patches of at most this size fit. One always does.
    fn has(&self, count: usize, longest: [usize; 3]) -> bool {
        count == 1 || count.saturating_mul((self.bytes)(longest)) <= self.memory
    }
}

/// Boxes of like size, in groups that there is room for.
fn groups(sizes: &[[usize; 3]], room: &Room<impl Fn([usize; 3]) -> usize>) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| (sizes[index].iter().product::<usize>(), index));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut longest = [0; 3];
    for index in order {
        let size = sizes[index];
        let with: [usize; 3] = std::array::from_fn(|axis| longest[axis].max(size[axis]));
        match groups.last_mut() {
            // A group is filled up to a power of two.
            Some(group)
                if group.len() < TOGETHER && room.has((group.len() + 1).next_power_of_two(), with) =>
            {
                group.push(index);
                longest = with;
            }
            _ => {
                groups.push(vec![index]);
                longest = size;
            }
        }
    }
    groups
}

/// Computes patches in groups of like size, as many together as there is room for and as `fitting` knows to fit, and
/// returns the results in the order of the patches.
pub(super) fn grouped<T>(
    patches: &[Patch],
    room: &Room<impl Fn([usize; 3]) -> usize>,
    fitting: &Fitting,
    compute: impl Fn(&[&Patch]) -> TensorResult<Vec<T>>,
) -> Result<Vec<T>, Error> {
    let sizes: Vec<[usize; 3]> = patches.iter().map(|patch| patch.bounds().size()).collect();
    let mut results = Vec::with_capacity(patches.len());
    for group in groups(&sizes, room) {
        let found = fitting.run(group.len(), is_exhausted, |range| {
            let mut together: Vec<&Patch> = group[range].iter().map(|&index| &patches[index]).collect();
            let wanted = together.len();
            // Few sizes of batches, so that each shape's algorithm is chosen once.
            together.resize(wanted.next_power_of_two(), together[wanted - 1]);
            let mut results = compute(&together)?;
            results.truncate(wanted);
            Ok(results)
        })?;
        results.extend(group.iter().copied().zip(found));
    }
    results.sort_by_key(|&(index, _)| index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_to_the_room() {
        let sizes = [[30, 9, 9], [8, 8, 8], [9, 9, 30], [8, 8, 9], [8, 8, 8], [100, 100, 100]];
        let all = |groups: &[Vec<usize>]| {
            let mut all: Vec<usize> = groups.iter().flatten().copied().collect();
            all.sort_unstable();
            all
        };
        let bytes = |size: [usize; 3]| size.map(|size| size + 8).iter().product::<usize>() * 10;
        let plenty = groups(&sizes, &Room { memory: usize::MAX, bytes });
        assert_eq!(plenty, [vec![1, 4, 3, 0, 2, 5]]);
        // Three are filled up to four.
        let small = groups(&sizes, &Room { memory: 4 * 16 * 16 * 17 * 10, bytes });
        assert_eq!(small, [vec![1, 4, 3], vec![0], vec![2], vec![5]]);
        assert_eq!(all(&small), [0, 1, 2, 3, 4, 5]);
        let many = vec![sizes[1]; 70];
        let many = groups(&many, &Room { memory: usize::MAX, bytes });
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 6]);
    }

    #[test]
    fn padding_keeps_every_voxel_in_its_place() {
        let values: Vec<f32> = (1..=2 * 3 * 2 * 5).map(|i| i as f32).collect();
        let image = Image::new(&values, [2, 3, 2, 5]).unwrap();
        let padded = Image { values: image.values.clone(), shape: image.shape }.padded(4);
        assert_eq!(padded.shape, [2, 4, 4, 8]);
        assert!(padded.is(&values, image.shape) && !padded.is(&values[1..], image.shape));
        let mut other = values.clone();
        other[59] = 0.0;
        assert!(!padded.is(&other, image.shape));
        let at = |image: &Image, c: usize, z: usize, y: usize, x: usize| {
            let [_, depth, height, width] = image.shape;
            image.values[((c * depth + z) * height + y) * width + x]
        };
        for (c, z, y, x) in [(0, 0, 0, 0), (1, 2, 1, 4), (1, 0, 1, 3)] {
            assert_eq!(at(&padded, c, z, y, x), at(&image, c, z, y, x));
        }
        assert_eq!(padded.values.iter().sum::<f32>(), values.iter().sum::<f32>());
        assert_eq!(at(&padded, 1, 3, 0, 0), 0.0);
    }
}
