//! Files with another output.

use super::wire::{Message, write_bytes};
use crate::Error;

/// Field of the graph in a model, and of the outputs in a graph.
const GRAPH: u64 = 7;
const OUTPUT: u64 = 12;

/// Returns the content of an ONNX file whose only output is the value of this name, of the graph that
/// [`read_header`](super::read_header) reads. Everything else stays as it is.
///
/// # Errors
/// Returns [`Error::Onnx`] if the content is damaged.
pub fn with_output(bytes: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let mut message = Message::new(bytes, "ONNX file");
    let mut model = Vec::with_capacity(bytes.len());
    let mut graph = None;
    while let Some((number, value, stored)) = message.next_stored()? {
        match number {
            // Of several, the last is the one that is read.
            GRAPH => graph = Some(message.bytes(value)?),
            _ => model.extend(stored),
        }
    }
    let graph = graph.ok_or_else(|| message.error("a graph", "none".to_owned()))?;
    let mut message = Message::new(graph, "graph");
    let mut changed = Vec::with_capacity(graph.len());
    while let Some((number, _, stored)) = message.next_stored()? {
        if number != OUTPUT {
            changed.extend(stored);
        }
    }
    let mut output = Vec::new();
    write_bytes(&mut output, 1, name.as_bytes());
    write_bytes(&mut changed, OUTPUT, &output);
    write_bytes(&mut model, GRAPH, &changed);
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::*;

    fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut into = Vec::new();
        write_bytes(&mut into, number, bytes);
        into
    }

    #[test]
    fn the_output_is_replaced_and_the_rest_stays() {
        let node =
            |output: &[u8]| field(1, &[field(1, b"image"), field(2, output), field(4, b"Relu")].concat());
        let outputs = [field(OUTPUT, &field(1, b"b")), field(OUTPUT, &field(1, b"c"))].concat();
        let graph = [node(b"a"), outputs, node(b"b"), field(2, b"name")].concat();
        let opset = field(8, &[0x10, 17]);
        let bytes = [field(GRAPH, b""), opset, field(GRAPH, &graph), field(2, b"producer")].concat();
        let changed = with_output(&bytes, "a").unwrap();
        let model = Model::read(&changed).unwrap();
        let names: Vec<&str> = model.graph.outputs.iter().map(|port| port.name).collect();
        assert_eq!((names, model.opset, model.graph.nodes.len()), (vec!["a"], 17, 2));
        let is_kept = |part: &[u8]| changed.windows(part.len()).any(|window| window == part);
        assert!(is_kept(&field(2, b"name")) && is_kept(&field(2, b"producer")));
        for length in 1..bytes.len() {
            // Cut between fields, a file may lack its graph.
            let _ = with_output(&bytes[..length], "a");
        }
        assert!(with_output(&bytes[..bytes.len() - 1], "a").is_err());
        assert!(with_output(b"", "a").is_err());
    }
}
