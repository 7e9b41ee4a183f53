//! Nearest-neighbour upsampling by whole factors.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::{LARGEST_SETTING, Node};
use super::super::state::{Item, State};
use crate::graph::Operation;

/// Largest factor whose rules are checked.
const LARGEST_FACTOR: usize = 1 << 10;

/// `Resize` and `Upsample`.
pub(super) fn resize<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if !state.is_map(&input) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    if node.text("mode", "nearest") != "nearest" {
        return unsupported("interpolation other than nearest-neighbour");
    }
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return unsupported("an upsampling that keeps the aspect ratio");
    }
    let voxels = state.voxels(&input);
    let scales_at = if node.operator == "Upsample" || state.opset < 11 { 1 } else { 2 };
    let scales = match state.optional_constant(node, scales_at)? {
        Some(scales) if (1..=5).contains(&scales.count()) => Some(scales.floats()?),
        _ => node.floats("scales").map(<[f32]>::to_vec).filter(|scales| !scales.is_empty()),
    };
    let sizes = if scales_at == 2 { state.optional_ints(node, 3)? } else { None };
    let axes = match node.ints("axes") {
        Some(axes) if !axes.is_empty() => axes.to_vec(),
        _ => (0..5).collect(),
    };
    let mut factors = [1; 5];
    let count = scales.as_ref().map(Vec::len).or(sizes.as_ref().map(Vec::len));
    if count != Some(axes.len()) {
        return invalid(format!("{} scales or sizes", axes.len()), count.unwrap_or(0).to_string());
    }
    let sizes = sizes.filter(|_| scales.is_none());
    for (at, &axis) in axes.iter().enumerate() {
        let axis = super::super::shape::axis(axis, 5)?;
        factors[axis] = match (&scales, &sizes) {
            (Some(scales), _) => whole(f64::from(scales[at]))?,
            (None, Some(sizes)) => {
                let target = Dim::from_int(sizes[at]);
                match (input.shape[axis], target) {
                    (size, Some(target)) if size.is(target) => 1,
                    (Dim::Known(size), Some(Dim::Known(target))) => {
                        whole(target as f64 / size.max(1) as f64)?
                    }
                    (_, None) => return invalid("sizes that are not negative", "a negative one"),
                    _ => return Err(Fault::Size),
                }
            }
            (None, None) => 1,
        };
    }
    let [1, 1, z, y, x] = factors else { return unsupported("a change of the number of images or channels") };
    let factors = [z, y, x];
    let default = if state.opset < 11 || node.operator == "Upsample" { "asymmetric" } else { "half_pixel" };
    let nearest = if default == "asymmetric" { "floor" } else { "round_prefer_floor" };
    let positions = node.text("coordinate_transformation_mode", default);
    let rounding = node.text("nearest_mode", nearest);
    if !factors.iter().all(|&factor| repeats(factor, &positions, &rounding)) {
        return unsupported("an upsampling that does not repeat voxels");
    }
    if factors == [1; 3] {
        return Ok(Item::Value(input));
    }
    state.grow(factors)?;
    let output = std::array::from_fn(|axis| match voxels[axis] {
        Dim::Known(size) => size.checked_mul(factors[axis]).map_or(Dim::Unknown, Dim::Known),
        size if factors[axis] == 1 => size,
        _ => Dim::Unknown,
    });
    Ok(Item::Value(state.add(Operation::Repeat(factors), &[&input], output)?))
}

fn whole(factor: f64) -> Result<usize, Fault> {
    match factor.fract() == 0.0 && (1.0..=LARGEST_SETTING as f64).contains(&factor) {
        true => Ok(factor as usize),
        false => unsupported(format!("a factor of {factor}; expected a whole number of at least 1")),
    }
}

/// Returns whether each voxel is repeated `factor` times under these rules for positions and rounding.
fn repeats(factor: usize, positions: &str, rounding: &str) -> bool {
    if factor == 1 || factor > LARGEST_FACTOR {
        return factor == 1;
    }
    let scale = factor as f64;
    // Rules are the same for each voxel but the first, whose positions are limited to the input.
    (0..2 * factor).all(|at| {
        let position = match positions {
            "asymmetric" => at as f64 / scale,
            "half_pixel" | "pytorch_half_pixel" => (at as f64 + 0.5) / scale - 0.5,
            _ => return false,
        };
        let nearest = match rounding {
            "floor" => position.floor(),
            "ceil" => position.ceil(),
            "round_prefer_floor" => (position - 0.5).ceil(),
            "round_prefer_ceil" => (position + 0.5).floor(),
            _ => return false,
        };
        nearest.max(0.0) == (at / factor) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_repeat_voxels() {
        for factor in [1, 2, 3, 5] {
            assert!(repeats(factor, "asymmetric", "floor"), "{factor}");
            assert!(repeats(factor, "half_pixel", "round_prefer_floor"), "{factor}");
        }
        assert!(repeats(2, "asymmetric", "round_prefer_floor"));
        assert!(!repeats(3, "asymmetric", "round_prefer_floor"));
        assert!(!repeats(2, "half_pixel", "floor"));
        assert!(!repeats(2, "align_corners", "floor"));
        assert!(!repeats(2, "asymmetric", "ceil"));
    }
}
