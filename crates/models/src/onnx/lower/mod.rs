//! Lowering of nodes to operations of a [`Graph`](crate::graph::Graph).

mod activation;
mod affine;
mod arithmetic;
mod channels;
mod conv;
mod gate;
mod linear;
mod norm;
mod pool;
mod reshape;
mod resize;
mod softmax;
mod window;

use std::rc::Rc;

use super::fault::{Fault, invalid, unsupported};
use super::fold;
use super::model::{Node, is_standard};
use super::state::{Item, State};
use super::tensor::Kind;

/// Returns what the first output of a node stands for.
pub(super) fn lower<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    if !is_standard(node.domain) {
        return unsupported(format!("an operator of the domain {}", super::fault::on_one_line(node.domain)));
    }
    state.title = node.title();
    match node.operator {
        "Identity" => return state.input(node, 0),
        "Dropout" => return dropout(state, node),
        _ => {}
    }
    if let Some(tensor) = fold::evaluate(state, node)? {
        return Ok(Item::Constant(Rc::new(tensor)));
    }
    match node.operator {
        "Conv" => conv::conv(state, node),
        "ConvTranspose" => conv::transpose(state, node),
        "BatchNormalization" => affine::batch_norm(state, node),
        "InstanceNormalization" => norm::instance(state, node),
        "GroupNormalization" => norm::group(state, node),
        "Relu" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Sigmoid" | "HardSigmoid" | "HardSwish"
        | "Mish" | "Gelu" | "Tanh" | "Softplus" => activation::activation(state, node),
        "Clip" | "Max" | "Min" => activation::clip(state, node),
        "Greater" => activation::above(state, node),
        "Where" => activation::choose(state, node),
        "Erf" => activation::erf(state, node),
        "Add" | "Sub" | "Mul" | "Div" => arithmetic::arithmetic(state, node),
        "Sum" => arithmetic::sum_of_all(state, node),
        "Neg" => arithmetic::negative(state, node),
        "Pow" => arithmetic::power(state, node),
        "Concat" => channels::concat(state, node),
        "Pad" => channels::pad(state, node),
        "MaxPool" => pool::max(state, node),
        "AveragePool" => pool::mean(state, node),
        "GlobalAveragePool" => pool::global_mean(state, node),
        "GlobalMaxPool" => pool::global_max(state, node),
        "ReduceMean" | "ReduceMax" => pool::reduce(state, node),
        "Gemm" => linear::gemm(state, node),
        "MatMul" => linear::matmul(state, node),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" => reshape::reshape(state, node),
        "Expand" => reshape::expand(state, node),
        "Resize" | "Upsample" => resize::resize(state, node),
        "Softmax" | "LogSoftmax" => softmax::softmax(state, node),
        "Cast" => cast(state, node),
        _ => unsupported("the operator is not one that graphs have"),
    }
}

/// `Dropout`, which does nothing in evaluation mode.
fn dropout<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    match state.optional_constant(node, 2)? {
        Some(training) if !training.is_zero() => {
            invalid("a network in evaluation mode", "a dropout in training mode")
        }
        _ => state.input(node, 0),
    }
}

/// `Cast` of a value between types of floating-point numbers, all of which are computed in single precision.
fn cast<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    match Kind::of(node.int("to", 0)) {
        Ok(kind) if kind.is_float() => state.input(node, 0),
        Ok(kind) => unsupported(format!("a conversion to {}", kind.name())),
        Err(found) => unsupported(format!("a conversion to {found}")),
    }
}
