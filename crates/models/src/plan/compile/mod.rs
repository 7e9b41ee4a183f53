//! Compiles graphs into steps.
//!
//! Nodes are taken in order. What a node computes stays *pending* as long as later nodes can be made part of it: a norm in
//! evaluation mode is folded into the weights of the convolution before it; a residual and an activation become the end of
//! its sums; a norm and activation before a pointwise convolution or a pooling are applied as it reads. Concatenated values
//! are written to parts of one buffer (`concat`). A mean-pooling after a pointwise convolution is computed before it: both
//! are linear, and the convolution then has fewer voxels.

mod concat;
mod emit;
mod nodes;
mod pending;
mod places;
mod transposed;

use super::program::{Buffer, End, Head, Layer, Program, Step};
use super::work::Work;
use crate::Error;
use crate::graph::{Form, Graph, Value};
use conv3d::Isa;
use conv3d::blocked::lanes::Lanes;
use pending::State;
use places::Places;
use std::collections::BTreeMap;

/// Algorithms of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithms {
    pub(super) isa: Isa,
    /// Whether supported convolutions use Winograd's algorithm.
    pub(super) winograd: bool,
}

impl Algorithms {
    /// Returns the fastest on this CPU.
    pub(super) fn best() -> Algorithms {
        Algorithms { isa: Isa::current(), winograd: true }
    }
}

/// Compiles a network. Images are padded at their far ends to a multiple of `multiple` voxels.
pub(super) fn compile(graph: &Graph, algorithms: Algorithms, multiple: usize) -> Result<Program, Error> {
    let mut compiler = Compiler::new(graph, algorithms);
    for at in 0..graph.nodes().len() {
        compiler.node(at)?;
    }
    compiler.finish(multiple)
}

/// A program in the making.
struct Compiler<'g> {
    graph: &'g Graph,
    algorithms: Algorithms,
    /// Number of nodes that read each value, one more for the network's output.
    uses: Vec<usize>,
    /// By value.
    states: Vec<State>,
    places: Places,
    layers: Vec<Layer>,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    /// The channels of each layer.
    lanes: Vec<Lanes>,
    /// Copies of layers without padding between their channels, or of an image in blocks.
    plain: BTreeMap<usize, usize>,
}

impl<'g> Compiler<'g> {
    fn new(graph: &'g Graph, algorithms: Algorithms) -> Self {
        let lanes = Lanes::image(graph.channels());
        let buffer = Buffer { blocks: lanes.blocks(), pitch: lanes.pitch, halo: 0 };
        let layer = Layer { buffer: 0, first_block: 0, blocks: lanes.blocks() };
        let mut uses = vec![0; graph.nodes().len() + 1];
        let read = graph.nodes().iter().flat_map(|node| node.inputs.iter().copied());
        read.chain([graph.output()]).for_each(|value| uses[value.index()] += 1);
        let mut compiler = Self {
            graph,
            algorithms,
            uses,
            states: vec![State::Layer(0)],
            places: Places::default(),
            layers: vec![layer],
            buffers: vec![buffer],
            steps: Vec::new(),
            lanes: vec![lanes],
            plain: BTreeMap::new(),
        };
        compiler.place_concatenations();
        compiler
    }

    fn channels(&self, value: Value) -> usize {
        self.graph.form(value).channels()
    }

    /// Adds a layer with its own memory.
    fn layer(&mut self, channels: usize) -> usize {
        self.layer_of(Lanes::parts(&[channels]))
    }

    /// Adds a layer with its own memory and these lanes.
    fn layer_of(&mut self, lanes: Lanes) -> usize {
        self.buffers.push(Buffer { blocks: lanes.blocks(), ..Buffer::new(0) });
        self.part(self.buffers.len() - 1, 0, lanes)
    }

    /// Adds a layer that is part of a buffer.
    fn part(&mut self, buffer: usize, first_block: usize, lanes: Lanes) -> usize {
        self.layers.push(Layer { buffer, first_block, blocks: lanes.blocks() });
        self.lanes.push(lanes);
        self.layers.len() - 1
    }

    fn step(&mut self, work: Work, input: usize, output: usize, residual: Option<(usize, usize)>) -> usize {
        self.step_after(work, input, output, residual, [0; 3])
    }

    fn step_after(
        &mut self,
        work: Work,
        input: usize,
        output: usize,
        residual: Option<(usize, usize)>,
        after: [usize; 3],
    ) -> usize {
        self.steps.push(Step { work, input, output, residual, after });
        output
    }

    /// Leaves at least this many zeros beside the rows of a layer.
    fn halo(&mut self, layer: usize, zeros: usize) {
        let halo = &mut self.buffers[self.layers[layer].buffer].halo;
        *halo = (*halo).max(zeros);
    }

    fn finish(mut self, multiple: usize) -> Result<Program, Error> {
        let output = self.graph.output();
        let end = match self.states[output.index()].clone() {
            State::Head { layer, weights, bias } => {
                let lanes = self.end_at(layer);
                let by_output = lanes.count();
                let weights = weights.chunks(by_output).flat_map(|row| lanes.arrange(row)).collect();
                End::Head(Head { weights, bias })
            }
            _ => {
                let layer = self.materialize(output)?;
                let lanes = self.end_at(layer);
                match self.graph.form(output) {
                    Form::Vector(_) => End::Vector(lanes),
                    Form::Map(_) => End::Map(lanes),
                }
            }
        };
        let Compiler { layers, buffers, steps, .. } = self;
        Ok(Program { channels: self.graph.channels(), multiple, layers, buffers, steps, end })
    }

    /// Makes a layer the output of the last step; returns its lanes.
    fn end_at(&mut self, layer: usize) -> Lanes {
        let last = self.steps.last().map_or(0, |step| step.output);
        let layer = if last == layer { layer } else { self.copy(layer) };
        self.lanes[layer].clone()
    }
}
