//! Functions of single values.

use std::f64::consts::FRAC_1_SQRT_2;

use super::super::dims;
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State};
use super::affine;
use super::gate;
use crate::graph::{Activation, Operation};

/// Constants of `Selu`, from the ONNX specification.
const SELU_ALPHA: f32 = 1.673_263_2;
const SELU_GAMMA: f32 = 1.050_701;

/// Softplus differs from the identity by less than single precision above this.
const NEARLY_LINEAR: f64 = 20.0;

/// An operator of one input that is an [`Activation`].
pub(super) fn activation<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let function = match node.operator {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu(node.float("alpha", 0.01)),
        "PRelu" => {
            let slopes = state.constant(node, 1)?;
            let slopes = affine::per_channel(state, &input, &slopes)?;
            Activation::PRelu(slopes.into_iter().map(|slope| slope as f32).collect())
        }
        "Elu" => Activation::Elu(node.float("alpha", 1.0)),
        "Selu" => {
            let elu = Activation::Elu(node.float("alpha", SELU_ALPHA));
            let result = state.add_elementwise(Operation::Activation(elu), &input)?;
            let gamma = f64::from(node.float("gamma", SELU_GAMMA));
            return Ok(Item::Value(affine::uniform(state, &result, gamma, 0.0)?));
        }
        "Sigmoid" => Activation::Sigmoid,
        "HardSigmoid" => {
            Activation::HardSigmoid { alpha: node.float("alpha", 0.2), beta: node.float("beta", 0.5) }
        }
        "HardSwish" => Activation::HardSwish,
        "Mish" => Activation::Mish,
        "Gelu" => match &node.text("approximate", "none")[..] {
            "none" => Activation::Gelu,
            "tanh" => Activation::GeluTanh,
            _ => return invalid("approximate none or tanh", "another"),
        },
        "Tanh" => Activation::Tanh,
        "Softplus" => Activation::Softplus,
        other => return unsupported(format!("an activation {other} that graphs do not have")),
    };
    Ok(Item::Value(state.add_elementwise(Operation::Activation(function), &input)?))
}

/// `Clip`, with its limits as attributes or inputs; `Max` and `Min` with a constant.
pub(super) fn clip<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let limit =
        |state: &State<'a>, at: usize, name: &str, default: f32| match state.optional_constant(node, at)? {
            Some(tensor) if tensor.count() == 1 => Ok(tensor.floats()?[0]),
            Some(tensor) => unsupported(format!("limits of shape {:?}; expected one number", tensor.shape)),
            None => Ok(node.float(name, default)),
        };
    let (input, low, high) = match node.operator {
        "Clip" => {
            let input = state.value(node, 0)?;
            let low = limit(state, 1, "min", f32::NEG_INFINITY)?;
            (input, low, limit(state, 2, "max", f32::INFINITY)?)
        }
        _ => {
            if node.inputs.len() != 2 {
                return unsupported(format!(
                    "{} inputs; expected one value and one number",
                    node.inputs.len()
                ));
            }
            let constant = usize::from(!matches!(state.input(node, 0)?, Item::Constant(_)));
            let input = state.value(node, 1 - constant)?;
            let bound = limit(state, constant, "", 0.0)?;
            match node.operator {
                "Max" => (input, bound, f32::INFINITY),
                _ => (input, f32::NEG_INFINITY, bound),
            }
        }
    };
    if low.is_nan() || high.is_nan() || low > high {
        return invalid("a lower limit that is not above the upper", format!("{low} and {high}"));
    }
    let function = match (low, high) {
        (0.0, f32::INFINITY) => Activation::Relu,
        (low, high) => Activation::Clip { low, high },
    };
    Ok(Item::Value(state.add_elementwise(Operation::Activation(function), &input)?))
}

/// `Erf`, of which only `erf(x / √2)` is a part of an activation.
pub(super) fn erf<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    match gate::scaled(state, input.value) {
        (value, factor) if gate::is_close(factor, FRAC_1_SQRT_2) => {
            let of = super::super::state::Tracked { value, shape: input.shape };
            Ok(Item::Erf { of, factor: 1.0, summand: 0.0 })
        }
        _ => unsupported("the function erf of anything but x / √2"),
    }
}

/// `Greater` than a number.
pub(super) fn above<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let of = state.value(node, 0)?;
    let threshold = state.constant(node, 1)?;
    match threshold.count() {
        1 => Ok(Item::Above { of, threshold: f64::from(threshold.floats()?[0]) }),
        _ => unsupported("a comparison with several numbers"),
    }
}

/// `Where`, which exporters write for a Softplus that is the identity above a threshold.
pub(super) fn choose<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let (condition, same, softplus) = (state.input(node, 0)?, state.value(node, 1)?, state.value(node, 2)?);
    let Item::Above { of, threshold } = condition else {
        return unsupported("a choice other than a Softplus with a threshold");
    };
    let is_alike = dims::same(&of.shape, &softplus.shape) && dims::same(&of.shape, &same.shape);
    match is_alike
        && threshold >= NEARLY_LINEAR
        && gate::is_softplus(state, softplus.value, of.value, same.value)
    {
        true => Ok(Item::Value(softplus)),
        false => unsupported("a choice other than a Softplus with a threshold of at least 20"),
    }
}
