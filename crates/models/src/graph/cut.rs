//! A classifier cut at its last feature map.

use super::{Builder, Form, Graph, Operation, Value};

impl Graph {
    /// Returns the last feature map of a classifier that ends in a global mean and layers of vectors, or `None` for any
    /// other network. All outputs depend on the image through this map only.
    pub fn last_map(&self) -> Option<Value> {
        let mut at = self.output();
        loop {
            let node = self.node(at)?;
            match (&node.operation, &node.inputs[..]) {
                (Operation::GlobalMean, &[map]) => return Some(map),
                (Operation::Linear(_) | Operation::Activation(_) | Operation::Affine { .. }, &[input])
                    if matches!(self.form(input), Form::Vector(_)) =>
                {
                    at = input;
                }
                _ => return None,
            }
        }
    }

    /// Returns the network that computes a value.
    #[must_use]
    pub fn until(&self, value: Value) -> Graph {
        Builder { channels: self.channels, nodes: self.nodes.clone() }.finish(value)
    }

    /// Returns the layers after the map of [`Graph::last_map`], as a network of images with the map's channels.
    pub fn after_last_map(&self) -> Option<Graph> {
        let map = self.last_map()?;
        let mut chain = Vec::new();
        let mut at = self.output();
        while at != map {
            let node = self.node(at)?;
            chain.push(node.clone());
            at = *node.inputs.first()?;
        }
        chain.reverse();
        for (place, node) in chain.iter_mut().enumerate() {
            node.inputs = vec![Value(place)];
        }
        let output = Value(chain.len());
        Some(Graph { channels: self.form(map).channels(), nodes: chain, output })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::random;
    use super::super::tensor::TensorGraph;

    #[test]
    fn both_parts_are_the_network() {
        let mut cut = 0;
        for seed in 0..60 {
            let options = random::Options { local_only: seed % 2 == 0, classifier: true };
            let (graph, [z, y, x]) = random::graph(seed, options);
            let Some(map) = graph.last_map() else { continue };
            let image = random::images(seed, 1, graph.channels(), [z, y, x]);
            let image = Tensor::from_vec(image, (1, graph.channels(), z, y, x), &Device::Cpu).unwrap();
            let forward =
                |graph, x: &Tensor| TensorGraph::new(graph, &Device::Cpu).unwrap().forward(x).unwrap();
            let whole = forward(graph.clone(), &image).flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let features = forward(graph.until(map), &image);
            let outputs = forward(graph.after_last_map().unwrap(), &features);
            assert_eq!(outputs.flatten_all().unwrap().to_vec1::<f32>().unwrap(), whole);
            cut += 1;
        }
        assert!(cut > 40, "{cut}");
    }

    #[test]
    fn a_network_of_maps_has_no_head() {
        let (graph, _) = random::graph(3, random::Options { local_only: true, classifier: false });
        assert!(graph.last_map().is_none() && graph.after_last_map().is_none());
    }
}
