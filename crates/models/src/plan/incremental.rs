//! A scan whose every layer is kept, and the logits that changes of a few of its voxels give.
//!
//! A change reaches, in each layer, the outputs whose kernels see a changed input: a box that grows from layer to layer.
//! That box alone is computed again, in a copy of the kept layers, which the boxes are then taken out of. Each output's
//! sum has the dense pass's order of operations, so that the logits are the dense pass's, to the bit.

use super::conv::{Geometry, Job, Residual};
use super::graph::{Arrangement, End, Step, Work};
use super::{MEMORY, Plan, logit_of};
use crate::Error;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Most changes that go through a layer together.
const TOGETHER: usize = 16;

/// A box of voxels.
type Region = [Range<usize>; 3];

/// Voxels of an image as they read after a change.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// First voxel of the box, `[z, y, x]`.
    pub start: [usize; 3],
    /// Voxels of the box, `[z, y, x]`.
    pub size: [usize; 3],
    /// The box after the change, `[c, z, y, x]` in C order.
    pub values: &'a [f32],
}

/// What a classifier's [`Plan`] computed of one image, layer by layer; [`Plan::changed`] starts from it.
#[derive(Debug)]
pub struct Kept {
    size: [usize; 3],
    arrangement: Arrangement,
    layers: Vec<Vec<f32>>,
    logit: f32,
    /// Copies of `layers` that earlier calls worked in, as they were.
    copies: Mutex<Vec<Vec<Vec<f32>>>>,
}

impl Kept {
    /// The image's own logit.
    pub fn logit(&self) -> f32 {
        self.logit
    }

    /// Bytes of the kept layers; a change at work takes as many again, up to 512 MiB together, or one copy where that
    /// is more.
    pub fn bytes(&self) -> usize {
        self.arrangement.len() * size_of::<f32>()
    }
}

/// A copy of the kept layers, and where it differs from them.
struct Working {
    layers: Vec<Vec<f32>>,
    /// By buffer.
    changed: Vec<Option<Region>>,
}

impl Plan {
    /// Computes an image and keeps every layer.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// As [`Plan::forward`]; and if the network is no classifier.
    pub fn keep(&self, image: &[f32], shape: [usize; 4]) -> Result<Kept, Error> {
        let [channels, z, y, x] = shape;
        let size = [z, y, x];
        let End::Logit { .. } = self.graph.end else {
            let (expected, found) =
                ("a classifier".to_owned(), "a network with an image of values".to_owned());
            return Err(Error::Batch { expected, found });
        };
        let mut arrangement = self.arrange(image.len(), [1, channels, z, y, x])?;
        arrangement.part();
        let mut layers: Vec<Vec<f32>> = arrangement.slot_lens.iter().map(|&len| vec![0.0; len]).collect();
        self.pack(&arrangement, image, size, &mut layers);
        for step in &self.graph.steps {
            self.step(&arrangement, step, 1, &mut layers);
        }
        let mut logit = [0.0];
        self.unpack(&arrangement, size, &layers, &mut logit);
        Ok(Kept { size, arrangement, layers, logit: logit[0], copies: Mutex::default() })
    }

