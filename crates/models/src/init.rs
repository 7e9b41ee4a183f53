//! Seeded initialisation: each parameter is drawn from its own stream, keyed by its name, so that its values do not depend
//! on the order of construction or on other parameters.
//!
//! Distributions are those of MONAI's `resnet`: convolutions normal with He et al.'s deviation by fan-out
//! (<https://doi.org/10.1109/ICCV.2015.123>), batch norm 1 and 0, other layers uniform in ±1/√fan-in.

use candle_core::Shape;
use candle_nn::{
    Init,
    init::{FanInOut, NonLinearity, NormalOrUniform},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Initialisation of convolutions before batch norm and ReLU.
pub const CONVOLUTION: Init =
    Init::Kaiming { dist: NormalOrUniform::Normal, fan: FanInOut::FanOut, non_linearity: NonLinearity::ReLU };

/// Initialisation of other layers with `fan_in` inputs per output.
pub fn uniform(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Returns the generator of a parameter.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fnv1a(name.as_bytes()));
    rng
}

/// Draws the values of a parameter.
pub(crate) fn draw(name: &str, shape: &Shape, init: Init, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, name);
    let count = shape.elem_count();
    let mut normal = |mean: f64, deviation: f64| -> Vec<f32> {
        (0..count).map(|_| (mean + deviation * rng.sample::<f64, _>(StandardNormal)) as f32).collect()
    };
    match init {
        Init::Const(value) => vec![value as f32; count],
        Init::Randn { mean, stdev } => normal(mean, stdev),
        Init::Uniform { lo, up } => (0..count).map(|_| rng.random_range(lo..=up) as f32).collect(),
        Init::Kaiming { dist, fan, non_linearity } => {
            let deviation = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0.0, deviation),
                NormalOrUniform::Uniform => {
                    let bound = 3f64.sqrt() * deviation;
                    (0..count).map(|_| rng.random_range(-bound..=bound) as f32).collect()
                }
            }
        }
    }
}

/// The 64-bit FNV-1a hash (<http://www.isthe.com/chongo/tech/comp/fnv/>): stable, unlike the standard library's.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_depends_on_its_name_and_the_seed_alone() {
        let shape = Shape::from((4, 3, 2, 2, 2));
        let a = draw("layer1.0.conv1.weight", &shape, CONVOLUTION, 7);
        assert_eq!(a, draw("layer1.0.conv1.weight", &shape, CONVOLUTION, 7));
        assert_ne!(a, draw("layer1.0.conv2.weight", &shape, CONVOLUTION, 7));
        assert_ne!(a, draw("layer1.0.conv1.weight", &shape, CONVOLUTION, 8));
    }

    #[test]
    fn deviations_are_those_of_the_distributions() {
        let shape = Shape::from((32, 16, 3, 3, 3));
        let deviation = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
            f64::from(square / values.len() as f32).sqrt()
        };
        let he = (2.0 / (32.0 * 27.0f64)).sqrt();
        let drawn = deviation(&draw("w", &shape, CONVOLUTION, 1));
        assert!((drawn / he - 1.0).abs() < 0.03, "{drawn} beside {he}");
        let values = draw("w", &shape, uniform(432), 1);
        let bound = (1.0 / 432f64).sqrt();
        assert!(values.iter().all(|&v| f64::from(v).abs() <= bound));
        assert!((deviation(&values) / (bound / 3f64.sqrt()) - 1.0).abs() < 0.03);
    }
}
