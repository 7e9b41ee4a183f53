//! Pooling and resampling against their compositions of candle's operations.

use crate::{Mode, Pool3dParams, compose};
use candle_core::{Device, Result, Tensor, Var};
use proptest::prelude::*;

/// Numbers among which some are equal, so that a maximum may stand twice in a window.
fn rough(dims: &[usize], seed: usize) -> Tensor {
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|i| ((i * 7919 + seed * 31) % 23) as f32 / 7.0 - 1.5).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn close(found: &Tensor, want: &Tensor, what: &str) {
    assert_eq!(found.dims(), want.dims(), "{what}");
    let list = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (i, (f, w)) in list(found).iter().zip(list(want)).enumerate() {
        assert!((f - w).abs() <= 1e-5 * w.abs().max(1.0), "{what} {i}: {f} is not {w}");
    }
}

/// Both ways, the input as it is and as a view with other strides.
fn both(
    dims: [usize; 5],
    found: impl Fn(&Tensor) -> Result<Tensor>,
    want: impl Fn(&Tensor) -> Result<Tensor>,
) {
    let [n, c, d, h, w] = dims;
    let x = Var::from_tensor(&rough(&[n, c, w, h, d], 3)).unwrap();
    let views = [x.reshape(&dims).unwrap(), x.transpose(2, 4).unwrap()];
    for view in views {
        let (found, want) = (found(&view).unwrap(), want(&view).unwrap());
        close(&found, &want, "output");
        let direction = rough(found.dims(), 5);
        let gradient = |y: Tensor| {
            let store = (y * &direction).unwrap().sum_all().unwrap().backward().unwrap();
            store.get(&x).unwrap().clone()
        };
        close(&gradient(found), &gradient(want), "gradient");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pooling_agrees_with_its_composition(
        n in 1usize..3, c in 1usize..5, size in [1usize..9, 1usize..9, 1usize..9],
        kernel in [1usize..4, 1usize..4, 1usize..4], stride in [1usize..4, 1usize..4, 1usize..4], padded in any::<bool>(),
    ) {
        let padding = kernel.map(|k| if padded { k / 2 } else { 0 });
        let params = Pool3dParams { kernel, stride, padding };
        prop_assume!(params.output_size(size).is_some());
        let dims = [n, c, size[0], size[1], size[2]];
        both(dims, |x| crate::max_pool3d(x, params), |x| compose::max_pool3d(x, params));
        both(dims, |x| crate::avg_pool3d(x, params), |x| compose::avg_pool3d(x, params));
        both(dims, crate::global_avg_pool3d, compose::global_avg_pool3d);
    }

    #[test]
    fn resampling_agrees_with_its_composition(
        n in 1usize..3, c in 1usize..4, size in [1usize..7, 1usize..7, 1usize..7],
        to in [1usize..12, 1usize..12, 1usize..12], mode in 0usize..3,
    ) {
        let mode = [Mode::Nearest, Mode::Trilinear { align_corners: false }, Mode::Trilinear { align_corners: true }][mode];
        let dims = [n, c, size[0], size[1], size[2]];
        both(dims, |x| crate::upsample3d(x, to, mode), |x| compose::upsample3d(x, to, mode));
    }
}

#[test]
fn a_maximum_that_is_no_number_stays() {
    let x = Tensor::new(&[1f32, f32::NAN, 3.0, 2.0], &Device::Cpu).unwrap().reshape((1, 1, 1, 1, 4)).unwrap();
    let params = Pool3dParams { kernel: [1, 1, 2], stride: [1, 1, 2], padding: [0; 3] };
    let y = crate::max_pool3d(&x, params).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1] == 3.0, "{y:?}");
}

#[test]
fn threads_do_not_change_a_byte() {
    let x = Var::from_tensor(&rough(&[2, 5, 9, 8, 11], 1)).unwrap();
    let run = || {
        let y = crate::max_pool3d(&x, Pool3dParams::cubic(3, 2, 1)).unwrap();
        let y = crate::upsample3d(&y, [7, 11, 13], Mode::Trilinear { align_corners: false }).unwrap();
        let y = crate::avg_pool3d(&y, Pool3dParams::cubic(3, 2, 1)).unwrap();
        let store =
            crate::global_avg_pool3d(&y.sqr().unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
        store.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert_eq!(on(1), on(4));
}