    /// The logit of the kept image after each change, each on its own.
    ///
    /// Equal to [`Plan::forward`] of the changed images, to the bit.
    ///
    /// # Errors
    /// If a box does not lie in the image or has another number of values than its size says.
    ///
    /// # Panics
    /// If another plan computed `kept`.
    pub fn changed(&self, kept: &Kept, changes: &[Change<'_>]) -> Result<Vec<f32>, Error> {
        assert_eq!(kept.layers.len(), self.graph.buffers.len(), "what another plan kept");
        for change in changes {
            self.check(kept, change)?;
        }
        let together = (MEMORY / kept.bytes().max(1)).clamp(1, TOGETHER);
        let mut logits = Vec::with_capacity(changes.len());
        let mut copies = Vec::new();
        for changes in changes.chunks(together) {
            self.copies(kept, changes.len(), &mut copies);
            let copies = &mut copies[..changes.len()];
            copies.par_iter_mut().zip(changes).for_each(|(copy, change)| self.write(kept, change, copy));
            for step in &self.graph.steps {
                self.step_boxes(&kept.arrangement, step, copies);
            }
            logits.extend(copies.iter().map(|copy| self.logit(kept, copy)));
            copies.par_iter_mut().for_each(|copy| self.restore(kept, copy));
        }
        let mut spare = kept.copies.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(copies.into_iter().map(|copy| copy.layers));
        Ok(logits)
    }

    fn check(&self, kept: &Kept, change: &Change<'_>) -> Result<(), Error> {
        let Change { start, size, values } = change;
        let inside =
            (0..3).all(|axis| start[axis].checked_add(size[axis]).is_some_and(|end| end <= kept.size[axis]));
        if !inside {
            let expected = format!("a change within {:?} voxels", kept.size);
            return Err(Error::Batch { expected, found: format!("one of {size:?} at {start:?}") });
        }
        let expected = self.graph.channels * size.iter().product::<usize>();
        if values.len() != expected {
            let found = format!("{} values for a box of {size:?}", values.len());
            return Err(Error::Batch { expected: format!("{expected} values"), found });
        }
        Ok(())
    }

    /// Makes so many copies of the kept layers.
    fn copies(&self, kept: &Kept, wanted: usize, copies: &mut Vec<Working>) {
        let mut spare = kept.copies.lock().unwrap_or_else(PoisonError::into_inner);
        while copies.len() < wanted {
            let layers = spare.pop().unwrap_or_else(|| kept.layers.clone());
            copies.push(Working { changed: vec![None; layers.len()], layers });
        }
    }

    /// Puts a change into the image, with the smallest box that holds what differs.
    fn write(&self, kept: &Kept, change: &Change<'_>, copy: &mut Working) {
        let Change { start, size: [depth, height, width], values } = *change;
        let buffer = self.graph.layers[0].buffer;
        let window = &kept.arrangement.windows[0];
        let image = &mut copy.layers[buffer];
        let mut differs: Option<Region> = None;
        for (row, values) in values.chunks_exact(width.max(1)).enumerate() {
            let [c, z, y] = [row / (depth * height), row / height % depth, row % height];
            let place = [start[0] + z, start[1] + y, start[2]];
            let at = window.at(c / window.pitch, place.map(|at| at as isize)) + c % window.pitch;
            for (x, (old, &new)) in image[at..].iter_mut().step_by(window.pitch).zip(values).enumerate() {
                if *old != new {
                    *old = new;
                    let voxel = [place[0], place[1], place[2] + x];
                    differs = union(differs, Some(voxel.map(|at| at..at + 1)));
                }
            }
        }
        copy.changed[buffer] = differs;
    }

    /// Computes what of a step's output the changes reach.
    fn step_boxes(&self, arrangement: &Arrangement, step: &Step, copies: &mut [Working]) {
        let place = self.graph.layers[step.output];
        let buffer_of = |layer: usize| self.graph.layers[layer].buffer;
        let (input, output) = (&arrangement.windows[step.input], &arrangement.windows[step.output]);
        let reached: Vec<Option<Region>> = copies
            .iter()
            .map(|copy| {
                let changed = copy.changed[buffer_of(step.input)].as_ref();
                let through = changed.and_then(|changed| match &step.work {
                    Work::Conv(conv) => reached_by(conv.geometry(), changed, output.layer),
                    Work::Pool(pool) => reached_by(pool.geometry, changed, output.layer),
                    Work::Enlarge { .. } => Some(changed.clone()),
                });
                let beside = step.residual.and_then(|(layer, stride)| {
                    let alone = Geometry { kernel: [1; 3], stride: [stride; 3], padding: [0; 3] };
                    reached_by(alone, copy.changed[buffer_of(layer)].as_ref()?, output.layer)
                });
                union(through, beside)
            })
            .collect();
        let mut written: Vec<Vec<f32>> =
            copies.iter_mut().map(|copy| std::mem::take(&mut copy.layers[place.buffer])).collect();
        let skip = place.first_block * output.block_len();
        let shown: &[Working] = copies;
        let mut jobs: Vec<Job<'_>> = shown
            .iter()
            .zip(&mut written)
            .zip(&reached)
            .filter_map(|((copy, to), region)| {
                let of = |layer: usize| self.images(arrangement, layer, &copy.layers).next();
                let residual = match step.residual {
                    Some((layer, stride)) => {
                        Some(Residual { window: &arrangement.windows[layer], values: of(layer)?, stride })
                    }
                    None => None,
                };
                Some(Job {
                    region: region.clone()?,
                    input: (input, of(step.input)?),
                    residual,
                    output: (output, &mut to[skip..][..output.len()]),
                })
            })
            .collect();
        step.work.run(&mut jobs);
        drop(jobs);
        for ((copy, written), region) in copies.iter_mut().zip(written).zip(reached) {
            copy.layers[place.buffer] = written;
            let region = match &step.work {
                Work::Enlarge { factor, .. } => {
                    region.map(|region| region.map(|range| range.start * factor..range.end * factor))
                }
                _ => region,
            };
            let changed = &mut copy.changed[place.buffer];
            *changed = union(changed.take(), region);
        }
    }

    fn logit(&self, kept: &Kept, copy: &Working) -> f32 {
        let last = self.graph.last();
        let values = self.images(&kept.arrangement, last, &copy.layers).next();
        match (&self.graph.end, values) {
            (End::Logit { weights, bias }, Some(values)) => {
                logit_of(&kept.arrangement.windows[last], values, weights, *bias)
            }
            _ => kept.logit,
        }
    }

    /// Makes a copy what was kept again.
    fn restore(&self, kept: &Kept, copy: &mut Working) {
        for (place, window) in self.graph.layers.iter().zip(&kept.arrangement.windows) {
            let Some([z, y, x]) = &copy.changed[place.buffer] else { continue };
            let skip = place.first_block * window.block_len();
            let (from, to) = (&kept.layers[place.buffer][skip..], &mut copy.layers[place.buffer][skip..]);
            for block in 0..place.blocks {
                for z in z.clone() {
                    for y in y.clone() {
                        let at = window.at(block, [z as isize, y as isize, x.start as isize]);
                        let row = at..at + x.len() * window.pitch;
                        to[row.clone()].copy_from_slice(&from[row]);
                    }
                }
            }
        }
        copy.changed.fill(None);
    }
}

/// The outputs that see an input of a box, if there are any.
fn reached_by(geometry: Geometry, changed: &Region, output: [usize; 3]) -> Option<Region> {
    let Geometry { kernel, stride, padding } = geometry;
    let reached: Region = std::array::from_fn(|axis| {
        let Range { start, end } = changed[axis];
        let first = (start + padding[axis]).saturating_sub(kernel[axis] - 1).div_ceil(stride[axis]);
        let past = (end - 1 + padding[axis]) / stride[axis] + 1;
        first..past.min(output[axis])
    });
    reached.iter().all(|range| !range.is_empty()).then_some(reached)
}

/// The smallest box that holds both.
fn union(a: Option<Region>, b: Option<Region>) -> Option<Region> {
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(std::array::from_fn(|axis| a[axis].start.min(b[axis].start)..a[axis].end.max(b[axis].end)))
        }
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{disturbed, values};
    use super::*;
    use crate::{Parameters, ResNet3d, ResNetConfig, Shortcut, UNet3d, UNetConfig};
    use candle_core::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_changed_box_gives_the_dense_logit_to_the_bit(
            depth in prop::sample::select(vec![10usize, 18, 50]), channels in 1usize..18, width in 1usize..18,
            stem_stride in 1usize..3, a in any::<bool>(), size in [7usize..30, 7usize..30, 7usize..34],
            corners in prop::array::uniform6(0.0f64..1.0), count in 1usize..5, seed in any::<u64>(),
        ) {
            let shortcut = if a { Shortcut::A } else { Shortcut::B };
            let config = ResNetConfig { depth, in_channels: channels, width, stem_stride, shortcut };
            let parameters = Parameters::seeded(seed, &Device::Cpu);
            let network = ResNet3d::new(&config, parameters.builder()).unwrap();
            disturbed(&parameters);
            let plan = Plan::resnet(&network).unwrap();
            let [z, y, x] = size;
            let image = values(channels * z * y * x, seed);
            let kept = plan.keep(&image, [channels, z, y, x]).unwrap();
            prop_assert_eq!(kept.logit(), plan.forward(&image, [1, channels, z, y, x]).unwrap()[0]);

            let mut boxes = Vec::new();
            for at in 0..count {
                // Of every size, and at the borders too.
                let of = |axis: usize| {
                    let n = size[axis] as f64;
                    let first = (corners[axis] * n + at as f64) as usize % size[axis];
                    let len = 1 + (corners[axis + 3] * (size[axis] - first) as f64 / (1 + at) as f64) as usize;
                    (first, len.min(size[axis] - first))
                };
                let [z, y, x] = [of(0), of(1), of(2)];
                let len = channels * z.1 * y.1 * x.1;
                boxes.push(([z.0, y.0, x.0], [z.1, y.1, x.1], values(len, seed ^ at as u64)));
            }
            let changes: Vec<Change> =
                boxes.iter().map(|(start, size, values)| Change { start: *start, size: *size, values }).collect();
            // Twice: the copies come back as they were.
            for _ in 0..2 {
                let found = plan.changed(&kept, &changes).unwrap();
                for (change, found) in changes.iter().zip(found) {
                    let mut changed = image.clone();
                    let [dz, dy, dx] = change.size;
                    for (at, &value) in change.values.iter().enumerate() {
                        let [c, vz, vy, vx] = [at / (dz * dy * dx), at / (dy * dx) % dz, at / dx % dy, at % dx];
                        let [vz, vy, vx] = [vz + change.start[0], vy + change.start[1], vx + change.start[2]];
                        changed[((c * z + vz) * y + vy) * x + vx] = value;
                    }
                    let dense = plan.forward(&changed, [1, channels, z, y, x]).unwrap()[0];
                    prop_assert_eq!(found.to_bits(), dense.to_bits(), "{:?}", change.start);
                }
            }
        }
    }

    fn plan() -> Plan {
        let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
        Plan::resnet(&ResNet3d::new(&config, Parameters::seeded(1, &Device::Cpu).builder()).unwrap()).unwrap()
    }

    #[test]
    fn nothing_changed_is_the_logit_itself() {
        let (plan, image) = (plan(), values(4 * 12 * 12 * 12, 3));
        let kept = plan.keep(&image, [4, 12, 12, 12]).unwrap();
        let same = Change { start: [0; 3], size: [12; 3], values: &image };
        assert_eq!(plan.changed(&kept, &[same]).unwrap(), [kept.logit()]);
        assert!(plan.changed(&kept, &[]).unwrap().is_empty());
        let none = Change { start: [3; 3], size: [2, 0, 2], values: &[] };
        assert_eq!(plan.changed(&kept, &[none]).unwrap(), [kept.logit()]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (plan, image) = (plan(), values(4 * 12 * 12 * 12, 3));
        let kept = plan.keep(&image, [4, 12, 12, 12]).unwrap();
        let refused = |start, size, values: &[f32], word: &str| {
            let error = plan.changed(&kept, &[Change { start, size, values }]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused([11, 0, 0], [2, 1, 1], &[0.0; 8], "within [12, 12, 12] voxels");
        refused([usize::MAX, 0, 0], [2, 1, 1], &[0.0; 8], "within");
        refused([0; 3], [2, 1, 1], &[0.0; 7], "8 values");
        assert!(plan.keep(&image[1..], [4, 12, 12, 12]).is_err());
        let config = UNetConfig { in_channels: 4, out_channels: 4, widths: vec![2, 4] };
        let unet = UNet3d::new(&config, Parameters::seeded(1, &Device::Cpu).builder()).unwrap();
        let error = Plan::unet(&unet).unwrap().keep(&image, [4, 12, 12, 12]).unwrap_err();
        assert!(error.to_string().contains("classifier"), "{error}");
    }
}
