//! A program for `relevox explain --command`: the protocol of docs/COMMAND.md in Rust.
//!
//! It classifies by the mean of each image's first channel: output i is the i-th argument times that mean.
//!
//!     relevox explain --tensor x.npy --command 'target/release/examples/classifier -1 1' --out explained

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use relevox::volume::npy::{self, ArrayFile};

/// One line of stdin.
#[derive(serde::Deserialize)]
struct Request {
    /// The batch, float32 `[n, c, z, y, x]`.
    batch: String,
    /// Where the outputs are to be written, `[n, k]`.
    logits: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let weights: Vec<f32> =
        std::env::args().skip(1).map(|weight| weight.parse()).collect::<Result<_, _>>()?;
    let mut stdout = std::io::stdout().lock();
    // The end of the input ends the program.
    for line in std::io::stdin().lock().lines() {
        let request: Result<Request, Box<dyn Error>> = serde_json::from_str(&line?).map_err(Into::into);
        let answer = match request.and_then(|request| classify(&request, &weights)) {
            Ok(()) => "ok".to_owned(),
            Err(error) => serde_json::json!({ "error": error.to_string() }).to_string(),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

fn classify(request: &Request, weights: &[f32]) -> Result<(), Box<dyn Error>> {
    let batch = ArrayFile::parse(&request.batch).read()?.values.into_dimensionality::<ndarray::Ix5>()?;
    let logits = ndarray::Array2::from_shape_fn((batch.dim().0, weights.len()), |(image, output)| {
        let channel = batch.slice(ndarray::s![image, 0, .., .., ..]);
        weights[output] * channel.mean().unwrap_or(0.0)
    });
    Ok(npy::write(Path::new(&request.logits), logits.view().into_dyn())?)
}
