//! Runs the steps of a network on the windows of a batch of patches.

use super::boxes::Place;
use super::cut::{Changed, Layer, Patched};
use super::prepare::{Program, Step};
use super::reach::{Reach, Spread};
use crate::graph::Operation;
use candle_core::{Result as TensorResult, Tensor, bail};
use conv3d::ConvGeometry;
use relevox_grid::Box3;

/// The layers of an unperturbed image.
pub(super) struct Layers {
    /// By value, those that windows are cut from.
    pub cached: Vec<Option<Layer>>,
    /// By value, its voxels; 0 for a vector.
    pub sizes: Vec<[usize; 3]>,
}

/// A value under each patch of a batch.
#[derive(Clone)]
pub(super) enum Current {
    /// Windows of a map.
    Map(Changed),
    /// `[n, k]`.
    Vector(Tensor),
}

/// A batch of patches on its way through the steps.
pub(super) struct Pass<'a> {
    layers: &'a Layers,
    /// By value, the boxes to recompute.
    targets: Vec<Vec<Box3>>,
    /// By value, those that a later step reads.
    values: Vec<Option<Current>>,
    /// Number of patches.
    count: usize,
}

impl<'a> Pass<'a> {
    /// Computes the network's result for patches with the bounds `patches`, whose windows of the image are `image`.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub(super) fn run(
        program: &'a Program,
        layers: &'a Layers,
        patches: &[Box3],
        image: Changed,
    ) -> TensorResult<Current> {
        let targets = program.targets(&layers.sizes, patches);
        let values = vec![None; layers.sizes.len()];
        let mut pass = Self { layers, targets, values, count: patches.len() };
        pass.values[0] = Some(Current::Map(image));
        for (at, step) in program.steps.iter().enumerate() {
            let result = pass.step(step)?;
            for &input in &step.inputs {
                if program.traits[input].last_use == Some(at) && input != program.output {
                    pass.values[input] = None;
                }
            }
            pass.values[step.output] = Some(result);
        }
        match pass.values[program.output].take() {
            Some(result) => Ok(result),
            None => bail!("windows: the network has no result"),
        }
    }

    fn step(&self, step: &Step) -> TensorResult<Current> {
        let (boxes, size) = (&self.targets[step.output], self.layers.sizes[step.output]);
        if step.is_vector || step.reach == Reach::Whole {
            let inputs = step.inputs.iter().map(|&input| self.whole(input));
            let values = step.kernel.compute(&inputs.collect::<TensorResult<Vec<_>>>()?)?;
            if step.is_vector {
                return Ok(Current::Vector(values));
            }
            return Ok(Current::Map(Changed { values, place: Place::whole(self.count, size) }));
        }
        let changed = match step.reach {
            Reach::Window(geometry) => self.windows(step, geometry, Place::around(boxes, size))?,
            Reach::Spread(spread) => self.spread(step, spread, boxes, size)?,
            _ => {
                let place = Place::around(boxes, size);
                let inputs = step.inputs.iter().map(|&input| self.at(input, &place));
                let values = step.kernel.compute(&inputs.collect::<TensorResult<Vec<_>>>()?)?;
                Changed { values, place }
            }
        };
        Ok(Current::Map(changed))
    }

    /// Computes a convolution or pooling.
    fn windows(&self, step: &Step, geometry: ConvGeometry, place: Place) -> TensorResult<Changed> {
        let inputs = step.inputs.iter().map(|&input| Ok((input, self.map(input)?)));
        let inputs: Vec<(usize, &Changed)> = inputs.collect::<TensorResult<_>>()?;
        let is_whole = |value: usize, place: &Place| place.size == self.layers.sizes[value];
        if is_whole(step.output, &place)
            && inputs.iter().all(|(input, changed)| is_whole(*input, &changed.place))
        {
            let parts: Vec<Tensor> = inputs.iter().map(|(_, changed)| changed.values.clone()).collect();
            return Ok(Changed { values: step.kernel.compute(&[joined(parts)?])?, place });
        }
        // A kernel of 1 does not read the inputs between strides.
        let one = geometry.kernel == [1; 3];
        let step_between = if one { geometry.stride } else { [1; 3] };
        let field = if one { place.size } else { geometry.receptive_field(Box3::whole(place.size)).size() };
        let firsts = place.first_inputs(geometry);
        let parts = inputs.iter().map(|(input, changed)| {
            self.patched(*input, changed, &changed.place.signed_starts(), step.outside).cut(
                &firsts,
                field,
                step_between,
            )
        });
        let seen = joined(parts.collect::<TensorResult<Vec<_>>>()?)?;
        let Some(unpadded) = &step.unpadded else { return Ok(Changed { values: seen, place }) };
        let mut values = unpadded.compute(&[seen])?;
        if let Operation::MeanPool { pool, count_padding: false } = step.kernel.operation() {
            let input = step.inputs.first().map_or([0; 3], |&input| self.layers.sizes[input]);
            values = without_padding(values, pool.geometry(), &place, input)?;
        }
        Ok(Changed { values, place })
    }

    /// Computes a transposed convolution or repeats voxels.
    fn spread(&self, step: &Step, spread: Spread, boxes: &[Box3], size: [usize; 3]) -> TensorResult<Changed> {
        let (&[input], Some(unpadded)) = (&step.inputs[..], &step.unpadded) else {
            bail!("windows: expected one input of a transposed convolution, found {:?}", step.inputs)
        };
        let (changed, input_size) = (self.map(input)?, self.layers.sizes[input]);
        let stride = spread.stride;
        if spread.is_scaling() && size == std::array::from_fn(|axis| input_size[axis] * stride[axis]) {
            let place = changed.place.scaled(stride);
            if place.holds(boxes) {
                return Ok(Changed {
                    values: unpadded.compute(std::slice::from_ref(&changed.values))?,
                    place,
                });
            }
        }
        let place = Place::around(boxes, size);
        if place.size == size && changed.place.size == input_size {
            return Ok(Changed {
                values: step.kernel.compute(std::slice::from_ref(&changed.values))?,
                place,
            });
        }
        let read: Vec<Box3<isize>> =
            (0..self.count).map(|index| spread.read_by(place.window(index))).collect();
        let field = std::array::from_fn(|axis| read.iter().map(|read| read.size()[axis]).max().unwrap_or(1));
        let firsts: Vec<[isize; 3]> = read.iter().map(|read| read.start).collect();
        let starts = changed.place.signed_starts();
        let seen = self.patched(input, changed, &starts, 0.0).cut(&firsts, field, [1; 3])?;
        let all = unpadded.compute(&[seen])?;
        // The first output of each window may be any of those that its first input reaches.
        let starts: Vec<[isize; 3]> = firsts
            .iter()
            .map(|first| {
                std::array::from_fn(|axis| first[axis] * stride[axis] as isize - spread.before[axis] as isize)
            })
            .collect();
        let all = Patched { cached: None, values: &all, starts: &starts, layer: size, outside: 0.0 };
        Ok(Changed { values: all.cut(&place.signed_starts(), place.size, [1; 3])?, place })
    }

    /// Returns a value in windows.
    fn at(&self, value: usize, place: &Place) -> TensorResult<Tensor> {
        let changed = self.map(value)?;
        if changed.place == *place {
            return Ok(changed.values.clone());
        }
        let starts = changed.place.signed_starts();
        self.patched(value, changed, &starts, 0.0).cut(&place.signed_starts(), place.size, [1; 3])
    }

    /// Returns a whole value.
    fn whole(&self, value: usize) -> TensorResult<Tensor> {
        match self.value(value)? {
            Current::Vector(values) => Ok(values.clone()),
            Current::Map(_) => self.at(value, &Place::whole(self.count, self.layers.sizes[value])),
        }
    }

    fn patched<'b>(
        &'b self,
        value: usize,
        changed: &'b Changed,
        starts: &'b [[isize; 3]],
        outside: f32,
    ) -> Patched<'b> {
        let layer = self.layers.sizes[value];
        // Windows of the whole layer leave nothing to read from the cached one.
        let cached = self.layers.cached[value].as_ref().filter(|_| changed.place.size != layer);
        Patched { cached, values: &changed.values, starts, layer, outside }
    }

    fn value(&self, value: usize) -> TensorResult<&Current> {
        match self.values.get(value) {
            Some(Some(current)) => Ok(current),
            _ => bail!("windows: value {value} is read before it is computed"),
        }
    }

    fn map(&self, value: usize) -> TensorResult<&Changed> {
        match self.value(value)? {
            Current::Map(changed) => Ok(changed),
            Current::Vector(_) => bail!("windows: expected value {value} to be a map, found a vector"),
        }
    }
}

/// Concatenates maps along the channels.
pub(super) fn joined(mut parts: Vec<Tensor>) -> TensorResult<Tensor> {
    if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::cat(&parts, 1) }
}

/// Makes means of windows, padding included, those of their voxels inside an input of `input` voxels.
fn without_padding(
    mut means: Tensor,
    geometry: ConvGeometry,
    place: &Place,
    input: [usize; 3],
) -> TensorResult<Tensor> {
    // The number of voxels that an output reads is a product over axes.
    for axis in 0..3 {
        let outputs = place.size[axis];
        let factor = |output: usize| {
            let read = geometry.reads_along(axis, output..output + 1, input[axis]).len();
            geometry.kernel[axis] as f32 / read as f32
        };
        let starts = place.starts.iter().map(|start| start[axis]);
        let factors: Vec<f32> = starts.flat_map(|start| (start..start + outputs).map(factor)).collect();
        if factors.iter().any(|&factor| factor != 1.0) {
            let mut shape = [place.starts.len(), 1, 1, 1, 1];
            shape[axis + 2] = outputs;
            means = means.broadcast_mul(&Tensor::from_vec(factors, &shape, means.device())?)?;
        }
    }
    Ok(means)
}
