//! Learns the weights of a 3D blur from its output, by gradient descent.

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use conv3d::candle_core::{DType, Device, Result, Tensor, Var};
use conv3d::{Conv3dParams, Pool3dParams, avg_pool3d, conv3d};

fn main() -> Result<()> {
    let device = Device::Cpu;
    let volume = Tensor::rand(-1f32, 1.0, (4, 1, 12, 12, 12), &device)?;
    // The blur: the mean of each 3³ neighbourhood.
    let blurred = avg_pool3d(&volume, Pool3dParams::cubic(3, 1, 1))?;

    let weight = Var::zeros((1, 1, 3, 3, 3), DType::F32, &device)?;
    for step in 0..=60 {
        let found = conv3d(&volume, &weight, None, Conv3dParams::cubic(1, 1))?;
        let loss = (found - &blurred)?.sqr()?.mean_all()?;
        if step % 20 == 0 {
            println!("step {step:2}: mean squared error {:.2e}", loss.to_scalar::<f32>()?);
        }
        let gradients = loss.backward()?;
        if let Some(gradient) = gradients.get(&weight) {
            weight.set(&(weight.as_tensor() - (gradient * 0.5)?)?)?;
        }
    }
    let taps = weight.flatten_all()?.to_vec1::<f32>()?;
    println!("weights from {:.4} to {:.4}, expected {:.4}", min(&taps), max(&taps), 1.0 / 27.0);
    Ok(())
}

fn min(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::INFINITY, f32::min)
}

fn max(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
