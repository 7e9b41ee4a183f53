//! Affine functions as a part of the operation before them.

use super::{Conv, Graph, Linear, Norm, Operation, Value};

impl Graph {
    /// Returns the same network without affine functions that follow a normalisation, a fully connected layer or another
    /// affine function whose result nothing else reads, or that change nothing.
    pub fn fold_affine(self) -> Self {
        // A chain that changes nothing is known as such once it is one function.
        self.fold_once(false).fold_once(false)
    }

    /// Returns the same network as [`Graph::fold_affine`], where affine functions are also a part of the weights of the
    /// convolution before them. Rounding differs.
    pub(crate) fn fold_into_convolutions(self) -> Self {
        self.fold_once(true).fold_once(true)
    }

    fn fold_once(self, convolutions: bool) -> Self {
        let mut readers = vec![0_usize; self.nodes.len() + 1];
        readers[self.output.0] += 1;
        self.nodes.iter().flat_map(|node| &node.inputs).for_each(|input| readers[input.0] += 1);
        let mut place = vec![Value::IMAGE];
        let mut nodes = Vec::with_capacity(self.nodes.len());
        // Readers of the new values.
        let mut left = vec![readers[0]];
        for (at, mut node) in self.nodes.into_iter().enumerate() {
            node.inputs.iter_mut().for_each(|input| *input = place[input.0]);
            let readers = readers[at + 1];
            if let (Operation::Affine { scale, shift }, Some(&input)) = (&node.operation, node.inputs.first())
            {
                if scale.iter().all(|&factor| factor == 1.0) && shift.iter().all(|&summand| summand == 0.0) {
                    left[input.0] = left[input.0] - 1 + readers;
                    place.push(input);
                    continue;
                }
                let before = input.0.checked_sub(1).filter(|_| left[input.0] == 1);
                let before: Option<&mut super::Node> = before.and_then(|before| nodes.get_mut(before));
                if let Some(before) = before
                    && compose(&mut before.operation, scale, shift, convolutions)
                {
                    left[input.0] = readers;
                    place.push(input);
                    continue;
                }
            }
            nodes.push(node);
            left.push(readers);
            place.push(Value(nodes.len()));
        }
        let output = place[self.output.0];
        Self { channels: self.channels, nodes, output }
    }
}

/// Applies `scale · x + shift` to the result of an operation, and returns whether that was possible.
fn compose(operation: &mut Operation, scale: &[f32], shift: &[f32], convolutions: bool) -> bool {
    let apply = |factors: &mut [f32], summands: &mut [f32]| {
        for (channel, (factor, summand)) in factors.iter_mut().zip(summands).enumerate() {
            let by = f64::from(scale[channel]);
            *factor = (by * f64::from(*factor)) as f32;
            *summand = (by * f64::from(*summand) + f64::from(shift[channel])) as f32;
        }
    };
    let factors = |bias: &mut [f32]| {
        let mut ones = vec![1.0; bias.len()];
        apply(&mut ones, bias);
        ones
    };
    match operation {
        Operation::Affine { scale, shift } | Operation::Norm(Norm { scale, shift, .. }) => {
            apply(scale, shift);
            true
        }
        Operation::Linear(Linear { weights, bias }) => {
            by_row(weights, &factors(bias));
            true
        }
        Operation::Conv(Conv { weights, bias, .. }) if convolutions => {
            by_row(weights, &factors(bias));
            true
        }
        Operation::ConvTranspose(conv) if convolutions => {
            let taps = conv.kernel.iter().product::<usize>();
            let factors = factors(&mut conv.bias);
            for weights in conv.weights.chunks_mut((taps * factors.len()).max(1)) {
                by_row(weights, &factors);
            }
            true
        }
        _ => false,
    }
}

