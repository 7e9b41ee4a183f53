//! Runs a classifier of 3D images from an ONNX file on an image of zeros:
//! `cargo run --release -p relevox-models --example onnx -- MODEL.onnx 64,64,64`.

#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use relevox_models::{checkpoint, plan::Plan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(size)) = (arguments.next(), arguments.next()) else {
        return Err("expected MODEL.onnx and Z,Y,X".into());
    };
    let size: Vec<usize> = size.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let [z, y, x] = size.try_into().map_err(|_| "expected Z,Y,X")?;
    let network = checkpoint::load_onnx(Path::new(&path), Some([z, y, x]))?;
    let plan = Plan::new(&network.graph)?;
    let channels = network.graph.channels();
    let image = vec![0.0; channels * z * y * x];
    let start = Instant::now();
    let outputs = plan.forward(&image, [1, channels, z, y, x])?;
    println!("{outputs:?}, {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}
