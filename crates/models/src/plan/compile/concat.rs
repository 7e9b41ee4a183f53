//! Memory of concatenations: each value is written to its part of a shared buffer.
//!
//! A dense block concatenates what it has with what it adds, again and again: each concatenation is the beginning of the
//! next. All of them are views of the buffer of the longest.

use super::Compiler;
use crate::Error;
use crate::graph::{Operation, Value};
use conv3d::blocked::lanes::Lanes;
use std::collections::BTreeMap;

impl Compiler<'_> {
    /// Assigns the buffers of all concatenations.
    pub(super) fn place_concatenations(&mut self) {
        let is_concat = |value: Value| {
            self.graph.node(value).is_some_and(|node| matches!(node.operation, Operation::Concat))
        };
        let mut leaves: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
        let nodes = self.graph.nodes();
        for (at, node) in
            nodes.iter().enumerate().filter(|(_, node)| matches!(node.operation, Operation::Concat))
        {
            let of = |input: &Value| match is_concat(*input) {
                true => leaves[input].clone(),
                false => vec![*input],
            };
            let all = node.inputs.iter().flat_map(of).collect();
            leaves.insert(Value::of_node(at), all);
        }
        let mut order: Vec<(Value, Vec<Value>)> = leaves.into_iter().collect();
        order.sort_by_key(|(value, leaves)| (std::cmp::Reverse(leaves.len()), *value));
        // By buffer: its leaves.
        let mut made: Vec<(usize, Vec<Value>)> = Vec::new();
        for (value, leaves) in order {
            let lanes = |compiler: &Self, of: &[Value]| {
                Lanes::parts(&of.iter().map(|&leaf| compiler.channels(leaf)).collect::<Vec<_>>())
            };
            let within = made.iter().find_map(|(buffer, all)| {
                let first = all.windows(leaves.len()).position(|part| part == leaves)?;
                Some((*buffer, lanes(self, &all[..first]).blocks()))
            });
            if let Some((buffer, first_block)) = within {
                let lanes = lanes(self, &leaves);
                let layer = self.part(buffer, first_block, lanes);
                self.places.of_concat.insert(value, (layer, Vec::new()));
                continue;
            }
            let all = lanes(self, &leaves);
            let whole = self.layer_of(all);
            let buffer = self.layers[whole].buffer;
            let mut copies = Vec::new();
            let mut first_block = 0;
            for &leaf in &leaves {
                let part = lanes(self, &[leaf]);
                let blocks = part.blocks();
                let layer = self.part(buffer, first_block, part);
                first_block += blocks;
                if leaf == Value::IMAGE || self.places.of_value.contains_key(&leaf) {
                    copies.push((leaf, layer));
                } else {
                    self.places.of_value.insert(leaf, layer);
                }
            }
            self.places.of_concat.insert(value, (whole, copies));
            // A buffer that holds copies is only complete when its own concatenation is.
            if self.places.of_concat[&value].1.is_empty() {
                made.push((buffer, leaves));
            }
        }
    }

    /// Computes the parts of a concatenation.
    pub(super) fn concatenation(&mut self, value: Value) -> Result<usize, Error> {
        let Some((layer, copies)) = self.places.of_concat.get(&value).cloned() else {
            return Err(Error::Batch { expected: "a concatenation".to_owned(), found: format!("{value:?}") });
        };
        for leaf in self.leaves(value) {
            let from = self.materialize(leaf)?;
            for &(_, to) in copies.iter().filter(|(of, _)| *of == leaf) {
                self.copy_into(from, to);
            }
        }
        Ok(layer)
    }

    fn leaves(&self, value: Value) -> Vec<Value> {
        match self.graph.node(value) {
            Some(node) if matches!(node.operation, Operation::Concat) => {
                node.inputs.iter().flat_map(|&input| self.leaves(input)).collect()
            }
            _ => vec![value],
        }
    }
}
