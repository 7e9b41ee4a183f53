//! Affine functions as a part of the operation before them.

use super::{Graph, Linear, Norm, Operation, Value};

impl Graph {
    /// Returns the same network without affine functions that follow a normalisation, a fully connected layer or another
    /// affine function whose result nothing else reads, or that change nothing.
    pub fn fold_affine(self) -> Self {
        // A chain that changes nothing is known as such once it is one function.
        self.fold_once().fold_once()
    }

    fn fold_once(self) -> Self {
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
                    && compose(&mut before.operation, scale, shift)
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
fn compose(operation: &mut Operation, scale: &[f32], shift: &[f32]) -> bool {
    let apply = |factors: &mut [f32], summands: &mut [f32]| {
        for (channel, (factor, summand)) in factors.iter_mut().zip(summands).enumerate() {
            let by = f64::from(scale[channel]);
            *factor = (by * f64::from(*factor)) as f32;
            *summand = (by * f64::from(*summand) + f64::from(shift[channel])) as f32;
        }
    };
    match operation {
        Operation::Affine { scale, shift } | Operation::Norm(Norm { scale, shift, .. }) => {
            apply(scale, shift);
            true
        }
        Operation::Linear(Linear { weights, bias }) => {
            let mut ones = vec![1.0; bias.len()];
            apply(&mut ones, bias);
            let inputs = weights.len() / bias.len().max(1);
            for (row, factor) in weights.chunks_mut(inputs.max(1)).zip(ones) {
                if factor != 1.0 {
                    row.iter_mut().for_each(|weight| *weight *= factor);
                }
            }
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Builder};
    use super::*;

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