/// Multiplies each of as many equal rows as there are factors.
fn by_row(weights: &mut [f32], factors: &[f32]) {
    let row = weights.len() / factors.len().max(1);
    for (row, &factor) in weights.chunks_mut(row.max(1)).zip(factors) {
        if factor != 1.0 {
            row.iter_mut().for_each(|weight| *weight *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::{self, Draw};
    use super::super::tensor::TensorGraph;
    use super::super::{Activation, Builder, ConvTranspose};
    use super::*;
    use candle_core::{Device, Tensor};

    fn affine(scale: f32, shift: f32) -> Operation {
        Operation::Affine { scale: vec![scale; 2], shift: vec![shift; 2] }
    }

    #[test]
    fn chains_of_affine_functions_become_one() {
        let mut builder = Builder::new(2);
        let image = builder.image();
        let one = builder.add("one", affine(2.0, 1.0), &[image]).unwrap();
        let identity = builder.add("identity", affine(1.0, 0.0), &[one]).unwrap();
        let two = builder.add("two", affine(3.0, -1.0), &[identity]).unwrap();
        let graph = builder.finish(two).fold_affine();
        assert_eq!(graph.nodes().len(), 1);
        assert_eq!(graph.nodes()[0].operation, affine(6.0, 2.0));
        assert_eq!(graph.output().index(), 1);
    }

    #[test]
    fn a_chain_that_changes_nothing_is_removed() {
        let mut builder = Builder::new(2);
        let image = builder.image();
        let one = builder.add("one", affine(2.0, 1.0), &[image]).unwrap();
        let two = builder.add("two", affine(0.5, -0.5), &[one]).unwrap();
        let relu = builder.add("relu", Operation::Activation(Activation::Relu), &[two]).unwrap();
        assert_eq!(builder.finish(relu).fold_affine().nodes().len(), 1);
    }

    #[test]
    fn a_value_that_others_read_is_left_as_it_is() {
        let mut builder = Builder::new(2);
        let image = builder.image();
        let one = builder.add("one", affine(2.0, 1.0), &[image]).unwrap();
        let two = builder.add("two", affine(3.0, -1.0), &[one]).unwrap();
        let sum = builder.add("sum", Operation::Add, &[one, two]).unwrap();
        let relu = builder.add("relu", Operation::Activation(Activation::Relu), &[sum]).unwrap();
        let graph = builder.finish(relu).fold_affine();
        assert_eq!(graph.nodes().len(), 4);
        assert_eq!(graph.nodes()[0].operation, affine(2.0, 1.0));
    }

    #[test]
    fn convolutions_take_their_norm_where_they_may() {
        let (graph, size) = graph_of_convolutions();
        assert_eq!(graph.clone().fold_affine().nodes().len(), 4);
        let folded = graph.clone().fold_into_convolutions();
        assert_eq!(folded.nodes().len(), 2);
        let image = random::images(3, 1, 2, size);
        let image = Tensor::from_vec(image, (1, 2, size[0], size[1], size[2]), &Device::Cpu).unwrap();
        let [found, expected] = [folded, graph].map(|graph| {
            let y = TensorGraph::new(graph, &Device::Cpu).unwrap().forward(&image).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{found}, {expected}");
        }
    }

    /// A convolution and a transposed one, each with a norm.
    fn graph_of_convolutions() -> (Graph, [usize; 3]) {
        let mut draw = Draw::new(5);
        let conv = Conv { groups: 2, ..Conv::new(draw.values(6 * 8, 1.0), draw.values(6, 1.0), [2; 3]) };
        let transposed = ConvTranspose {
            weights: draw.values(6 * 3 * 27, 0.3),
            bias: draw.values(3, 1.0),
            kernel: [3; 3],
            stride: [2; 3],
            padding: [1; 3].into(),
            output_padding: [1; 3],
        };
        let mut builder = Builder::new(2);
        let at = builder.add("conv", Operation::Conv(conv), &[Value::IMAGE]).unwrap();
        let at = builder.add("norm", draw.affine(6), &[at]).unwrap();
        let at = builder.add("up", Operation::ConvTranspose(transposed), &[at]).unwrap();
        let at = builder.add("norm", draw.affine(3), &[at]).unwrap();
        (builder.finish(at), [4, 5, 3])
    }

    #[test]
    fn a_layer_takes_its_bias_and_factors() {
        let mut builder = Builder::new(2);
        let image = builder.image();
        let mean = builder.add("mean", Operation::GlobalMean, &[image]).unwrap();
        let layer = Operation::Linear(Linear::new(vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 0.0]));
        let layer = builder.add("layer", layer, &[mean]).unwrap();
        let affine = Operation::Affine { scale: vec![2.0, 1.0], shift: vec![0.5, -0.5] };
        let output = builder.add("affine", affine, &[layer]).unwrap();
        let graph = builder.finish(output).fold_affine();
        let expected = Operation::Linear(Linear::new(vec![2.0, 4.0, 3.0, 4.0], vec![2.5, -0.5]));
        assert_eq!(graph.node(graph.output()).unwrap().operation, expected);
    }
}
