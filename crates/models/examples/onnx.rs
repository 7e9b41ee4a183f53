//! Runs an ONNX classifier of 3D images on an image of zeros: `cargo run --release --example onnx -- MODEL.onnx 64,64,64`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use relevox_models::{onnx, plan::Plan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(size)) = (arguments.next(), arguments.next()) else {
        return Err("expected MODEL.onnx and Z,Y,X".into());
    };
    let size: Vec<usize> = size.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let size: [usize; 3] = size.try_into().map_err(|_| "expected Z,Y,X")?;
    let folder = Path::new(&path).parent().unwrap_or(Path::new("."));
    let mut external = |location: &str| {
        let path = folder.join(location);
        std::fs::read(&path).map_err(|source| relevox_models::Error::Io { path, action: "read", source })
    };
    let network = onnx::read(&std::fs::read(&path)?, Some(size), &mut external)?;
    let plan = Plan::new(&network.graph)?;
    let channels = network.graph.channels();
    let [z, y, x] = size;
    let mut image = vec![0.0; channels * z * y * x];
    if let Some(values) = arguments.next() {
        // Raw float32 values of the image, little-endian, in C order.
        let bytes = std::fs::read(values)?;
        let values =
            bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        image.iter_mut().zip(values).for_each(|(to, value)| *to = value);
    }
    let outputs = plan.forward(&image, [1, channels, z, y, x])?;
    let start = Instant::now();
    plan.forward(&image, [1, channels, z, y, x])?;
    eprintln!("{:.4} s", start.elapsed().as_secs_f64());
    println!("{:?}", &outputs[..outputs.len().min(8)]);
    Ok(())
}
