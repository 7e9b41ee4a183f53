//! The order in which nodes are computed.

use std::collections::HashMap;

use super::fault::on_one_line;
use super::model::Node;
use crate::Error;

/// Returns the positions of the nodes that `output` depends on, each after those that it reads.
///
/// # Errors
/// Returns [`Error::Onnx`] if a value is computed twice, or from itself.
pub(super) fn order(nodes: &[Node<'_>], output: &str) -> Result<Vec<usize>, Error> {
    let mut source = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if source.insert(*name, at).is_some() {
                return Err(Error::Onnx {
                    place: node.title(),
                    expected: "a name for each output that no other has".to_owned(),
                    found: on_one_line(name),
                });
            }
        }
    }
    // Depth-first, without recursion: a node is entered, then its inputs are, then it is left.
    let mut state = vec![Visit::New; nodes.len()];
    let mut order = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    open.extend(source.get(output).map(|&at| (at, 0)));
    while let Some((at, input)) = open.pop() {
        state[at] = Visit::Open;
        let Some(name) = nodes[at].inputs.get(input) else {
            state[at] = Visit::Done;
            order.push(at);
            continue;
        };
        open.push((at, input + 1));
        if let Some(&next) = source.get(name) {
            match state[next] {
                Visit::New => open.push((next, 0)),
                Visit::Done => {}
                Visit::Open => {
                    return Err(Error::Onnx {
                        place: nodes[at].title(),
                        expected: "nodes that do not depend on their own results".to_owned(),
                        found: format!("a cycle through {}", nodes[next].title()),
                    });
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inputs: &[&'static str], output: &'static str) -> Node<'static> {
        Node { operator: "Relu", inputs: inputs.to_vec(), outputs: vec![output], ..Node::default() }
    }

    #[test]
    fn nodes_follow_what_they_read_and_unused_ones_are_left_out() {
        let nodes = [node(&["b", "a"], "c"), node(&["x"], "a"), node(&["a"], "b"), node(&["a"], "unused")];
        assert_eq!(order(&nodes, "c").unwrap(), [1, 2, 0]);
        assert!(order(&nodes, "x").unwrap().is_empty());
    }

    #[test]
    fn cycles_and_repeated_names_are_refused() {
        let cycle = [node(&["x", "b"], "a"), node(&["a"], "b")];
        let message = order(&cycle, "b").unwrap_err().to_string();
        assert!(message.contains("cycle"), "{message}");
        assert!(order(&[node(&["a"], "a")], "a").is_err());
        assert!(order(&[node(&["x"], "a"), node(&["x"], "a")], "a").is_err());
    }
}
